#!/usr/bin/env bash
# Ports of kind "eth" that need no hardware: a container on a veth (net_af_packet), two switches over shared memory
# (net_memif), a capture replayed into a container octet by octet and written to a file (net_pcap), net_ring and net_null.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

netns_add node1 node2 c1 c2 v1

# is_up SWITCH PORT: served, and its link is there (or the device does not tell).
is_up() {
    millrace "$1" show ports --json |
        jq -e --arg port "$2" '.ports[] | select(.name == $port) | .state == "up" and .link != "down"'
}

step "a container on a veth"
ip link add eth0 netns "$(ns v1)" type veth peer name veth1 netns "$(ns node1)"
no_offloads v1 eth0
no_offloads node1 veth1
address v1 eth0 10.0.0.9/24
ip -n "$(ns v1)" link set eth0 up
ip -n "$(ns node1)" link set veth1 up
config_switch node1
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_network node1 blue 1
config_eth node1 veth net_af_packet0,iface=veth1 blue
start_millraced node1
wait_until 5 "the port to be up" is_up node1 veth
ping_all c1=10.0.0.1 v1=10.0.0.9
iperf_tcp v1 c1 10.0.0.1 1
echo "TCP: $RESULT Mbit/s"
ip -n "$(ns v1)" link set eth0 down
link_is_down() { ! is_up node1 veth; }
wait_until 5 "the link to be seen going down" link_is_down
ip -n "$(ns v1)" link set eth0 up
wait_until 5 "the link to be seen coming back" is_up node1 veth
ping_from v1 10.0.0.1

step "two switches over net_memif"
config_eth node1 mem "net_memif0,role=server,id=1,socket=$WORK/memif.sock,socket-abstract=no" blue
millrace node1 apply "$WORK/node1.toml" >/dev/null
config_switch node2
config_tap node2 c2 blue 02:00:00:00:00:02 10.0.0.2/24
config_network node2 blue 1
config_eth node2 mem "net_memif0,role=client,id=1,socket=$WORK/memif.sock,socket-abstract=no" blue
start_millraced node2
wait_until 10 "the link of node1's memif" is_up node1 mem
wait_until 10 "the link of node2's memif" is_up node2 mem
ping_all c1=10.0.0.1 c2=10.0.0.2 v1=10.0.0.9
iperf_tcp c1 c2 10.0.0.2 1
echo "TCP over memif: $RESULT Mbit/s"
ledger_balanced node2
stop_millraced node2
ping_all c1=10.0.0.1 v1=10.0.0.9

step "a capture replayed into a container, and all the container says written to another"
# capture FILE: 100 broadcast frames of 60 to 1514 octets, of an ethertype for experiments.
python3 - "$WORK/in.pcap" <<'PYTHON'
import random, struct, sys
rng = random.Random(7)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for number in range(100):
        length = (60, 61, 64, 1513, 1514)[number] if number < 5 else rng.randrange(60, 1515)
        frame = b"\xff" * 6 + b"\x02\0\0\0\0\x42" + struct.pack("!HH", 0x88B5, number) + rng.randbytes(length - 16)
        file.write(struct.pack("<IIII", 0, number, length, length) + frame)
PYTHON
spawn_in c1 "$WORK/tcpdump.log" tcpdump -n -U --immediate-mode -s 1600 -Q in -i eth0 -w "$WORK/seen.pcap" ether proto 0x88b5
wait_until 10 tcpdump grep -q 'listening on' "$WORK/tcpdump.log"
config_eth node1 replay "net_pcap0,rx_pcap=$WORK/in.pcap,tx_pcap=$WORK/out.pcap" blue
millrace node1 apply "$WORK/node1.toml" >/dev/null
is_up node1 replay >/dev/null || die "the port is not up"
# same_frames: whether both captures hold the same octets in the same order.
same_frames() {
    python3 - "$WORK/in.pcap" "$WORK/seen.pcap" <<'PYTHON'
import struct, sys
def frames(path):
    data = open(path, "rb").read()
    at, found = 24, []
    while at + 16 <= len(data):
        length, = struct.unpack_from("<I", data, at + 8)
        found.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return found
sys.exit(frames(sys.argv[1]) != frames(sys.argv[2]))
PYTHON
}
wait_until 10 "the capture to arrive as it was" same_frames
echo "100 frames arrived octet by octet"
ip -n "$(ns c1)" neigh flush dev eth0 # so that it asks everybody, the capture too
ping_all c1=10.0.0.1 v1=10.0.0.9

step "net_ring and net_null"
config_network node1 red 2
config_eth node1 ring net_ring0 red
config_eth node1 null net_null0,no-rx=1 red
millrace node1 apply "$WORK/node1.toml" >/dev/null
for port in ring null; do
    is_up node1 "$port" >/dev/null || die "$port is not up"
done
step "what was chosen for these devices"
millrace node1 show ports --json | jq -e '[.ports[] | select(.kind == "eth") | .choices | length > 12] | length == 5 and all' \
    >/dev/null || die "a device has no choices"
short=$(millrace node1 show ports --json | jq -r '.ports[] | .name as $port | .choices[] | select(.falls_short) | "\($port): \(.what) \(.chosen): \(.why)"')
[[ -z $short ]] || die "something falls short: $short"
millrace node1 show ports --detail | sed '1,/^$/d;1,/^$/d'
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
stop_millraced node1
written=$(tshark -r "$WORK/out.pcap" -Y 'arp.src.hw_mac == 02:00:00:00:00:01' 2>/dev/null | wc -l)
expect "questions written to the capture" "$written" -gt 0
