#!/usr/bin/env bash
# Millrace ↔ Millrace over VXLAN: two nodes, two containers each, with one worker and with two that hand frames over.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 node2 a1 a2 b1 b2
underlay node1 node2

# node NAME ADDRESS REMOTE WORKERS CONTAINER...: containers live on worker 0, the uplink on the last.
node() {
    local name=$1 address=$2 remote=$3 workers=$4 container digit=${2##*.}
    shift 4
    config_switch "$name" "$workers"
    config_uplink "$name" "$address/24" $((workers - 1))
    for container in "$@"; do
        config_tap "$name" "$container" blue "02:00:00:00:0$digit:0${container#?}" "10.0.$digit.${container#?}/16"
    done
    config_network "$name" blue 4096 peer
    config_tunnel "$name" peer "$remote" 8472
    start_millraced "$name"
}

for workers in 1 2; do
    step "$workers workers"
    node node1 192.0.2.1 192.0.2.2 "$workers" a1 a2
    node node2 192.0.2.2 192.0.2.1 "$workers" b1 b2
    wait_until 10 "the first answer across the tunnel" in_ns a1 ping -n -c 1 -W 1 10.0.2.1
    ping_all a1=10.0.1.1 a2=10.0.1.2 b1=10.0.2.1 b2=10.0.2.2
    iperf_tcp a1 b1 10.0.2.1
    echo "TCP across: $RESULT Mbit/s"
    iperf_tcp a1 a2 10.0.1.2
    echo "TCP within: $RESULT Mbit/s"
    for name in node1 node2; do
        ledger_balanced "$name"
        expect "$name: frames lost" "$(in_ledger "$name" .total.lost)" -eq 0
        ((workers == 1)) || expect "$name: frames handed over" "$(in_ledger "$name" .total.handed)" -gt 0
        stop_millraced "$name"
    done
done
