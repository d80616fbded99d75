#!/usr/bin/env bash
# The matrix with a guest's kernel in it: four virtio cards of one VM, with which other features are agreed on, each in a network
# namespace of its own inside, and containers on TAPs on the same switch, with offloads and without, behind a VLAN, and behind
# VXLAN over IPv4 and IPv6, at MTUs of 9000, 1500 and 1400. In every cell TCP goes both ways at once, over IPv4 and IPv6, hashed at
# both ends, and datagrams there and back, whole, in fragments, and cut by the sender's kernel, which are compared; then the
# cards with each other, where what one leaves undone the other may not take; and again between VLAN interfaces at both ends, whose
# tags the switch passes on as payload. No kernel meets a wrong checksum.
#
#   full   everything, in mergeable buffers
#   tso4   checksums and segments over IPv4; packed rings, and buffers of 64 KiB in pieces
#   tso6   checksums and segments over IPv6; split rings, and the same buffers
#   none   nothing at all, not even virtio 1.0: the short header
#
# Which cells: at 1500 every card meets every container, for what a card takes decides whether a packet is cut and summed, and
# what is around it where; and every other card. How long segments are asks neither: at 9000 and 1400 every card meets the
# container on its own switch, some the others, so that each encapsulation is met, and at 9000 two pairs of cards stand for all
# six. The container without offloads meets all cards on its own switch. VLAN interfaces at both ends change where headers are:
# every card and every encapsulation meets them. What else containers' offloads change is in `matrix`. Linux forgives an open
# checksum even on a card that takes none: that none comes there is seen in `cargo test`.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-guest.sh"
source "$(dirname "$0")/../lib-stream.sh"
need_root
need_guests

DATAGRAMS=$ROOT/scripts/smoke/datagrams.py
CARDS=(full tso4 tso6 none)
CONTAINERS=(plain bare vlan vxlan4 vxlan6)
declare -A MAC=([full]=02:00:00:00:01:01 [tso4]=02:00:00:00:01:02 [tso6]=02:00:00:00:01:03 [none]=02:00:00:00:01:04)
declare -A NUMBER=([full]=11 [tso4]=12 [tso6]=13 [none]=14 [plain]=1 [vlan]=2 [vxlan4]=3 [vxlan6]=4 [bare]=5)

# What QEMU is told, and what is to come of it.
declare -A PROPERTIES=(
    [tso4]="guest_tso6=off,host_tso6=off,mrg_rxbuf=off,packed=on"
    [tso6]="guest_tso4=off,host_tso4=off,mrg_rxbuf=off"
    [none]="csum=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,host_tso4=off,host_tso6=off,host_ecn=off"
)
PROPERTIES[none]+=,mrg_rxbuf=off,disable-modern=on
declare -A AGREED=(
    [full]="csum guest_csum guest_tso4 guest_tso6 guest_ecn host_tso4 host_tso6 host_ecn mrg_rxbuf version_1"
    [tso4]="csum guest_csum guest_tso4 guest_ecn host_tso4 host_ecn version_1 ring_packed"
    [tso6]="csum guest_csum guest_tso6 guest_ecn host_tso6 host_ecn version_1"
    [none]=""
)
declare -A OFFLOADS=(
    [full]="checksums, TCP segments"
    [tso4]="checksums, TCP segments over IPv4"
    [tso6]="checksums, TCP segments over IPv6"
    [none]="none"
)

# wire: where the nodes' links meet, with room for 9000 octets in any tunnel.
wire() {
    local node
    in_ns wire sysctl -qw net.ipv6.conf.default.disable_ipv6=1
    ip -n "$(ns wire)" link add br0 mtu 9600 type bridge mcast_snooping 0
    ip -n "$(ns wire)" link set br0 up
    for node in node1 node2 node3; do
        ip link add ul0 netns "$(ns "$node")" mtu 9600 type veth peer name "$node" netns "$(ns wire)" mtu 9600
        no_offloads "$node" ul0
        no_offloads wire "$node"
        in_ns "$node" sysctl -qw net.ipv6.conf.ul0.disable_ipv6=1
        ip -n "$(ns "$node")" link set ul0 up
        ip -n "$(ns wire)" link set "$node" master br0 up
    done
}

# node N ADDRESSES [TRUNK]: begins the file of node N, with its uplink; what is behind VLAN 7 there. Three idle workers leave their
# CPUs to the guest.
node() {
    config_switch "node$1"
    cat >>"$WORK/node$1.toml" <<TOML
rest_max_us = 300
[memory]
hugepages = "never"
frames = 4095
buffer = 10240
[[port]]
name = "up0"
kind = "eth"
device = "net_af_packet0,iface=ul0,framesz=10240,blocksz=20480,framecnt=256"
role = "uplink"
mtu = 9500
addresses = [$2]
TOML
    [[ -z ${3:-} ]] || echo "trunk = [{ vlan = 7, network = \"$3\" }]" >>"$WORK/node$1.toml"
}

# network N NETWORK VNI MTU [TUNNEL...]
network() {
    config_network "node$1" "$2" "$3" "${@:5}"
    echo "mtu = $4" >>"$WORK/node$1.toml"
}

# container N NAME NETWORK: it may have a VLAN interface.
container() {
    local number=${NUMBER[$2]}
    config_tap "node$1" "$2" "$3" "02:00:00:00:00:0$number" "10.0.0.$number/24 fd00::$number/64"
    echo "allow = [\"10.0.7.$number\", \"fd00:7::$number\"]" >>"$WORK/node$1.toml"
}

# configure MTU: the files of all nodes. The second has two of the containers, in networks that only the first joins.
configure() {
    local card
    node 1 '"192.0.2.1/24", "2001:db8::1/64"' blue
    container 1 plain blue
    container 1 bare blue
    echo "offloads = false" >>"$WORK/node1.toml"
    for card in "${CARDS[@]}"; do config_vhost node1 "$card" blue "${MAC[$card]}"; done
    network 1 blue 9 "$1" over4 over6
    config_tunnel node1 over4 192.0.2.2 4789
    config_tunnel node1 over6 2001:db8::3 4789
    node 2 '"192.0.2.2/24"' green
    container 2 vlan green
    container 2 vxlan4 blue
    network 2 green 8 "$1"
    network 2 blue 9 "$1" over4
    config_tunnel node2 over4 192.0.2.1 4789
    node 3 '"2001:db8::3/64"'
    container 3 vxlan6 blue
    network 3 blue 9 "$1" over6
    config_tunnel node3 over6 2001:db8::1 4789
}

# everyone_at MTU: the switches, and with them the containers, and the cards.
everyone_at() {
    local node
    configure "$1"
    for node in node1 node2 node3; do
        millrace "$node" apply "$WORK/$node.toml" >"$WORK/applied" 2>&1 || die "$node: $(<"$WORK/applied")"
    done
    in_guest vm "for card in ${CARDS[*]}; do nsenter -n/run/netns/\$card ip link set \$card mtu $1 || exit; done" >/dev/null
}

# agreed CARD: which of the features that matter here are in force.
agreed() {
    choice node1 "$1" features | tr ' ' '\n' | grep -xE '(csum|guest_csum|(guest|host)_(tso.|ecn|ufo)|mrg_rxbuf|version_1|ring_packed)' | xargs
}

# address_of CARD FAMILY MTU: with VLAN 7 behind the MTU, 1500.7, that of the card's VLAN interface.
address_of() {
    local vlan=0
    [[ $3 != *.* ]] || vlan=${3#*.}
    if (($2 == 4)); then echo "10.0.$vlan.${NUMBER[$1]}"; else echo "fd00:$vlan::${NUMBER[$1]}"; fi
}

# cells MTU CONTAINER...: the cards, in their order, with these containers, all at once, and in each streams beside datagrams.
cells() {
    local n card addresses pids=() names=() start
    start=$(now_ms)
    for n in "${!CARDS[@]}"; do
        card=${CARDS[n]}
        addresses=("$(address_of "$card" 4 "$1")" "$(address_of "$card" 6 "$1")")
        spawn_in "${*:n+2:1}" "$WORK/cell-$n" timeout 60 "$STREAM" exchange 300 "${addresses[@]}"
        pids+=("$SPAWNED")
        # net_af_packet has Linux put together what fragments of IPv4 it sees, which is not behind a second tag.
        [[ $1-${*:n+2:1} != +([0-9])-vlan ]] || addresses[0]+=/whole
        spawn_in "${*:n+2:1}" "$WORK/cell-$n-datagrams" timeout 60 "$DATAGRAMS" ask "${1%.*}" "${addresses[@]}"
        pids+=("$SPAWNED") names+=("$card-${*:n+2:1}")
    done
    for n in "${!pids[@]}"; do
        wait "${pids[n]}" || die "MTU $1, ${names[n / 2]}: $(cat "$WORK/cell-$((n / 2))"*)"
    done
    for n in "${!names[@]}"; do written "${CARDS[n]}" "$WORK/cell-$n-datagrams"; done
    CELLS=$((CELLS + ${#names[@]}))
    printf '%-6s  %s  %s s\n' "$1" "${names[*]}" "$(seconds_since "$start")"
}

# written CARD FILE: whether the kernel behind the card has cut datagrams out of one write, over both IPs. It need not for a card
# that is not left its checksums.
written() {
    [[ ${AGREED[$1]} != csum* || $(grep -c ', at once$' "$2") == 2 ]] || die "$1 did not write its datagrams at once: $(<"$2")"
}

# leaves CARD FAMILY: whether super-frames of TCP over IPv4 or IPv6 come from there and go there as they are.
leaves() { [[ ${AGREED[$1]} == *"guest_tso$2 "*"host_tso$2 "* ]]; }

# guests MTU CARD OTHER: these two with each other. What one leaves to be cut is cut where the other does not take it, and else
# nothing is.
guests() {
    local start family cut from to
    start=$(now_ms)
    for family in 4 6; do
        # The one that is asked writes more at once.
        if leaves "$2" "$family"; then from=$3 to=$2; else from=$2 to=$3; fi
        cut=$(in_ledger node1 .total.split)
        in_guest "vm/$from" "exchange $(address_of "$to" "$family" "$1")" >"$WORK/said" || die "MTU $1, from $from to $to: $(<"$WORK/said")"
        cut=$(($(in_ledger node1 .total.split) - cut))
        if leaves "$to" "$family" && ! leaves "$from" "$family"; then
            expect "segments cut that $to leaves to $from over IPv$family" "$cut" -gt 0
        else
            expect "segments cut between $to and $from over IPv$family" "$cut" -eq 0
        fi
        printf '%-6s  %s-%s over IPv%d  %d segments cut  %s s\n' "$1" "$from" "$to" "$family" "$cut" "$(seconds_since "$start")"
    done
    CELLS=$((CELLS + 1))
}

# guests_datagrams MTU CARD OTHER...: datagrams from the card to the others, and back.
guests_datagrams() {
    local start other addresses=()
    start=$(now_ms)
    for other in "${@:3}"; do addresses+=("$(address_of "$other" 4 "$1")" "$(address_of "$other" 6 "$1")"); done
    in_guest "vm/$2" "datagrams ask ${1%.*} ${addresses[*]}" >"$WORK/said" || die "MTU $1, datagrams from $2: $(<"$WORK/said")"
    for other in "${@:3}"; do
        head -n 2 "$WORK/said" >"$WORK/said-of-it"
        written "$other" "$WORK/said-of-it"
        sed -i 1,2d "$WORK/said"
    done
    printf '%-6s  %s-%s  datagrams  %s s\n' "$1" "$2" "${*:3}" "$(seconds_since "$start")"
}

# cut_for MTU CONTAINER CARD: streams between these two, of which one leaves its segments to be cut, and the other takes none uncut.
cut_for() {
    local family cut
    for family in 4 6; do
        cut=$(in_ledger node1 .total.split)
        exchange "$2" 300 "$(address_of "$3" "$family" "$1")"
        expect "segments cut between $2 and $3 over IPv$family" "$(in_ledger node1 .total.split)" -gt "$cut"
    done
}

# datagrams_in: sixty, sent as two, to every card, over IPv4 from beside it and over IPv6 through a tunnel. Nobody listens there,
# so its kernel counts those whose checksum is right.
datagrams_in() {
    local card pid pids=()
    for card in "${CARDS[@]}"; do
        spawn_in plain "$WORK/datagrams" "$STREAM" send-udp "$(address_of "$card" 4 1500)" 2
        pids+=("$SPAWNED")
        spawn_in vxlan6 "$WORK/datagrams6" "$STREAM" send-udp "$(address_of "$card" 6 1500)" 2
        pids+=("$SPAWNED")
    done
    for pid in "${pids[@]}"; do wait "$pid" || die "datagrams: $(cat "$WORK"/datagrams*)"; done
    for card in "${CARDS[@]}"; do wait_until 10 "datagrams to $card" counted "$card"; done
}
counted() {
    in_guest "vm/$1" "awk '/^Udp:/ { four = \$3 } /^Udp6NoPorts/ { six = \$2 } END { exit !(four >= 45 && six >= 45) }'" \
        /proc/net/snmp /proc/net/snmp6
}

CELLS=0
netns_add wire node1 node2 node3 "${CONTAINERS[@]}"
wire
configure 9000
start_guest vm "${MAC[full]}" '' socket="$WORK/full.sock" mtu=9000 initramfs="$(datagrams_initramfs)" \
    card="tso4,${MAC[tso4]},${PROPERTIES[tso4]}" card="tso6,${MAC[tso6]},${PROPERTIES[tso6]}" \
    card="none,${MAC[none]},${PROPERTIES[none]}"
for node in node1 node2 node3; do start_millraced "$node"; done
wait_for_guests vm
for card in "${CARDS[@]}"; do
    guest_room vm "$card" "${MAC[$card]}" "10.0.0.${NUMBER[$card]}/24" "fd00::${NUMBER[$card]}/64" >/dev/null
done
in_guest vm "for card in ${CARDS[*]}; do nsenter -n/run/netns/\$card datagrams answer >/run/\$card.answers 2>&1 & done" >/dev/null

step "what was agreed on"
for card in "${CARDS[@]}"; do
    offloads=$(choice node1 "$card" offloads)
    printf '%-4s  %s\n      %s\n' "$card" "$offloads" "$(agreed "$card")"
    [[ $(agreed "$card") == "${AGREED[$card]}" ]] || die "not \`${AGREED[$card]}\`"
    [[ $offloads == "to the guest: ${OFFLOADS[$card]}; from it: ${OFFLOADS[$card]}" ]] || die "not \`${OFFLOADS[$card]}\`"
done
[[ $(choice node1 bare offloads) == none ]] || die "bare has offloads"
serve_streams 300003 "${CARDS[@]/#/vm/}" >/dev/null
wait_until 30 "datagrams to be answered" in_guest vm "for card in ${CARDS[*]}; do grep ready /run/\$card.answers || exit; done"

step "streams"
cells 9000 plain plain plain plain
cells 9000 vlan vxlan4 vxlan6 plain
cells 9000 bare bare bare bare
guests 9000 full none
guests 9000 tso4 tso6
everyone_at 1500
cells 1500 plain vlan vxlan4 vxlan6
cells 1500 vlan vxlan4 vxlan6 plain
cells 1500 vxlan4 vxlan6 plain vlan
cells 1500 vxlan6 plain vlan vxlan4
for pair in "full tso4" "full tso6" "full none" "tso4 tso6" "tso4 none" "tso6 none"; do
    read -r card other <<<"$pair"
    guests 1500 "$card" "$other"
done
guests_datagrams 1500 full tso4 tso6 none
guests_datagrams 1500 tso4 tso6 none
guests_datagrams 1500 tso6 none
datagrams_in
cells 1500 bare bare bare bare
cut_for 1500 bare full
if compgen -G "$GUEST_KIT/vlan-modules/*-8021q.ko" >/dev/null; then
    step "VLAN interfaces at both ends"
    for card in "${CARDS[@]}"; do guest_vlan "vm/$card" 7 "10.0.7.${NUMBER[$card]}/24" "fd00:7::${NUMBER[$card]}/64" >/dev/null; done
    for name in "${CONTAINERS[@]}"; do vlan_on "$name" eth0 7 "10.0.7.${NUMBER[$name]}/24" "fd00:7::${NUMBER[$name]}/64"; done
    cells 1500.7 plain vlan vxlan4 vxlan6
    cells 1500.7 vxlan6 plain bare vlan
    cut_for 1500.7 plain none
    cut_for 1500.7 bare full
    guests 1500.7 full none
    guests 1500.7 tso4 tso6
    guests_datagrams 1500.7 full tso4 none
else
    echo "skipped: VLANs in guests: no 8021q for their kernel in target/guest (scripts/setup)"
fi
everyone_at 1400
cells 1400 plain plain plain plain
cells 1400 vxlan4 vxlan6 plain vlan

step "checksums, drops and ledgers"
no_bad_sums "${CONTAINERS[@]}"
no_bad_sums_inside "${CARDS[@]/#/vm/}"
expect "segments put together" "$(in_ledger node1 .total.merged)" -gt 100
for node in node1 node2 node3; do
    for reason in mtu-exceeded mtu-exceeded-underlay offload-headers offload-segments split-out-of-frames no-headroom; do
        expect "$node: frames dropped as $reason" "$(dropped "$node" "$reason")" -eq 0
    done
    ledger_balanced "$node"
    expect "$node: frames lost" "$(in_ledger "$node" .total.lost)" -eq 0
    stop_millraced "$node"
done
good "$CELLS cells"
