#!/usr/bin/env bash
# Millrace ↔ Linux's own VXLAN over IPv6, on ports 4789 and 8472, with IPv4 beside it on the same uplink: ping, TCP, UDP,
# neighbour discovery both ways, UDP checksums of zero refused and allowed, and tshark finds nothing to object to.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 linux m1 m2 m3 k1 k2 k3
underlay node1 linux
in_ns linux sysctl -qw net.ipv6.conf.ul0.disable_ipv6=0 net.ipv6.conf.ul0.accept_dad=0 net.ipv6.conf.ul0.ndisc_notify=1
address linux ul0 192.0.2.2/24
address linux ul0 2001:db8::2/64

# linux_vxlan6 VNI PORT [OPTION...]: Linux's end of a network over IPv6, attached to its bridge if that exists.
linux_vxlan6() {
    local vni=$1 port=$2 node
    node=$(ns linux)
    shift 2
    ip -n "$node" link del "vx$vni" 2>/dev/null || true
    ip -n "$node" link add "vx$vni" mtu 1430 type vxlan id "$vni" dstport "$port" local 2001:db8::2 dev ul0 \
        nolearning "$@"
    kernel_remote linux "$vni" 2001:db8::1
    ip -n "$node" link set "vx$vni" up
    ip -n "$node" link show "br$vni" >/dev/null 2>&1 || return 0
    ip -n "$node" link set "vx$vni" master "br$vni"
}
linux_vxlan6 1 4789
linux_vxlan6 4096 8472
kernel_vxlan linux 7 4789 192.0.2.2
kernel_remote linux 7 192.0.2.1
kernel_bridge linux 1 k1 10.0.1.2/24 1430
kernel_bridge linux 4096 k2 10.0.2.2/24 1430
kernel_bridge linux 7 k3 10.0.3.2/24 1450

# configure [LINE...]: the switch's file; the lines are added to the tunnel on port 4789.
configure() {
    config_switch node1
    config_uplink node1 '192.0.2.1/24", "2001:db8::1/64'
    config_tap node1 m1 one 02:00:00:00:01:01 10.0.1.1/24
    config_tap node1 m2 two 02:00:00:00:02:01 10.0.2.1/24
    config_tap node1 m3 three 02:00:00:00:03:01 10.0.3.1/24
    config_network node1 one 1 six-4789
    config_network node1 two 4096 six-8472
    config_network node1 three 7 four-4789
    config_tunnel node1 six-8472 2001:db8::2 8472
    config_tunnel node1 four-4789 192.0.2.2 4789
    config_tunnel node1 six-4789 2001:db8::2 4789
    (($# == 0)) || printf '%s\n' "$@" >>"$WORK/node1.toml"
}
apply() {
    configure "$@"
    millrace node1 apply "$WORK/node1.toml" >"$WORK/apply.log" || { cat "$WORK/apply.log" >&2; die "apply failed"; }
}
uplink_mac() { ip -n "$(ns node1)" -j link show ul0 | jq -er '.[0].address'; }

# captured FILTER: how many captured frames tshark finds, with every checksum looked at.
captured() {
    tshark -r "$WORK/wire.pcap" -d udp.port==4789,vxlan -d udp.port==8472,vxlan -o ip.check_checksum:TRUE \
        -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
        -Y "$1" 2>/dev/null | wc -l
}
start_capture() {
    spawn_in linux "$WORK/tcpdump.log" tcpdump -n -U --immediate-mode -s 0 -i ul0 -w "$WORK/wire.pcap" udp or icmp6
    TCPDUMP=$SPAWNED
    wait_until 10 "tcpdump" grep -q 'listening on' "$WORK/tcpdump.log"
}
# in_capture FILTER: whether the capture under way has such a frame.
in_capture() { (($(captured "$1") > 0)); }

configure
start_capture
start_millraced node1

step "the node itself: neighbour discovery and ping, by its global and its link-local address"
wait_until 10 "the node to answer ping" in_ns linux ping -n -c 1 -W 1 2001:db8::1
for octets in 0 1 56 1000 1452; do
    in_ns linux ping -n -q -c 2 -i 0.05 -W 2 -s "$octets" 2001:db8::1 >"$WORK/ping.log" ||
        { cat "$WORK/ping.log" >&2; die "no answer to pings of $octets octets"; }
done
in_ns linux ping -n -q -c 2 -i 0.05 -W 2 192.0.2.1 >/dev/null || die "no answer over IPv4"
IFS=: read -r a b c d e f <<<"$(uplink_mac)"
link_local=$(printf 'fe80::%02x%s:%sff:fe%s:%s%s%%ul0' $((0x$a ^ 2)) "$b" "$c" "$d" "$e" "$f")
wait_until 10 "the link-local address $link_local to answer" in_ns linux ping -n -c 1 -W 1 "$link_local"

step "ping, TCP and UDP over both families at once"
wait_until 10 "the first answer across VNI 1" in_ns m1 ping -n -c 1 -W 1 10.0.1.2
wait_until 10 "the first answer across VNI 4096" in_ns m2 ping -n -c 1 -W 1 10.0.2.2
wait_until 10 "the first answer across VNI 7" in_ns m3 ping -n -c 1 -W 1 10.0.3.2
ping_all m1=10.0.1.1 k1=10.0.1.2
ping_all m2=10.0.2.1 k2=10.0.2.2
ping_all m3=10.0.3.1 k3=10.0.3.2
in_ns m1 ping -n -q -c 2 -i 0.05 -W 2 -M 'do' -s 1402 10.0.1.2 >/dev/null || die "an MTU of 1430 does not get through"
stop_process "$TCPDUMP"
ours="eth.src == $(uplink_mac)"
over6='ipv6.src == 2001:db8::1'
for sent in "$over6 && udp.dstport == 4789 && vxlan.vni == 1" "$over6 && udp.dstport == 8472 && vxlan.vni == 4096" \
    "ip.src == 192.0.2.1 && udp.dstport == 4789 && vxlan.vni == 7"; do
    expect "frames with $sent" "$(captured "$ours && $sent")" -gt 0
done
expect "frames tshark objects to" "$(captured "$ours && (_ws.malformed || ip.checksum.status == 0 \
    || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0 \
    || (icmpv6.type == 135 || icmpv6.type == 136) && ipv6.hlim != 255)")" -eq 0
expect "outer UDP checksums left out over IPv6" "$(captured "$ours && $over6 && udp.checksum == 0")" -eq 0
iperf_tcp m1 k1 10.0.1.2 1
echo "TCP to Linux over IPv6: $RESULT Mbit/s"
iperf_tcp k2 m2 10.0.2.1 1
echo "TCP from Linux over IPv6: $RESULT Mbit/s"
iperf_tcp m3 k3 10.0.3.2 1
echo "TCP to Linux over IPv4: $RESULT Mbit/s"
iperf_udp m2 k2 10.0.2.2 20M 1
echo "UDP to Linux over IPv6 at 20 Mbit/s: $RESULT % lost"

step "neighbour discovery: Linux probes the node by unicast, and the node follows Linux to another MAC"
is_reachable() { ip -n "$(ns linux)" -6 neigh show 2001:db8::1 dev ul0 | grep -q "$(uplink_mac).*REACHABLE"; }
ip -n "$(ns linux)" neigh change 2001:db8::1 dev ul0 lladdr "$(uplink_mac)" nud probe
wait_until 10 "the node to answer a probe by unicast" is_reachable
next_hop_mac() { millrace node1 show tunnels --json | jq -er '.tunnels[] | select(.name == "six-4789") | .next_hop_mac'; }
is_next_hop_mac() { [[ $(next_hop_mac) == "$1" ]]; }
in_ns linux ip link set ul0 address 02:00:00:00:0f:06
wait_until 15 "the node to know Linux's new MAC" is_next_hop_mac 02:00:00:00:0f:06
wait_until 10 "pings to get through again" in_ns m1 ping -n -c 1 -W 1 10.0.1.2

step "UDP checksums of zero: refused until they are allowed"
linux_vxlan6 1 4789 udp6zerocsumtx udp6zerocsumrx
in_ns m1 ping -n -q -c 2 -i 0.1 -W 1 10.0.1.2 >/dev/null && die "packets without a checksum are taken"
expect "packets refused" "$(dropped node1 outer-udp-zero-checksum)" -gt 0
apply 'udp6_zero_checksum_rx = true'
wait_until 10 "packets without a checksum to be taken" in_ns m1 ping -n -c 1 -W 1 10.0.1.2
start_capture
apply 'checksum = false' 'udp6_zero_checksum_tx = true' 'udp6_zero_checksum_rx = true'
ping_all m1=10.0.1.1 k1=10.0.1.2
stop_process "$TCPDUMP"
expect "packets we sent without a checksum" "$(captured "$ours && $over6 && udp.checksum == 0")" -gt 0
linux_vxlan6 1 4789
in_ns m1 ping -n -q -c 2 -i 0.1 -W 1 10.0.1.2 >/dev/null && die "Linux takes packets without a checksum unasked"
apply
wait_until 10 "packets with a checksum to be taken again" in_ns m1 ping -n -c 1 -W 1 10.0.1.2

step "what is known is asked again, by unicast"
start_capture
refreshed="$ours && icmpv6.type == 135 && eth.dst == 02:00:00:00:0f:06"
wait_until 30 "a solicitation by unicast" in_capture "$refreshed"
stop_process "$TCPDUMP"
is_next_hop_mac 02:00:00:00:0f:06 || die "the next hop is lost: $(next_hop_mac)"

ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
stop_millraced node1
