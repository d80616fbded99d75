#!/usr/bin/env bash
# Builds for CPUs that can do more: the installed millraced goes on as the best one that the CPU can run, every build does the
# same to the same packets, octet by octet and reason by reason, and one of another build is not taken.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root
command -v mergecap >/dev/null || skip "needs mergecap (Debian: wireshark-common)"

IMAGE=$ROOT/target/image
PREFIX=$IMAGE/usr/local
MILLRACED=$PREFIX/bin/millraced
[[ -x $MILLRACED ]] || die "there is no $MILLRACED: scripts/install --destdir $IMAGE"
# can_run LEVEL: whether this CPU is of that level, and not, what it lacks.
can_run() {
    local feature features=(avx2 bmi1 bmi2 f16c fma abm movbe)
    [[ $1 != x86-64-v4 ]] || features+=(avx512f avx512bw avx512cd avx512dq avx512vl)
    for feature in "${features[@]}"; do
        grep -qw "$feature" /proc/cpuinfo || { echo "this CPU has no $feature, so it is not of level $1"; return 1; }
    done
}
# What is installed and can run here, the best last.
LEVELS=()
for folder in "$PREFIX"/lib/millrace/*/; do
    [[ -d $folder ]] || die "no build for another CPU is in $PREFIX/lib/millrace: scripts/install --destdir $IMAGE"
    level=$(basename "$folder")
    lack=$(can_run "$level") && LEVELS+=("$level")
done
((${#LEVELS[@]})) || skip "$lack"
BEST=${LEVELS[-1]}

netns_add node1
step "packets: good ones, wrong ones, and both inside VXLAN"
"$ROOT/target/release/perf" generate --shape plain --flows 5000 --mac-pairs 64 "$WORK/good.pcap"
"$ROOT/target/release/perf" generate --shape vxlan --flows 5000 --mac-pairs 64 "$WORK/good-vxlan.pcap"
"$ROOT/scripts/smoke/frames.py" "$WORK/wrong.pcap" malformed 06:00:00:00:00:02 06:00:00:00:00:01 >/dev/null
"$ROOT/scripts/smoke/frames.py" "$WORK/wrong-vxlan.pcap" underlay 02:ff:00:00:00:01 02:ff:00:00:00:02 192.0.2.2 192.0.2.1 100 4789 >/dev/null
mergecap -F pcap -a -w "$WORK/load.pcap" "$WORK/good.pcap" "$WORK/wrong.pcap" "$WORK/good.pcap"
mergecap -F pcap -a -w "$WORK/vxlan.pcap" "$WORK/good-vxlan.pcap" "$WORK/wrong-vxlan.pcap" "$WORK/good-vxlan.pcap"
head -c 24 "$WORK/load.pcap" >"$WORK/nothing.pcap" # the file's header
frames_in() { capinfos -TMrc "$1" | cut -f 2; }
OUTER=$(frames_in "$WORK/vxlan.pcap") SENT=$(($(frames_in "$WORK/load.pcap") + $(frames_in "$WORK/vxlan.pcap")))

# A port that reads a capture begins as soon as it is there: whoever only sends comes before it, and `in` when the uplink serves.
config_switch node1
statics() {
    local pair
    for ((pair = 0; pair < 64; pair++)); do
        printf '    { mac = "%s", %s },\n' "$(printf '0a:%02x:%02x:%02x:%02x:02' 0 0 0 $pair)" "$1"
    done
}
printf '[memory]\nhugepages = "never"\n' >>"$WORK/node1.toml"
config_eth node1 out "net_pcap0,rx_pcap=$WORK/nothing.pcap,tx_pcap=$WORK/decapped.pcap" blue 'anti_spoof = false'
cat >>"$WORK/node1.toml" <<TOML
[[port]]
name = "up"
kind = "eth"
device = "net_pcap1,rx_pcap=$WORK/vxlan.pcap,tx_pcap=$WORK/encapped.pcap"
role = "uplink"
mac = "02:ff:00:00:00:01"
addresses = ["192.0.2.1/24"]
[[tunnel]]
name = "to-blue"
uplink = "up"
remote = "192.0.2.2"
next_hop_mac = "02:ff:00:00:00:02"
[[network]]
name = "blue"
vni = 100
tunnels = ["to-blue"]
static = [
$(statics 'port = "out"')
]
[[network]]
name = "red"
vni = 200
tunnels = ["to-blue"]
static = [
$(statics 'tunnel = "to-blue"')
]
TOML

cp "$WORK/node1.toml" "$WORK/all.toml"
config_eth all in "net_pcap2,rx_pcap=$WORK/load.pcap,tx_pcap=$WORK/back.pcap" red 'anti_spoof = false'

taken() { [[ $(millrace node1 show ledger --json | jq .total.rx) == "$1" ]]; }
level() { millrace node1 show version --json | jq -r .cpu_level; }

# runs_as ASKED LEVEL: starts the switch, which must go on as the build for this level.
runs_as() {
    start_millraced node1 --cpu-level "$1"
    [[ $(level) == "$2" ]] || die "--cpu-level $1 runs as $(level), not as $2"
}

# outcome ASKED LEVEL: what this build makes of it all: the packets without their times, and what was dropped and why.
outcome() {
    runs_as "$1" "$2"
    wait_until 20 "$OUTER packets to come in by the tunnel" taken "$OUTER"
    millrace node1 apply --yes "$WORK/all.toml" >/dev/null
    wait_until 20 "$SENT packets to come in" taken "$SENT"
    ledger_balanced node1
    millrace node1 show drops --json | jq -S '[.reasons[] | select(.frames > 0) | {reason, frames}]' >"$WORK/drops-$1"
    stop_millraced node1
    for file in decapped encapped; do
        tcpdump -r "$WORK/$file.pcap" -n -t -xx 2>/dev/null >"$WORK/$file-$1"
    done
}

BASELINE=x86-64-v2
step "the same from every build"
outcome baseline "$BASELINE"
for asked in "${LEVELS[@]}" auto; do
    level=$asked
    [[ $asked != auto ]] || level=$BEST
    outcome "$asked" "$level"
    for what in decapped encapped drops; do
        [[ -s $WORK/$what-baseline ]] || die "nothing was $what"
        cmp "$WORK/$what-baseline" "$WORK/$what-$asked" || die "$what differs between $BASELINE and $level"
    done
done
echo "$BASELINE ${LEVELS[*]}: $SENT frames, $(jq length "$WORK/drops-baseline") reasons of drops," \
    "$(wc -c <"$WORK/encapped-baseline") octets of dump: the same"

step "what cannot be had is refused by name"
# Where all levels can be had, by one that is installed alone.
LACKING=$MILLRACED
[[ $BEST != x86-64-v4 ]] || LACKING=$WORK/alone/bin/millraced
install -D -t "$WORK/alone/bin" "$MILLRACED"
refused() {
    local said
    said=$("$LACKING" --config "$WORK/node1.toml" --cpu-level x86-64-v4 2>&1) && die "--cpu-level x86-64-v4 was taken"
    [[ $said == *"--cpu-level x86-64-v4: "* ]] || die "refused without the reason: $said"
}
refused

step "one that was chosen by another build gives the place back"
cat >"$WORK/chosen" <<SH
#!/bin/sh
MILLRACED_CHOSEN_BY=$MILLRACED MILLRACED_CHOSEN_BY_BUILD=another exec $PREFIX/lib/millrace/$BEST/millraced "\$@"
SH
chmod +x "$WORK/chosen"
MILLRACED=$WORK/chosen
runs_as auto "$BASELINE"
grep -q "is not of the same build as millraced" "$WORK/node1.log" || die "nobody said that the builds differ"
stop_millraced node1
