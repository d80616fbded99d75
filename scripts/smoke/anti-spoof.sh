#!/usr/bin/env bash
# A container that pretends to be another one is not heard, and every attempt is counted under its own reason.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 good bad
config_switch node1
config_tap node1 good blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 bad blue 02:00:00:00:00:02 10.0.0.2/24
config_network node1 blue 1
start_millraced node1
ping_all good=10.0.0.1 bad=10.0.0.2

# refused REASON COMMAND...: in `bad`; the command must fail, and the reason's counter must rise.
refused() {
    local reason=$1 before
    shift
    before=$(dropped node1 "$reason")
    ! in_ns bad "$@" >"$WORK/refused.log" 2>&1 || die "heard: $*"
    expect "drops for $reason" "$(dropped node1 "$reason")" -gt "$before"
}

step "another source address"
ip -n "$(ns bad)" addr add 10.0.0.66/32 dev eth0
refused spoofed-address ping -n -c 2 -i 0.2 -W 1 -I 10.0.0.66 10.0.0.1

step "another ARP sender"
ip -n "$(ns bad)" neigh flush dev eth0
refused spoofed-neighbour ping -n -c 1 -W 2 -I 10.0.0.66 10.0.0.1
ip -n "$(ns bad)" addr del 10.0.0.66/32 dev eth0

step "another MAC"
ip -n "$(ns bad)" link set eth0 address 02:00:00:00:00:99
refused spoofed-mac ping -n -c 2 -i 0.2 -W 1 10.0.0.1

step "and itself again"
ip -n "$(ns bad)" link set eth0 address 02:00:00:00:00:02
wait_until 10 "an answer to the honest one" in_ns bad ping -n -c 1 -W 1 10.0.0.1
ledger_balanced node1
stop_millraced node1
