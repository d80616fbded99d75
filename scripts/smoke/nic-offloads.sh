#!/usr/bin/env bash
# What is left to DPDK devices that offer it: super-frames leave whole by a virtio device whose other end takes them, and
# arrive octet by octet at a container behind another switch; a device whose other end takes none is given none, and it is
# said. Without `offloads = true` all of it is done in software.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-stream.sh"
need_root

# container NODE NAME NUMBER: a port for a container with both kinds of addresses.
container() {
    config_tap "$1" "$2" blue "02:00:00:00:01:0$3" "10.0.0.$3/24 fd00::$3/64"
}

# nic SWITCH DEVICE OFFLOADS: `nic`, an access port on a DPDK device.
nic() { config_eth "$1" nic "$2" blue "offloads = $3"; }

# sender OFFLOADS: node1, a container and one end of a virtio device.
sender() {
    config_switch node1
    printf '[memory]\nhugepages = "never"\n' >>"$WORK/node1.toml"
    container node1 a 1
    nic node1 "net_virtio_user0,path=$WORK/wire.sock,queue_size=1024" "$1"
    config_network node1 blue 1
}

# receiver OFFLOADS: node2, the other end and another container.
receiver() {
    config_switch node2
    container node2 b 2
    cat >>"$WORK/node2.toml" <<TOML
[[port]]
name = "wire"
kind = "vhost-user"
socket = "$WORK/wire.sock"
mode = "server"
network = "blue"
offloads = $1
TOML
    config_network node2 blue 1
}

# streams: both ways, over both families, without a wrong checksum or a frame lost.
streams() {
    local address
    wait_until 20 "an answer through the device" in_ns a ping -n -c 1 -W 1 10.0.0.2
    for address in 10.0.0.2 fd00::2; do
        stream a b "$address" 6
    done
    stream b a 10.0.0.1 6
    no_bad_sums a b
    for node in node1 node2; do
        ledger_balanced "$node"
    done
}

netns_add node1 node2 a b
receiver true
sender true
start_millraced node2
start_millraced node1

step "a virtio device between two switches is left what its other end does"
expect_choice() { [[ $(choice node1 nic offloads) == "$1" ]] || die "the device has $(choice node1 nic offloads), not $1"; }
expect_choice "checksums, TCP segments"
streams
expect "octets a frame at the other end" "$(octets_a_frame node2 wire)" -gt 5000
expect "segments cut by node1" "$(in_ledger node1 .total.split)" -eq 0

step "without \`offloads\` the switch does it"
sender false
millrace node1 apply "$WORK/node1.toml" >/dev/null
expect_choice none
streams
expect "segments cut by node1" "$(in_ledger node1 .total.split)" -gt 1000

step "an other end that takes none, whatever is asked for"
receiver false
millrace node2 apply "$WORK/node2.toml" >/dev/null
sender true
stop_millraced node1
start_millraced node1
expect_choice none
millrace node1 show ports --json |
    jq -e '.ports[] | select(.name == "nic") | .choices[] | select(.what == "offloads") | .falls_short' >/dev/null ||
    die "nobody says that the device offers less than was asked for"
streams
for node in node1 node2; do
    stop_millraced "$node"
done
