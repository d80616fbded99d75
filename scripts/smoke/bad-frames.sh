#!/usr/bin/env bash
# Frames that are wrong in every header, from a container and from the underlay, inside VXLAN and as VXLAN: each is a drop
# under its own reason, exactly as often as it was sent, and the switch goes on.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

netns_add node1 peer c1 c2
underlay node1 peer 9000
config_switch node1
config_uplink node1 192.0.2.1/24
echo 'mtu = 1500' >>"$WORK/node1.toml"
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
config_network node1 blue 4096 to-peer
config_tunnel node1 to-peer 192.0.2.2 4789
start_millraced node1
address peer ul0 192.0.2.2/24
ping_all c1=10.0.0.1 c2=10.0.0.2
wait_until 10 "the node itself to answer" in_ns peer ping -n -c 1 -W 1 192.0.2.1

# frames NAME ARGUMENT...: the sender, in a namespace.
frames() {
    local name=$1
    shift
    in_ns "$name" "$ROOT/scripts/smoke/frames.py" "$@"
}
mac_of() { ip -n "$(ns "$1")" -j link show "$2" | jq -er '.[0].address'; }

# drops_of PORT: {"reason": frames} of what came in there.
drops_of() {
    millrace node1 show drops --json | jq -c --arg port "$1" \
        '[.reasons[] | {key: .reason, value: ([.ports[] | select(.port == $port) | .frames] | add)} | select(.value)] | from_entries'
}

# all_counted PORT BEFORE SENT: whether the drops rose by exactly what was sent, reason by reason.
all_counted() {
    jq -en --argjson before "$2" --argjson sent "$3" --argjson now "$(drops_of "$1")" \
        '$sent | to_entries | all(($now[.key] // 0) - ($before[.key] // 0) == .value)' >/dev/null
}

# counted PORT BEFORE SENT: waits for it, and says what is missing.
counted() {
    wait_until 5 "all drops to be counted" all_counted "$@" && return 0
    jq -n --argjson before "$2" --argjson sent "$3" --argjson now "$(drops_of "$1")" \
        '$sent | to_entries[] | {reason: .key, sent: .value, counted: (($now[.key] // 0) - ($before[.key] // 0))} | select(.sent != .counted)' >&2
    return 1
}

UPLINK_MAC=$(mac_of node1 ul0) PEER_MAC=$(mac_of peer ul0)

step "from a container"
before=$(drops_of c1)
sent=$(frames c1 eth0 malformed 02:00:00:00:00:02 02:00:00:00:00:01)
counted c1 "$before" "$sent"
echo "$(jq length <<<"$sent") reasons"

step "from the underlay"
before=$(drops_of up0)
sent=$(frames peer ul0 underlay "$UPLINK_MAC" "$PEER_MAC" 192.0.2.2 192.0.2.1 4096 4789)
counted up0 "$before" "$sent"
echo "$(jq length <<<"$sent") reasons"
ping_all c1=10.0.0.1 c2=10.0.0.2

# become PORT DROPS COMMAND...: what it sends becomes exactly these drops.
become() {
    local port=$1 drops=$2 before
    shift 2
    before=$(drops_of "$port")
    "$@"
    counted "$port" "$before" "$drops"
}
# unusable PORT: frames its device could not take.
unusable() { millrace node1 show ports --json | jq --arg port "$1" '.ports[] | select(.name == $port) | .rx_errors + .rx_missed'; }

step "too long, from a container that raises its own MTU"
ip -n "$(ns c1)" link set eth0 mtu 9000
become c1 '{"mtu-exceeded": 1}' frames c1 eth0 long 02:00:00:00:00:02 02:00:00:00:00:01 1900
become c1 '{"mtu-exceeded": 1, "mtu-exceeded-underlay": 1}' frames c1 eth0 long ff:ff:ff:ff:ff:ff 02:00:00:00:00:01 1500
before=$(unusable c1)
frames c1 eth0 long 02:00:00:00:00:02 02:00:00:00:00:01 8000
one_more_unusable() { (($(unusable c1) == before + 1)); }
wait_until 5 "the frame that fits no buffer to be counted" one_more_unusable
ip -n "$(ns c1)" link set eth0 mtu 1450

step "too long, from the underlay, where somebody raised the MTU of the interface behind the switch"
ip -n "$(ns node1)" link set ul0 mtu 9000
vxlan() { frames peer ul0 vxlan "$UPLINK_MAC" "$PEER_MAC" 192.0.2.2 192.0.2.1 4096 4789 "$1"; }
# The kernel cuts what is longer than the slots of net_af_packet's ring; the packet is then shorter than it says.
become up0 '{"ipv4-total-length": 1}' vxlan 4000
# What fits is a broadcast that neither container may have.
become up0 '{"mtu-exceeded": 2}' vxlan 1900

step "and everybody is served"
ping_from peer 192.0.2.1
ping_all c1=10.0.0.1 c2=10.0.0.2
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
stop_millraced node1
