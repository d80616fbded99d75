#!/usr/bin/env bash
# Every file in config/ is right, and starts on what it names: the namespaces and interfaces are made here, under other
# names, and all its ports come up. What needs hardware is only checked.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

# value KEY: the values of a text key, one a line.
value() { sed -n "s/^$1 = \"\([^\"]*\)\".*/\1/p" "$file"; }

# prepare: makes what the file names and writes a copy that names our own to $WORK/NAME.toml.
prepare() {
    local netns interface sed_script=()
    netns_add "$name"
    while read -r netns; do
        netns_add "$name-$netns"
        sed_script+=(-e "s|^netns = \"$netns\"|netns = \"$(ns "$name-$netns")\"|")
    done < <(value netns | sort -u)
    while read -r interface; do
        ip -n "$(ns "$name")" link add "$interface" type veth peer name "$interface-peer"
        no_offloads "$name" "$interface"
        no_offloads "$name" "$interface-peer"
        ip -n "$(ns "$name")" link set "$interface" up
        ip -n "$(ns "$name")" link set "$interface-peer" up
    done < <(value device | sed -n 's/.*iface=\([^,]*\).*/\1/p' | sort -u)
    # A name and a socket of our own; everything else is as in the file.
    sed "${sed_script[@]}" -e "s|^name = \"$(value name | head -n 1)\".*|name = \"$(ns "$name")\"\nsocket = \"$WORK/$name.sock\"|;t" \
        "$file" >"$WORK/$name.toml"
}

# all_up NAME: every port is served and has a link; a vhost-user port has none before its guest comes.
all_up() {
    millrace "$1" show ports --json | jq -e '(.ports | length > 0)
        and all(.ports[]; .state == "up" and (.link != "down" or .kind == "vhost-user"))'
}

mapfile -t FILES < <(find "$ROOT/config" -name '*.toml' | sort)
((${#FILES[@]})) || die "there is no file in config/"
started=0
for file in "${FILES[@]}"; do
    name=$(basename "$file" .toml)
    "$MILLRACE" check "$file" >"$WORK/check.log" || { cat "$WORK/check.log" >&2; die "${file#"$ROOT"/} is wrong"; }
    if value device | grep -qE '^([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]'; then
        echo "${file#"$ROOT"/}: right, not started: it needs hardware"
        continue
    fi
    prepare
    start_millraced "$name"
    wait_until 10 "the ports of $name" all_up "$name"
    ledger_balanced "$name"
    stop_millraced "$name"
    echo "${file#"$ROOT"/}: right, started, all ports up"
    ((started += 1))
done
expect "examples started" "$started" -gt 0
