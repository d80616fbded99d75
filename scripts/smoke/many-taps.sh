#!/usr/bin/env bash
# Twenty containers on one worker, which looks only at those of them that have something: all of them are heard, alone and all at
# once, also where the worker never rests, and also those that come, go and come back meanwhile.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

COUNT=20
mapfile -t NUMBERS < <(seq "$COUNT")
netns_add "${NUMBERS[@]/#/c}" node1

config() {
    config_switch node1
    echo "idle = \"$1\"" >>"$WORK/node1.toml"
    for i in "${NUMBERS[@]}"; do
        config_tap node1 "c$i" blue "02:00:00:00:00:$(printf %02x "$i")" "10.0.0.$i/24"
    done
    config_network node1 blue 1
}

# round: each pings its neighbour, all at once.
round() {
    local i pids=()
    for i in "${NUMBERS[@]}"; do
        in_ns "c$i" "$ROOT/scripts/smoke/echo.py" "10.0.0.$((i % COUNT + 1))" 50 0.01 10 >"$WORK/round-$i.log" 2>&1 &
        pids+=($!)
    done
    for i in "${NUMBERS[@]}"; do
        wait "${pids[i - 1]}" || { cat "$WORK/round-$i.log" >&2; die "c$i was not answered"; }
    done
}

all_up() { millrace node1 show ports --json | jq -e 'all(.ports[]; .state == "up")' >/dev/null; }

for idle in adaptive busy; do
    step "$idle"
    config "$idle"
    start_millraced node1
    wait_until 20 "all ports to be there" all_up
    # One after the other: whoever is asked has been silent for a while.
    for i in "${NUMBERS[@]}"; do
        in_ns "c$i" ping -n -q -c 1 -W 10 "10.0.0.$((i % COUNT + 1))" >/dev/null || die "c$i was not answered"
    done

    step "$idle: one comes and goes while others speak"
    spawn_in c1 "$WORK/load.log" "$ROOT/scripts/smoke/echo.py" 10.0.0.2 400 0.005 10
    LOAD=$SPAWNED
    ip -n "$(ns c20)" link del eth0
    wait_until 20 "c20 to be back" in_ns c20 ping -n -c 1 -W 1 10.0.0.3
    millrace node1 port del c19
    millrace node1 port add c19 --tap --netns "$(ns c19)" --interface eth0 --network blue --mac 02:00:00:00:00:13 --address 10.0.0.19/24
    wait_until 10 "c19 to be back" in_ns c19 ping -n -c 1 -W 1 10.0.0.4
    wait "$LOAD" || { cat "$WORK/load.log" >&2; die "c1 and c2 lost frames while others came and went"; }
    round
    ledger_balanced node1
    stop_millraced node1
done
