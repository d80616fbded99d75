# shellcheck shell=bash
# Packets between two containers of a smoke test, and what became of them on the way: streams that are hashed at both ends,
# datagrams that are sent as one, checksums that a kernel found wrong. Source it after lib-net.sh.

STREAM=$ROOT/scripts/smoke/stream.py

# stream FROM TO ADDRESS MEGABYTES: what one end sends the other receives.
stream() {
    local sent received
    spawn_in "$2" "$WORK/received" "$STREAM" receive "$3"
    local receiver=$SPAWNED
    sent=$(in_ns "$1" timeout 60 "$STREAM" send "$3" "$4") || die "$1 could not send to $3"
    wait_until 30 "the stream from $1 to end in $2" gone "$receiver" || stuck "$1" "$2"
    received=$(<"$WORK/received")
    [[ ${#sent} == 64 && $sent == "$received" ]] || die "from $1 to $3: sent $sent, received $received"
}

# exchange CONTAINER KILOBYTES ADDRESS...: with one after the other of these guests, which `serve_streams`: what either end sends
# the other receives, both ways at once.
exchange() { in_ns "$1" timeout 60 "$STREAM" exchange "${@:2}" || die "streams between $1 and ${*:3}"; }

# stuck FROM TO: gives up a stream, and says how far its ends are.
stuck() {
    local end
    for end in "$@"; do
        printf '%s:\n%s\n' "$end" "$(in_ns "$end" ss -Htin)" >&2
    done
    die "what $1 sent has not reached $2"
}

# datagrams FROM TO ADDRESS: thirty that are sent as one arrive one by one.
datagrams() {
    spawn_in "$1" "$WORK/sending" "$STREAM" send-udp "$3"
    local sender=$SPAWNED
    [[ $(in_ns "$2" timeout 60 "$STREAM" receive-udp "$3") == 30 ]] || die "not all datagrams from $1 reached $3"
    stop_process "$sender"
}

# no_bad_sums CONTAINER...: no kernel has thrown a packet away for its checksum.
no_bad_sums() {
    local container
    for container in "$@"; do
        in_ns "$container" nstat -asz TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors IpInHdrErrors >"$WORK/nstat"
        ! awk '!/^#/ && $2 > 0 { exit 1 }' "$WORK/nstat" || continue
        cat "$WORK/nstat" >&2
        die "$container met wrong checksums"
    done
}

# octets_a_frame NODE PORT: how long what came in by the port was, on average.
octets_a_frame() {
    millrace "$1" show ports --json |
        jq -er --arg port "$2" '.ports[] | select(.name == $port) | .rx_octets / .rx_frames | floor'
}
