#!/usr/bin/env bash
# `cpu_latency_us` in [workers]: the request to wake CPUs soon is held while there is traffic and let go of in silence, heeded by
# the kernel where CPUs sleep at all, changed by `apply`, and gone with a switch that is killed.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
REQUESTS=/dev/cpu_dma_latency
CPUIDLE=/sys/devices/system/cpu/cpuidle
[[ -w $REQUESTS ]] || skip "needs $REQUESTS"

# target: the least that anybody asks for now.
target() { od -An -t d4 "$REQUESTS" | tr -d ' '; }
# Before there is a switch: its containers' kernels ask for routers when they like, and that is traffic.
others=$(target)

netns_add node1 c1 c2
config_switch node1
echo 'cpu_latency_us = 0' >>"$WORK/node1.toml"
config_tap node1 c1 blue 02:00:00:00:00:01 10.0.0.1/24
config_tap node1 c2 blue 02:00:00:00:00:02 10.0.0.2/24
config_network node1 blue 1
start_millraced node1

# holds: the switch has the request open. says HELD: its own word for it.
holds() { find "/proc/${MILLRACED_PID[node1]}/fd" -lname "$REQUESTS" | grep -q .; }
lets_go() { ! holds; }
says() {
    millrace node1 show workers --json | jq -e --argjson held "$1" '.cpu_latency | .max_us == 0 and .held == $held' >/dev/null
}
# sum FILE...: of the numbers in them.
sum() { awk '{ sum += $1 } END { print sum + 0 }' "$@"; }
# idle_second: counts for a second how often CPUs with nothing to do POLLED, which is the first state, and how often they SLEPT.
idle_second() {
    local cpus=/sys/devices/system/cpu polls sleeps polled slept
    polls=("$cpus"/cpu*/cpuidle/state0/usage) sleeps=("$cpus"/cpu*/cpuidle/state[1-9]*/usage)
    polled=$(sum "${polls[@]}") slept=$(sum "${sleeps[@]}")
    sleep 1
    POLLED=$(($(sum "${polls[@]}") - polled)) SLEPT=$(($(sum "${sleeps[@]}") - slept))
    echo "within a second CPUs polled $POLLED times and slept $SLEPT times"
}

step "in silence nothing is held"
wait_until 10 "the request to be let go of" lets_go
wait_until 5 "the switch to say so" says false

step "traffic takes it, at once"
ping_all c1=10.0.0.1 c2=10.0.0.2
wait_until 5 "the request" holds
spawn_in c1 "$WORK/ping.log" ping -i 0.05 10.0.0.2
PING=$SPAWNED
wait_until 5 "the switch to say so" says true
expect "the kernel's target" "$(target)" -eq 0
millrace node1 show workers | grep -q '^CPUs wake up within 0 us: held' || die "show workers does not say so to people"

step "the kernel heeds it"
if [[ $(cat $CPUIDLE/current_driver 2>/dev/null || echo none) == none ]]; then
    echo "not measured: no driver puts CPUs to sleep here"
elif ((others == 0)); then
    echo "not measured: somebody else keeps CPUs awake"
else
    idle_second
    holds || die "it let go while there was traffic"
    # Those that slept when it was taken are awake by now.
    expect "times that CPUs went to sleep" "$SLEPT" -le 2
    ((POLLED > 0)) || echo "which proves nothing: they had too much to do"
fi

step "a configuration without it lets go, one with another number takes that"
sed '/^cpu_latency_us/d' "$WORK/node1.toml" >"$WORK/without.toml"
millrace node1 apply "$WORK/without.toml" --yes | tee "$WORK/applied"
grep -q 'cpu_latency_us: 0 -> the kernel' "$WORK/applied" || die "apply does not say so"
wait_until 5 "the request to be let go of" lets_go
millrace node1 show workers --json | jq -e '.cpu_latency == null' >/dev/null || die "it still says something"
! millrace node1 show workers | grep -q '^CPUs' || die "it still says something to people"
millrace node1 apply "$WORK/node1.toml" --yes >/dev/null
wait_until 5 "the request" holds

step "silence lets go of it"
stop_process "$PING"
wait_until 10 "the request to be let go of" lets_go
wait_until 5 "the switch to say so" says false
if ((others != 0)) && [[ $(cat $CPUIDLE/current_driver 2>/dev/null || echo none) != none ]]; then
    # A CPU that has polled goes on with that until a while passes in which nothing comes, and kernels ask for neighbours and
    # routers now and then, which is traffic: on a busy machine this takes its time.
    sleeps() { idle_second && ((SLEPT > 0)); }
    wait_until 20 "CPUs to sleep again" sleeps || echo "which proves nothing: they have too much to do"
fi

step "it goes with a switch that is killed"
ping_all c1=10.0.0.1 c2=10.0.0.2
wait_until 5 "the request" holds
kill -KILL "${MILLRACED_PID[node1]}"
wait_until 5 "the switch to die" gone "${MILLRACED_PID[node1]}"
as_before() { (($(target) == others)); }
wait_until 5 "the target to be what it was" as_before
