#!/usr/bin/env bash
# The other end of a memif is killed under traffic, again and again, while the worker shares its CPU with a busy loop and so
# is often interrupted in the midst of a burst: the switch lives, loses no frame without a name, and meets who comes next.
# As the server and as the client; Debian's testpmd is the other end.
#
# alone: a busy loop has one of the CPUs
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v dpdk-testpmd >/dev/null || skip "needs dpdk-testpmd (scripts/setup)"
command -v python3 >/dev/null || skip "needs python3"

# Cuts by a peer that only floods and cuts, and by testpmd.
CUTS=${CUTS:-200}
KILLS=${KILLS:-3}
# The last CPU is the worker's by default; the other end floods it from another, where there is one.
CPU=$(($(nproc) - 1))

FLOOD=(--forward-mode=txonly "--eth-peer=0,02:00:00:00:00:99" --txpkts=1514)

netns_add node1 c1

# configure ROLE: the switch, with a sink for the flood beside the container.
configure() {
    config_switch node1
    printf 'cores = [%s]\nidle = "busy"\nburst = 64\n' "$CPU" >"$WORK/workers"
    sed -i "/^count = /{r $WORK/workers
d}" "$WORK/node1.toml"
    config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
    printf '[[network]]\nname = "blue"\nvni = 1\nstatic = [{ mac = "02:00:00:00:00:99", port = "sink" }]\n' >>"$WORK/node1.toml"
    config_eth node1 sink net_null0,no-rx=1 blue
    config_eth node1 mem "net_memif0,role=$1,id=1,socket=$WORK/memif.sock,socket-abstract=no" blue
}

# peer ROLE ARGUMENT...: testpmd as the other end; its process in PEER.
peer() {
    local role=$1
    shift
    # A killed server leaves its socket behind, which testpmd does not clear away.
    [[ $role == client ]] || rm -f "$WORK/memif.sock"
    spawn "$WORK/peer.log" dpdk-testpmd --lcores=0@0,1@0 --no-pci --no-telemetry --no-huge --no-shconf -m 64 \
        --file-prefix="mr$$-memif" --vdev="net_memif0,role=$role,id=1,socket=$WORK/memif.sock,socket-abstract=no" \
        -- --total-num-mbufs=4096 --no-lsc-interrupt --no-mlockall --stats-period=3600 "$@"
    PEER=$SPAWNED
}

link_is() { [[ $(millrace node1 show ports --json | jq -r '.ports[] | select(.name == "mem") | .link') == "$1" ]]; }
received() { millrace node1 show ports --json | jq -er '.ports[] | select(.name == "mem") | .rx_frames'; }

# lives: dies where the switch has.
lives() {
    alive "${MILLRACED_PID[node1]}" || { tail -n 20 "$WORK/node1.log" >&2; die "the switch is gone as the $1"; }
}

spawn "$WORK/hog.log" taskset -c "$CPU" sh -c 'while :; do :; done'
for roles in server:client client:server; do
    ours=${roles%:*} theirs=${roles#*:}
    configure "$ours"
    start_millraced node1
    start=$(now_ms)
    step "the switch is the $ours; its other end goes $CUTS times"
    "$ROOT/scripts/smoke/memif_peer.py" cut "$theirs" "$WORK/memif.sock" "$CUTS" || lives "$ours"
    lives "$ours"
    expect "frames received" "$(received)" -gt 0
    echo "$CUTS cuts in $(seconds_since "$start") s; $(received) frames were received"
    step "testpmd is killed $KILLS times"
    for ((kill = 1; kill <= KILLS; kill++)); do
        peer "$theirs" "${FLOOD[@]}"
        wait_until 10 "the link" link_is up || lives "$ours"
        kill -KILL "$PEER"
        wait "$PEER" 2>/dev/null || true
        wait_until 10 "the loss of the link" link_is down || lives "$ours"
    done
    lives "$ours"
    peer "$theirs" --forward-mode=icmpecho
    wait_until 10 "the link at last" link_is up
    wait_until 10 "the first answer" in_ns c1 ping -n -c 1 -W 1 10.0.0.2
    ping_from c1 10.0.0.2
    ledger_balanced node1
    expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
    stop_millraced node1
    stop_process "$PEER"
done
