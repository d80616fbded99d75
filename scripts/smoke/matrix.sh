#!/usr/bin/env bash
# The matrix of what is left undone and of what is in the way: streams between two containers on TAPs, behind two switches that
# are joined by one kind of device after another, plain, in a VLAN, in VXLAN over IPv4 and over IPv6, at MTUs of 1400, 1500 and
# 9000, whichever end has its offloads. In every cell TCP goes both ways, over IPv4 and IPv6, and datagrams one way; what
# arrives is what was sent, by a hash at both ends; no kernel meets a wrong checksum, and tshark finds none on the link.
#
# Which cells: every encapsulation meets every MTU once, both ends with offloads, on net_af_packet, where tshark can look. Who
# has offloads does not ask how long packets are, so it varies at 1500 only. Other devices differ from net_af_packet in what
# they take and carry, not in what is inside: they meet a few (net_memif carries 1500 at most). A guest's end cannot be an
# uplink. Guests with kernels of their own are in `guest-matrix`; ports in memory meet all cells in `cargo test`.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-stream.sh"
need_root

AF_PACKET="net_af_packet0,iface=ul0,framesz=10240,blocksz=20480,framecnt=256"
MEMIF="socket=$WORK/memif.sock,socket-abstract=no,id=1"

# link N LINK: the port of node N that leads to the other, but for what is inside.
link() {
    echo '[[port]]'
    echo 'name = "link"'
    case $2-$1 in
    af-packet-*) printf 'kind = "eth"\ndevice = "%s"\n' "$AF_PACKET" ;;
    memif-1) printf 'kind = "eth"\ndevice = "net_memif0,role=client,%s"\n' "$MEMIF" ;;
    memif-2) printf 'kind = "eth"\ndevice = "net_memif0,role=server,%s"\n' "$MEMIF" ;;
    virtio-1) printf 'kind = "eth"\ndevice = "net_virtio_user0,path=%s,queue_size=1024"\noffloads = true\n' "$WORK/guest.sock" ;;
    virtio-2) printf 'kind = "vhost-user"\nsocket = "%s"\nmode = "server"\n' "$WORK/guest.sock" ;;
    esac
}

# configure N LINK ENCAPSULATION MTU OFFLOADS: the file of node N of two.
configure() {
    local node=node$1 outer=''
    config_switch "$node"
    {
        printf '[memory]\nhugepages = "never"\nframes = 4095\nbuffer = 10240\n'
        link "$1" "$2"
        case $3 in
        plain) echo 'network = "blue"' ;;
        vlan) echo 'trunk = [{ vlan = 7, network = "blue" }]' ;;
        vxlan4) outer=192.0.2. && printf 'role = "uplink"\naddresses = ["%s%d/24"]\n' "$outer" "$1" ;;
        vxlan6) outer=2001:db8:: && printf 'role = "uplink"\naddresses = ["%s%d/64"]\n' "$outer" "$1" ;;
        esac
        echo "mtu = $4"
    } >>"$WORK/$node.toml"
    config_tap "$node" "c$1" blue "02:00:00:00:0$1:01" "10.0.0.$1/24 fd00::$1/64"
    echo "offloads = $5" >>"$WORK/$node.toml"
    if [[ -z $outer ]]; then
        config_network "$node" blue 7
        echo "mtu = $4" >>"$WORK/$node.toml"
    else
        config_network "$node" blue 7 peer
        config_tunnel "$node" peer "$outer$((3 - $1))" 4789
        sed -i 's/^uplink = "up0"/uplink = "link"/' "$WORK/$node.toml"
    fi
}

# answers ADDRESS: the other container does; a neighbour that did not while the link was down is asked again.
answers() {
    in_ns c1 ip neigh flush dev eth0
    in_ns c1 ping -n -c 1 -W 1 "$1"
}

# cell LINK ENCAPSULATION MTU OFFLOADS1 OFFLOADS2
cell() {
    local start n
    start=$(now_ms)
    configure 1 "$1" "$2" "$3" "$4"
    configure 2 "$1" "$2" "$3" "$5"
    for n in 2 1; do
        if [[ -e $WORK/node$n.sock ]]; then
            millrace "node$n" apply "$WORK/node$n.toml" >"$WORK/applied" 2>&1 || die "node$n: $(<"$WORK/applied")"
        else
            start_millraced "node$n"
        fi
    done
    wait_until 20 "an answer ($*)" answers 10.0.0.2
    wait_until 20 "an answer over IPv6 ($*)" answers fd00::2
    stream c1 c2 10.0.0.2 1
    stream c2 c1 fd00::1 1
    datagrams c1 c2 fd00::2
    no_bad_sums c1 c2
    CELLS=$((CELLS + 1))
    printf '%-9s %-6s %4d  offloads %-5s %-5s  %s s\n' "$@" "$(seconds_since "$start")"
}

CELLS=0
netns_add node1 node2 c1 c2
underlay node1 node2 9600
if command -v tshark >/dev/null; then
    spawn_in node2 "$WORK/tcpdump.log" tcpdump -n -U -B 65536 -s 0 -i ul0 -w "$WORK/link.pcap"
    wait_until 10 tcpdump grep -q 'listening on' "$WORK/tcpdump.log"
    CAPTURE=$SPAWNED
fi
for encapsulation in plain vlan vxlan4 vxlan6; do
    for mtu in 1400 1500 9000; do
        cell af-packet "$encapsulation" "$mtu" true true
    done
    cell af-packet "$encapsulation" 1500 true false
    cell af-packet "$encapsulation" 1500 false true
done
cell memif plain 1500 true true
cell memif vlan 1400 true false
cell memif vxlan4 1500 true true
cell virtio plain 1500 true true
cell virtio plain 9000 false true
cell virtio vlan 1400 true false

step "the ledgers, and every checksum on the link"
for n in 1 2; do
    ledger_balanced "node$n"
    expect "node$n: frames lost" "$(in_ledger "node$n" .total.lost)" -eq 0
    stop_millraced "node$n"
done
if [[ -n ${CAPTURE:-} ]]; then
    stop_process "$CAPTURE"
    checks=(-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE)
    wrong=$(tshark -n -r "$WORK/link.pcap" "${checks[@]}" \
        -Y 'ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0' 2>"$WORK/tshark.log" | tee "$WORK/wrong" | wc -l)
    right=$(tshark -n -r "$WORK/link.pcap" "${checks[@]}" -Y 'tcp.checksum.status == 1' 2>>"$WORK/tshark.log" | wc -l)
    ((wrong == 0)) || die "$wrong packets with a wrong checksum, such as $(head -n 3 "$WORK/wrong")"
    expect "TCP segments with a right checksum" "$right" -gt 10000
fi
good "$CELLS cells"
