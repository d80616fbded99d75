#!/usr/bin/env bash
# What an `eth` port makes of its device: choices with their reasons, queues that the device does not have, several queue
# pairs fed by the kernel's spreading, and the node's own MAC, changed under the switch and by the configuration.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

netns_add node1 peer c1 k1
underlay node1 peer
address peer ul0 192.0.2.2/24
kernel_vxlan peer 7 4789 192.0.2.2
kernel_remote peer 7 192.0.2.1
kernel_bridge peer 7 k1 10.0.0.9/24

# configure [ARGUMENTS [LINES]]: the switch's file, with more for the device and for the port; two workers.
configure() {
    config_switch node1 2
    cat >>"$WORK/node1.toml" <<TOML
[[port]]
name = "up0"
kind = "eth"
device = "net_af_packet0,iface=ul0${1:-}"
role = "uplink"
addresses = ["192.0.2.1/24"]
${2:-}
TOML
    config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
    config_network node1 blue 7 to-peer
    config_tunnel node1 to-peer 192.0.2.2 4789
}
# choice WHAT FIELD: of up0.
choice() {
    millrace node1 show ports --json |
        jq -er --arg what "$1" ".ports[] | select(.name == \"up0\") | .choices[] | select(.what == \$what) | .$2"
}
# expect_text WHAT TEXT WANTED: the text holds what is wanted.
expect_text() { [[ $2 == *"$3"* ]] || die "$1: \`$2\` does not say \`$3\`"; }
mac_of_port() { millrace node1 show ports --json | jq -er '.ports[] | select(.name == "up0") | .mac'; }
mac_of_interface() { ip -n "$(ns node1)" -j link show ul0 | jq -er '.[0].address'; }
# has_mac MAC: the switch and the interface agree on it.
has_mac() { [[ $(mac_of_port) == "$1" && $(mac_of_interface) == "$1" ]]; }

step "each choice has a reason"
configure
start_millraced node1
ping_all c1=10.0.0.1 k1=10.0.0.9
expect_text "the driver" "$(choice driver chosen)" net_af_packet
expect_text "promiscuity" "$(choice promiscuous chosen)" off
expect_text "the link" "$(choice link chosen)" up
for what in queues rx_descriptors tx_descriptors rss mtu rx_offloads tx_offloads events numa mac multicast; do
    [[ -n $(choice "$what" why) ]] || die "$what has no reason"
done
millrace node1 show ports --detail | grep -q '^up0 *promiscuous' || die "--detail does not show them"

step "queues that the device does not have are refused with the way to get them"
configure '' 'workers = [0, 1]'
message=$(! millrace node1 apply "$WORK/node1.toml" 2>&1) || die "two queues of one pair were accepted"
expect_text "the refusal" "$message" 'queues = 2, and it has 1'
expect_text "the refusal" "$message" ',qpairs=2'
ping_all c1=10.0.0.1 k1=10.0.0.9

step "two queue pairs, fed by the kernel's hash of the flows"
configure ,qpairs=2 'workers = [0, 1]'
millrace node1 apply "$WORK/node1.toml" >/dev/null
expect_text "the spreading" "$(choice rss why)" PACKET_FANOUT_HASH
ping_all c1=10.0.0.1 k1=10.0.0.9
in_ns k1 python3 - <<'PYTHON'
import socket
for port in range(20000, 20128):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("10.0.0.9", port))
        sender.sendto(b"x" * 100, ("10.0.0.1", 9))
PYTHON
both_work() { (($(millrace node1 show workers --json | jq '[.workers[] | select(.rx > 20)] | length') == 2)); }
wait_until 5 "both workers to receive" both_work

step "the interface's MAC changes under the switch"
own=$(mac_of_interface)
ip -n "$(ns node1)" link set ul0 address 02:00:00:00:ff:07
wait_until 5 "the switch to see it" has_mac 02:00:00:00:ff:07
wait_until 5 "the peer to learn it" in_ns peer ping -c 1 -W 1 192.0.2.1
ping_all c1=10.0.0.1 k1=10.0.0.9
grep -q "another MAC: $own -> 02:00:00:00:ff:07" "$WORK/node1.log" || die "the log does not tell"

step "a MAC of the configuration is given to the open device"
configure ,qpairs=2 'workers = [0, 1]
mac = "02:00:00:00:ff:08"'
millrace node1 apply "$WORK/node1.toml" --yes | tee "$WORK/applied"
! grep -q 'opened anew' "$WORK/applied" || die "the device was closed for it"
wait_until 5 "the interface to have it" has_mac 02:00:00:00:ff:08
expect_text "the choice" "$(choice mac why)" "set on the device"
ping_all c1=10.0.0.1 k1=10.0.0.9
ledger_balanced node1
stop_millraced node1
[[ $(mac_of_interface) == 02:00:00:00:ff:07 ]] || die "the interface did not get its MAC back: $(mac_of_interface)"
