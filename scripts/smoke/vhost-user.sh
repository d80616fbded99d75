#!/usr/bin/env bash
# vhost-user ports with Debian's testpmd as the guest (virtio-user, no VM): every kind of ring, the guest and the switch
# killed and started again, two queues on two workers, and a guest at fault that disturbs nobody.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"
command -v dpdk-testpmd >/dev/null || skip "needs dpdk-testpmd (scripts/setup)"

netns_add node1 c1

# guest PORT LAST-OCTET-OF-MAC [VIRTIO-USER-ARGUMENTS [TESTPMD-ARGUMENTS...]]: a container that answers ARP and ping for
# any address, as testpmd does; its process in SPAWNED.
guest() {
    local port=$1 mac=02:00:00:00:00:$2 device=${3:-}
    shift 3 || shift $#
    rm -f "$WORK/$port.sock"
    spawn "$WORK/$port.log" dpdk-testpmd --lcores=0@0,1@0 --no-pci --no-telemetry --no-huge --no-shconf -m 64 \
        --file-prefix="mr$$-$port" --vdev="net_virtio_user0,path=$WORK/$port.sock,server=1,mac=$mac$device" \
        -- --no-mlockall --total-num-mbufs=2048 --forward-mode=icmpecho --stats-period=3600 "$@"
}

in_use() { [[ $(choice node1 "$1" guest) == "connected, $2 rings in use" ]]; }
gone_from() { [[ $(choice node1 "$1" guest) == "waiting for a front end" ]]; }

config_switch node1 2
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_network node1 blue 1
# Their MACs are enforced: testpmd answers what is flooded to it for others, too, and with their MACs.
config_vhost node1 vm1 blue 02:00:00:00:00:09
config_vhost node1 vm2 blue 02:00:00:00:00:0a 0,1
start_millraced node1
wait_until 5 "the port to wait" gone_from vm1

# neighbours: each guest answers for every address, so who has which is not left to ARP; anew with every new interface.
neighbours() {
    in_ns c1 ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent
    in_ns c1 ip neigh replace 10.0.0.10 lladdr 02:00:00:00:00:0a dev eth0 nud permanent
}
neighbours

# answers ADDRESS: testpmd throws away what it finds in its queues when it begins to forward, so once is asked for nothing.
answers() { in_ns c1 ping -c 1 -W 1 "$1"; }

# rings NAME FEATURES NOT DEVICE-ARGUMENTS: one kind of rings, in which all FEATURES and none of NOT are in use.
rings() {
    local feature features
    guest vm1 09 "$4"
    wait_until 20 "the $1 rings" in_use vm1 2
    features=" $(choice node1 vm1 features) "
    for feature in $2; do [[ $features == *" $feature "* ]] || die "$1 rings without $feature:$features"; done
    for feature in $3; do [[ $features != *" $feature "* ]] || die "$1 rings with $feature:$features"; done
    wait_until 10 "its first answer" answers 10.0.0.9
    ping_from c1 10.0.0.9 20
    stop_process "$SPAWNED"
    wait_until 5 "the guest to be seen going" gone_from vm1
    good "$1 rings:$features"
}
step "every kind of rings"
rings split "version_1 indirect_desc" "ring_packed mrg_rxbuf in_order" ,mrg_rxbuf=0,in_order=0
rings "split mergeable in-order" "mrg_rxbuf in_order" ring_packed ,mrg_rxbuf=1,in_order=1
rings packed ring_packed "mrg_rxbuf in_order" ,packed_vq=1,mrg_rxbuf=0,in_order=0
rings "packed mergeable in-order" "ring_packed mrg_rxbuf in_order" "" ,packed_vq=1,mrg_rxbuf=1,in_order=1

step "two queues, and a guest and the switch that are killed"
guest vm2 0a ,queues=2 --rxq=2 --txq=2 --nb-cores=1
GUEST2=$SPAWNED
wait_until 20 "two queues" in_use vm2 4
guest vm1 09
wait_until 20 "the other guest" in_use vm1 2
wait_until 10 "an answer of two queues" answers 10.0.0.10
ping_from c1 10.0.0.10
kill -KILL "$SPAWNED"
wait_until 5 "the guest to be seen dying" gone_from vm1
guest vm1 09
GUEST1=$SPAWNED
wait_until 20 "the guest to come back" in_use vm1 2
wait_until 10 "its first answer" answers 10.0.0.9
ping_from c1 10.0.0.9
kill -KILL "${MILLRACED_PID[node1]}"
wait "${MILLRACED_PID[node1]}" || true # a process that is merely a zombie may still hold its socket
start_millraced node1
neighbours
wait_until 10 "the first guest to be found again" in_use vm1 2
wait_until 10 "the second guest to be found again" in_use vm2 4
ping_from c1 10.0.0.9
ping_from c1 10.0.0.10

step "a guest that talks nonsense"
alive "$GUEST2" || die "the second guest has died"
stop_process "$GUEST1"
wait_until 5 "the guest to be seen going" gone_from vm1
rm -f "$WORK/vm1.sock"
spawn "$WORK/nonsense.log" python3 -c '
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
while True:
    guest, _ = server.accept()
    guest.sendall(bytes(range(256)))
' "$WORK/vm1.sock"
quarantined() { [[ $(choice node1 vm1 guest) == quarantined ]]; }
wait_until 5 "the guest to be quarantined" quarantined
ping_from c1 10.0.0.10 20
quarantine=$(grep -c 'port vm1: its guest is quarantined: a message of protocol version' "$WORK/node1.log")
expect "quarantines in the log" "$quarantine" -ge 1
expect "quarantines in the log" "$quarantine" -le 5

ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
stop_millraced node1
