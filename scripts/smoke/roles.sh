#!/usr/bin/env bash
# Who may do what on the control socket, by user and by group, with Debian's own accounts: admins change the switch,
# readers look, everybody else is told who may. A new configuration changes the roles of those who are connected, and
# whoever asks too much or has too many connections keeps nobody else waiting.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v setpriv >/dev/null || skip "needs setpriv (package util-linux)"
command -v python3 >/dev/null || skip "needs python3"

DAEMON="1 1" NOBODY="65534 65534" # uid and gid
STAFF=50 USERS=100                # gids
cp "$MILLRACE" "$WORK/millrace"   # where users who are not root can run it
chmod 755 "$WORK"
netns_add node1 c1

# config KEY...: a switch with these keys in [switch].
config() {
    local key
    config_switch node1
    for key in "$@"; do sed -i "/^socket = /a $key" "$WORK/node1.toml"; done
    config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
    config_network node1 blue 1
    chmod 644 "$WORK/node1.toml"
}

# as "UID GID" GROUPS COMMAND...: a command as that user; GROUPS are the supplementary ones, or `-`.
as() {
    local uid=${1% *} gid=${1#* } groups=(--groups "$2")
    [[ $2 != - ]] || groups=(--clear-groups)
    shift 2
    # Not every interpreter in the path of root can be run by others.
    PATH=/usr/bin:/bin setpriv --reuid "$uid" --regid "$gid" "${groups[@]}" "$@"
}

# asks "UID GID" GROUPS ARGUMENT...: `millrace` as that user.
asks() { as "$1" "$2" "$WORK/millrace" --socket "$WORK/node1.sock" "${@:3}"; }

# different: the running configuration with one more difference, for somebody to apply.
CHANGES=0
different() {
    CHANGES=$((CHANGES + 1))
    sed "s/^vni = .*/&\nmacs_max = $((100 + CHANGES))/" "$WORK/node1.toml" >"$WORK/different.toml"
    chmod 644 "$WORK/different.toml"
}

# is_admin, is_reader, is_nobody "UID GID" GROUPS
is_admin() {
    different
    asks "$1" "$2" apply "$WORK/different.toml" --yes >"$WORK/out" 2>&1 || { cat "$WORK/out" >&2; die "$* is no admin"; }
    asks "$1" "$2" show version | grep -q 'you are an admin' || die "$* is not told of being an admin"
}
is_reader() {
    different
    asks "$1" "$2" show ledger >/dev/null || die "$* may not look"
    asks "$1" "$2" apply "$WORK/different.toml" --dry-run >/dev/null || die "$* may not try"
    asks "$1" "$2" show version | grep -q 'you are a reader' || die "$* is not told of being a reader"
    refused "$1" "$2" -32005 'may only read, and .apply. changes the switch; allowed: '
}
is_nobody() {
    different
    refused "$1" "$2" -32001 'may not use this socket; allowed: '
}

# refused "UID GID" GROUPS CODE PATTERN: an apply ends with 1 and that error, and changes nothing.
refused() {
    local code=0 before
    before=$(millrace node1 show networks --json)
    asks "$1" "$2" --json apply "$WORK/different.toml" --yes >"$WORK/refused.json" 2>"$WORK/refused.log" || code=$?
    expect "exit code of an apply by $1 $2" "$code" -eq 1
    grep -q -- "$4" "$WORK/refused.log" || { cat "$WORK/refused.log" >&2; die "$1 $2: says nothing of $4"; }
    expect "code of the error for $1 $2" "$(jq .error.code "$WORK/refused.json")" -eq "$3"
    [[ $(millrace node1 show networks --json) == "$before" ]] || die "$1 $2 was refused, but changed something"
}

# talk COMMANDS: a client in Python, whose `ask()` sends a request and gives the answer.
cat >"$WORK/talk.py" <<'PYTHON'
import json, socket, sys, time
class Client:
    def __init__(self):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(10)
        self.stream.connect(sys.argv[1])
        self.lines = self.stream.makefile("rb")
        self.hello = json.loads(self.lines.readline())["params"]
    def send(self, *methods):
        lines = [json.dumps({"jsonrpc": "2.0", "id": n, "method": method}) + "\n" for n, method in enumerate(methods)]
        self.stream.sendall("".join(lines).encode())
    def read(self):
        line = self.lines.readline()
        return json.loads(line) if line else None
    def ask(self, method="version"):
        self.send(method)
        return self.read()
def until(path):
    import os
    while not os.path.exists(path): time.sleep(0.01)
PYTHON
chmod 644 "$WORK/talk.py"
talk() { (cd "$WORK" && exec python3 -c "from talk import *"$'\n'"$1" "$WORK/node1.sock"); }

step "without any key: root, and nobody else"
config
start_millraced node1
is_admin "0 0" -
is_nobody "$DAEMON" -

step "users and groups, as the first group and as another"
config 'admins = ["root", "daemon"]' "reader_groups = [\"staff\", $USERS]"
millrace node1 apply "$WORK/node1.toml" --yes >/dev/null
is_admin "$DAEMON" -
is_nobody "$NOBODY" -
is_reader "$NOBODY" "$STAFF"
is_reader "65534 $STAFF" -
is_reader "$NOBODY" "20,21,$USERS"
is_admin "$DAEMON" "$STAFF"
config 'readers = ["daemon"]' "admin_groups = [\"staff\"]"
millrace node1 apply "$WORK/node1.toml" --yes >/dev/null
is_reader "$DAEMON" -
is_admin "$DAEMON" "$STAFF"
is_nobody "$NOBODY" "$USERS"

step "a new configuration changes the roles of open connections"
# hold "UID GID" GROUPS gone|stays: as that user, connected before the change; says what it is told before and after.
hold() {
    as "$1" "$2" python3 -c "
import sys; sys.path.insert(0, '$WORK')
from talk import *
client = Client()
print(client.hello['role'], 'result' in client.ask(), flush=True)
until('$WORK/changed')
answer = client.read() if '$3' == 'gone' else client.ask()
print('result' if 'result' in answer else answer['error']['code'], client.read() if '$3' == 'gone' else '')
" "$WORK/node1.sock"
}
hold "$DAEMON" - gone >"$WORK/hold1" 2>&1 &
holders=$!
hold "$DAEMON" "$STAFF" stays >"$WORK/hold2" 2>&1 &
holders+=" $!"
both_ready() { [[ -s $WORK/hold1 && -s $WORK/hold2 ]]; }
wait_until 10 "both to be connected" both_ready
config "reader_groups = [\"staff\"]"
millrace node1 apply "$WORK/node1.toml" --yes >/dev/null
touch "$WORK/changed"
# shellcheck disable=SC2086
wait $holders
expect_text() { [[ $(<"$1") == "$2" ]] || { cat "$1" >&2; die "expected: $2"; }; }
expect_text "$WORK/hold1" $'reader True\n-32001 None'
expect_text "$WORK/hold2" $'admin True\nresult '
is_reader "$DAEMON" "$STAFF"

step "an admin who removes himself gets the answer, and no other"
config 'admins = ["daemon"]' 'readers = ["root"]'
millrace node1 apply "$WORK/node1.toml" --yes >/dev/null
[[ $(millrace node1 show version) == *'you are a reader'* ]] || die "root should read only now"
config 'admins = ["root"]' 'requests_per_s = 100' 'requests_burst = 50' 'connections_per_user = 5' 'readers = ["daemon"]'
asks "$DAEMON" - apply "$WORK/node1.toml" --yes >/dev/null

step "who asks too much waits, and keeps nobody waiting"
talk "
start = time.monotonic()
greedy = [Client() for _ in range(4)]
for client in greedy: client.send(*['show_ports'] * 100)
answers = [client.read() for client in greedy for _ in range(100)]
took = time.monotonic() - start
assert all('result' in answer for answer in answers), [answer for answer in answers if 'result' not in answer][0]
assert 3 < took < 8, took
print(f'400 requests, 50 at once and 100 a second: {took:.1f} s')
" &
greedy=$!
defer stop_process "$greedy"
sleep 0.5
slowest=0
for _ in 1 2 3 4 5; do
    start=$(now_ms)
    asks "$DAEMON" - show ports >/dev/null
    took=$(($(now_ms) - start))
    ((took <= slowest)) || slowest=$took
done
echo "meanwhile somebody else waited $slowest ms at most"
expect "milliseconds that somebody else waited" "$slowest" -lt 1000
wait "$greedy" || die "the greedy client was not served"

step "what would wait for too long is refused, and says when to ask again"
config 'requests_per_s = 1' 'requests_burst = 1' 'readers = ["daemon"]'
millrace node1 apply "$WORK/node1.toml" --yes >/dev/null
talk "
clients = [Client() for _ in range(5)]
for client in clients: client.send('version')
answers = [client.read() for client in clients]
errors = [answer['error'] for answer in answers if 'error' in answer]
assert errors and len(errors) < 5 and all(error['code'] == -32006 for error in errors), answers
assert all(0 < error['data']['retry_after_ms'] <= 1000 for error in errors), errors
print(errors[0]['message'])
" || die "the refusal is not as documented"
asks "$DAEMON" - show ports >/dev/null

step "connections beyond the bound are told so"
config 'connections_per_user = 5' 'readers = ["daemon"]'
sleep 2
millrace node1 apply "$WORK/node1.toml" --yes >/dev/null
talk "
clients = [Client() for _ in range(5)]
assert all('result' in client.ask() for client in clients)
beyond = Client()
answer = beyond.read()
assert answer['error']['code'] == -32006 and answer['id'] is None and beyond.read() is None, answer
print(answer['error']['message'])
clients.pop().stream.close()
" || die "the bound on connections does not hold"
millrace node1 show ports >/dev/null

ledger_balanced node1
! grep -E 'ERROR' "$WORK/node1.log" || die "the switch complained"
stop_millraced node1
