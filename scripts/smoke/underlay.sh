#!/usr/bin/env bash
# The underlay with Linux at the other end: the node's own address, a VTEP behind a router, a next hop that changes its
# MAC, falls silent and comes back, and outer UDP checksums on and off.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

# node1 === router --- far: the VTEP is one hop away from the link the node is on.
netns_add node1 router far m1 k1
underlay node1 router
routed router far

# far_vxlan [OPTION...]: Linux's VXLAN in `far`, with k1 behind it.
far_vxlan() {
    ip -n "$(ns far)" link add vx1 mtu 1450 type vxlan id 1 dstport 4789 local 198.51.100.2 nolearning "$@"
    ip -n "$(ns far)" link set vx1 master br1 up
    kernel_remote far 1 192.0.2.1
}
ip -n "$(ns far)" link add br1 type bridge
ip -n "$(ns far)" link set br1 up
ip link add eth0 netns "$(ns k1)" mtu 1450 type veth peer name p-k1 netns "$(ns far)" mtu 1450
ip -n "$(ns far)" link set p-k1 master br1 up
address k1 eth0 10.0.0.2/24
ip -n "$(ns k1)" link set eth0 up
far_vxlan noudpcsum

# configure CHECKSUM: writes the switch's file.
configure() {
    config_switch node1
    config_uplink node1 192.0.2.1/24
    echo 'gateway = "192.0.2.254"' >>"$WORK/node1.toml"
    config_tap node1 m1 blue 02:00:00:00:00:01 10.0.0.1/24
    config_network node1 blue 1 to-far
    config_tunnel node1 to-far 198.51.100.2 4789
    echo "checksum = $1" >>"$WORK/node1.toml"
}
configure false
start_millraced node1

# tunnel FIELD: what `show tunnels` says of the only one.
tunnel() { millrace node1 show tunnels --json | jq -er --arg field "$1" '.tunnels[0][$field]'; }
is_tunnel() { [[ $(tunnel "$1") == "$2" ]]; }

step "the node's own address: ARP and ping, in all sizes the link carries"
ip -n "$(ns router)" neigh flush dev ul0
wait_until 10 "the node to answer" in_ns router ping -n -c 1 -W 1 192.0.2.1
for octets in 0 1 17 18 56 1000 1471 1472; do
    in_ns router ping -n -q -c 1 -W 5 -M 'do' -s "$octets" 192.0.2.1 >"$WORK/ping.log" ||
        { cat "$WORK/ping.log" >&2; die "no answer to pings of $octets octets"; }
done
ping_from far 192.0.2.1

step "a VTEP behind a router"
wait_until 10 "the first answer" in_ns m1 ping -n -c 1 -W 1 10.0.0.2
ping_all m1=10.0.0.1 k1=10.0.0.2
is_tunnel next_hop 192.0.2.254 || die "the next hop is $(tunnel next_hop)"
iperf_tcp m1 k1 10.0.0.2 1
echo "TCP through the router: $RESULT Mbit/s"

step "the router gets another MAC"
ip -n "$(ns router)" link set ul0 address 02:00:00:00:0f:fe
wait_until 10 "pings to get through again" in_ns k1 ping -n -c 1 -W 1 10.0.0.1
is_tunnel next_hop_mac 02:00:00:00:0f:fe || die "the next hop is still at $(tunnel next_hop_mac)"
ping_all m1=10.0.0.1 k1=10.0.0.2

step "outer UDP checksums: on at both ends, on at one"
# with_checksums MILLRACE LINUX: as `true` or `false`, and `udpcsum` or `noudpcsum`; looks at what is on the wire.
with_checksums() {
    configure "$1"
    millrace node1 apply "$WORK/node1.toml" >/dev/null
    ip -n "$(ns far)" link del vx1
    far_vxlan "$2"
    spawn_in router "$WORK/tcpdump.log" tcpdump -n -U --immediate-mode -i ul0 -w "$WORK/wire.pcap" udp port 4789
    local tcpdump=$SPAWNED
    wait_until 10 tcpdump grep -q 'listening on' "$WORK/tcpdump.log"
    wait_until 5 "an answer with checksums $1 and $2" in_ns m1 ping -n -c 1 -W 1 10.0.0.2
    ping_all m1=10.0.0.1 k1=10.0.0.2
    stop_process "$tcpdump"
    local zero='udp.checksum == 0' ours theirs
    ours="ip.src == 192.0.2.1" theirs="ip.src == 198.51.100.2"
    [[ $1 == false ]] || ours+=" && $zero"
    [[ $1 == true ]] || ours+=" && !($zero)"
    [[ $2 == udpcsum ]] || theirs+=" && !($zero)"
    [[ $2 == noudpcsum ]] || theirs+=" && $zero"
    local bad
    # The outer header is the first of its kind in the packet: the inner ones here are ICMP and ARP.
    bad=$(tshark -r "$WORK/wire.pcap" -o udp.check_checksum:TRUE -Y "udp.checksum.status == 0 || ($ours) || ($theirs)" 2>/dev/null)
    [[ -z $bad ]] || die "with checksums $1 and $2: $bad"
}
with_checksums true udpcsum
with_checksums false udpcsum
with_checksums true noudpcsum
expect "checksums found wrong" "$(dropped node1 outer-udp-checksum)" -eq 0

step "the router falls silent: known for a while, then unresolved, then back"
ip -n "$(ns router)" link set ul0 arp off
wait_until 40 "the tunnel to be unresolved" is_tunnel state unresolved
before=$(dropped node1 next-hop-unresolved)
! in_ns m1 ping -n -c 2 -i 0.2 -W 1 10.0.0.2 >/dev/null || die "a ping came through without a next hop"
expect "frames dropped for want of a next hop" "$(dropped node1 next-hop-unresolved)" -gt "$before"
ip -n "$(ns router)" link set ul0 arp on
wait_until 10 "the tunnel to be resolved" is_tunnel state resolved
wait_until 5 "an answer" in_ns m1 ping -n -c 1 -W 1 10.0.0.2
ping_all m1=10.0.0.1 k1=10.0.0.2
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
stop_millraced node1
