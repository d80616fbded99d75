# shellcheck shell=bash
# Networks for smoke tests: namespaces, links, millraced in a namespace, Linux's own VXLAN as the peer.
# Source it after lib.sh.
#
# Namespaces go by short names ("node1", "c1"); on the machine they are called mr<pid>-<name>, so runs do not meet, and
# they vanish with the script together with whatever still runs inside.

MILLRACED=${MILLRACED:-$ROOT/target/release/millraced}
MILLRACE=${MILLRACE:-$ROOT/target/release/millrace}

# Where a test keeps configs, sockets and logs; removed with the script unless KEEP_WORK is set.
WORK=$(mktemp -d "${TMPDIR:-/tmp}/millrace-smoke.XXXXXX")
[[ -n ${KEEP_WORK:-} ]] || defer rm -rf "$WORK"

# --- namespaces ---

# ns NAME: what the namespace is called on the machine.
ns() { printf 'mr%d-%s' $$ "$1"; }

# in_ns NAME COMMAND...: runs the command inside.
in_ns() {
    local name=$1
    shift
    ip netns exec "$(ns "$name")" "$@"
}

# spawn_in NAME LOG COMMAND...: `spawn` inside the namespace; `ip netns exec` becomes the command, so SPAWNED is its id.
spawn_in() {
    local name=$1 log=$2
    shift 2
    spawn "$log" ip netns exec "$(ns "$name")" "$@"
}

# netns_add NAME...: makes namespaces with lo up. IPv6 is silent on what appears in them later: no router solicitations.
netns_add() {
    local name
    for name in "$@"; do
        ip netns add "$(ns "$name")"
        defer netns_del "$name"
        ip -n "$(ns "$name")" link set lo up
        in_ns "$name" sysctl -qw net.ipv6.conf.default.router_solicitations=0
    done
}

# netns_del NAME: removes the namespace and what still runs in it. That it is ours makes its processes ours.
netns_del() {
    local full pid
    full=$(ns "$1")
    [[ -e /run/netns/$full ]] || return 0
    for pid in $(ip netns pids "$full"); do
        stop_process "$pid"
    done
    ip netns del "$full"
}

# --- links ---

# no_offloads NAME IFACE: makes the kernel segment and checksum by itself, as AF_PACKET at the other end needs.
no_offloads() { in_ns "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null; }

# underlay NODE1 NODE2 [MTU]: joins two nodes by a veth called `ul0` on both sides, without offloads and without any
# address: Millrace answers for its own, a Linux peer gets one by `address`.
underlay() {
    local a=$1 b=$2 mtu=${3:-1600} node
    ip link add ul0 netns "$(ns "$a")" mtu "$mtu" type veth peer name ul0 netns "$(ns "$b")" mtu "$mtu"
    for node in "$a" "$b"; do
        no_offloads "$node" ul0
        in_ns "$node" sysctl -qw net.ipv6.conf.ul0.disable_ipv6=1
        ip -n "$(ns "$node")" link set ul0 up
    done
}

# address NAME IFACE ADDRESS/LEN: gives the kernel an address, usable at once.
address() {
    local nodad=''
    [[ $3 == *:* ]] && nodad=nodad
    ip -n "$(ns "$1")" addr add "$3" dev "$2" $nodad
}

# routed ROUTER FAR [MTU]: puts FAR (198.51.100.2) one hop behind ROUTER, which is 192.0.2.254 on its underlay, as the gateway of
# the nodes there.
routed() {
    local router=$1 far=$2 mtu=${3:-1600}
    ip link add ul0 netns "$(ns "$far")" mtu "$mtu" type veth peer name down0 netns "$(ns "$router")" mtu "$mtu"
    no_offloads "$far" ul0
    no_offloads "$router" down0
    ip -n "$(ns "$far")" link set ul0 up
    ip -n "$(ns "$router")" link set down0 up
    address "$router" ul0 192.0.2.254/24
    address "$router" down0 198.51.100.254/24
    address "$far" ul0 198.51.100.2/24
    ip -n "$(ns "$far")" route add 192.0.2.0/24 via 198.51.100.254
    in_ns "$router" sysctl -qw net.ipv4.ip_forward=1
}

# vlan_on NAME IFACE VLAN [ADDRESS/LEN...]: the VLAN interface IFACE.VLAN, up: the kernel's own, or where it has none a veth
# whose other end vlan-interface.py joins to IFACE. Either has IFACE's MAC and MTU.
vlan_on() {
    local node own=$2.$3 log=$WORK/vlan-$1-$2.$3.log parent=/sys/class/net/$2 cidr
    node=$(ns "$1")
    if ! ip -n "$node" link add link "$2" name "$own" type vlan id "$3" 2>/dev/null; then
        ip -n "$node" link add "$own" address "$(in_ns "$1" cat "$parent/address")" mtu "$(in_ns "$1" cat "$parent/mtu")" \
            type veth peer name "$own-p"
        in_ns "$1" sysctl -qw "net/ipv6/conf/$own-p/disable_ipv6=1"
        ip -n "$node" link set "$own-p" mtu 2000 up
        spawn_in "$1" "$log" python3 "$ROOT/scripts/smoke/vlan-interface.py" "$2" "$own-p" "$3"
        wait_until 10 "$own in $1" grep -q ready "$log"
    fi
    ip -n "$node" link set "$own" up
    for cidr in "${@:4}"; do address "$1" "$own" "$cidr"; done
}

# --- Linux as the peer ---

# kernel_vxlan NAME VNI PORT LOCAL [learning|nolearning] [MTU]: a VXLAN device called vx<VNI>, up, over ul0.
kernel_vxlan() {
    local name=$1 vni=$2 port=$3 local_address=$4 learning=${5:-nolearning} mtu=${6:-1450}
    ip -n "$(ns "$name")" link add "vx$vni" mtu "$mtu" type vxlan id "$vni" dstport "$port" local "$local_address" \
        dev ul0 "$learning"
    ip -n "$(ns "$name")" link set "vx$vni" up
}

# kernel_remote NAME VNI VTEP [MAC]: where frames to MAC go; without a MAC, where broadcast and unknown ones go too.
kernel_remote() {
    in_ns "$1" bridge fdb append "${4:-00:00:00:00:00:00}" dev "vx$2" dst "$3"
}

# kernel_bridge NAME VNI CONTAINER ADDRESS/LEN [MTU]: a bridge br<VNI> over vx<VNI>, and a veth `eth0` to a container.
kernel_bridge() {
    local name=$1 vni=$2 container=$3 cidr=$4 mtu=${5:-1450}
    local node
    node=$(ns "$name")
    if ! ip -n "$node" link show "br$vni" >/dev/null 2>&1; then
        ip -n "$node" link add "br$vni" type bridge
        ip -n "$node" link set "vx$vni" master "br$vni"
        ip -n "$node" link set "br$vni" up
    fi
    ip link add eth0 netns "$(ns "$container")" mtu "$mtu" type veth peer name "p-$container" netns "$node" mtu "$mtu"
    ip -n "$node" link set "p-$container" master "br$vni" up
    address "$container" eth0 "$cidr"
    ip -n "$(ns "$container")" link set eth0 up
}

# --- a switch's configuration: $WORK/NAME.toml, piece by piece ---

# config_switch NAME [WORKERS]: starts the file over.
config_switch() {
    cat >"$WORK/$1.toml" <<TOML
[switch]
name = "$(ns "$1")"
socket = "$WORK/$1.sock"
[workers]
count = ${2:-1}
TOML
}

# config_uplink NAME ADDRESS/LEN [WORKER]: `up0`, on ul0.
config_uplink() {
    cat >>"$WORK/$1.toml" <<TOML
[[port]]
name = "up0"
kind = "eth"
device = "net_af_packet0,iface=ul0"
role = "uplink"
addresses = ["$2"]
workers = [${3:-0}]
TOML
}

# config_vtep_uplink NODE N DEVICE: `upN` of switch nodeNODE, one of two. 10.N.0.0/24 is between the nodes 1 and 2, and the
# VTEP's address, 192.0.2.NODE, is a host route on each uplink.
config_vtep_uplink() {
    cat >>"$WORK/node$1.toml" <<TOML
[[port]]
name = "up$2"
kind = "eth"
device = "$3"
role = "uplink"
addresses = ["10.$2.0.$1/24", "192.0.2.$1/32"]
gateway = "10.$2.0.$((3 - $1))"
TOML
}

# config_tap NAME CONTAINER NETWORK MAC ADDRESS/LEN [WORKER]: a port called like the container, its `eth0`. Several addresses are
# one word, with spaces between.
config_tap() {
    cat >>"$WORK/$1.toml" <<TOML
[[port]]
name = "$2"
kind = "tap"
netns = "$(ns "$2")"
interface = "eth0"
mac = "$4"
addresses = ["${5// /\", \"}"]
network = "$3"
workers = [${6:-0}]
TOML
}

# config_eth NAME PORT DEVICE NETWORK [LINE...]: an access port on a DPDK device, with more lines of its section.
config_eth() {
    local file=$WORK/$1.toml
    printf '[[port]]\nname = "%s"\nkind = "eth"\ndevice = "%s"\nnetwork = "%s"\n' "$2" "$3" "$4" >>"$file"
    (($# == 4)) || printf '%s\n' "${@:5}" >>"$file"
}

# config_vhost NAME PORT NETWORK MAC [WORKERS [MODE]]: a port whose guest is met on $WORK/PORT.sock; a queue for each of
# WORKERS, such as 0,1.
config_vhost() {
    cat >>"$WORK/$1.toml" <<TOML
[[port]]
name = "$2"
kind = "vhost-user"
socket = "$WORK/$2.sock"
mode = "${6:-client}"
mac = "$4"
network = "$3"
workers = [${5:-0}]
TOML
}

# choice NAME PORT WHAT: what \`show ports\` says was chosen for, or agreed on with, the port.
choice() {
    millrace "$1" show ports --json |
        jq -r --arg port "$2" --arg what "$3" '.ports[] | select(.name == $port) | .choices[] | select(.what == $what) | .chosen'
}

# config_network NAME NETWORK VNI [TUNNEL...]
config_network() {
    local file=$WORK/$1.toml network=$2 vni=$3 tunnels
    shift 3
    tunnels=$(printf '"%s", ' "$@")
    (($#)) || tunnels=''
    printf '[[network]]\nname = "%s"\nvni = %s\ntunnels = [%s]\n' "$network" "$vni" "${tunnels%, }" >>"$file"
}

# config_tunnel NAME TUNNEL REMOTE PORT
config_tunnel() {
    printf '[[tunnel]]\nname = "%s"\nuplink = "up0"\nremote = "%s"\nport = %s\n' "$2" "$3" "$4" >>"$WORK/$1.toml"
}

# --- the switch ---

declare -A MILLRACED_PID=()

# start_millraced NAME [ARGUMENT...]: starts the switch of $WORK/NAME.toml in its namespace and waits until it answers on
# $WORK/NAME.sock. Its log is $WORK/NAME.log.
start_millraced() {
    local name=$1
    shift
    [[ -x $MILLRACED && -x $MILLRACE ]] || die "$MILLRACED or $MILLRACE is missing: cargo build --release"
    spawn_in "$name" "$WORK/$name.log" "$MILLRACED" --config "$WORK/$name.toml" "$@"
    MILLRACED_PID[$name]=$SPAWNED
    wait_until 30 "millraced in $name" answers_or_died "$name" && alive "${MILLRACED_PID[$name]}" && return 0
    cat "$WORK/$name.toml" "$WORK/$name.log" >&2
    die "millraced in $name did not start"
}

answers_or_died() { gone "${MILLRACED_PID[$1]}" || millrace "$1" show version; }

# millrace NAME ARGUMENT...: the operator's tool, talking to the switch in the namespace.
millrace() {
    local name=$1
    shift
    "$MILLRACE" --socket "$WORK/$name.sock" "$@"
}

# unasked NAME: whether nobody is connected to the control socket of the switch: one that has asked and gone stays so until the
# switch has closed its end, which takes a busy machine a while. To be waited for before descriptors are counted.
unasked() { [[ -z $(ss -Hx state established src "$WORK/$1.sock") ]]; }

# stop_millraced NAME: SIGTERM; it must end by itself with code 0 within 10 seconds.
stop_millraced() {
    local pid=${MILLRACED_PID[$1]} code=0
    kill -TERM "$pid"
    wait_until 10 "millraced in $1 to end" gone "$pid" || { cat "$WORK/$1.log" >&2; return 1; }
    wait "$pid" || code=$?
    ((code == 0)) || { cat "$WORK/$1.log" >&2; die "millraced in $1 ended with code $code"; }
    unset "MILLRACED_PID[$1]"
}

# --- traffic ---

# What the last measurement found.
export RESULT=''

# ping_from NAME ADDRESS [COUNT]: every ping must be answered, once.
ping_from() {
    in_ns "$1" "$ROOT/scripts/smoke/echo.py" "$2" "${3:-3}" 0.05 5 >"$WORK/ping.log" 2>&1 && return 0
    cat "$WORK/ping.log" >&2
    printf '%serror:%s %s cannot ping %s\n' "$RED" "$PLAIN" "$1" "$2" >&2
    return 1
}

# ping_all NAME=ADDRESS...: everyone pings everyone else.
ping_all() {
    local from to
    for from in "$@"; do
        for to in "$@"; do
            [[ $from == "$to" ]] || ping_from "${from%%=*}" "${to#*=}"
        done
    done
}

# iperf_server NAME: one iperf3 server for one client, listening when this returns.
iperf_server() {
    spawn_in "$1" "$WORK/iperf-$1.log" iperf3 -s -1
    wait_until 5 "iperf3 to listen in $1" listens "$1" 5201
}

listens() { [[ -n $(in_ns "$1" ss -Hltn "sport = :$2") ]]; }

# iperf_client CLIENT ARGUMENT...: its report in $WORK/iperf.json, shown where it fails.
iperf_client() {
    local client=$1
    shift
    in_ns "$client" timeout 60 iperf3 -J "$@" >"$WORK/iperf.json" && return 0
    cat "$WORK/iperf.json" >&2
    return 1
}

# iperf_tcp CLIENT SERVER ADDRESS [SECONDS]: leaves Mbit/s received in RESULT; fails where nothing was.
iperf_tcp() {
    iperf_server "$2"
    iperf_client "$1" -c "$3" -t "${4:-2}"
    RESULT=$(jq -er '.end.sum_received.bits_per_second / 1e6 | floor | select(. > 0)' "$WORK/iperf.json")
}

# iperf_udp CLIENT SERVER ADDRESS RATE [SECONDS]: leaves the percentage lost at RATE (such as 20M) in RESULT; fails
# where nothing arrived.
iperf_udp() {
    iperf_server "$2"
    iperf_client "$1" -u -b "$4" -c "$3" -t "${5:-2}"
    RESULT=$(jq -er '.end.sum | select(.packets > 0 and .lost_percent < 100) | .lost_percent' "$WORK/iperf.json")
}

# --- what must hold ---

# ledger_balanced NAME: every frame the switch met is accounted for. Two workers publish at different moments, so the
# answer may take a turn to settle; one that never does is a failure.
ledger_balanced() {
    wait_until 5 "the ledger of $1 to balance" millrace "$1" show ledger --json && return 0
    millrace "$1" show ledger >&2 || true
    return 1
}

# in_ledger NAME FILTER: what jq's FILTER makes of the switch's ledger, such as `.total.handed`.
in_ledger() {
    local ledger
    ledger=$(millrace "$1" show ledger --json) || true
    jq -er "$2" <<<"$ledger"
}

# dropped NAME REASON: how many frames the switch dropped for it.
dropped() {
    local drops
    drops=$(millrace "$1" show drops --json)
    jq -er --arg reason "$2" '.reasons[] | select(.reason == $reason) | .frames' <<<"$drops"
}

# expect WHAT A OPERATOR B: a comparison of numbers that must hold, with an operator of `test` such as -gt.
expect() {
    test "$2" "$3" "$4" && return 0
    printf '%serror:%s %s: %s is not %s %s\n' "$RED" "$PLAIN" "$1" "$2" "$3" "$4" >&2
    return 1
}
