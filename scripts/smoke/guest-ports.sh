#!/usr/bin/env bash
# Ports of guests that come and go on a running switch, by `millrace port add --vhost`: the folder of their sockets, who may
# connect to them, and that a third party loses nothing. Debian's testpmd is the guest (virtio-user, no VM).
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v dpdk-testpmd >/dev/null || skip "needs dpdk-testpmd (scripts/setup)"

netns_add node1 c1 c2
config_switch node1
folder=$WORK/guests
sed -i "s|^\[workers\]|vhost_dir = \"$folder\"\nvhost_group = \"nogroup\"\n&|" "$WORK/node1.toml"
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
config_network node1 blue 1
cp "$WORK/node1.toml" "$WORK/first.toml"
start_millraced node1
in_ns c1 ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent
ping_all c1=10.0.0.1 c2=10.0.0.2

# guest PORT DEVICE-ARGUMENTS: a container that answers ARP and ping for any address; its process in SPAWNED.
guest() {
    spawn "$WORK/$1.log" dpdk-testpmd --lcores=0@0,1@0 --no-pci --no-telemetry --no-huge --no-shconf -m 64 \
        --file-prefix="mr$$-$1" --vdev="net_virtio_user0,path=$folder/$1.sock,mac=02:00:00:00:00:09$2" \
        -- --no-mlockall --total-num-mbufs=2048 --forward-mode=icmpecho --stats-period=3600
}
in_use() { millrace node1 show ports "$1" --json | jq -e 'any(.ports[].choices[]; .chosen == "connected, 2 rings in use")'; }
answers() { in_ns c1 ping -c 1 -W 1 10.0.0.9; }

# is PATH MODE GROUP: what stat says of it.
is() { [[ $(stat -c '%a %G' "$1") == "$2 $3" ]] || die "$1: $(stat -c '%a %G' "$1") instead of $2 $3"; }

# 5000 pings, one every 4 ms, while everything below happens; each must be answered.
spawn_in c1 "$WORK/flood.log" "$ROOT/scripts/smoke/echo.py" 10.0.0.2 5000 0.004 10
flood=$SPAWNED

# comes_and_goes PORT MODE DEVICE-ARGUMENTS: such a port is added, gets a guest, which answers, and is removed again.
comes_and_goes() {
    millrace node1 port add "$1" --vhost "$1.sock" --mode "$2" --network blue --mac 02:00:00:00:00:09 --save >/dev/null
    is "$folder" 1771 nogroup
    [[ $2 == client ]] || is "$folder/$1.sock" 660 nogroup
    guest "$1" "$3"
    wait_until 20 "the rings of $1" in_use "$1"
    wait_until 10 "the first answer of $1" answers
    ping_from c1 10.0.0.9 20
    millrace node1 port del "$1" --save >/dev/null
    [[ $2 == client ]] || wait_until 5 "the socket to go" test ! -e "$folder/$1.sock"
    stop_process "$SPAWNED"
    cmp -s "$WORK/node1.toml" "$WORK/first.toml" || die "after add and del the file is another"
}
step "a guest that listens"
comes_and_goes vm1 client ,server=1
step "a guest that connects"
comes_and_goes vm2 server ''

# refused PATTERN ARGUMENT...: the port cannot be added, and PATTERN is said.
refused() {
    local pattern=$1
    shift
    ! millrace node1 port add vm3 --network blue "$@" >"$WORK/refused.log" 2>&1 || die "$*: was accepted"
    grep -qE -- "$pattern" "$WORK/refused.log" || { cat "$WORK/refused.log" >&2; die "$*: says nothing of $pattern"; }
}
step "folders in which anybody could be the guest"
mkdir -m 777 "$WORK/open"
mkdir "$WORK/sticky"
chmod 1777 "$WORK/sticky"
refused 'everybody may write to this folder' --vhost "$WORK/open/vm3.sock" --mode server
refused 'socket_owner' --vhost "$WORK/sticky/vm3.sock"
refused 'is no mode of a socket' --vhost vm3.sock --set socket_mode=rw

wait_until 40 "the pings to end" gone "$flood"
grep -q '5000 answered, 0 duplicates' "$WORK/flood.log" || { cat "$WORK/flood.log" >&2; die "pings were lost"; }
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
stop_millraced node1
