#!/usr/bin/env bash
# TCP connections begin with segments that fit their tunnel although both ends believe in a larger MTU, and nobody has to be
# told that a packet was too big: `mss_clamp` lowers what both say, over IPv4 and IPv6, as soon as it is switched on.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
source "$(dirname "$0")/../lib-stream.sh"
need_root

# node N CONTAINER CLAMP: the configuration of node N of two.
node() {
    config_switch "node$1"
    config_uplink "node$1" "192.0.2.$1/24"
    config_tap "node$1" "$2" blue "02:00:00:00:0$1:01" "10.0.0.$1/24 fd00::$1/64"
    config_network "node$1" blue 7 peer
    echo "mss_clamp = $3" >>"$WORK/node$1.toml"
    config_tunnel "node$1" peer "192.0.2.$((3 - $1))" 4789
}

# segments FROM TO ADDRESS: the largest segment that each end of a new connection may send, less its timestamps.
segments() {
    in_ns "$2" python3 - "$3" >"$WORK/listening" 2>&1 <<'PYTHON' &
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 5002), family=family) as server:
    server.settimeout(30)
    end = server.accept()[0]
    end.sendall(str(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)).encode())
PYTHON
    local server=$!
    wait_until 10 "the listener in $2" listens "$2" 5002
    in_ns "$1" python3 - "$3" <<'PYTHON'
import socket, sys
with socket.create_connection((sys.argv[1], 5002), timeout=30) as end:
    theirs = b"".join(iter(lambda: end.recv(16), b"")).decode()
    print(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), theirs)
PYTHON
    wait "$server"
}

# both SEGMENT4 SEGMENT6: what both ends of connections may send, over either family and begun on either side.
both() {
    local said
    for from in "a b 10.0.0.2 $1" "b a 10.0.0.1 $1" "a b fd00::2 $2" "b a fd00::1 $2"; do
        read -r client server to size <<<"$from"
        said=$(segments "$client" "$server" "$to")
        [[ $said == "$size $size" ]] || die "from $client to $to: segments of $said octets, not of $size"
    done
}

clamped() { millrace "$1" show mtu --json | jq -er .mss_clamped; }

netns_add node1 node2 a b
underlay node1 node2
node 1 a false
node 2 b false
for n in 1 2; do
    start_millraced "node$n"
done
for container in a b; do
    ip -n "$(ns "$container")" link set eth0 mtu 1500
done
wait_until 10 "the first answer across the tunnel" in_ns a ping -n -c 1 -W 1 10.0.0.2
wait_until 10 "the first answer over IPv6" in_ns a ping -n -c 1 -W 1 fd00::2

step "without it both ends believe in 1500 octets"
both 1448 1428
expect "openings clamped" "$(clamped node1)" -eq 0

step "with it they are told of what the tunnel leaves"
for n in 1 2; do
    sed -i 's/^mss_clamp = false/mss_clamp = true/' "$WORK/node$n.toml"
    millrace "node$n" apply "$WORK/node$n.toml" >/dev/null
done
both 1398 1378
[[ $(millrace node1 show mtu --json | jq '.networks[0].mss') == 1410 ]] || die "show mtu does not say 1410"
before=$(dropped node1 mtu-exceeded-underlay)
stream a b 10.0.0.2 2
stream b a fd00::1 2
expect "frames too big for the tunnel" "$(dropped node1 mtu-exceeded-underlay)" -eq "$before"
expect "frames too big for the other's" "$(dropped node2 mtu-exceeded-underlay)" -eq 0
expect "openings clamped by node1" "$(clamped node1)" -gt 3
for container in a b; do
    [[ $(in_ns "$container" nstat -asz TcpInCsumErrors | awk '/^Tcp/ { print $2 }') == 0 ]] || die "$container met wrong checksums"
done
for n in 1 2; do
    ledger_balanced "node$n"
    stop_millraced "node$n"
done
