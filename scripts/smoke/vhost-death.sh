#!/usr/bin/env bash
# What a death costs, counted packet by packet: guests killed and started again, then the switch, while numbered packets go
# both ways between vhost-user ports with split and packed rings. Nothing may come twice or torn, what is lost must have been
# in the hands of the dead or be in the books, and traffic comes back on every port.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
PERF=${PERF:-$ROOT/target/release/perf}
[[ -x $PERF ]] || die "$PERF is missing: cargo build --release -p perf"

# Packets a second of each stream; descriptors of a guest's ring; frames that a worker or a generator has in hand.
RATE=2000
RING=256
HANDS=64
# What a busy machine may add to an outage; the figures themselves are printed.
BUSY_MS=1500
PORTS=(1 2 3 4 5 6)

netns_add node1
config_switch node1
for port in "${PORTS[@]}"; do
    printf '[[port]]\nname = "v%s"\nkind = "vhost-user"\nsocket = "%s"\nmac = "02:4c:%02x:00:00:00"\nnetwork = "blue"\n' \
        "$port" "$WORK/v$port.sock" "$port" >>"$WORK/node1.toml"
done
config_network node1 blue 1

# guest NAME RINGS PORTS STREAMS: a container whose virtio-user ports send and receive; its process in SPAWNED, its counts
# in $WORK/NAME.journal while it lives and in $WORK/NAME.json at its end. Ports that are odd have split rings, others packed.
guest() {
    local name=$1 port stream arguments=()
    for port in $2; do
        rm -f "$WORK/v$port.sock"
        arguments+=(--port "$port=net_virtio_user$port,path=$WORK/v$port.sock,server=1,queue_size=$RING,packed_vq=$((1 - port % 2))")
    done
    for stream in $3; do arguments+=(--stream "$stream"); done
    spawn "$WORK/$name.log" "$PERF" load "${arguments[@]}" --rate "$RATE" --size 200 --rest-us 100 \
        --json "$WORK/$name.json" --journal "$WORK/$name.journal"
}

# finish NAME PID: ends a guest, which writes its report.
finish() {
    kill -INT "$2"
    wait "$2" || { cat "$WORK/$1.log" >&2; die "the guest $1 failed"; }
    sed -n '/^stream/,$p' "$WORK/$1.log"
}

# received NAME PORT: frames so far.
received() { jq -er --argjson port "$2" '.ports[] | select(.port == $port) | .received' "$WORK/$1.journal"; }

# receives NAME PORT [FRAMES]: whether more than that have come.
receives() { (($(received "$1" "$2") > ${3:-0})); }

# traffic_on NAME...: waits until more comes at every port of these guests than has by now.
traffic_on() {
    local name port frames
    for name in "$@"; do
        wait_until 20 "the guest $name" test -s "$WORK/$name.journal" || { cat "$WORK/$name.log" >&2; return 1; }
        for port in $(jq -r '.ports[].port' "$WORK/$name.journal"); do
            frames=$(received "$name" "$port")
            wait_until 20 "traffic at port $port of $name" receives "$name" "$port" "$((frames + 20))"
        done
    done
}

# in_report NAME FILTER
in_report() { jq -er "$2" "$WORK/$1.json"; }

# faultless NAME...: no packet came twice, or other than it was sent.
faultless() {
    local name
    for name in "$@"; do
        expect "packets that came twice to $name" "$(in_report "$name" '[.streams[].duplicated // 0] | add')" -eq 0
        expect "torn packets at $name" "$(in_report "$name" '[.ports[].torn] | add')" -eq 0
    done
}

# resumed NAME MS: of each stream of a guest, how long after that moment the next packet came, and the whole gap, in ms.
resumed() {
    jq -er --argjson killed "$2" '.began_unix_ms as $began | .streams[] | select(.gaps != null) |
        ([.gaps[] | select(.at_ms + $began <= $killed + 5 and .at_ms + .ms + $began > $killed)] | max_by(.ms)) as $gap |
        "\(.from):\(.to) \(if $gap then $gap.at_ms + $gap.ms + $began - $killed | round else -1 end) \($gap.ms // 0 | round)"' \
        "$WORK/$1.json"
}

# of_port PORT MEMBER: what the switch has counted.
of_port() { millrace node1 show ports --json | jq -er --arg name "v$1" --arg member "$2" '.ports[] | select(.name == $name) | .[$member]'; }

start_millraced node1

step "a guest that is killed and started again"
guest stays "1 2" "1:3 2:4"
STAYS=$SPAWNED
# What is flooded to a port before its guest's DPDK has started lies in rings that DPDK then sets up anew.
wait_until 20 "the guest that stays" grep -q '^port 2: .* is open' "$WORK/stays.log"
guest dies "3 4" "3:1 4:2"
DIES=$SPAWNED
traffic_on stays dies
kill -KILL "$DIES"
KILLED=$(now_ms)
wait "$DIES" || true
guest again "3 4" "3:1 4:2"
AGAIN=$SPAWNED
traffic_on again stays
finish again "$AGAIN"
finish stays "$STAYS"
faultless stays again
resumed stays "$KILLED" | while read -r stream after gap; do
    echo "stream $stream: the next packet $after ms after the kill, a gap of $gap ms; a new guest and its DPDK had to start"
done
for port in 1 2; do
    expect "lives of the sender at port $((port + 2))" \
        "$(in_report stays ".streams[] | select(.from == $((port + 2))) | .lives")" -eq 2
    # A port whose guest lived: what it sent is what came, what came to it is what was sent.
    expect "frames taken from port $port" "$(of_port $port rx_frames)" -eq "$(in_report stays ".ports[$((port - 1))].sent")"
    expect "frames given to port $port" "$(of_port $port tx_frames)" -eq "$(in_report stays ".ports[$((port - 1))].received")"
    # The other: what neither life has received lay in its rings when it died, and when the next one ended.
    dead=$((port + 2))
    missing=$(($(of_port $dead tx_frames) - $(received dies $dead) - $(received again $dead)))
    echo "port $dead: $(of_port $dead tx_frames) frames given, of which $missing died with their guest"
    expect "frames received at port $dead and never sent" "$missing" -ge 0
    expect "frames that died in port $dead" "$missing" -le $((2 * (RING + HANDS)))
done
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0

step "the switch is killed and started again, six ports stay"
before=$(in_ledger node1 .total.dropped)
guest odd "1 3 5" "1:2 3:4 5:6"
ODD=$SPAWNED
guest even "2 4 6" "2:1 4:3 6:5"
EVEN=$SPAWNED
traffic_on odd even
named=$(($(in_ledger node1 .total.dropped) - before))
kill -KILL "${MILLRACED_PID[node1]}"
KILLED=$(now_ms)
wait "${MILLRACED_PID[node1]}" || true # a process that is merely a zombie may still hold its socket
GONE=$(now_ms)
start_millraced node1
traffic_on odd even
# Two processes end one after the other: the first to stop still receives, the second finds nobody.
finish odd "$ODD"
finish even "$EVEN"
faultless odd even
READY=$(grep -o 'ready in [0-9]* ms (DPDK [0-9]* ms)' "$WORK/node1.log" | tail -1) || die "the switch has not said how long its start took"
read -r START_MS DPDK_MS < <(tr -dc '0-9 \n' <<<"$READY")
NEEDED_MS=$((GONE - KILLED + START_MS))
echo "the dead switch was gone after $((GONE - KILLED)) ms; the new one was ready in $START_MS ms, of which DPDK took $DPDK_MS"
for name in odd even; do
    while read -r stream after gap; do
        echo "stream $stream: the next packet $after ms after the kill, $((after - NEEDED_MS)) ms beyond that; a gap of $gap ms"
        expect "ms from the kill to the next packet of $stream" "$after" -gt 0
        expect "ms of outage beyond death and start for $stream" $((after - NEEDED_MS)) -le $((100 + BUSY_MS))
    done < <(resumed "$name" "$KILLED")
done
ledger_balanced node1
# What nobody has received was dropped with a name, by the old switch or the new one, or lay in a ring: in both of a port's
# when the switch died, and in one when its guest ended.
total() { jq -es "[.[] | $1] | add" "$WORK/odd.json" "$WORK/even.json"; }
unseen=$(($(total '.streams[].sent // 0') - $(total '.streams[].received // 0')))
named=$((named + $(in_ledger node1 .total.dropped)))
copied=$(in_ledger node1 .total.copied)
echo "$unseen packets were sent and not received; $named frames were dropped by name ($copied of all were copies of a flood)"
expect "packets that died with the switch" $((unseen - named)) -le $((${#PORTS[@]} * (3 * RING + HANDS)))
stop_millraced node1
