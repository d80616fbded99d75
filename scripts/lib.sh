# shellcheck shell=bash
# Functions for the scripts here and in smoke/. Source it: `source "$(dirname "$0")/lib.sh"`.
#
# What a script starts here is remembered and undone on exit, on Ctrl-C and on failure, last thing first; nothing else is
# ever ended or removed. Nothing waits by sleeping for luck: `wait_until` asks again until a deadline.
#
# The network half (namespaces, a switch in one, Linux's own VXLAN as a peer) is in lib-net.sh.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    BOLD=$'\e[1m' GREEN=$'\e[32m' YELLOW=$'\e[33m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
    BOLD='' GREEN='' YELLOW='' RED='' PLAIN=''
fi

# The code a test exits with to say that it could not run here.
SKIP_CODE=77

# --- saying things ---

# step TEXT: one line before something that takes a while.
step() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*"; }

# good TEXT: one line after something worked.
good() { printf '%sok%s  %s\n' "$GREEN" "$PLAIN" "$*"; }

# warn TEXT: one line about something that is missing but not needed.
warn() { printf '%swarning:%s %s\n' "$YELLOW" "$PLAIN" "$*" >&2; }

# die TEXT: the end, with a reason.
die() {
    printf '%serror:%s %s\n' "$RED" "$PLAIN" "$*" >&2
    exit 1
}

# skip WHY: the end of a test that cannot run here.
skip() {
    printf 'skipped: %s\n' "$*"
    exit "$SKIP_CODE"
}

# usage: the comment at the top of the calling script, as its help.
usage() { sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

# need_root: skips a test, which cannot touch namespaces, where the caller is not root.
need_root() { [[ $(id -u) == 0 ]] || skip "needs root"; }

now_ms() { date +%s%3N; }

# seconds_since MS: seconds with one digit since a `now_ms`.
seconds_since() {
    local ms=$(($(now_ms) - $1))
    printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# --- undoing things ---

DEFERRED=()

# defer COMMAND...: to be run when the script ends, however it ends; the last deferred runs first.
defer() { DEFERRED+=("$(printf '%q ' "$@")"); }

# run_deferred: undoes everything, keeps the exit code, and is not interrupted by a second Ctrl-C.
run_deferred() {
    local code=$?
    trap '' INT TERM
    trap - EXIT
    set +e
    while ((${#DEFERRED[@]})); do
        local last=$((${#DEFERRED[@]} - 1))
        local command=${DEFERRED[last]}
        unset "DEFERRED[last]"
        eval "$command"
    done
    exit "$code"
}
trap run_deferred EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# --- waiting ---

# wait_until SECONDS WHAT COMMAND...: runs the command until it succeeds; an error naming WHAT after the deadline.
wait_until() {
    local deadline=$(($(now_ms) + $1 * 1000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if (($(now_ms) > deadline)); then
            printf '%serror:%s waited in vain for %s\n' "$RED" "$PLAIN" "$what" >&2
            return 1
        fi
        sleep 0.05
    done
}

# alive PID: whether the process runs; a zombie does not.
alive() { grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status" 2>/dev/null; }

gone() { ! alive "$1"; }

# --- processes ---

# spawn LOG COMMAND...: starts the command in the background, its output in LOG, its id in SPAWNED; ended with the script.
spawn() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null &
    SPAWNED=$!
    defer stop_process "$SPAWNED"
}

# spawn_group COMMAND...: starts the command in the background as a process group of its own, so that `stop_group` ends it
# with all its children; its output stays here. Its id in SPAWNED.
spawn_group() {
    set -m
    "$@" </dev/null &
    SPAWNED=$!
    set +m
}

# stop_group PID [SECONDS]: SIGTERM to the group, and SIGKILL where its first process does not end in time (5 seconds).
stop_group() {
    local pid=$1 seconds=${2:-5}
    alive "$pid" || return 0
    kill -TERM -- "-$pid" 2>/dev/null || true
    wait_until "$seconds" "process group $pid to end" gone "$pid" && return 0
    kill -KILL -- "-$pid" 2>/dev/null || true
}

# stop_process PID [SECONDS]: SIGTERM, and SIGKILL where it does not end in time (5 seconds). True where it has ended.
stop_process() {
    local pid=$1 seconds=${2:-5}
    alive "$pid" || return 0
    kill -TERM "$pid" 2>/dev/null || true
    wait_until "$seconds" "process $pid to end" gone "$pid" && return 0
    kill -KILL "$pid" 2>/dev/null || true
    wait_until 5 "process $pid to die" gone "$pid"
}
