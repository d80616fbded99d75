#!/usr/bin/env bash
# What operators, other users and accidents do to a switch: a socket full of nonsense, broken files, ports that cannot be
# had, missing rights and memory, signals at every moment. Each ends in a clear message or in nothing at all, and a switch
# that has stopped leaves nothing behind.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"

chmod 755 "$WORK" # so that users who are not root get as far as being refused
netns_add node1 c1 c2
underlay node1 c1 >/dev/null # an interface for ports to name; nobody is at the other end

# fresh: the configuration everything starts from.
fresh() {
    config_switch node1
    config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
    config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
    config_network node1 blue 1
}
# eth DEVICE [NAME]: one more port.
eth() { config_eth node1 "${2:-x0}" "$1" blue; }
add() { printf '%s\n' "$@" >>"$WORK/node1.toml"; }
replace() { sed -i "$@" "$WORK/node1.toml"; }

# run_in_node1 [COMMAND...]: the switch, until it ends by itself.
run_in_node1() { in_ns node1 timeout 30 "$@" "$MILLRACED" --config "$WORK/node1.toml"; }

# nothing_left: no TAP, no socket, no file of DPDK's.
nothing_left() {
    local container
    for container in c1 c2; do
        ! ip -n "$(ns "$container")" link show eth0 >/dev/null 2>&1 || die "the TAP in $container is still there"
    done
    [[ ! -e $WORK/node1.sock ]] || die "the socket is still there"
    [[ -z $(find /dev/hugepages /run/dpdk -name "*$(ns node1)*" 2>/dev/null) ]] || die "DPDK left files behind"
}

# fails PATTERN [COMMAND...]: the switch of the file as it is now ends with 1, says PATTERN in an error, leaves nothing.
fails() {
    local pattern=$1 code=0
    shift
    run_in_node1 "$@" >"$WORK/fails.log" 2>&1 || code=$?
    grep -E ' ERROR ' "$WORK/fails.log" | grep -qE -- "$pattern" ||
        { cat "$WORK/node1.toml" "$WORK/fails.log" >&2; die "it says nothing of $pattern"; }
    expect "exit code where it says $pattern" "$code" -eq 1
    nothing_left
    fresh
}

# --- files ---

# wrong PATTERN: `check` and the switch refuse the file with its name, line and column, and PATTERN.
wrong() {
    local code=0
    "$MILLRACE" check "$WORK/node1.toml" >"$WORK/check.log" 2>&1 || code=$?
    expect "exit code of check" "$code" -eq 1
    grep -qE -- "node1.toml:[0-9]+:[0-9]+: .*$1" "$WORK/check.log" ||
        { cat "$WORK/check.log" >&2; die "check says nothing of $1"; }
    fails "node1.toml:[0-9]+:[0-9]+: .*$1"
}
step "files"
fresh
replace 's/^vni = .*/vni = /'
wrong ''
add '[[port]' && wrong ''
replace 's/^interface = /interfaces = /' && wrong 'interfaces.*interface'
replace 's/^\[workers\]/[workerz]/' && wrong 'workerz.*workers'
config_network node1 blue 2 && wrong 'blue'
config_network node1 red 1 && wrong 'vni = 1.*blue'
config_tap node1 c1 blue 02:00:00:00:00:03 10.0.0.3/24 && wrong 'c1'
replace 's/02:00:00:00:00:02/02:00:00:00:00:01/' && wrong '02:00:00:00:00:01'
replace 's/02:00:00:00:00:02/03:00:00:00:00:02/' && wrong '03:00:00:00:00:02'
replace 's#10.0.0.2/24#10.0.0.1/24#' && wrong '10.0.0.1'
eth net_af_packet0,iface=ul0 && eth net_af_packet1,iface=ul0 x1 && wrong 'iface=ul0.*x1.*port .x0. has'
head -c 3000 /dev/urandom >"$WORK/node1.toml" && fails 'node1.toml: cannot read it: .*UTF-8'
rm "$WORK/node1.toml" && fails 'node1.toml: cannot read it: No such file'

# --- ports, rights, memory ---

step "ports that cannot be had"
replace "s/$(ns c2)/$(ns nobody)/" && fails "c2.*$(ns nobody).*no such network namespace"
replace "s#\"$(ns c2)\"#\"$WORK/node1.toml\"#" && fails "c2.*is not a network namespace"
ip -n "$(ns c2)" tuntap add dev eth0 mode tap
run_in_node1 >"$WORK/taken.log" 2>&1 && die "it took an interface that somebody else has"
grep -q "port c2: .*exists.*ip -n $(ns c2) link del eth0" "$WORK/taken.log" || { cat "$WORK/taken.log" >&2; die "it does not say what is in the way"; }
ip -n "$(ns c2)" link del eth0
nothing_left
eth net_af_packet0,iface=nothere && fails 'x0.*"nothere" does not exist in this namespace'
ip -n "$(ns c2)" tuntap add dev elsewhere mode tap
eth net_af_packet0,iface=elsewhere && fails 'x0.*"elsewhere" does not exist in this namespace'
eth net_af_packet0 && fails 'x0.*iface='
eth net_nosuch0 && fails 'x0.*no driver "net_nosuch"'
eth net_null0,nosuch=1 && fails 'x0.*net_null0,nosuch=1.*does it know every argument'
eth net_pcap0,rx_pcap=/no/such/file && fails 'x0.*"/no/such/file".*No such file'
eth 0000:ff:1f.7 && fails 'x0.*0000:ff:1f.7.*no such PCI device'

step "rights and memory"
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fails 'control socket .*Permission denied.*root' "${nobody[@]}"
chmod 777 "$WORK"
fails 'c1.*run as root' "${nobody[@]}"
chmod 755 "$WORK"
# More frames than there can be hugepages for, even where others give theirs back meanwhile; less than 4 GiB in all.
pages=$(</sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)
frames=$((pages * 900))
if ((frames < 1000000)); then
    ((frames > 16384)) || frames=16384
    add '[memory]' 'hugepages = "always"' "frames = $frames"
    fails '[0-9]+ MiB of hugepages are needed and [0-9]+ MiB are free .mend: scripts/setup [0-9]+'
    add '[memory]' 'hugepages = "auto"' "frames = $frames"
    start_millraced node1
    expect "warnings" "$(grep -c ' WARN ' "$WORK/node1.log")" -eq 1
    grep -q ' WARN .*4 KiB pages, which is slower' "$WORK/node1.log" || die "it does not say that it goes without hugepages"
    ping_all c1=10.0.0.1 c2=10.0.0.2
    stop_millraced node1
    fresh
else
    echo "this machine has $pages hugepages: too many to want more"
fi

# --- the socket ---

# fails_beside PATTERN: as `fails`, where something else is in the way and stays.
fails_beside() {
    local code=0
    run_in_node1 >"$WORK/fails.log" 2>&1 || code=$?
    expect "exit code where it says $1" "$code" -eq 1
    grep -q " ERROR .*$1" "$WORK/fails.log" || { cat "$WORK/fails.log" >&2; die "it says nothing of $1"; }
}

step "the socket"
fresh
echo something >"$WORK/node1.sock"
fails_beside 'a file that is no socket is in the way'
[[ $(<"$WORK/node1.sock") == something ]] || die "it touched a file that is not its own"
rm "$WORK/node1.sock"
start_millraced node1
fails_beside 'another switch is listening there'
ping_all c1=10.0.0.1 c2=10.0.0.2
"$ROOT/scripts/smoke/abuse-socket.py" "$WORK/node1.sock" "${MILLRACED_PID[node1]}"
ping_all c1=10.0.0.1 c2=10.0.0.2
ledger_balanced node1
expect "lines in the log" "$(wc -l <"$WORK/node1.log")" -lt 50

# --- signals ---

step "kill -9, and another one takes over the stale socket"
kill -KILL "${MILLRACED_PID[node1]}"
wait_until 5 "the killed switch to end" gone "${MILLRACED_PID[node1]}"
[[ -e $WORK/node1.sock ]] || die "there is no stale socket to take over"
code=0
millrace node1 show ports >"$WORK/dead.log" 2>&1 || code=$?
expect "exit code of show without a switch" "$code" -eq 3
start_millraced node1
ping_all c1=10.0.0.1 c2=10.0.0.2

# ends_well SIGNAL: the switch ends with 0 by that signal, loses nothing inside and leaves nothing.
ends_well() {
    local pid=${MILLRACED_PID[node1]} code=0
    kill "-$1" "$pid"
    wait_until 10 "the switch to end by SIG$1" gone "$pid"
    wait "$pid" || code=$?
    expect "exit code by SIG$1" "$code" -eq 0
    ! grep -E 'WARN|ERROR' "$WORK/node1.log" || die "it complained when it was stopped"
    nothing_left
}

step "signals under load"
for signal in TERM INT; do
    [[ $signal == TERM ]] || start_millraced node1
    ping_all c1=10.0.0.1 c2=10.0.0.2
    spawn_in c1 "$WORK/load.log" ping -n -q -f -s 1400 10.0.0.2
    load=$SPAWNED
    received() { (($(in_ledger node1 .total.rx) > 500)); }
    wait_until 10 "load" received
    ends_well "$signal"
    stop_process "$load"
done

step "SIGTERM at every moment of the start"
early=0 late=0
for ms in 0 2 5 10 15 20 30 40 60 80 100 120 140 160 180 200 250 300; do
    rm -f "$WORK/node1.log"
    spawn_in node1 "$WORK/node1.log" "$MILLRACED" --config "$WORK/node1.toml"
    pid=$SPAWNED code=0
    sleep "0.$(printf '%03d' "$ms")"
    kill -TERM "$pid"
    wait_until 10 "the switch to end that was stopped after $ms ms" gone "$pid"
    wait "$pid" || code=$?
    # Before it listens to signals it has nothing that could be left behind.
    [[ $code == 0 || ($code == 143 && ! -s $WORK/node1.log) ]] ||
        { cat "$WORK/node1.log" >&2; die "stopped after $ms ms it ended with $code"; }
    if ((code == 143)); then ((early += 1)); else ((late += 1)); fi
    nothing_left
done
echo "$early stopped before they began, $late after"
expect "starts stopped in the midst" "$late" -gt 0
start_millraced node1
ping_all c1=10.0.0.1 c2=10.0.0.2
stop_millraced node1
nothing_left
