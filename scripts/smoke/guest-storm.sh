#!/usr/bin/env bash
# Guests of 16 ports that start, move frames, and die, again and again, half of them with two queue pairs on two workers
# (FDio/vpp#1875: a worker crashed when such a guest was rebooted under load), while the configuration takes a port away and
# gives it back (spdk/spdk#3683: control and reconnecting guests waited for each other for ever). Two TAPs lose nothing of
# that, control answers, and nothing is left.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

PORTS=16 RATE=500 SECONDS_LONG=8

netns_add node1 c1 c2
config_switch node1 2
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24 1
config_network node1 blue 1
config_network node1 red 2
for ((number = 0; number < PORTS; number++)); do
    workers=$((number / 2 % 2))
    ((number % 2)) && workers="0, 1"
    cp "$WORK/node1.toml" "$WORK/without.toml"
    config_vhost node1 "vm$number" red "$(printf '02:00:00:00:01:%02x' "$number")" "$workers"
done
start_millraced node1
PID=${MILLRACED_PID[node1]}
ping_from c1 10.0.0.2

fds() { find "/proc/$PID/fd" -mindepth 1 | wc -l; }
mappings() { grep -c memfd: "/proc/$PID/maps" || true; }
resident() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$PID/status"; }
bound() { [[ -n $(in_ns c2 ss -Hlun "sport = :9000") ]]; }
waiting() { [[ $(millrace node1 show ports --json | jq '[.ports[].choices[] | select(.what == "guest" and .chosen == "waiting for a front end")] | length') == "$PORTS" ]]; }
# An apply in passing, as a warm-up: what a port leaves behind for the next one is there when the counting begins.
apply() { millrace node1 apply "$1" >"$WORK/apply.log" 2>&1 || { cat "$WORK/apply.log" >&2; die "apply failed"; }; }
apply "$WORK/without.toml"
apply "$WORK/node1.toml"
wait_until 20 "all ports to wait" waiting
wait_until 10 "the end of earlier questions" unasked node1
FDS=$(fds) MAPPINGS=$(mappings) RESIDENT=$(resident)

step "$PORTS guests that die"
spawn "$WORK/storm.log" "$ROOT/scripts/smoke/guest-storm.py" "$WORK" "$PORTS"
storm=$SPAWNED
spawn_in c2 "$WORK/paced.json" "$ROOT/scripts/smoke/paced.py" receive 9000 60
receiver=$SPAWNED
wait_until 20 "the receiver to listen" bound
spawn_in c1 "$WORK/paced-send.log" "$ROOT/scripts/smoke/paced.py" send 10.0.0.2 9000 "$RATE" "$SECONDS_LONG"
longest=0 applies=0
while alive "$receiver"; do
    start=$(now_ms)
    apply "$WORK/without.toml"
    millrace node1 show ports >/dev/null
    apply "$WORK/node1.toml"
    took=$(($(now_ms) - start))
    longest=$((took > longest ? took : longest)) applies=$((applies + 2))
done
alive "$storm" || { cat "$WORK/storm.log" >&2; die "a guest met something unexpected"; }
stop_process "$storm"
lives=$(tail -n 1 "$WORK/storm.log")
good "$lives guests lived and died beside $applies applies; control answered three questions within $longest ms"
good "of $(jq -er .sent "$WORK/paced.json") packets between the TAPs $(jq -er .received "$WORK/paced.json") arrived, the longest pause was $(jq -er .gap_ms "$WORK/paced.json") ms"
expect "packets lost between the TAPs" "$(jq -er .lost "$WORK/paced.json")" -eq 0
expect "packets that came twice" "$(jq -er .twice "$WORK/paced.json")" -eq 0
expect "guests" "$lives" -ge $((2 * PORTS))
expect "milliseconds that three answers of control took" "$longest" -lt 5000
moved=$(millrace node1 show ports --json | jq '[.ports[] | select(.name | startswith("vm")) | .rx_frames] | add')
expect "frames of the guests" "$moved" -gt 0

step "what is left of them"
back() { (($(fds) == FDS && $(mappings) == MAPPINGS)); }
wait_until 20 "all ports to wait" waiting
wait_until 5 "descriptors and mappings to be as before" back ||
    die "descriptors: $FDS and now $(fds); mappings: $MAPPINGS and now $(mappings)"
expect "KiB of memory more than before" $(($(resident) - RESIDENT)) -lt 4096
expect "quarantines of guests that were not at fault" "$(grep -c 'is quarantined' "$WORK/node1.log" || true)" -eq 0
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
ping_from c1 10.0.0.2
stop_millraced node1
