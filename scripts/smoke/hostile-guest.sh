#!/usr/bin/env bash
# Hostile guests, each in its own way, all at once, served by the worker that serves two TAPs and an honest guest, too: those
# lose nothing, each of the others is sent away by name, and when all are gone nothing of them is left.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

GUESTS=$ROOT/scripts/smoke/hostile-guests.py
# Packets a second between the TAPs, and to an address nobody has, which go to every port; and for how long.
RATE=500 FLOOD=200 SECONDS_LONG=6

netns_add node1 c1 c2
config_switch node1
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
config_network node1 blue 1
declare -A REASON=()
while IFS=$'\t' read -r name reason; do REASON[$name]=$reason; done < <("$GUESTS" ways)
config_vhost node1 honest blue 02:00:00:00:00:09
number=0
for name in "${!REASON[@]}"; do
    config_vhost node1 "$name" blue "$(printf "02:00:00:00:01:%02x" "$number")"
    number=$((number + 1))
done
start_millraced node1
PID=${MILLRACED_PID[node1]}
in_ns c1 ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent
in_ns c1 ip neigh replace 10.0.0.200 lladdr 02:00:00:00:00:ee dev eth0 nud permanent
ping_from c1 10.0.0.2

fds() { find "/proc/$PID/fd" -mindepth 1 | wc -l; }
mappings() { grep -c -e memfd: -e /dev/shm "/proc/$PID/maps" || true; }
resident() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$PID/status"; }
ticks() { awk '{print $14 + $15}' "/proc/$PID/stat"; }
turns() { millrace node1 show workers --json | jq -er '[.workers[].turns] | add'; }
bound() { [[ -n $(in_ns c2 ss -Hlun "sport = :9000") ]]; }
honest_in_use() { [[ $(choice node1 honest guest) == "connected, 2 rings in use" ]]; }
answers() { in_ns c1 ping -n -c 1 -W 1 10.0.0.9; }

wait_until 10 "the end of earlier questions" unasked node1
FDS=$(fds) MAPPINGS=$(mappings) RESIDENT=$(resident)

step "${#REASON[@]} hostile guests"
spawn "$WORK/guests.log" "$GUESTS" run "$WORK"
guests=$SPAWNED start=$(now_ms)
wait_until 15 "the honest guest" honest_in_use
wait_until 15 "its first answer" answers
ticks=$(ticks) turns=$(turns)
spawn_in c2 "$WORK/paced.json" "$ROOT/scripts/smoke/paced.py" receive 9000 60
receiver=$SPAWNED
wait_until 20 "the receiver to listen" bound
spawn_in c1 "$WORK/flood.log" "$ROOT/scripts/smoke/paced.py" send 10.0.0.200 9000 "$FLOOD" "$SECONDS_LONG"
spawn_in c1 "$WORK/paced-send.log" "$ROOT/scripts/smoke/paced.py" send 10.0.0.2 9000 "$RATE" "$SECONDS_LONG"
ping_from c1 10.0.0.9 100
wait_until 60 "the end of the traffic" gone "$receiver"
arrived=$(jq -er .received "$WORK/paced.json")
good "of $(jq -er .sent "$WORK/paced.json") packets between the TAPs $arrived arrived, the longest pause was $(jq -er .gap_ms "$WORK/paced.json") ms; 100 pings to the honest guest were answered"
expect "packets lost between the TAPs" "$(jq -er .lost "$WORK/paced.json")" -eq 0
expect "packets that came twice" "$(jq -er .twice "$WORK/paced.json")" -eq 0
# A busy machine takes the processor away, not what a turn costs on it.
cost=$((($(ticks) - ticks) * 1000000 / $(getconf CLK_TCK) / ($(turns) - turns)))
good "a turn took $cost us of processor time in the middle"
expect "microseconds of processor time a turn" "$cost" -lt 1000
# at_fault NAME: whether the log says it of the guest, and in the words it should.
at_fault() { grep -F "port $1: its guest is quarantined: " "$WORK/node1.log" | grep -qF -- "${REASON[$1]}"; }
for name in "${!REASON[@]}"; do
    [[ ${REASON[$name]} == - ]] || wait_until 20 "$name to be sent away: ${REASON[$name]}" at_fault "$name"
done
alive "$guests" || { cat "$WORK/guests.log" >&2; die "a guest met something unexpected"; }
lasted=$((($(now_ms) - start) / 1000))
stop_process "$guests"

step "what the switch says of them"
for name in honest "${!REASON[@]}"; do
    times=$(grep -c -F "port $name: its guest is quarantined: " "$WORK/node1.log" || true)
    if [[ ${REASON[$name]--} == - ]]; then
        expect "quarantines of $name" "$times" -eq 0
        continue
    fi
    expect "quarantines of $name, which are a second apart" "$times" -le $((lasted + 3))
    counted=$(millrace node1 show ports --json | jq -er --arg port "$name" '.ports[] | select(.name == $port) | .choices[] | select(.what == "guest") | .why')
    [[ $counted == "at fault $times time(s), last: "* ]] || die "$name: $times in the log, in \`show ports\` $counted"
done

step "what is left of them"
back() { (($(fds) == FDS && $(mappings) == MAPPINGS)); }
wait_until 5 "descriptors and mappings to be as before" back ||
    die "descriptors: $FDS and now $(fds); mappings: $MAPPINGS and now $(mappings)"
expect "KiB of memory more than before" $(($(resident) - RESIDENT)) -lt 4096
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
expect "frames held" "$(in_ledger node1 .total.held)" -eq 0
ping_from c1 10.0.0.2
stop_millraced node1
