#!/usr/bin/env bash
# NICs: a switch in a machine of its own drives two e1000e, a vmxnet3 and a virtio NIC, which scripts/bind has taken
# from the kernel for VFIO, behind an IOMMU. Between namespaces of the host, where their other ends are, go pings, streams of TCP,
# and VXLAN to Linux's own; links go and come back, NICs are unplugged and put back while others forward.
# first: it takes long
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-guest.sh"
source "$(dirname "$0")/../lib-nics.sh"
source "$(dirname "$0")/../lib-stream.sh"
need_root
need_machines

UP0=0000:01:00.0
NIC_OF=([2]=a [3]=b [4]=d)

# configure OFFLOADS: an uplink and three access ports. Worker 1 has nothing but the second queue of b.
configure() {
    local number lines
    config_switch node1 2
    # Workers that find nothing rest longer than usual: the machine's other programs are slow enough.
    printf 'rest_max_us = 500\n[memory]\nframes = 8192\nhugepages = "always"\nsuper_frames = 64\n' >>"$WORK/node1.toml"
    config_uplink node1 192.0.2.1/24
    sed -i "s/net_af_packet0,iface=ul0/$UP0/" "$WORK/node1.toml"
    printf 'offloads = %s\n' "$1" >>"$WORK/node1.toml"
    for number in "${!NIC_OF[@]}"; do
        if [[ ${NIC_OF[number]} == b ]]; then lines='workers = [0, 1]'; else lines='workers = [0]'; fi
        config_eth node1 "${NIC_OF[number]}" "0000:0$number:00.0" blue "$lines" "offloads = $1"
    done
    config_network node1 blue 1 to-linux
    config_tunnel node1 to-linux 192.0.2.2 4789
}

# port NAME FIELD: what `show ports` says of it.
port() { millrace node1 show ports --json | jq -r --arg port "$1" --arg field "$2" '.ports[] | select(.name == $port)[$field]'; }
is_port() { [[ $(port "$1" "$2") == "$3" ]]; }
is_gone() { [[ $(port "$1" gone) == *"$2"* ]]; }

netns_add linux a b c d
start_machine node1 e1000e=linux vmxnet3=a virtio-net-pci=b e1000e=d
for host in a=1 b=2 d=4; do
    address "${host%=*}" eth0 "10.0.0.${host#*=}/24"
    address "${host%=*}" eth0 "fd00::${host#*=}/64"
    ip -n "$(ns "${host%=*}")" link set eth0 mtu 1450
done
ip -n "$(ns linux)" link set eth0 down name ul0
ip -n "$(ns linux)" link set ul0 up
address linux ul0 192.0.2.2/24
kernel_vxlan linux 1 4789 192.0.2.2 learning
kernel_remote linux 1 192.0.2.1
kernel_bridge linux 1 c 10.0.0.3/24
address c eth0 fd00::3/64
wait_for_guests node1
echo "booted in $(in_guest node1 "cut -d. -f1 /proc/uptime") s"

step "scripts/bind gives the NICs to VFIO, and the doctor finds that they can be driven"
bind node1 list
bind node1 vfio 0000:01:00.0 02:00.0 eth0 0000:04:00.0 --apply
configure false
send_config node1
in_guest node1 "millrace doctor --json --config $WORK/node1.toml" >"$WORK/doctor.json" || { cat "$WORK/doctor.json"; die "the doctor found problems"; }


# traffic: pings through all NICs, and streams in and out of each, without a wrong checksum or a frame lost.
traffic() {
    wait_until 20 "an answer through the tunnel" in_ns a ping -n -c 1 -W 1 10.0.0.3
    wait_until 20 "an answer of d" in_ns b ping -n -c 1 -W 1 10.0.0.4
    stream a b 10.0.0.2 1
    stream b d fd00::4 1
    stream d c 10.0.0.3 1
    stream c a fd00::1 1
    no_bad_sums a b c d
    ledger_balanced node1
}

step "pings, streams and a tunnel between all of them"
start_switch node1
wait_until 20 "the node to answer" in_ns linux ping -n -c 1 -W 1 192.0.2.1
ping_all a=10.0.0.1 b=10.0.0.2 c=10.0.0.3 d=10.0.0.4
traffic

step "flows of b are spread over its queues by RSS"
# Each from a port of its own.
for ((flow = 0; flow < 32; flow++)); do
    in_ns b bash -c 'echo >/dev/udp/10.0.0.4/9'
done
spread() { (($(in_ledger node1 '.workers[1].rx') > 4)); }
wait_until 10 "frames in the second queue of b" spread

step "the same with what the NICs do for the switch"
configure true
send_config node1
millrace node1 apply "$WORK/node1.toml" >/dev/null
# offloads_of PORT CHOSEN: what is left to the device, of which every kind has been asked for.
offloads_of() {
    [[ $(choice node1 "$1" offloads) == "$2" ]] || die "$1 has $(choice node1 "$1" offloads), not $2"
    [[ $(choice node1 "$1" "UDP checksums over IPv6") == asked ]] || die "$1: $(millrace node1 show ports --detail)"
}
offloads_of up0 checksums
offloads_of a checksums
offloads_of b "checksums, TCP segments"
offloads_of d checksums
traffic
expect "segments put together for NICs to cut them" "$(in_ledger node1 .total.merged)" -gt 100

step "cables are pulled and put back"
# cables true|false WORD: puts all in or pulls them, and waits until that is told.
cables() {
    local number name
    for number in 1 2 3 4; do
        set_link node1 "$number" "$1"
    done
    for name in up0 a b d; do
        wait_until 20 "$name with its link $2" is_port "$name" link "$2"
    done
}
cables false down
cables true up

step "a vmxnet3 and the uplink are unplugged while others forward, and put back"
spawn_in b "$WORK/load.log" "$ROOT/scripts/smoke/echo.py" 10.0.0.4 1000 0.02 10
LOAD=$SPAWNED
unplug node1 2
is_gone a "0000:02:00.0 was removed" || die "nobody says why a is gone: $(port a gone)"
in_ns b ping -n -c 3 -i 0.2 -W 1 10.0.0.1 >"$WORK/ping.log" && die "who answers for a?"
unplug node1 1
is_gone up0 "$UP0 was removed" || die "nobody says why the uplink is gone: $(port up0 gone)"
plug node1 2 vmxnet3
plug node1 1 e1000e
bind node1 vfio $UP0 0000:02:00.0 --apply >"$WORK/bind.log"
millrace node1 apply "$WORK/node1.toml" >/dev/null
for name in up0 a; do
    wait_until 30 "$name to be back" is_port "$name" state up || { port "$name" gone >&2; switch_log node1 >&2; die "and is not"; }
done
wait "$LOAD" || { cat "$WORK/load.log" >&2; die "b and d lost frames while others came and went"; }
wait_until 20 "an answer through the tunnel" in_ns a ping -n -c 1 -W 1 10.0.0.3
stream c a fd00::1 1
no_bad_sums a c
ledger_balanced node1
stop_switch node1
