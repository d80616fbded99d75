#!/usr/bin/env bash
# Reload by diff under traffic: ports come and go, an MTU changes, networks and tunnels are added, the file is reordered,
# and those whom the difference does not concern lose nothing. What cannot be applied is refused whole.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 node2 c1 c2 c3 c4 d1
underlay node1 node2

config_switch node2
config_uplink node2 192.0.2.2/24
config_tap node2 d1 blue 02:00:00:00:02:01 10.0.2.1/16
config_network node2 blue 4096 to-node1
config_tunnel node2 to-node1 192.0.2.1 4789

# fixed: the ports and the network of whom nothing may be lost; two workers, so that c1's frames change hands on their way
# to the uplink.
fixed() {
    config_uplink node1 192.0.2.1/24 1
    config_tap node1 c1 blue 02:00:00:00:01:01 10.0.1.1/16 0
    config_tap node1 c2 blue 02:00:00:00:01:02 10.0.1.2/16 1
    config_network node1 blue 4096 to-node2
    config_tunnel node1 to-node2 192.0.2.2 4789
}

# reordered: the same as `fixed`, everything at another place of the file.
reordered() {
    config_tunnel node1 to-node2 192.0.2.2 4789
    config_tap node1 c2 blue 02:00:00:00:01:02 10.0.1.2/16 1
    config_network node1 blue 4096 to-node2
    config_tap node1 c1 blue 02:00:00:00:01:01 10.0.1.1/16 0
    config_uplink node1 192.0.2.1/24 1
}

# c3 MTU, and c4 in a network and a tunnel of its own.
with_c3() {
    config_tap node1 c3 blue 02:00:00:00:01:03 10.0.1.3/16
    echo "mtu = $1" >>"$WORK/node1.toml"
}
with_green() {
    config_tap node1 c4 green 02:00:00:00:01:04 10.9.0.4/24
    config_network node1 green 7 to-nowhere
    config_tunnel node1 to-nowhere 192.0.2.77 8472
}

# variant NAME PIECE...: writes $WORK/NAME.toml.
variant() {
    local name=$1 piece
    shift
    config_switch node1 2
    for piece in "$@"; do $piece; done
    cp "$WORK/node1.toml" "$WORK/$name.toml"
}
variant plain fixed
variant more "with_c3 1400" fixed
variant wide "with_c3 1300" fixed with_green
variant turned with_green reordered
variant start fixed

apply() { millrace node1 apply "$WORK/$1.toml" "${@:2}"; }

# state: everything that an apply may change.
state() {
    millrace node1 show ports --json | jq -c '[.ports[] | {name, mtu, state}]'
    millrace node1 show networks --json | jq -c '[.networks[] | {name, vni}]'
    millrace node1 show tunnels --json | jq -c '[.tunnels[] | .name]'
}

# refused WHAT PATTERN COMMAND...: it ends with 1, says PATTERN, and changes nothing.
refused() {
    local what=$1 pattern=$2 code=0 before
    shift 2
    before=$(state)
    "$@" >"$WORK/refused.log" 2>&1 || code=$?
    expect "exit code where $what" "$code" -eq 1
    grep -qE -- "$pattern" "$WORK/refused.log" || { cat "$WORK/refused.log" >&2; die "$what: says nothing of $pattern"; }
    [[ $(state) == "$before" ]] || die "$what: something changed"
}

start_millraced node2
start_millraced node1
wait_until 10 "the first answer across the tunnel" in_ns c1 ping -n -c 1 -W 1 10.0.2.1
ping_all c1=10.0.1.1 c2=10.0.1.2 d1=10.0.2.1

# --- what is not applied ---

step "a dry run changes nothing"
before=$(state)
apply wide --dry-run >"$WORK/dry.log"
grep -q '^+ port c3' "$WORK/dry.log" || { cat "$WORK/dry.log" >&2; die "the dry run does not show the new port"; }
[[ $(state) == "$before" ]] || die "the dry run changed something"

step "a file with mistakes"
sed 's/^vni = 4096/vni = 16777216/' "$WORK/plain.toml" >"$WORK/bad.toml"
refused "a VNI is too large" "bad.toml:[0-9]+:[0-9]+: .*vni" apply bad
{ cat "$WORK/plain.toml" && echo 'no_such_key = 1'; } >"$WORK/bad.toml"
refused "a key is unknown" "bad.toml:[0-9]+:[0-9]+: .*no_such_key" apply bad
echo '[[port' >"$WORK/bad.toml"
refused "the file is no TOML" "bad.toml:1:[0-9]+: " apply bad
refused "the file is missing" "cannot read|No such file" apply missing

step "ports that cannot be opened"
bad_port() { config_tap node1 c9 blue 02:00:00:00:01:09 10.0.1.9/16; }
variant nowhere with_c3\ 1400 with_green fixed bad_port
refused "a namespace is missing" "port c9: .*namespace" apply nowhere
for container in c3 c4; do
    ! ip -n "$(ns "$container")" link show eth0 >/dev/null 2>&1 || die "$container was left open by a refused change"
done
ip -n "$(ns c4)" tuntap add dev eth0 mode tap
variant taken with_c3\ 1400 with_green fixed
refused "the interface exists already" "port c4: .*eth0.*(exists|taken)" apply taken
! ip -n "$(ns c3)" link show eth0 >/dev/null 2>&1 || die "c3 was left open by a refused change"
ip -n "$(ns c4)" link del eth0
no_device() { printf '[[port]]\nname = "x0"\nkind = "eth"\ndevice = "net_af_packet7,iface=nothere"\nnetwork = "blue"\n' >>"$WORK/node1.toml"; }
variant nodevice with_c3\ 1400 fixed no_device
refused "a device is missing" "port x0: .*nothere" apply nodevice
sed 's/^count = 2/count = 1/; s/^workers = \[1\]/workers = [0]/' "$WORK/plain.toml" >"$WORK/restart.toml"
refused "only a restart would do" "restart" apply restart
ping_all c1=10.0.1.1 c2=10.0.1.2 d1=10.0.2.1

# --- under traffic ---

# flood FROM ADDRESS: 2000 pings, one every 2 ms, every one of which must be answered.
flood() { spawn_in "$1" "$WORK/flood-$1.log" "$ROOT/scripts/smoke/echo.py" "$2" 2000 0.002 10; }

# all_answered FROM: how it ended.
all_answered() {
    grep -q '2000 answered, 0 duplicates' "$WORK/flood-$1.log" && return 0
    cat "$WORK/flood-$1.log" >&2
    die "$1 lost pings"
}

# losses: what the fixed ports did not get, or did not get rid of.
losses() {
    millrace node1 show ports --json | jq '[.ports[] | select(.name | IN("up0", "c1", "c2")) |
        .refused + .rx_missed + .rx_no_buffer + .rx_errors] | add'
}

step "20 changes and more under traffic"
lost_before=$(losses)
flood c1 10.0.1.2
near=$SPAWNED
flood d1 10.0.1.1
far=$SPAWNED
applied=0 pings=0
while alive "$near" || alive "$far" || ((applied < 20)); do
    for name in more wide turned plain; do
        apply "$name" >"$WORK/apply.log" 2>&1 || { cat "$WORK/apply.log" >&2; die "$name was not applied"; }
        applied=$((applied + 1))
        # What has come is served, and what has gone leaves nothing.
        [[ $name != wide ]] || ping_from c3 10.0.1.1 1
    done
    ((pings += 1))
    ! ip -n "$(ns c3)" link show eth0 >/dev/null 2>&1 || die "c3 is out of the file and still there"
done
for from in c1 d1; do
    all_answered "$from"
done
expect "frames the fixed ports lost" "$(losses)" -eq "$lost_before"
echo "$applied changes under 4000 pings, none lost; $pings rounds, each with a newcomer who was served"

step "an MTU changes while its port forwards"
apply more >/dev/null
flood c3 10.0.1.1
for mtu in 1300 1200 1450 1280; do
    variant mtu "with_c3 $mtu" fixed
    apply mtu >"$WORK/apply.log"
    grep -q "c3.*$mtu" "$WORK/apply.log" || { cat "$WORK/apply.log" >&2; die "the difference does not name the MTU"; }
    ip -n "$(ns c3)" -o link show eth0 | grep -q "mtu $mtu " || die "c3 did not get the MTU $mtu"
done
wait_until 30 "the pings of c3" gone "$SPAWNED"
all_answered c3

step "the same again, 20 times, is no change"
apply plain >/dev/null
generation=$(apply plain --json | jq .generation)
for ((i = 0; i < 20; i++)); do apply plain --json >"$WORK/same.json"; done
[[ $(jq -c '[.generation, .diff]' "$WORK/same.json") == "[$generation,[]]" ]] || die "applying the same changed something"

for name in node1 node2; do
    ledger_balanced "$name"
    expect "$name: frames lost" "$(in_ledger "$name" .total.lost)" -eq 0
    stop_millraced "$name"
done
