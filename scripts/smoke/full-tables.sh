#!/usr/bin/env bash
# When there is no room: flows, MACs of a network, MACs in all, floods that wait. What cannot be kept gives way or is refused by a
# rule, is counted, and traffic goes on.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

# Two containers, and one that may send from any MAC; many others to copy floods to.
CROWD=70
netns_add node1 c1 c2 wild crowd
config_switch node1
cat >>"$WORK/node1.toml" <<TOML
[memory]
frames = $((1024 + 64 * (CROWD + 6)))
[tables]
flows_max = 64
macs_max = 100
TOML
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
# wild_port NAME NETWORK: a port of `wild` that may claim to be anybody.
wild_port() {
    printf '[[port]]\nname = "%s"\nkind = "tap"\nnetns = "%s"\nnetwork = "%s"\nanti_spoof = false\n' \
        "$1" "$(ns wild)" "$2" >>"$WORK/node1.toml"
}
wild_port w0 blue
wild_port w1 red
wild_port w2 green
wild_port w3 green
config_network node1 blue 1
echo 'macs_max = 16' >>"$WORK/node1.toml"
config_network node1 red 2
config_network node1 green 3
for ((i = 0; i < CROWD; i++)); do
    printf '[[port]]\nname = "g%d"\nkind = "tap"\nnetns = "%s"\nnetwork = "green"\n' "$i" "$(ns crowd)" >>"$WORK/node1.toml"
done
in_ns crowd sysctl -qw net.ipv6.conf.default.disable_ipv6=1
in_ns wild sysctl -qw net.ipv6.conf.default.disable_ipv6=1
start_millraced node1
ping_all c1=10.0.0.1 c2=10.0.0.2

# worker FIELD: a number of the only worker's.
worker() { millrace node1 show workers --json | jq -er --arg field "$1" '.workers[0][$field]'; }
# rises FIELD BEFORE: whether it is more than that.
rises() { (($(worker "$1") > $2)); }
frames() { in_ns wild "$ROOT/scripts/smoke/frames.py" "$@"; }
received() { millrace node1 show ports --json | jq -er --arg port "$1" '.ports[] | select(.name == $port) | .rx_frames'; }
has_received() { (($(received "$1") >= $2)); }

step "300 MACs in a network for 16, 300 flows in a table for 64"
frames w0 sources 02:00:00:00:00:02 300
wait_until 5 "300 frames" has_received w0 300
wait_until 5 "MACs to be refused" rises mac_refused_network 280
wait_until 5 "flows to give way" rises flow_evicted 200
expect "flows" "$(worker flows)" -le 64
expect "MACs of blue" "$(millrace node1 show networks --json | jq '.networks[] | select(.name == "blue") | .macs')" -le 16
ping_all c1=10.0.0.1 c2=10.0.0.2
# All of the 300 were for c2, known or not, and c2 got them.
sent_to_c2() { (($(millrace node1 show ports --json | jq '.ports[] | select(.name == "c2") | .tx_frames') >= 300)); }
wait_until 5 "c2 to get what strangers sent" sent_to_c2

step "600 MACs in a table for 100, which gets 256 places"
refused=$(worker mac_refused_table)
frames w1 sources 02:00:00:00:00:02 600
wait_until 5 "MACs to be refused" rises mac_refused_table "$refused"
expect "MACs" "$(worker macs)" -le "$(worker macs_max)"
ping_all c1=10.0.0.1 c2=10.0.0.2

step "floods to $CROWD ports, more than may wait for their copies"
# The switch sleeps while they come, so that it finds many at once.
kill -STOP "${MILLRACED_PID[node1]}"
frames w2 broadcast 02:00:00:00:00:77 400
frames w3 broadcast 02:00:00:00:00:78 400
kill -CONT "${MILLRACED_PID[node1]}"
wait_until 10 "the floods" has_received w2 400
no_place() { (($(dropped node1 flood-backlog) > 0)); }
wait_until 5 "floods that find no place in the line" no_place
ping_all c1=10.0.0.1 c2=10.0.0.2
iperf_tcp c1 c2 10.0.0.2 1
echo "TCP afterwards: $RESULT Mbit/s"
ledger_balanced node1
expect "frames lost" "$(in_ledger node1 .total.lost)" -eq 0
nothing_waits() { (($(in_ledger node1 .total.held) == 0)); }
wait_until 5 "the line to be empty" nothing_waits
# A turn makes few copies and the line is short: never were there too few frames for them.
expect "copies without a frame" "$(dropped node1 out-of-frames)" -eq 0
stop_millraced node1
