#!/usr/bin/env bash
# Containers on TAPs leave segments and checksums to each other: streams arrive octet by octet over IPv4 and IPv6, within a node,
# over VXLAN and VXLAN over IPv6, where they are cut and put together again, whichever end has its offloads switched off by `ethtool` or by `offloads = false`.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-stream.sh"
need_root

MEGABYTES=${MEGABYTES:-12}

# container NODE NAME MAC NUMBER [offloads]: a port for a container with both kinds of addresses.
container() {
    config_tap "$1" "$2" blue "$3" "10.0.0.$4/24 fd00::$4/64"
    echo "offloads = ${5:-true}" >>"$WORK/$1.toml"
}

netns_add node1 node2 a1 a2 b1 b2
underlay node1 node2

step "within a node"
config_switch node1 2
container node1 a1 02:00:00:00:01:01 1
container node1 a2 02:00:00:00:01:02 2
config_network node1 blue 7
start_millraced node1
[[ $(choice node1 a1 offloads) == "checksums, TCP segments"* ]] || skip "this kernel leaves no segments to a TAP"
for address in 10.0.0.2 fd00::2; do
    stream a1 a2 "$address" "$MEGABYTES"
    datagrams a1 a2 "$address"
done
expect "octets a frame" "$(octets_a_frame node1 a1)" -gt 5000
no_bad_sums a1 a2

step "one end switches them off, the other does"
in_ns a1 ethtool -K eth0 tx off tso off gso off
stream a1 a2 10.0.0.2 "$MEGABYTES"
stream a2 a1 fd00::1 "$MEGABYTES"
in_ns a1 ethtool -K eth0 tx on tso on gso on
in_ns a2 ethtool -K eth0 tx off tso off gso off
stream a1 a2 fd00::2 "$MEGABYTES"
in_ns a2 ethtool -K eth0 tx on tso on gso on
no_bad_sums a1 a2

step "a port that has none, opened anew, beside one that has"
sed -i '0,/^offloads = true/s//offloads = false/' "$WORK/node1.toml"
millrace node1 apply "$WORK/node1.toml"
[[ $(choice node1 a1 offloads) == none ]] || die "a1 still has offloads"
stream a2 a1 10.0.0.1 "$MEGABYTES"
stream a1 a2 fd00::2 "$MEGABYTES"
datagrams a2 a1 10.0.0.1
no_bad_sums a1 a2
ledger_balanced node1
stop_millraced node1

# node N OUTER CONTAINER PREFIX: node N of two, tunnelled over the addresses OUTER1 and OUTER2.
node() {
    config_switch "node$1"
    config_uplink "node$1" "$2$1/$4"
    container "node$1" "$3" "02:00:00:00:0$1:01" "$1"
    config_network "node$1" blue 7 peer
    config_tunnel "node$1" peer "$2$((3 - $1))" 4789
    start_millraced "node$1"
}

for outer in "192.0.2. 24" "2001:db8:: 64"; do
    step "between nodes over ${outer%% *}"
    node 1 "${outer% *}" b1 "${outer#* }"
    node 2 "${outer% *}" b2 "${outer#* }"
    wait_until 10 "the first answer across the tunnel" in_ns b1 ping -n -c 1 -W 1 10.0.0.2
    for address in 10.0.0.2 fd00::2; do
        stream b1 b2 "$address" "$MEGABYTES"
        datagrams b1 b2 "$address"
    done
    stream b2 b1 fd00::1 "$MEGABYTES"
    no_bad_sums b1 b2
    expect "segments cut by node1" "$(in_ledger node1 .total.split)" -gt 1000
    expect "segments put together by node2" "$(in_ledger node2 .total.merged)" -gt 100
    for n in 1 2; do
        ledger_balanced "node$n"
        expect "node$n: frames lost" "$(in_ledger "node$n" .total.lost)" -eq 0
        stop_millraced "node$n"
    done
done
