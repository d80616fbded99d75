#!/usr/bin/env bash
# Path MTU discovery across the switch, with Linux as judge: an underlay that narrows behind a router, and containers with
# wrong MTUs set by hand. Senders are told what fits, TCP gets through, and forged errors change nothing.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

# node1 =1500= router =1400= far: the uplink promises more than there is.
netns_add node1 router far m1 m2 k1
underlay node1 router 1500
routed router far 1400
kernel_vxlan far 1 4789 198.51.100.2 learning 1350
kernel_remote far 1 192.0.2.1
kernel_bridge far 1 k1 10.0.0.3/24 1500
address k1 eth0 fd00::3/64

config_switch node1
config_uplink node1 192.0.2.1/24
echo 'gateway = "192.0.2.254"' >>"$WORK/node1.toml"
# A second address goes with the first one's quotation marks.
config_tap node1 m1 blue 02:00:00:00:00:01 '10.0.0.1/24 fd00::1/64'
config_tap node1 m2 blue 02:00:00:00:00:02 '10.0.0.2/24 fd00::2/64'
echo 'mtu = 1300' >>"$WORK/node1.toml"
config_network node1 blue 1 to-far
config_tunnel node1 to-far 198.51.100.2 4789
start_millraced node1

# probe FROM ADDRESS OCTETS: sends one such packet, not to be fragmented; nobody waits for an answer.
probe() { in_ns "$1" ping -n -c 1 -W 1 -M 'do' -s $(($3 - 28)) "$2" >/dev/null 2>&1 || true; }

# told FROM ADDRESS MTU [OCTETS]: whether the kernel there has been told, after one more packet of that many octets.
told() {
    [[ -z ${4:-} ]] || probe "$1" "$2" "$4"
    ip -n "$(ns "$1")" route get "$2" | grep -q "mtu $3 "
}

# mtu FILTER: what jq's FILTER makes of `show mtu`.
mtu() { millrace node1 show mtu --json | jq -er "$1"; }

step "a router of the underlay says that its next link is narrower"
for from in m1 m2 k1; do wait_until 10 "the first answer of $from" in_ns "$from" ping -n -c 1 -W 1 10.0.0.1; done
wait_until 10 "the first answer across the tunnel" in_ns m1 ping -n -c 1 -W 1 10.0.0.3
expect "paths that are lowered" "$(mtu '.paths | length')" -eq 0
lowered() {
    probe m1 10.0.0.3 1450
    [[ $(mtu '.paths[0].mtu') == 1400 ]]
}
wait_until 20 "the path to be lowered to 1400" lowered
expect "what is left inside" "$(mtu '.paths[0].inner')" -eq 1350
expect "the tunnel's MTU" "$(millrace node1 show tunnels --json | jq -er '.tunnels[0].mtu')" -eq 1350
wait_until 20 "m1 to be told 1350" told m1 10.0.0.3 1350 1450

step "containers with an MTU of 1500 set by hand: TCP over the tunnel, and within the node"
for container in m1 m2; do
    ip -n "$(ns "$container")" link set eth0 mtu 1500
    ip -n "$(ns "$container")" route flush cache
done
for address in 10.0.0.3 fd00::3; do
    iperf_tcp m1 k1 "$address" 2
    echo "TCP over the tunnel to $address: $RESULT Mbit/s"
    wait_until 1 "m1 to have been told 1350 for $address" told m1 "$address" 1350
done
for address in 10.0.0.2 fd00::2; do
    iperf_tcp m1 m2 "$address" 2
    echo "TCP within the node to $address: $RESULT Mbit/s"
    wait_until 1 "m1 to have been told 1300 for $address" told m1 "$address" 1300
done
expect "frames too big for m2" "$(dropped node1 mtu-exceeded)" -gt 0
expect "frames too big for the tunnel" "$(dropped node1 mtu-exceeded-underlay)" -gt 0
expect "the last one's octets" "$(mtu '.too_big[0].octets')" -gt 1300

step "what comes out of the tunnel and is too big for its port is answered through the tunnel"
in_ns k1 ip route flush cache
wait_until 20 "k1 to be told 1300" told k1 10.0.0.2 1300 1350

step "errors forged about packets that nobody sent"
# forge PORT MTU: as if from the router, about a packet of the tunnel's addresses to that UDP port.
forge() {
    in_ns router python3 -c '
import socket, struct, sys
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
port, mtu = int(sys.argv[1]), int(sys.argv[2])
ends = socket.inet_aton("192.0.2.1") + socket.inet_aton("198.51.100.2")
quoted = struct.pack("!BBHHHBBH", 0x45, 0, 1500, 0, 0x4000, 64, 17, 0) + ends + struct.pack("!HHHH", 50000, port, 1480, 0)
message = lambda total: struct.pack("!BBHHH", 3, 4, total, 0, mtu) + quoted
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(message(checksum(message(0))), ("192.0.2.1", 0))
' "$1" "$2"
}
forged() { millrace node1 show drops --json | jq -er '.host[] | select(.reason == "host-not-our-packet") | .frames'; }
expect "forged errors so far" "$(forged)" -eq 0
for port in 4788 4790 53; do forge "$port" 600; done
refused() { [[ $(forged) == 3 ]]; }
wait_until 10 "three forged errors to be refused" refused
expect "the path's MTU" "$(mtu '.paths[0].mtu')" -eq 1400
forge 4789 68
bounded() { [[ $(mtu '.paths[0].mtu') == 576 ]]; }
wait_until 10 "a perfect forgery to be bounded by 576" bounded
ping_from m1 10.0.0.3

ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
stop_millraced node1
