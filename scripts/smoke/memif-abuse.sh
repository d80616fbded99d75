#!/usr/bin/env bash
# A memif client that talks nonsense, passes memory that it could cut short, or leaves in the midst: each time it is told
# why it is refused, and so is the operator; the switch serves its other ports meanwhile, and whoever comes next.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

netns_add node1 c1 c2
config_switch node1
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
config_network node1 blue 1
config_eth node1 mem "net_memif0,role=server,id=1,socket=$WORK/memif.sock,socket-abstract=no" blue
start_millraced node1

step "what a client must not do"
descriptors() { find "/proc/${MILLRACED_PID[node1]}/fd" -mindepth 1 | wc -l; }
before=$(descriptors)
spawn "$WORK/abuse.log" "$ROOT/scripts/smoke/memif_peer.py" abuse "$WORK/memif.sock"
ping_all c1=10.0.0.1 c2=10.0.0.2
wait_until 60 "the end of the abuses" gone "$SPAWNED"
cat "$WORK/abuse.log"
code=0
wait "$SPAWNED" || code=$?
expect "the code of the abuses" "$code" -eq 0
for reason in 'not sealed against shrinking' 'message type 99' 'a message of 64 octets' 'a message of 129 octets' \
    'there is no interface with id 77' 'said to have .* octets, but its memory has 4096' 'ends at octet' \
    'its descriptor is no eventfd but pipe' 'message HELLO after its introduction' '0 to the client, where the port has 1'; do
    grep -q "$reason" "$WORK/abuse.log" || die "no client was told: $reason"
    grep -q "refused: .*$reason" "$WORK/node1.log" || die "the operator was not told: $reason"
done
refused=$(grep -c 'port mem: a memif peer is refused' "$WORK/node1.log")
expect "refusals that name the port" "$refused" -ge 19
grep -q 'the memif peer is gone: it said ".\[2Jfarewell"' "$WORK/node1.log" || die "the farewell is not in the log"
choice node1 mem peer | grep -qx 'waited for' || die "show ports --detail does not say that nobody is there"
peer_is_forgotten() { (($(descriptors) <= before + 2)); }
wait_until 10 "what it left behind to be closed: $before descriptors" peer_is_forgotten

step "who comes next is served"
"$ROOT/scripts/smoke/memif_peer.py" cut client "$WORK/memif.sock" 5
ping_all c1=10.0.0.1 c2=10.0.0.2
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
stop_millraced node1
