#!/usr/bin/env bash
# VLANs with Linux as the peer: a trunk TAP with VLAN interfaces on it, a network bridged to a VLAN of the
# physical network, the underlay with Linux's VXLAN in another, tags within tags, what is refused, and storm control.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 phys vm red1 blue1 kb
underlay node1 phys
vlan_on phys ul0 30 10.0.1.9/24
vlan_on phys ul0 100 192.0.2.2/24
ip -n "$(ns phys)" link add vx20 mtu 1450 type vxlan id 20 dstport 4789 local 192.0.2.2 dev ul0.100 learning
ip -n "$(ns phys)" link set vx20 up
kernel_remote phys 20 192.0.2.1
kernel_bridge phys 20 kb 10.0.2.9/24

config_switch node1
config_uplink node1 192.0.2.1/24
cat >>"$WORK/node1.toml" <<TOML
vlan = 100
trunk = [{ vlan = 30, network = "red" }]
[[port]]
name = "vm"
kind = "tap"
netns = "$(ns vm)"
interface = "eth0"
trunk = [{ vlan = 10, network = "red" }, { vlan = 20, network = "blue" }]
TOML
config_tap node1 red1 red 02:00:00:00:01:01 10.0.1.1/24
config_tap node1 blue1 blue 02:00:00:00:02:01 10.0.2.1/24
echo 'storm_max = 50' >>"$WORK/node1.toml"
config_network node1 red 10
config_network node1 blue 20 to-phys
config_tunnel node1 to-phys 192.0.2.2 4789
start_millraced node1
vlan_on vm eth0 10 10.0.1.5/24
vlan_on vm eth0 20 10.0.2.5/24

step "the node answers in VLAN 100"
wait_until 10 "the node itself to answer ping" in_ns phys ping -n -c 1 -W 1 192.0.2.1
wait_until 10 "the first answer across the tunnel" in_ns blue1 ping -n -c 1 -W 1 10.0.2.9

step "red: VLAN 10 of the VM, untagged at red1, VLAN 30 of the physical network"
ping_all vm=10.0.1.5 red1=10.0.1.1 phys=10.0.1.9
neighbour=$(ip -n "$(ns phys)" neigh show 10.0.1.1 dev ul0.30)
[[ $neighbour == *02:00:00:00:01:01* ]] || die "red1's MAC is not on the physical network: $neighbour"
in_ns vm ping -n -q -c 2 -i 0.05 -W 2 -M 'do' -s 1422 10.0.1.9 >/dev/null || die "no packet of the whole MTU gets through"

step "blue: VLAN 20 of the VM, untagged at blue1, VXLAN in VLAN 100"
ping_all vm=10.0.2.5 blue1=10.0.2.1 kb=10.0.2.9
! in_ns vm ping -n -q -c 1 -W 1 -I eth0.20 10.0.1.1 >/dev/null || die "the networks are one"
iperf_tcp vm kb 10.0.2.9
echo "TCP from VLAN 20 through the tunnel: $RESULT Mbit/s"
iperf_tcp phys vm 10.0.1.5
echo "TCP from VLAN 30 to VLAN 10: $RESULT Mbit/s"

step "a tag within a tag passes through"
vlan_on vm eth0.10 7 10.0.7.5/24
vlan_on phys ul0.30 7 10.0.7.9/24
ping_all vm=10.0.7.5 phys=10.0.7.9

step "what is in no VLAN of the trunk is refused"
before=$(dropped node1 vlan-refused)
address vm eth0 10.0.9.5/24
! in_ns vm ping -n -q -c 2 -i 0.05 -W 1 10.0.9.1 >/dev/null || die "someone answered"
vlan_on vm eth0 11 10.0.11.5/24
! in_ns vm ping -n -q -c 2 -i 0.05 -W 1 10.0.11.1 >/dev/null || die "someone answered"
expect "frames refused" "$(dropped node1 vlan-refused)" -ge $((before + 2))

step "a storm is cut off"
in_ns blue1 ping -n -q -b -c 500 -i 0.002 -W 1 10.0.2.255 >/dev/null 2>&1 || true
expect "flooded frames dropped" "$(dropped node1 storm-control)" -ge 100
ping_from blue1 10.0.2.9

step "show ports names the networks"
millrace node1 show ports --json |
    jq -e '.ports[] | select(.name == "vm") | .trunk == [{vlan: 10, network: "red"}, {vlan: 20, network: "blue"}]' >/dev/null
table=$(millrace node1 show ports)
[[ $table == *10:red,20:blue* ]] || die "not in the table: $table"
ledger_balanced node1
stop_millraced node1
