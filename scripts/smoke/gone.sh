#!/usr/bin/env bash
# Devices that vanish while frames pass: a container's TAP and the interface of the uplink are deleted and come back. The
# others lose nothing, frames for the vanished have a named drop, and the ledger balances.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 peer c1 c2 c3
underlay node1 peer
address peer ul0 192.0.2.2/24

config_switch node1
config_uplink node1 192.0.2.1/24
for n in 1 2 3; do
    config_tap node1 "c$n" blue "02:00:00:00:00:0$n" "10.0.0.$n/24"
done
config_network node1 blue 1
start_millraced node1

# port NAME FIELD: what `show ports` says of it.
port() { millrace node1 show ports --json | jq -er --arg port "$1" --arg field "$2" '.ports[] | select(.name == $port)[$field]'; }
is_port() { [[ $(port "$1" "$2") == "$3" ]]; }
is_gone() { [[ $(port "$1" gone) == *"$2"* ]]; }

for n in c1 c2 c3 up0; do
    wait_until 10 "port $n" is_port "$n" state up
done
ping_all c1=10.0.0.1 c2=10.0.0.2 c3=10.0.0.3
wait_until 10 "the node to answer" in_ns peer ping -n -c 1 -W 1 192.0.2.1

step "both deleted, under load between c1 and c2"
spawn_in c1 "$WORK/load.log" "$ROOT/scripts/smoke/echo.py" 10.0.0.2 1400 0.005 5
LOAD=$SPAWNED
in_ns c1 ping -n -q -f -w 2 10.0.0.3 >"$WORK/flood.log" 2>&1 &
FLOOD=$!
sleep 0.3
ip -n "$(ns c3)" link del eth0
ip -n "$(ns peer)" link del ul0
wait_until 5 "c3 to be gone" is_gone c3 deleted
wait_until 5 "the uplink to be gone" is_gone up0 deleted
wait "$FLOOD" || true
expect "frames for c3 with a named drop" "$(dropped node1 tx-unserved)" -gt 0
ledger_balanced node1

step "both back"
underlay node1 peer
address peer ul0 192.0.2.2/24
wait_until 20 "c3 to be back" is_port c3 state up
wait_until 20 "the uplink to be back" is_port up0 state up
wait_until 10 "the node to answer again" in_ns peer ping -n -c 1 -W 1 192.0.2.1
wait_until 10 "c3 to answer again" in_ns c1 ping -n -c 1 -W 1 10.0.0.3
wait "$LOAD" || { cat "$WORK/load.log" >&2; die "c1 and c2 lost frames while the others came and went"; }
ledger_balanced node1

step "a hundred times down and up"
spawn_in c1 "$WORK/load.log" "$ROOT/scripts/smoke/echo.py" 10.0.0.2 400 0.005 5
LOAD=$SPAWNED
for ((flap = 0; flap < 100; flap++)); do
    ip -n "$(ns peer)" link set ul0 down
    ip -n "$(ns peer)" link set ul0 up
done
wait "$LOAD" || { cat "$WORK/load.log" >&2; die "c1 and c2 lost frames while a link flapped"; }
wait_until 10 "the node to answer after the flaps" in_ns peer ping -n -c 1 -W 1 192.0.2.1
expect "lines of the log about the link" "$(grep -c 'port up0: link' "$WORK/node1.log" || true)" -lt 20
ledger_balanced node1
stop_millraced node1
