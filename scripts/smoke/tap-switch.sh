#!/usr/bin/env bash
# One switch, three containers on TAPs: it learns, floods, counts everything, and leaves nothing behind. Then two workers, which
# share the flows of two containers.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 c1 c2 c3
config_switch node1
for i in 1 2 3; do
    config_tap node1 "c$i" blue "02:00:00:00:00:0$i" "10.0.0.$i/24"
done
config_network node1 blue 1
start_millraced node1

ping_all c1=10.0.0.1 c2=10.0.0.2 c3=10.0.0.3
iperf_tcp c1 c2 10.0.0.2
echo "TCP: $RESULT Mbit/s"
for i in 1 2 3; do
    millrace node1 show macs --json | jq -e --arg mac "02:00:00:00:00:0$i" 'any(.macs[]; .mac == $mac)' >/dev/null ||
        die "02:00:00:00:00:0$i was not learned"
done
expect "frames copied by flooding" "$(in_ledger node1 .total.copied)" -gt 0
ledger_balanced node1

# at_rest: a worker that nobody sends anything, and that says what it has used of its CPU before, leaves that to others.
at_rest() {
    millrace node1 show workers --json |
        jq -e 'all(.workers[]; .cpu_time_us > 100000 and .load_permille != null and .load_permille < 700)' >/dev/null
}
wait_until 15 "the worker to rest" at_rest

stop_millraced node1
! ip -n "$(ns c1)" link show eth0 >/dev/null 2>&1 || die "the TAP in c1 survived the switch"
[[ ! -e $WORK/node1.sock ]] || die "the socket survived the switch"

config_switch node1 2
for i in 1 2; do
    config_tap node1 "c$i" blue "02:00:00:00:00:0$i" "10.0.0.$i/24" "0, 1"
done
config_network node1 blue 1
start_millraced node1
iperf_server c2
iperf_client c1 -c 10.0.0.2 -t 1 -P 16
expect "frames received by the worker that received fewest" "$(in_ledger node1 '[.workers[].rx] | min')" -gt 100
ledger_balanced node1
stop_millraced node1
