#!/usr/bin/env bash
# Live migration (pre-copy) of QEMU guests between two switches, in both directions at once: one with two queues and split
# rings, which announces itself at its new place, and one with packed rings, which the switch has to announce. Both keep
# their pings from both nodes, and TCP streams into and out of them; what the streams carry is the same at both ends, though
# part of it was written to memory while that was being copied.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-guest.sh"
need_root
need_guests

# Length of each stream, in blocks of 64 KiB, of which a guest reads and writes ten a second until it has moved.
BLOCKS=160

netns_add node1 node2 c1 c2
underlay node1 node2

# node NUMBER: a switch with a container, ports for the guests a and b, and a tunnel to the other.
node() {
    local name=node$1
    config_switch "$name" 2
    config_uplink "$name" "192.0.2.$1/24"
    config_tap "$name" "c$1" blue "02:00:00:00:00:0$1" "10.0.0.$1/24"
    config_vhost "$name" "a$1" blue 02:00:00:00:01:0a 0,1
    config_vhost "$name" "b$1" blue 02:00:00:00:01:0b
    config_network "$name" blue 4096 peer
    config_tunnel "$name" peer "192.0.2.$((3 - $1))" 4789
    start_millraced "$name"
}
node 1
node 2

# guest_a NODE [SETTING...], guest_b likewise: the guest there, or the place it will come to.
guest_a() { start_guest "a$1" 02:00:00:00:01:0a 10.0.0.10/24 queues=2 mtu=1450 "${@:2}"; }
guest_b() { start_guest "b$1" 02:00:00:00:01:0b 10.0.0.11/24 packed=on announce=off mtu=1450 "${@:2}"; }

step "two guests, and the places they will move to"
guest_a 1
guest_b 2
wait_for_guests a1 b2
guest_a 2 incoming="$WORK/a.migration"
guest_b 1 incoming="$WORK/b.migration"
for address in 10.0.0.10 10.0.0.11; do
    for container in c1 c2; do wait_until 20 "the first answer of $address" in_ns "$container" ping -n -c 1 -W 1 "$address"; done
done

step "pings and streams"
head -c $((BLOCKS * 65536)) /dev/urandom >"$WORK/stream"
SUM=$(sha256sum <"$WORK/stream")
# What a guest is to do with a stream: slowly, so that there are always megabytes in its socket's buffer, and those lie where
# the switch wrote them; and the rest as fast as it can.
SLOWLY="while [ ! -e /run/moved ]; do dd bs=65536 count=1 iflag=fullblock 2>/dev/null; sleep 0.1; done; cat"

# streams GUEST CONTAINER ITS-ADDRESS ADDRESS: starts one into the guest and one out of it. A netcat whose own input ends
# makes the other one stop: those that only receive are given one that never does.
streams() {
    local guest=$1 container=$2 peer=$3 address=$4
    in_guest "$guest" "sysctl -qw net.ipv4.tcp_rmem='4096 4000000 6000000'" >/dev/null
    in_guest "$guest" "(tail -f /dev/null | nc -l -p 7001 | ($SLOWLY) | sha256sum >/run/in) >/dev/null 2>&1 &" >/dev/null
    in_guest "$guest" "head -c $((BLOCKS * 65536)) /dev/urandom >/dev/shm/out; sha256sum </dev/shm/out >/run/out" >/dev/null
    spawn_in "$container" "$WORK/$guest.out" sh -c 'tail -f /dev/null | busybox nc -l -p 7002 | sha256sum'
    wait_until 5 "netcat to listen in $container" listens "$container" 7002
    wait_until 20 "netcat to listen in $guest" in_guest "$guest" "netstat -ltn | grep -q :7001"
    in_guest "$guest" "(($SLOWLY) </dev/shm/out | nc $peer 7002) >/dev/null 2>&1 &" >/dev/null
    spawn_in "$container" "$WORK/$guest.in" sh -c "busybox nc $address 7001 <$WORK/stream"
}
streams a1 c1 10.0.0.1 10.0.0.10
streams b2 c2 10.0.0.2 10.0.0.11

# pings CONTAINER GUEST ADDRESS: ten a second, until they are counted.
declare -A PINGS=()
pings() {
    spawn_in "$1" "$WORK/$1-$2.pings" ping -n -i 0.1 "$3"
    PINGS[$1-$2]=$SPAWNED
}
for container in c1 c2; do
    pings "$container" a 10.0.0.10
    pings "$container" b 10.0.0.11
done

# heard NAME FILTER: c1 listens for one frame.
heard() {
    spawn_in c1 "$WORK/heard-$1" tcpdump --immediate-mode -l -nn -i eth0 -c 1 "$2"
    wait_until 10 "c1 to listen for $1" grep -q '^listening' "$WORK/heard-$1"
}
heard arp "ether src 02:00:00:00:01:0a and ether broadcast and arp and arp[14:4] = arp[24:4]"
heard rarp "ether src 02:00:00:00:01:0b and ether broadcast and ether proto 0x8035"

step "both move"
status() { qmp "$1" query-migrate | jq -r .status; }
# logs NODE GUEST: whether the switch there notes which pages it writes.
logs() { [[ " $(choice "node$1" "$2$1" features) " == *" log_all "* ]]; }
# moved FROM: whether it has; one that failed never will.
moved() {
    case $(status "$1") in
    completed) return ;;
    failed | cancelled) qmp "$1" query-migrate >&2 && die "guest $1 cannot move" ;;
    esac
    return 1
}
for guest in a1 b2; do
    qmp "$guest" migrate-set-parameters '{"max-bandwidth": 20000000, "downtime-limit": 500}' >/dev/null
    qmp "$guest" migrate "{\"uri\": \"unix:$WORK/${guest%?}.migration\"}" >/dev/null
done
wait_until 20 "a1's writes to be logged" logs 1 a
wait_until 20 "b2's writes to be logged" logs 2 b
wait_until 90 "a1 to move" moved a1
wait_until 90 "b2 to move" moved b2
for guest in a1 b2; do
    qmp "$guest" query-migrate | jq -r --arg guest "$guest" \
        '"\($guest): \(."total-time") ms, of which it stood still \(.downtime) ms; \(.ram."dirty-sync-count") passes"'
    kill_guest "$guest"
done

step "at their new places"
# knows NODE MAC MEMBER: whether the switch there has the MAC behind that member, and nowhere else.
knows() {
    local macs
    macs=$(millrace "node$1" show macs --mac "$2" --json) || return 1
    jq -e --arg at "$3" '[.macs[].member] | length > 0 and all(. == $at)' <<<"$macs"
}
wait_until 20 "node1 to learn where a is now" knows 1 02:00:00:00:01:0a peer
wait_until 20 "node2 to learn where a is now" knows 2 02:00:00:00:01:0a a2
wait_until 20 "node1 to learn where b is now" knows 1 02:00:00:00:01:0b b1
wait_until 20 "node2 to learn where b is now" knows 2 02:00:00:00:01:0b peer
for announcement in arp rarp; do
    wait_until 20 "the announcement by $announcement" grep -q '^1 packet captured' "$WORK/heard-$announcement" && continue
    cat "$WORK"/heard-*
    die "a guest was not announced at its new place"
done
wait_for_guests a2 b1

# stalled GUEST: gives its streams up, and says how far all ends are and what the switches dropped.
stalled() {
    local n
    for n in 1 2; do
        in_ns "c$n" ss -Htino
        millrace "node$n" show drops
        millrace "node$n" show macs
    done >&2
    in_guest "$1" "netstat -tn; wc -c /dev/shm/*" >&2
    die "a stream of $1 does not end"
}

# same GUEST STREAMS: what went in and out of the guest is what came out at the other end. The streams had the guest's name
# before it moved.
same() {
    local guest=$1 streams=$2
    in_guest "$guest" "touch /run/moved" >/dev/null
    wait_until 120 "the stream into $guest to end" in_guest "$guest" "[ -s /run/in ]" || stalled "$guest"
    [[ $(in_guest "$guest" cat /run/in) == "$SUM" ]] || die "$guest: another stream arrived than was sent"
    wait_until 120 "the stream out of $guest to end" test -s "$WORK/$streams.out" || stalled "$guest"
    [[ $(<"$WORK/$streams.out") == "$(in_guest "$guest" cat /run/out)" ]] || die "$guest: another stream arrived than it sent"
}
same a2 a1
same b1 b2

# counted CONTAINER GUEST: the pings, of which none may be answered twice, and the last ones must be.
counted() {
    local log=$WORK/$1-$2.pings gap
    kill -INT "${PINGS[$1-$2]}"
    wait "${PINGS[$1-$2]}" || true
    gap=$(awk -F 'icmp_seq=' '/icmp_seq/ { n = $2 + 0; if (n - last > gap) gap = n - last; last = n } END { print gap * 100 }' "$log")
    printf '%s pings %s: %s; longest time without an answer %s ms\n' "$1" "$2" "$(grep transmitted "$log")" "$gap"
    expect "milliseconds without an answer" "$gap" -le 15000
    ! grep -q 'DUP!' "$log" || die "answers came twice"
}
for container in c1 c2; do
    for guest in a b; do counted "$container" "$guest"; done
    ping_from "$container" 10.0.0.10 10
    ping_from "$container" 10.0.0.11 10
done
for name in node1 node2; do
    ledger_balanced "$name"
    expect "$name: frames lost" "$(in_ledger "$name" .total.lost)" -eq 0
    ! grep -q quarantined "$WORK/$name.log" || die "a guest was quarantined: $(grep quarantined "$WORK/$name.log")"
    stop_millraced "$name"
done
