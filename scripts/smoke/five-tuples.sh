#!/usr/bin/env bash
# A network that tells its flows apart by their five-tuples: each connection between containers is a flow of its own, with its
# own counts, on one node and through VXLAN, over IPv4 and IPv6; what has no ports is there too.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

# flow NODE SOURCE SOURCE_PORT DESTINATION_PORT FIELD: a field of the one flow with this five-tuple.
flow() {
    millrace "$1" show flows --json --limit 10000 | jq -er --arg source "$2" --argjson from "$3" --argjson to "$4" --arg field "$5" '
        [.flows[] | select(.five_tuple.source == $source and .five_tuple.source_port == $from
            and .five_tuple.destination_port == $to)] | if length == 1 then .[0][$field] else error("\(length) flows") end'
}

# datagrams NAME ADDRESS SOURCE_PORT COUNT: sends so many to port 9, which nobody listens on.
datagrams() {
    in_ns "$1" python3 - "$2" "$3" "$4" <<'PYTHON'
import socket, sys

address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
end = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
end.bind(("", port))
for _ in range(count):
    end.sendto(bytes(100), (address, 9))
PYTHON
}

# streams NODE ADDRESS: of each flow to port 9 there, where it comes in, its source port and its packets.
streams() {
    millrace "$1" show flows --json --limit 10000 --address "$2" | jq -c --arg to "$2" '[.flows[]
        | select(.five_tuple.destination == $to and .five_tuple.destination_port == 9)
        | [.ingress, .five_tuple.source_port, .packets]] | sort'
}

# counted NODE ADDRESS INGRESS: whether both streams of `datagrams` are there, each with all it sent.
counted() { [[ $(streams "$1" "$2") == "[[\"$3\",4001,5],[\"$3\",4002,9]]" ]]; }

# connection CLIENT SERVER SOURCE ADDRESS PORT OCTETS: a TCP connection from that port; its flow has its octets, and there is one
# the other way.
connection() {
    local client=$1 server=$2 source=$3 address=$4 port=$5 received sent
    iperf_server "$server"
    iperf_client "$client" -c "$address" --cport "$port" -n "$6"
    received=$(jq -er '.end.sum_received.bytes | select(. > 0)' "$WORK/iperf.json")
    sent=$(jq -er '.end.sum_sent.bytes' "$WORK/iperf.json")
    wait_until 10 "the flow from port $port" flow node1 "$source" "$port" 5201 octets
    expect "octets of the flow from port $port" "$(flow node1 "$source" "$port" 5201 octets)" -gt "$received"
    expect "octets more than the data" "$(flow node1 "$source" "$port" 5201 octets)" -lt $((sent * 3 / 2 + 20000))
    expect "acknowledgements" "$(flow node1 "$address" 5201 "$port" packets)" -ge 2
}

# by_macs: whether frames from a1 to a2 are counted together.
by_macs() {
    millrace node1 show flows --json --limit 10000 | jq -e '[.flows[] | select(.five_tuple == null and .packets >= 6
        and .src == "02:00:00:00:0a:01" and .dst == "02:00:00:00:0a:02")] | length == 1'
}

netns_add node1 node2 a1 a2 b1
underlay node1 node2
for node in 1 2; do
    config_switch "node$node"
    config_uplink "node$node" "192.0.2.$node/24"
done
for node in 1 2; do
    config_network "node$node" blue 7 to-other
    echo 'flow_key = "five-tuple"' >>"$WORK/node$node.toml"
    config_tunnel "node$node" to-other "192.0.2.$((3 - node))" 4789
done
config_tap node1 a1 blue 02:00:00:00:0a:01 '10.0.0.1/24 fd00::1/64'
config_tap node1 a2 blue 02:00:00:00:0a:02 '10.0.0.2/24 fd00::2/64'
config_tap node2 b1 blue 02:00:00:00:0b:01 '10.0.0.3/24 fd00::3/64'
start_millraced node1
start_millraced node2
wait_until 20 "the first answer through the tunnel" in_ns a1 ping -n -c 1 -W 1 10.0.0.3
wait_until 20 "the same over IPv6" in_ns a1 ping -6 -n -c 1 -W 1 fd00::3
ping_all a1=10.0.0.1 a2=10.0.0.2 b1=10.0.0.3
[[ $(millrace node1 show networks --json | jq -r '.networks[0].flow_key') == five-tuple ]] || die "show networks does not tell the key"

step "each stream of datagrams is a flow, and every datagram is counted on its own"
for to in 10.0.0.2 10.0.0.3 fd00::2 fd00::3; do
    datagrams a1 "$to" 4001 5
    datagrams a1 "$to" 4002 9
    wait_until 10 "the datagrams to $to" counted node1 "$to" a1 || die "to $to: $(streams node1 "$to")"
done
for to in 10.0.0.3 fd00::3; do
    wait_until 10 "those out of the tunnel" counted node2 "$to" to-other || die "out of the tunnel: $(streams node2 "$to")"
done

step "two TCP connections are two flows each way"
connection a1 a2 10.0.0.1 10.0.0.2 40001 300K
connection a1 a2 10.0.0.1 10.0.0.2 40002 3M
connection a1 b1 10.0.0.1 10.0.0.3 40003 300K
connection a1 b1 fd00::1 fd00::3 40004 3M

step "pings are there by type and code, and people can read it all"
table=$(millrace node1 show flows --address 10.0.0.3)
for text in 'tcp 10.0.0.1:40003 > 10.0.0.3:5201' 'icmp 10.0.0.1 > 10.0.0.3 type 8 code 0' 'icmp 10.0.0.3 > 10.0.0.1 type 0 code 0'; do
    [[ $table == *"$text"* ]] || die "not in the table: $text: $table"
done
[[ $(millrace node1 show flows) == *'tcp [fd00::1]:40004 > [fd00::3]:5201'* ]] || die "no IPv6 connection in the table"

step "while all goes on, the network goes over to MACs"
datagrams a1 10.0.0.2 4003 1
millrace node1 network set blue 'flow_key="mac"' >/dev/null
datagrams a1 10.0.0.2 4003 6
wait_until 10 "a flow by MACs" by_macs || die "$(millrace node1 show flows)"
ping_all a1=10.0.0.1 a2=10.0.0.2 b1=10.0.0.3
for node in node1 node2; do
    ledger_balanced "$node"
    stop_millraced "$node"
done
