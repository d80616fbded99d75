#!/usr/bin/env bash
# Three nodes in a full mesh: nothing goes in circles and nobody hears anything twice. And what a switch knows of MACs: it
# forgets silent ones, keeps static ones, follows those that move, and keeps a network to its limit.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

netns_add wire node1 node2 node3 a b c wild

# The underlay: a bridge between the three nodes, with a veth to each.
ip -n "$(ns wire)" link add br0 type bridge
ip -n "$(ns wire)" link set br0 up
in_ns wire sysctl -qw net.ipv6.conf.all.disable_ipv6=1
for node in 1 2 3; do
    ip link add ul0 netns "$(ns "node$node")" mtu 1600 type veth peer name "p$node" netns "$(ns wire)" mtu 1600
    no_offloads "node$node" ul0
    no_offloads wire "p$node"
    in_ns "node$node" sysctl -qw net.ipv6.conf.ul0.disable_ipv6=1
    ip -n "$(ns "node$node")" link set ul0 up
    ip -n "$(ns wire)" link set "p$node" master br0 up
done

# node NUMBER CONTAINER: with tunnels to both others, and a network that forgets after 5 seconds.
node() {
    local number=$1 container=$2 other tunnels=()
    config_switch "node$number"
    config_uplink "node$number" "192.0.2.$number/24"
    config_tap "node$number" "$container" blue "02:00:00:00:00:0$number" "10.0.0.$number/24"
    for other in 1 2 3; do
        ((other != number)) || continue
        tunnels+=("to$other")
    done
    config_network "node$number" blue 4096 "${tunnels[@]}"
    printf 'age_s = 5\nmacs_max = 8\n' >>"$WORK/node$number.toml"
    if ((number == 1)); then
        echo 'static = [{ mac = "02:00:00:00:00:f3", tunnel = "to3" }]' >>"$WORK/node1.toml"
        printf '[[port]]\nname = "wild"\nkind = "tap"\nnetns = "%s"\nnetwork = "blue"\nanti_spoof = false\n' \
            "$(ns wild)" >>"$WORK/node1.toml"
    fi
    for other in "${tunnels[@]}"; do
        config_tunnel "node$number" "$other" "192.0.2.${other#to}" 4789
    done
    start_millraced "node$number"
}
node 1 a
node 2 b
node 3 c

# macs NODE: the rows of its FDB.
macs() { millrace "$1" show macs --json | jq -c '.macs[]'; }
knows() { macs "$1" | grep -q "\"mac\":\"$2\".*\"member\":\"$3\""; }
forgets() { ! macs "$1" | grep -q "\"mac\":\"$2\""; }

frames() { in_ns "$1" "$ROOT/scripts/smoke/frames.py" "${@:2}"; }

step "three nodes, every ping answered once"
for pair in a=10.0.0.2 a=10.0.0.3 b=10.0.0.1 b=10.0.0.3 c=10.0.0.1 c=10.0.0.2; do
    wait_until 10 "the first answer of $pair" in_ns "${pair%%=*}" ping -n -c 1 -W 1 "${pair#*=}"
    ping_from "${pair%%=*}" "${pair#*=}" 20
done

step "50 broadcasts from a: b and c hear each once, a none of them"
# Short captures: tcpdump has room for a few frames of full length only, and would miss some.
for container in a b c; do
    spawn_in "$container" "$WORK/$container.dump" tcpdump -n -l --immediate-mode -s 100 -Q in -i eth0 ether proto 0x88b5
    wait_until 10 "tcpdump in $container" grep -q 'listening on' "$WORK/$container.dump"
done
heard() { grep -c '> ff:ff:ff:ff:ff:ff, ethertype Unknown (0x88b5)' "$WORK/$1.dump" || true; }
has_heard() { (($(heard "$1") >= $2)); }
frames a eth0 broadcast 02:00:00:00:00:01 50
wait_until 10 "b to hear them" has_heard b 50
wait_until 10 "c to hear them" has_heard c 50
# What would come back or come twice would be there before these answers.
ping_all a=10.0.0.1 b=10.0.0.2 c=10.0.0.3
[[ "$(heard a) $(heard b) $(heard c)" == "0 50 50" ]] || die "a heard $(heard a), b $(heard b), c $(heard c)"

step "MACs come, move, and are forgotten"
knows node1 02:00:00:00:00:02 to2 || die "node1 does not know where b is"
knows node2 02:00:00:00:00:01 to1 || die "node2 does not know where a is"
knows node1 02:00:00:00:00:f3 to3 || die "node1 has no static entry"
spawn_in a "$WORK/keep.log" ping -n -q -i 0.2 10.0.0.2
keep=$SPAWNED
wait_until 30 "node1 to forget c" forgets node1 02:00:00:00:00:03
knows node1 02:00:00:00:00:02 to2 || die "node1 forgot b, who is talking"
knows node1 02:00:00:00:00:f3 to3 || die "node1 forgot a static entry"
spoof_dropped() { (($(dropped node1 spoofed-mac) == 1)); }
frames wild wild sources 02:00:00:00:00:01 1 # from 02:aa:00:00:00:00
wait_until 5 "a MAC behind wild" knows node1 02:aa:00:00:00:00 wild
frames a eth0 sources 02:00:00:00:00:01 1 # anti-spoofing keeps a from taking it
wait_until 5 "a to be refused" spoof_dropped
knows node1 02:aa:00:00:00:00 wild || die "a stole a MAC"
stop_process "$keep"
wait_until 30 "node1 to forget b" forgets node1 02:00:00:00:00:02

step "40 MACs in a network for 8"
refused() { millrace node1 show workers --json | jq '[.workers[].mac_refused_network] | add'; }
some_refused() { (($(refused) >= 32)); }
frames wild wild sources 02:00:00:00:00:01 40
wait_until 5 "MACs to be refused" some_refused
expect "MACs" "$(macs node1 | wc -l)" -le 8
# a and b are not known now, or crowded out; they reach each other all the same.
ping_all a=10.0.0.1 b=10.0.0.2 c=10.0.0.3
for name in node1 node2 node3; do
    ledger_balanced "$name"
    expect "$name: frames lost" "$(in_ledger "$name" .total.lost)" -eq 0
    stop_millraced "$name"
done
