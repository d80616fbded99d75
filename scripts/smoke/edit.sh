#!/usr/bin/env bash
# Small edits of a running switch: a port comes, changes and goes, the file is saved with its comments, two writers meet
# and both are heard, twenty at one time too, and whom none of it concerns loses nothing.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 c1 c2 c3
config_switch node1
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
config_network node1 blue 1
file=$WORK/node1.toml
sed -i '1i # The head of the file.' "$file"
sed -i 's/^vni = 1$/vni = 1   # any will do/' "$file"
chmod 640 "$file"
cp "$file" "$WORK/first.toml"
start_millraced node1
ping_all c1=10.0.0.1 c2=10.0.0.2

# refused PATTERN COMMAND...: it ends with 1, says PATTERN, and the running configuration stays.
refused() {
    local pattern=$1 code=0 before
    shift
    before=$(millrace node1 show config --json)
    millrace node1 "$@" >"$WORK/refused.log" 2>&1 || code=$?
    expect "exit code of $*" "$code" -eq 1
    grep -qE -- "$pattern" "$WORK/refused.log" || { cat "$WORK/refused.log" >&2; die "$*: says nothing of $pattern"; }
    [[ $(millrace node1 show config --json) == "$before" ]] || die "$*: something changed"
}

# saved: the file on disk is what runs.
saved() { millrace node1 show config 2>/dev/null | cmp -s - "$file" || die "the file is not what runs"; }

add_c3=(port add c3 --tap --netns "$(ns c3)" --interface eth0 --network blue --mac 02:00:00:00:00:03 --address 10.0.0.3/24)

step "what runs is told word for word"
millrace node1 show config 2>/dev/null | cmp -s - "$file" || die "show config is not the file"
[[ $(millrace node1 show config --json | jq -c '[.file, .revision]') == "[\"$file\",1]" ]] || die "file or revision is wrong"

# 2000 pings, one every 2 ms, while everything below happens; each must be answered.
spawn_in c1 "$WORK/flood.log" "$ROOT/scripts/smoke/echo.py" 10.0.0.2 2000 0.002 10
flood=$SPAWNED

step "a port comes, changes and goes"
millrace node1 "${add_c3[@]}" --dry-run | grep -q '^+ port c3' || die "the dry run does not show the port"
! millrace node1 show ports --json | jq -e 'any(.ports[]; .name == "c3")' >/dev/null || die "the dry run added the port"
millrace node1 "${add_c3[@]}" | grep -q '^+ port c3' || die "the answer does not show the port"
wait_until 5 "c3 to be up" in_ns c3 ping -n -c 1 -W 1 10.0.0.1
ping_all c3=10.0.0.3 c2=10.0.0.2
millrace node1 port set c3 mtu=1300 >/dev/null
ip -n "$(ns c3)" -o link show eth0 | grep -q 'mtu 1300 ' || die "c3 did not get its MTU"
millrace node1 port set c3 --unset mtu >/dev/null
ip -n "$(ns c3)" -o link show eth0 | grep -q 'mtu 1500 ' || die "c3 did not get its old MTU back"
cmp -s "$file" "$WORK/first.toml" || die "the file changed without --save"
millrace node1 port del c3 | grep -q '^- port c3' || die "the answer does not show that the port goes"
! ip -n "$(ns c3)" link show eth0 >/dev/null 2>&1 || die "c3 is gone and its interface is not"
millrace node1 show config 2>/dev/null | cmp -s - "$WORK/first.toml" || die "something of c3 is left in the text"

step "what cannot be is refused in words of the edit"
refused 'there is no port .c9.; there is: c1, c2' port del c9
refused 'there is a port .c1. already' port add c1 --tap
refused '\| network = "red"' port add c9 --tap --network red
refused 'names no network.*|\| network = "blue"' network del blue
refused '.mtu = "big"..*whole number' port set c1 mtu=big
refused 'port c9: .*namespace' port add c9 --tap --netns nowhere --network blue

step "the file is saved where it is what runs, comments and mode kept"
millrace node1 "${add_c3[@]}" --save | grep -q "^saved: $file\$" || die "the answer does not name the file"
saved
diff "$WORK/first.toml" "$file" >"$WORK/diff.log" || true
! grep -q '^<' "$WORK/diff.log" || { cat "$WORK/diff.log" >&2; die "a line was lost"; }
expect "lines added" "$(grep -c "^>" "$WORK/diff.log")" -eq 8
[[ $(stat -c %a "$file") == 640 ]] || die "the mode changed"
millrace node1 network set blue age_s=60 >/dev/null
refused 'is not what runs: line [0-9]+ of the file' port set c3 mtu=1200 --save
millrace node1 network set blue --unset age_s >/dev/null
millrace node1 port del c3 --save >/dev/null
cmp -s "$file" "$WORK/first.toml" || die "after add and del the file is another"

step "two writers at once"
base=$(millrace node1 show config --json | jq .revision)
millrace node1 network set blue age_s=77 >/dev/null
refused "revision $((base + 1)), not $base; last changed: .* by uid 0: ~ network blue" apply "$file" --base "$base"
millrace node1 apply "$file" --base $((base + 1)) >/dev/null
saved

step "twenty writers at once"
writers=()
for ((i = 10; i < 30; i++)); do
    spawn "$WORK/writer-$i.log" "$MILLRACE" --socket "$WORK/node1.sock" mac add blue "02:00:00:00:01:$i" --port c1 --save
    writers+=("$SPAWNED")
done
for pid in "${writers[@]}"; do
    wait "$pid" || { cat "$WORK"/writer-*.log >&2; die "a writer failed"; }
done
expect "static entries" "$(millrace node1 show macs --port c1 --json | jq '[.macs[] | select(.kind == "static")] | length')" -eq 20
saved

wait_until 30 "the pings to end" gone "$flood"
grep -q '2000 answered, 0 duplicates' "$WORK/flood.log" || { cat "$WORK/flood.log" >&2; die "pings were lost"; }
step "a watch shows rates, and ends when it is interrupted"
spawn_in c1 "$WORK/flood.log" "$ROOT/scripts/smoke/echo.py" 10.0.0.2 10000 0.002 10
flood=$SPAWNED
spawn "$WORK/watch.log" "$MILLRACE" --socket "$WORK/node1.sock" show ports c1 --watch=0.5 --exact
watch=$SPAWNED
# In a block of a whole period: about 500 pings a second, however late a busy machine begins with them.
has_rate() { awk '/^PORT +RX +RX\/S/ { getline; if ($3 + 0 > 100) found = 1 } END { exit !found }' "$WORK/watch.log"; }
wait_until 15 "more than 100 frames a second of c1" has_rate || { cat "$WORK/watch.log" >&2; die "the watch shows no rate"; }
stop_process "$flood"
kill -INT "$watch"
wait "$watch" || die "the watch ended with code $?"

ledger_balanced node1
stop_millraced node1
