#!/usr/bin/env bash
# Uplinks that are TAPs of the node's kernel: super-frames go through the tunnel as they are, between two switches and to
# Linux's own VXLAN and back, over IPv4 and, with outer checksums, over IPv6. What is sent as 64 KiB arrives octet by octet.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-stream.sh"
need_root

netns_add wire linux a b k
ip -n "$(ns wire)" link add br0 mtu 1600 type bridge
ip -n "$(ns wire)" link set br0 up
ip link add ul0 netns "$(ns linux)" mtu 1600 type veth peer name linux netns "$(ns wire)" mtu 1600
ip -n "$(ns wire)" link set linux master br0 up
ip -n "$(ns linux)" link set ul0 up

# plug NUMBER: plugs the uplink of that node into the bridge. One that is made anew is not in it any more.
plug() { ip -n "$(ns wire)" link set "up$1" master br0; }

# node NUMBER CONTAINER: a switch whose uplink is plugged into the bridge, with a tunnel to the other and one to Linux for each
# family.
node() {
    local name=node$1 other=$((3 - $1))
    config_switch "$name"
    cat >>"$WORK/$name.toml" <<TOML
[[port]]
name = "up0"
kind = "tap"
role = "uplink"
netns = "$(ns wire)"
interface = "up$1"
mac = "02:00:00:00:00:f$1"
mtu = 1600
addresses = ["192.0.2.$1/24", "2001:db8::$1/64"]
TOML
    config_tap "$name" "$2" blue "02:00:00:00:01:0$1" "10.0.0.$1/24 fd00::$1/64"
    config_network "$name" blue 7 v4 v6
    config_tunnel "$name" v4 "192.0.2.$other" 4789
    config_tunnel "$name" v6 2001:db8::3 8472
    start_millraced "$name"
    plug "$1"
}

# streams FROM ITS-NUMBER TO ITS-NUMBER: both ways, over both families.
streams() {
    wait_until 20 "an answer from $3" in_ns "$1" ping -n -c 1 -W 1 "10.0.0.$4"
    stream "$1" "$3" "10.0.0.$4" 8
    stream "$1" "$3" "fd00::$4" 8
    stream "$3" "$1" "10.0.0.$2" 8
}

# super_frames NODE...: nothing was cut or refused, nor lost, and what came in was many segments long.
super_frames() {
    local node
    for node in "$@"; do
        expect "segments cut by $node" "$(in_ledger "$node" .total.split)" -eq 0
        expect "octets a frame that came to $node" "$(octets_a_frame "$node" up0)" -gt 3000
        ledger_balanced "$node"
        expect "frames lost by $node" "$(in_ledger "$node" .total.lost)" -eq 0
    done
}

netns_add node1 node2
node 1 a
node 2 b
[[ $(choice node1 up0 offloads) == *tunnels* ]] || skip "needs a kernel that leaves super-frames in tunnels to a TAP (6.17)"

step "between two switches"
streams a 1 b 2
super_frames node1 node2
no_bad_sums a b

step "a TAP that was not asked for them"
stop_millraced node2
sed -i '/^name = "up0"/a offloads = false' "$WORK/node2.toml"
start_millraced node2
plug 2
streams a 1 b 2
expect "segments that node2 had to cut" "$(in_ledger node2 .total.split)" -gt 1000
no_bad_sums a b
stop_millraced node2

step "to Linux and back, over IPv6 with checksums"
address linux ul0 2001:db8::3/64
kernel_vxlan linux 7 8472 2001:db8::3 learning
kernel_remote linux 7 2001:db8::1
kernel_bridge linux 7 k 10.0.0.3/24
address k eth0 fd00::3/64
streams a 1 k 3
super_frames node1
no_bad_sums a k linux

step "to Linux and back, over IPv4"
stop_millraced node1
ip -n "$(ns linux)" link del vx7
address linux ul0 192.0.2.3/24
kernel_vxlan linux 7 4789 192.0.2.3 learning
kernel_remote linux 7 192.0.2.1
ip -n "$(ns linux)" link set vx7 master br7
sed -i 's/"192.0.2.2"/"192.0.2.3"/' "$WORK/node1.toml"
start_millraced node1
plug 1
streams a 1 k 3
super_frames node1
no_bad_sums a k linux

step "in a VLAN, whose tag the kernel inserts and takes off"
if ip -n "$(ns wire)" link add link up1 name tagged mtu 1600 type vlan id 10 2>/dev/null; then
    ip -n "$(ns wire)" link set up1 nomaster
    ip -n "$(ns wire)" link set tagged master br0 up
    sed -i '/^role = "uplink"/a vlan = 10' "$WORK/node1.toml"
    millrace node1 apply "$WORK/node1.toml" >/dev/null
    streams a 1 k 3
    super_frames node1
    no_bad_sums a k linux
    sed -i '/^vlan = 10/d' "$WORK/node1.toml"
else
    echo "skipped: this kernel is built without VLAN interfaces (8021q)"
fi

step "an uplink that a network is bridged to, too"
sed -i '/^role = "uplink"/a trunk = [{ vlan = 10, network = "blue" }]' "$WORK/node1.toml"
millrace node1 apply "$WORK/node1.toml" >/dev/null
plug 1
[[ $(choice node1 up0 offloads) != *tunnels* ]] || die "stations there may have tunnels of their own"
streams a 1 k 3
no_bad_sums a k linux
ledger_balanced node1
stop_millraced node1
