# shellcheck shell=bash
# Guests for smoke tests and the demo: QEMU by TCG, so no KVM is needed, with Debian's cloud kernel and an initramfs of
# busybox and iperf3. Its network card is a vhost-user port of a switch. Source it after lib-net.sh.
#
# Guests go by short names; $WORK/NAME.sock is where guest and switch meet, $WORK/NAME.log the guest's console.
# Commands reach it over a second serial line, not over the network under test. GUEST/ROOM is a network namespace inside.

# What scripts/setup leaves: vmlinuz and modules/, numbered in their order. The initramfs made of them is kept beside.
GUEST_KIT=$ROOT/target/guest

# Memory of a guest: what its kernel wants for itself, and 80 MiB for what tests do in it.
GUEST_MEMORY=160M

# need_guests: skips a test where guests cannot run.
need_guests() {
    command -v python3 >/dev/null || skip "needs python3"
    command -v qemu-system-x86_64 >/dev/null || skip "needs qemu-system-x86_64 (scripts/setup)"
    [[ -x /bin/busybox ]] || skip "needs busybox-static (scripts/setup)"
    command -v iperf3 >/dev/null || skip "needs iperf3 (scripts/setup)"
    [[ -r $GUEST_KIT/vmlinuz ]] || skip "needs a kernel for guests in target/guest (scripts/setup)"
}

# guest_init: the guest's first and only script. Its address is in the kernel's command line.
guest_init() {
    cat <<'INIT'
#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
ln -s /proc/self/fd /dev/fd
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/shm /dev/hugepages /tmp /run
mount -t tmpfs shm /dev/shm
mount -t hugetlbfs huge /dev/hugepages
for module in /modules/*; do insmod "$module"; done
for word in $(cat /proc/cmdline); do
    case $word in guest.*) export "GUEST_${word#guest.}" ;; esac
done
sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1
ip link set lo up
if [ -n "$GUEST_address" ]; then
    ip addr add "$GUEST_address" dev eth0
    ip link set eth0 up
fi
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
while true; do
    read -r mark command <&3 || continue
    # A line that was cut on its way does not end with its mark.
    [ -n "$command" ] && [ "${command##* }" = "$mark" ] || continue
    printf '%s begins\n' "$mark" >&3
    # Who did not hear the answer asks again, and is told again: nothing is done twice.
    if [ "$mark" != "$last" ]; then
        last=$mark
        sh -c "${command% *}" >/run/said 2>&1 </dev/null
        code=$?
    fi
    cat /run/said >&3
    printf '\n%s ended %d\n' "$mark" "$code" >&3
done
INIT
}

# guest_answer, guest_exchange: a stream's two ends, each of which sends and receives at once; what they send is in memory already.
# The first has the connection as its input and output, the other opens it to an address.
guest_answer() {
    cat <<'ANSWER'
#!/bin/sh
cat /dev/shm/stream &
received=$(sha256sum)
wait
echo "${received%% *} $(cat /dev/shm/sum)"
ANSWER
}
guest_exchange() {
    cat <<'EXCHANGE'
#!/bin/sh
octets=$(wc -c </dev/shm/stream)
nc "$1" 5001 </dev/shm/stream >/tmp/answer
received=$(head -c "$octets" /tmp/answer | sha256sum)
said=$(tail -c 130 /tmp/answer)
expected="$(cat /dev/shm/sum) ${received%% *}"
rm /tmp/answer
[ "$said" = "$expected" ] || echo "$1 says $said, not $expected"
[ "$said" = "$expected" ]
EXCHANGE
}

# guest_initramfs: makes it, where what it is made of has changed; its path.
guest_initramfs() {
    local key image tree
    key=$({ guest_init; guest_answer; guest_exchange; cat "$(command -v iperf3)" /bin/busybox "$GUEST_KIT/vmlinuz"; ls "$GUEST_KIT/modules"; } | sha256sum)
    image=$GUEST_KIT/initramfs-${key:0:16}
    if [[ ! -r $image ]]; then
        tree=$(mktemp -d "$GUEST_KIT/tree.XXXXXX")
        mkdir -p "$tree"/{bin,dev,proc,sys,etc}
        cp -r "$GUEST_KIT/modules" "$tree"
        cp -L /bin/busybox "$(command -v iperf3)" "$tree/bin"
        cp_libraries "$tree" "$(command -v iperf3)"
        /bin/busybox --list | while read -r name; do [[ $name == busybox ]] || ln -s busybox "$tree/bin/$name"; done
        guest_init >"$tree/init"
        guest_answer >"$tree/bin/answer"
        guest_exchange >"$tree/bin/exchange"
        chmod +x "$tree/init" "$tree/bin/answer" "$tree/bin/exchange"
        pack "$tree" >"$tree.image"
        mv "$tree.image" "$image"
        rm -rf "$tree"
    fi
    echo "$image"
}

# cp_libraries TREE FILE...: what these are linked with, to where they look for it.
cp_libraries() {
    local library
    ldd "${@:2}" | grep -o '/[^ :]*\.so[^ :]*' | sort -u | while read -r library; do
        [[ -e $1$library ]] || install -D "$library" "$1$library"
    done
}

# pack TREE: as an initramfs. The kernel unpacks several, one behind the other.
pack() { (cd "$1" && find . | busybox cpio -o -H newc 2>/dev/null); }

# datagrams_initramfs: a guest's, and behind it what `datagrams` and VLAN interfaces need inside: Python with what datagrams.py
# imports, and the modules for them where scripts/setup has left any. Its path.
datagrams_initramfs() {
    local tree=$WORK/inside image=$WORK/inside.initramfs files=() linked=() file
    # The same places as here, where Python looks for them.
    mapfile -t files < <(cd "$ROOT/scripts/smoke" && python3 -BSc '
import os, sys
sys.path[:0] = [os.getcwd()]
import datagrams
files = [getattr(module, name, None) for module in list(sys.modules.values()) for name in ("__file__", "__cached__")]
print(os.path.realpath(sys.executable), *{file for file in files if file and os.path.exists(file)}, sep="\n")')
    mkdir -p "$tree"/{bin,modules}
    for file in "${files[@]}"; do
        install -Dp "$file" "$tree$file"
        [[ $file != "${files[0]}" && $file != *.so ]] || linked+=("$file")
    done
    cp_libraries "$tree" "${linked[@]}"
    # A Python that was built here has more to tell a debugger than the guest has room for.
    find "$tree" -name '*.so*' -exec strip {} +
    printf '#!/bin/sh\nexec %s -S %s/scripts/smoke/datagrams.py "$@"\n' "${files[0]}" "$ROOT" >"$tree/bin/datagrams"
    chmod +x "$tree/bin/datagrams"
    for file in "$GUEST_KIT"/vlan-modules/*; do [[ ! -e $file ]] || cp "$file" "$tree/modules/vlan-$(basename "$file")"; done
    { cat "$(guest_initramfs)" && pack "$tree"; } >"$image"
    echo "$image"
}

# guest_hugepages: the word for memory on hugepages where a guest's fits into those that are free, else for a memfd.
guest_hugepages() {
    local free
    free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null) || free=0
    if ((free * 2 >= ${GUEST_MEMORY%M})); then echo huge; else echo memfd; fi
}

declare -A GUEST_PID=()

# start_guest NAME MAC ADDRESS/LEN [SETTING=VALUE...]: starts it; `guest_is_up` says when it can be talked to. Settings:
#   queues=N      queue pairs, and as many processors (1)
#   packed=on     packed rings (off)
#   memory=huge   its memory on hugepages, in place of a memfd
#   socket=PATH   another one than $WORK/NAME.sock
#   listen=off    the switch listens, mode = "server" (on)
#   mtu=N         what the card tells the driver (1500)
#   announce=off  its driver does not announce it after a migration, so the switch has to (on)
#   incoming=PATH waits for another guest to migrate into it
#   initramfs=PATH  another one than guest_initramfs makes
#   card=PORT,MAC[,PROPERTY=VALUE...]  a further card, met at $WORK/PORT.sock, with these properties of QEMU's; any number
# The kernel inside does not clear pages before it hands them out (init_on_alloc): one that only the switch writes to is then
# known to a migration by the switch's log alone.
start_guest() {
    local name=$1 mac=$2 address=$3 setting
    local queues=1 packed=off memory=memfd socket=$WORK/$1.sock listen=on mtu=1500 announce=on incoming='' initramfs='' cards=()
    shift 3
    for setting in "$@"; do
        [[ $setting != card=* ]] || { cards+=("${setting#card=}") && continue; }
        [[ $setting =~ ^(queues|packed|memory|socket|listen|mtu|announce|incoming|initramfs)= ]] || die "a guest has no setting \`$setting\`"
        local "$setting"
    done
    local backend="memory-backend-memfd,id=ram,size=$GUEST_MEMORY,share=on" meet="server=on,wait=off" mq=''
    [[ $memory == memfd ]] || backend="$backend,hugetlb=on,hugetlbsize=2M"
    [[ $listen == on ]] || meet="reconnect=1"
    ((queues == 1)) || mq=",mq=on"
    rm -f "$WORK/$name".{serial,qmp}
    [[ $listen == off ]] || rm -f "$socket"
    local further=() card port properties
    for card in "${cards[@]}"; do
        IFS=, read -r port properties <<<"$card"
        further+=(-chardev "socket,id=$port,path=$WORK/$port.sock,$meet" -netdev "vhost-user,id=net-$port,chardev=$port"
            -device "virtio-net-pci,netdev=net-$port,host_mtu=$mtu,vectors=0,romfile=,mac=$properties")
    done
    spawn "$WORK/$name.qemu" qemu-system-x86_64 -nodefaults -no-user-config -display none -machine pc,accel=tcg,memory-backend=ram \
        -m "$GUEST_MEMORY" -smp "$queues" -object "$backend" \
        -kernel "$GUEST_KIT/vmlinuz" -initrd "${initramfs:-$(guest_initramfs)}" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on init_on_alloc=0 guest.address=$address" \
        -serial "file:$WORK/$name.log" -serial "unix:$WORK/$name.serial,server=on,wait=off" \
        -qmp "unix:$WORK/$name.qmp,server=on,wait=off" \
        -chardev "socket,id=switch,path=$socket,$meet" -netdev "vhost-user,id=net,chardev=switch,queues=$queues" \
        -device "virtio-net-pci,netdev=net,mac=$mac,packed=$packed,host_mtu=$mtu,guest_announce=$announce,vectors=0,romfile=$mq" \
        "${further[@]}" ${incoming:+-incoming "unix:$incoming"}
    GUEST_PID[$name]=$SPAWNED
}

# ask_guest NAME[/ROOM] SECONDS COMMAND...: runs a line of shell inside, and fails where there is no answer in time: one that
# reboots meanwhile never gives it.
ask_guest() {
    local command=${*:3}
    [[ $1 != */* ]] || command="nsenter -n/run/netns/${1#*/} sh -c ${command@Q}"
    "$ROOT/scripts/smoke/in-guest.py" "$WORK/${1%%/*}.serial" "$2" "$command"
}

# in_guest NAME[/ROOM] COMMAND...: the same, for a minute at most.
in_guest() { ask_guest "$1" 60 "${@:2}"; }

# guest_is_up NAME: whether its shell answers.
guest_is_up() { [[ $(ask_guest "$1" 2 "echo up") == up ]]; }

# wait_for_guests NAME...: until all are up. TCG takes two seconds on a quiet machine, and much longer on a busy one.
wait_for_guests() {
    local name
    for name in "$@"; do
        wait_until 120 "guest $name to boot" guest_up_or_gone "$name" && alive "${GUEST_PID[$name]}" && continue
        cat "$WORK/$name.qemu" "$WORK/$name.log" >&2
        die "guest $name did not start"
    done
}
guest_up_or_gone() { gone "${GUEST_PID[$1]}" || guest_is_up "$1"; }

# qmp NAME COMMAND [ARGUMENTS]: says it to the guest's QEMU; its answer.
qmp() { "$ROOT/scripts/smoke/qmp.py" "$WORK/$1.qmp" "${@:2}"; }

# kill_guest NAME: as a crash would, and waits until nothing is left of it.
kill_guest() {
    kill -KILL "${GUEST_PID[$1]}"
    { wait "${GUEST_PID[$1]}" || true; } 2>/dev/null # without the shell's remark that it was killed
}

# guest_room GUEST ROOM MAC ADDRESS/LEN...: a network namespace inside, with the card of that MAC, which is called ROOM from
# then on. IPv6 is on in there, and addresses can be used at once.
guest_room() {
    local guest=$1 room=$2 mac=$3 address
    local inside="sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0"
    inside+=" && nsenter -n/proc/1/ns/net ip link set $room netns \$\$ && ip link set lo up"
    for address in "${@:4}"; do inside+=" && ip addr add $address dev $room"; done
    inside+=" && ip link set $room up"
    in_guest "$guest" "mkdir -p /run/netns && : >/run/netns/$room" \
        "&& ip link set \$(grep -l $mac /sys/class/net/*/address | cut -d / -f 5) name $room" \
        "&& unshare --net=/run/netns/$room sh -c ${inside@Q}"
}

# serve_streams OCTETS GUEST[/ROOM]...: whoever connects to port 5001 there from now on is sent that many octets, and what it sends
# is taken: see `exchange` in lib-stream.sh. From inside, `exchange ADDRESS` does the same.
serve_streams() {
    local place
    for place in "${@:2}"; do
        in_guest "$place" "head -c $1 /dev/urandom >/dev/shm/stream; sha256sum </dev/shm/stream | cut -d ' ' -f 1 >/dev/shm/sum;" \
            "nc -ll -p 5001 -e /bin/answer >/dev/null 2>&1 &"
    done
}

# guest_vlan GUEST/ROOM VLAN ADDRESS/LEN...: the VLAN interface ROOM.VLAN on that room's card.
guest_vlan() {
    local own=${1#*/}.$2 address
    local inside="ip link add link ${1#*/} name $own type vlan id $2"
    for address in "${@:3}"; do inside+=" && ip addr add $address dev $own"; done
    in_guest "$1" "$inside && ip link set $own up"
}

# no_bad_sums_inside GUEST[/ROOM]...: TCP went through there, and the kernel has thrown no packet away for its checksum.
no_bad_sums_inside() {
    local place
    for place in "$@"; do
        in_guest "$place" cat /proc/net/snmp /proc/net/snmp6 >"$WORK/snmp"
        awk '
            $1 ~ /:$/ && !($1 in names) { names[$1] = $0; next }
            $1 ~ /:$/ { split(names[$1], heads); for (n = 2; n <= NF; n++) value[$1 heads[n]] = $n; next }
            { value[$1] = $2 }
            END {
                for (name in value) wrong += name ~ /In(Csum|Hdr)Errors/ ? value[name] : 0
                exit wrong > 0 || value["Tcp:InSegs"] == 0
            }' "$WORK/snmp" && continue
        cat "$WORK/snmp" >&2
        die "$place met wrong checksums, or no TCP"
    done
}
