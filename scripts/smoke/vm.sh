#!/usr/bin/env bash
# QEMU guests as VMs: two queues and split rings on one node, packed rings on hugepages on another, and VXLAN between them.
# Ping and TCP both ways; then guests and switches are rebooted and killed, and traffic goes on.
#
# first: guests boot three times, which takes longer than any other test
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-guest.sh"
source "$(dirname "$0")/../lib-stream.sh"
need_root
need_guests

netns_add node1 node2 c1 c2
underlay node1 node2

# node NUMBER WORKERS VM-WORKERS VM-MODE: a switch with a container and a VM, and a tunnel to the other.
node() {
    local name=node$1
    config_switch "$name" "$2"
    config_uplink "$name" "192.0.2.$1/24"
    config_tap "$name" "c$1" blue "02:00:00:00:00:0$1" "10.0.0.$1/24"
    config_vhost "$name" "vm$1" blue "02:00:00:00:01:0$1" "$3" "$4"
    config_network "$name" blue 4096 peer
    config_tunnel "$name" peer "192.0.2.$((3 - $1))" 4789
    start_millraced "$name"
}
node 1 2 0,1 client
node 2 1 0 server

start_vm1() { start_guest vm1 02:00:00:00:01:01 10.0.0.11/24 queues=2 mtu=1450; }
start_vm2() { start_guest vm2 02:00:00:00:01:02 10.0.0.12/24 packed=on memory="$(guest_hugepages)" listen=off mtu=1450; }

# everyone: each guest reaches, and is reached by, the container beside it and what is on the other node.
everyone() {
    local container guest
    wait_until 20 "the first answer of vm1" in_ns c1 ping -n -c 1 -W 1 10.0.0.11
    wait_until 20 "the first answer of vm2" in_ns c2 ping -n -c 1 -W 1 10.0.0.12
    wait_until 20 "the first answer across the tunnel" in_guest vm1 ping -c 1 -W 1 10.0.0.12
    for container in c1 c2; do
        for guest in 10.0.0.11 10.0.0.12; do ping_from "$container" "$guest" 10; done
    done
    in_guest vm1 "ping -q -c 5 -w 20 10.0.0.2 && ping -q -c 5 -w 20 10.0.0.12" >"$WORK/ping.log" || die "$(<"$WORK/ping.log")"
}

# tcp CONTAINER ADDRESS WHAT: from the container into the guest, and back.
tcp() {
    local into
    iperf_client "$1" -c "$2" -t 2
    into=$(jq -er '.end.sum_received.bits_per_second / 1e6 | floor | select(. > 0)' "$WORK/iperf.json")
    iperf_client "$1" -c "$2" -t 2 -R
    echo "TCP $3: $into Mbit/s into the guest," \
        "$(jq -er '.end.sum_received.bits_per_second / 1e6 | floor | select(. > 0)' "$WORK/iperf.json") out of it"
}

balanced() {
    local name
    for name in node1 node2; do
        ledger_balanced "$name"
        expect "$name: frames lost" "$(in_ledger "$name" .total.lost)" -eq 0
    done
}

step "two guests"
start_vm1
start_vm2
wait_for_guests vm1 vm2
for port in 1 2; do
    printf 'vm%d: %s; %s\n' "$port" "$(choice "node$port" "vm$port" guest)" "$(choice "node$port" "vm$port" features)"
done
[[ $(choice node1 vm1 guest) == "connected, 4 rings in use" ]] || die "vm1 has not two queues"
for feature in mq mtu mrg_rxbuf event_idx indirect_desc guest_announce csum guest_csum guest_tso4 guest_tso6 host_tso4 host_tso6; do
    [[ " $(choice node1 vm1 features) " == *" $feature "* ]] || die "vm1 without $feature"
done
[[ " $(choice node2 vm2 features) " == *" ring_packed "* ]] || die "vm2 without packed rings"
[[ $(in_guest vm2 cat /sys/class/net/eth0/mtu) == 1450 ]] || die "vm2 was not told its MTU"
everyone

step "streams"
serve_streams 8000001 vm1 vm2 >/dev/null
exchange c1 8000 10.0.0.11 10.0.0.12
exchange c2 8000 10.0.0.12

step "TCP"
for guest in vm1 vm2; do in_guest "$guest" "iperf3 -s -D >/dev/null" >/dev/null; done
tcp c1 10.0.0.11 "within node1"
tcp c1 10.0.0.12 "over VXLAN"
in_guest vm1 "iperf3 -J -t 2 -c 10.0.0.12" >"$WORK/iperf.json" || die "$(<"$WORK/iperf.json")"
echo "TCP from guest to guest over VXLAN: $(jq -er '.end.sum_received.bits_per_second / 1e6 | floor' "$WORK/iperf.json") Mbit/s"
balanced

step "a guest with two queues reboots, and another is killed and started again"
in_guest vm1 "touch /run/before; (sleep 1; reboot -f) >/dev/null 2>&1 &" >/dev/null
kill_guest vm2
front_end_gone() { [[ $(choice node2 vm2 guest) == "waiting for a front end" ]]; }
wait_until 10 "the killed guest to be seen going" front_end_gone
start_vm2
ping_from c1 10.0.0.2
# rebooted GUEST: since the file was made in its memory.
rebooted() {
    local files
    files=$(ask_guest "$1" 2 "ls /run") && [[ $files != *before* ]]
}
wait_until 120 "vm1 to reboot" rebooted vm1
wait_for_guests vm2
everyone
balanced

step "both switches are killed while the guests stay"
for name in node1 node2; do
    kill -KILL "${MILLRACED_PID[$name]}"
    { wait "${MILLRACED_PID[$name]}" || true; } 2>/dev/null # a process that is merely a zombie may still hold its socket
done
for name in node1 node2; do start_millraced "$name"; done
wait_until 20 "vm1 to answer again" in_ns c1 ping -n -c 1 -W 1 10.0.0.11
ping_from c1 10.0.0.11 20
# QEMU does not remember where a packed ring stands: its guest must set it up anew.
if ! wait_until 3 "vm2 to answer again" in_ns c2 ping -n -c 1 -W 1 10.0.0.12; then
    warn "the packed rings of vm2 did not survive the switch: it is reset"
    in_guest vm2 "touch /run/before" >/dev/null
    qmp vm2 system_reset >/dev/null
    wait_until 120 "vm2 to reboot" rebooted vm2
fi
everyone
balanced
for name in node1 node2; do stop_millraced "$name"; done
