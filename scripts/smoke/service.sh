#!/usr/bin/env bash
# The switch as a service: with the capabilities of its unit and nothing else it forwards, tells the manager so, and feeds
# the watchdog as long as every worker turns; a worker that hangs starves it. SIGTERM ends it, a second one at once. What
# it logs into a journal carries priorities.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v python3 >/dev/null || skip "needs python3"
command -v setpriv >/dev/null || skip "needs setpriv (package util-linux)"

UNIT=$ROOT/packaging/systemd/millraced@.service
netns_add node1 c1 c2
config_switch node1
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
config_network node1 blue 1

step "the unit"
if command -v systemd-analyze >/dev/null; then
    # With the programs of this build; the manual pages are where they are installed.
    sed "s#/usr/bin/millraced#$MILLRACED#;s#/usr/bin/millrace #$MILLRACE #;/^Documentation=/d" "$UNIT" \
        >"$WORK/millraced@.service"
    systemd-analyze verify "$WORK/millraced@node-a.service" >"$WORK/verify.log" 2>&1 || true
    [[ ! -s $WORK/verify.log ]] || { cat "$WORK/verify.log" >&2; die "systemd objects to the unit"; }
else
    warn "systemd-analyze is missing: the unit is not verified"
fi

# The manager: writes down every line it is told, behind the milliseconds of its clock.
cat >"$WORK/manager.py" <<'PYTHON'
import socket, sys, time
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
while True:
    for line in manager.recv(65536).decode().splitlines():
        print(time.monotonic_ns() // 1_000_000, line, flush=True)
PYTHON
spawn "$WORK/told" python3 "$WORK/manager.py" "$WORK/notify"
wait_until 5 "the manager" test -S "$WORK/notify"
told() { grep -q -- "$1" "$WORK/told"; }
count() { grep -c -- "$1" "$WORK/told" || true; }

# As the unit does it: only these capabilities, no new ones, RUNTIME_DIRECTORY, a watchdog; standard error is a journal.
CAPABILITIES=$(sed -n 's/^CapabilityBoundingSet=//p' "$UNIT" | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
cat >"$WORK/unit" <<UNIT
#!/usr/bin/env bash
mkdir -p "$WORK/runtime"
export NOTIFY_SOCKET="$WORK/notify" WATCHDOG_USEC=2000000 RUNTIME_DIRECTORY="$WORK/runtime"
JOURNAL_STREAM=\$(stat -L -c %d:%i /proc/self/fd/2)
export JOURNAL_STREAM
exec setpriv --bounding-set=-all,$CAPABILITIES --inh-caps=-all --no-new-privs "$MILLRACED" "\$@"
UNIT
chmod 755 "$WORK/unit"
start_as_unit() {
    : >"$WORK/told"
    MILLRACED=$WORK/unit start_millraced node1
    wait_until 10 "READY=1" told READY=1
}

step "a switch with the capabilities of its unit, and what it tells the manager"
start_as_unit
ping_all c1=10.0.0.1 c2=10.0.0.2
expect "kinds of capabilities" "$(sed -n 's/^CapBnd:\t//p' "/proc/${MILLRACED_PID[node1]}/status")" != 000001ffffffffff
cat "$WORK/told"
told 'STATUS=forwarding' || die "the manager has no status"
sed 's/^vni = 1$/&\nmacs_max = 99/' "$WORK/node1.toml" >"$WORK/changed.toml"
millrace node1 apply "$WORK/changed.toml" --yes >/dev/null
wait_until 5 "the status after apply" told 'STATUS=forwarding by generation [2-9]'

step "control sleeps while nobody has anything to say to it"
slept() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/${MILLRACED_PID[node1]}/status"; }
before=$(slept)
sleep 2
expect "times that control woke up in two seconds" $(($(slept) - before)) -lt 100

step "the log of a journal"
grep -q '^<6>millraced: millraced ' "$WORK/node1.log" || { cat "$WORK/node1.log" >&2; die "there are no priorities"; }
! grep -E '^\[?20[0-9][0-9]-' "$WORK/node1.log" || die "there are times"

step "the watchdog starves where a worker hangs"
before=$(count WATCHDOG=1)
fed() { (($(count WATCHDOG=1) > before + 2)); }
wait_until 5 "the watchdog to be fed" fed
# A thread that is traced stands still while all others run.
cat >"$WORK/hang.py" <<'PYTHON'
import ctypes, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")
thread = int(sys.argv[1])
ptrace(16, thread)  # PTRACE_ATTACH
os.waitpid(thread, 0x40000000)  # __WALL
print("hangs", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(60)
PYTHON
hang() {
    local task worker=''
    for task in /proc/"${MILLRACED_PID[node1]}"/task/*; do
        [[ $(<"$task/comm") != worker-0 ]] || worker=${task##*/}
    done
    [[ -n $worker ]] || die "there is no thread worker-0"
    spawn "$WORK/hang.log" python3 "$WORK/hang.py" "$worker"
    HANGER=$SPAWNED
    wait_until 5 "the worker to hang" grep -q hangs "$WORK/hang.log"
}
hang
sleep 2
before=$(count WATCHDOG=1)
sleep 2
expect "times the watchdog was fed while a worker hung" "$(count WATCHDOG=1)" -eq "$before"
millrace node1 show version >/dev/null || die "the control thread hangs too, which proves nothing"
grep -q '^<3>.*worker 0 ' "$WORK/node1.log" || die "the log does not name the worker"
stop_process "$HANGER" # which ends the trace
wait_until 5 "the watchdog to be fed again" fed
ping_all c1=10.0.0.1 c2=10.0.0.2

step "SIGTERM, and a second one that does not wait for a worker that hangs"
stop_millraced node1
told STOPPING=1 || die "the manager does not know that it stopped"
start_as_unit
hang
pid=${MILLRACED_PID[node1]} code=0
kill -TERM "$pid"
wait_until 5 "it to stop" told STOPPING=1
sleep 0.3
alive "$pid" || die "it did not wait for its worker"
start=$(now_ms)
kill -TERM "$pid"
wait_until 2 "it to end at once" gone "$pid"
echo "ended $(($(now_ms) - start)) ms after the second signal"
stop_process "$HANGER" # nobody else may wait for a process while one of its threads is traced
wait "$pid" || code=$?
expect "exit code after two signals" "$code" -eq 1

step "without a manager and a journal it says the same to people"
start_millraced node1
grep -qE '^\[20[0-9][0-9]-.* INFO .*millraced' "$WORK/node1.log" || { cat "$WORK/node1.log" >&2; die "there are no times"; }
stop_millraced node1
