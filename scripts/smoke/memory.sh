#!/usr/bin/env bash
# What `millrace check` says a file needs is what the switch takes and what `show memory` tells of it: regions to the octet,
# hugepages within a few percent; and what a machine lacks is said before the start, with the command.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

# write PAGES: a configuration of node1 with tables and buffers of its own size, on hugepages or not.
write() {
    config_switch node1
    printf '[memory]\nhugepages = "%s"\nframes = 20000\n[tables]\nflows_max = 100000\nmacs_max = 30000\n' \
        "$1" >>"$WORK/node1.toml"
    config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
    config_network node1 blue 1
}

# told FILTER: what `check` says of node1.
told() { "$MILLRACE" --json check --no-machine "$WORK/node1.toml" | jq -er ".files[0].memory | $1"; }
# mapped PATTERN: octets of the running switch's mappings of memory files with such names.
mapped() {
    local range rest sum=0
    while read -r range rest; do
        [[ $rest =~ memfd:$1 ]] && sum=$((sum + 0x${range#*-} - 0x${range%-*}))
    done <"/proc/${MILLRACED_PID[node1]}/maps"
    echo "$sum"
}
# huge: octets on hugepages that the running switch has.
huge() { awk '/^(Shared|Private)_Hugetlb:/ { sum += $2 } END { print sum * 1024 }' "/proc/${MILLRACED_PID[node1]}/smaps"; }
item() { told "[.items[] | select(.what == \"$1\").bytes] | add"; }
# shown FILTER: what the running switch says of its memory.
shown() { millrace node1 show memory --json | jq -er "$1"; }
# agrees: item by item and in all, `show memory` says what `check` does, and of the tables what is mapped.
agrees() {
    local what
    while read -r what; do
        expect "$what, shown" "$(shown "[.items[] | select(.what == \"$what\").octets] | add")" -eq "$(item "$what")"
    done < <(told '.items[].what')
    expect "on hugepages, shown" "$(shown .hugepages_octets)" -eq "$(told .hugepages_bytes)"
    expect "on ordinary pages, shown" "$(shown .ordinary_octets)" -eq "$(told .ordinary_bytes)"
    expect "flow tables, mapped" "$(mapped '[^ ]*-flows-')" -eq "$(item 'flow tables')"
    expect "octets of a flow" "$(shown '.items[] | select(.what == "flow tables").place_octets')" -le 128
    shown '.items[] | select(.what == "packet buffers") | .used > 0 and .used < .places' >/dev/null ||
        die "packet buffers: $(shown '.items[] | select(.what == "packet buffers")')"
}
# near WHAT MEASURED TOLD: within five percent.
near() {
    echo "$1: $2 octets measured, $3 told"
    expect "$1" $(($2 * 100)) -ge $(($3 * 95))
    expect "$1" $(($2 * 100)) -le $(($3 * 105))
}

netns_add node1 c1
step "on ordinary pages"
write never
start_millraced node1
agrees
millrace node1 show memory
expect "FDBs" "$(mapped '[^ ]*-fdb-')" -eq "$(item FDBs)"
expect "hugepages" "$(huge)" -eq 0
resident=$(awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/${MILLRACED_PID[node1]}/status")
expect "resident octets" "$resident" -ge "$(item 'flow tables')"
stop_millraced node1

step "on hugepages"
write always
pages=$(told .hugepages)
free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)
if ((free >= pages)); then
    start_millraced node1
    near "hugepages" "$(huge)" "$(told .hugepages_bytes)"
    agrees
    stop_millraced node1
else
    warn "$free hugepages are free and $pages needed: not measured"
fi

step "more than there is"
sed -i 's/^frames = .*/frames = 16000000/' "$WORK/node1.toml"
"$MILLRACE" check "$WORK/node1.toml" >"$WORK/check.log" 2>&1 || die "what a machine lacks does not make a file wrong"
grep -q 'this machine: .* are needed.*mend: echo [0-9]* > /sys/.*nr_hugepages' "$WORK/check.log" ||
    { cat "$WORK/check.log" >&2; die "check does not name the command"; }
"$MILLRACE" check --no-machine "$WORK/node1.toml" 2>&1 | grep -q 'this machine' && die "--no-machine looks at the machine"
in_ns node1 "$MILLRACED" --config "$WORK/node1.toml" >"$WORK/start.log" 2>&1 && die "it started without its hugepages"
grep -q 'MiB of hugepages are needed and .*nr_hugepages' "$WORK/start.log" ||
    { cat "$WORK/start.log" >&2; die "the switch does not name the command"; }
