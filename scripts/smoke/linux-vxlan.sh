#!/usr/bin/env bash
# Millrace ↔ Linux's own VXLAN, on VNI 1 / port 4789 (Linux learns) and VNI 4096 / port 8472 (Linux is told), with one
# worker and with two: ping, TCP, UDP, learning both ways, and tshark finds nothing to object to in what we send.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 linux m1 m2 k1 k2
underlay node1 linux
address linux ul0 192.0.2.2/24
kernel_vxlan linux 1 4789 192.0.2.2 learning
kernel_vxlan linux 4096 8472 192.0.2.2 nolearning
kernel_remote linux 1 192.0.2.1
kernel_remote linux 4096 192.0.2.1
kernel_bridge linux 1 k1 10.0.1.2/24
kernel_bridge linux 4096 k2 10.0.2.2/24

# mac_of CONTAINER
mac_of() { ip -n "$(ns "$1")" -j link show eth0 | jq -er '.[0].address'; }

# learned MAC: whether the switch knows it.
learned() { millrace node1 show macs --json | jq -e --arg mac "$1" 'any(.macs[]; .mac == $mac)'; }

# clean_capture FILE PORT VNI: what we sent is VXLAN of that VNI, whole, with right checksums, to tshark too.
clean_capture() {
    local read=(tshark -r "$1" -d "udp.port==$2,vxlan" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE
        -o udp.check_checksum:TRUE)
    local ours bad
    ours="eth.src == $(uplink_mac) && udp.dstport == $2"
    expect "VXLAN frames of VNI $3 captured" \
        "$("${read[@]}" -Y "$ours && vxlan.vni == $3" 2>/dev/null | wc -l)" -gt 0
    bad=$("${read[@]}" -Y "$ours && (_ws.malformed || !vxlan || vxlan.vni != $3 || ip.checksum.status == 0 \
        || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0 || udp.srcport < 49152)" 2>/dev/null)
    [[ -z $bad ]] || die "tshark objects to: $bad"
}

# The uplink has the MAC of the interface it is on.
uplink_mac() { ip -n "$(ns node1)" -j link show ul0 | jq -er '.[0].address'; }

for workers in 1 2; do
    step "$workers workers"
    config_switch node1 "$workers"
    config_uplink node1 192.0.2.1/24 $((workers - 1))
    config_tap node1 m1 one 02:00:00:00:01:01 10.0.1.1/24
    config_tap node1 m2 two 02:00:00:00:02:01 10.0.2.1/24
    config_network node1 one 1 to-linux-4789
    config_network node1 two 4096 to-linux-8472
    config_tunnel node1 to-linux-4789 192.0.2.2 4789
    config_tunnel node1 to-linux-8472 192.0.2.2 8472
    start_millraced node1

    spawn_in linux "$WORK/tcpdump.log" tcpdump -n -U --immediate-mode -s 0 -i ul0 -w "$WORK/wire.pcap" udp
    TCPDUMP=$SPAWNED
    wait_until 10 "tcpdump" grep -q 'listening on' "$WORK/tcpdump.log"
    wait_until 10 "the node itself to answer ping" in_ns linux ping -n -c 1 -W 1 192.0.2.1
    wait_until 10 "the first answer across VNI 1" in_ns m1 ping -n -c 1 -W 1 10.0.1.2
    wait_until 10 "the first answer across VNI 4096" in_ns m2 ping -n -c 1 -W 1 10.0.2.2
    ping_all m1=10.0.1.1 k1=10.0.1.2
    ping_all m2=10.0.2.1 k2=10.0.2.2
    stop_process "$TCPDUMP"
    clean_capture "$WORK/wire.pcap" 4789 1
    clean_capture "$WORK/wire.pcap" 8472 4096

    # Into a variable: `grep -q` in a pipe would end `bridge` early, which counts as a failure.
    fdb=$(in_ns linux bridge fdb show dev vx1)
    grep -q "^02:00:00:00:01:01 dst 192.0.2.1" <<<"$fdb" || die "Linux did not learn m1 but: $fdb"
    learned "$(mac_of k1)" >/dev/null || die "Millrace did not learn k1"
    iperf_tcp m1 k1 10.0.1.2
    echo "TCP to Linux: $RESULT Mbit/s"
    iperf_tcp k2 m2 10.0.2.1
    echo "TCP from Linux: $RESULT Mbit/s"
    iperf_udp m2 k2 10.0.2.2 20M
    echo "UDP to Linux at 20 Mbit/s: $RESULT % lost"

    ledger_balanced node1
    expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
    ((workers == 1)) || expect "frames handed over" "$(in_ledger node1 .total.handed)" -gt 0
    stop_millraced node1
done
