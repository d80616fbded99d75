#!/usr/bin/env bash
# MTUs against Linux's own VXLAN: a TAP gets what the uplink leaves, and other values at once when the uplink's or the
# network's changes; packets of exactly the MTU pass both ways, and one octet more does not pass unseen.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 linux m1 k1
underlay node1 linux 1600
address linux ul0 192.0.2.2/24
kernel_vxlan linux 1 4789 192.0.2.2 learning 1550
kernel_remote linux 1 192.0.2.1
kernel_bridge linux 1 k1 10.0.1.2/24 1550

# configure UPLINK_MTU [NETWORK_MTU]
configure() {
    config_switch node1
    config_uplink node1 192.0.2.1/24
    echo "mtu = $1" >>"$WORK/node1.toml"
    config_tap node1 m1 one 02:00:00:00:01:01 10.0.1.1/24
    config_network node1 one 1 to-linux
    [[ -z ${2:-} ]] || echo "mtu = $2" >>"$WORK/node1.toml"
    config_tunnel node1 to-linux 192.0.2.2 4789
}

# tap_mtu: what the kernel says of the TAP in its namespace.
tap_mtu() { ip -n "$(ns m1)" -j link show eth0 | jq -er '.[0].mtu'; }

# whole FROM ADDRESS MTU: a packet of so many octets, not to be fragmented, is answered by one of the same length.
whole() {
    in_ns "$1" ping -n -c 3 -i 0.2 -w 10 -M 'do' -s $(($3 - 28)) "$2" >"$WORK/ping.log" 2>&1 && return 0
    cat "$WORK/ping.log" >&2
    die "$1 cannot send $3 octets to $2"
}

# too_long FROM ADDRESS OCTETS REASON: such a packet gets no echo, and the switch says why.
too_long() {
    local before after
    before=$(dropped node1 "$4")
    ! in_ns "$1" ping -n -c 1 -W 1 -M 'do' -s $(($3 - 28)) "$2" >"$WORK/ping.log" 2>&1 || die "$3 octets went to $2"
    after=$(dropped node1 "$4")
    expect "frames dropped as $4" "$after" -gt "$before"
}

# says MTU CHAIN: what `show mtu` says of network and port.
says() {
    millrace node1 show mtu --json >"$WORK/mtu.json"
    jq -e --argjson mtu "$1" --arg chain "$2" \
        '.networks[0].mtu == $mtu and .networks[0].chain == $chain
            and (.ports[] | select(.name == "m1") | .mtu == $mtu and .chain == $chain)' "$WORK/mtu.json" >/dev/null && return 0
    cat "$WORK/mtu.json" >&2
    die "show mtu does not say $1: $2"
}

step "what an uplink of 1500 leaves"
configure 1500
start_millraced node1
expect "the TAP's MTU" "$(tap_mtu)" -eq 1450
says 1450 "uplink \`up0\` 1500 - 50 (VXLAN over IPv4, tunnel \`to-linux\`) = 1450"
wait_until 10 "the first answer" in_ns m1 ping -n -c 1 -W 1 10.0.1.2
whole m1 10.0.1.2 1450
whole k1 10.0.1.1 1450
ip -n "$(ns m1)" link set eth0 mtu 1500
too_long m1 10.0.1.2 1451 mtu-exceeded-underlay

step "another uplink MTU reaches the TAP at once"
ip -n "$(ns m1)" link set eth0 mtu 1450
configure 1600
millrace node1 apply "$WORK/node1.toml"
expect "the TAP's MTU" "$(tap_mtu)" -eq 1550
wait_until 10 "an answer by the uplink opened anew" in_ns m1 ping -n -c 1 -W 1 10.0.1.2
whole m1 10.0.1.2 1550
whole k1 10.0.1.1 1550

step "a network's own word"
configure 1600 1400
millrace node1 apply "$WORK/node1.toml"
expect "the TAP's MTU" "$(tap_mtu)" -eq 1400
says 1400 "network \`one\` says mtu 1400"
whole m1 10.0.1.2 1400
whole k1 10.0.1.1 1400
too_long k1 10.0.1.1 1401 mtu-exceeded

step "an impossible one is refused, with the sum"
configure 1600 1551
! millrace node1 apply "$WORK/node1.toml" 2>"$WORK/refused.log" || die "mtu 1551 was applied"
grep -qF "does not fit: uplink \`up0\` 1600 - 50 (VXLAN over IPv4, tunnel \`to-linux\`) = 1550" "$WORK/refused.log" ||
    die "the refusal says $(<"$WORK/refused.log")"
expect "the TAP's MTU" "$(tap_mtu)" -eq 1400

ledger_balanced node1
stop_millraced node1
