# shellcheck shell=bash
# Guests for smoke tests and the demo: QEMU by TCG, so no KVM is needed, with Debian's cloud kernel and an initramfs of
# busybox and iperf3. Its network card is a vhost-user port of a switch. Source it after lib-net.sh.
#
# Guests go by short names; $WORK/NAME.sock is where guest and switch meet, $WORK/NAME.log the guest's console.
# Commands reach it over a second serial line, not over the network under test.

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
    [ -n "$command" ] || continue
    printf '%s begins\n' "$mark" >&3
    sh -c "$command" >&3 2>&1 </dev/null
    printf '\n%s ended %d\n' "$mark" $? >&3
done
INIT
}

# guest_initramfs: makes it, where what it is made of has changed; its path.
guest_initramfs() {
    local key image tree
    key=$({ guest_init; cat "$(command -v iperf3)" /bin/busybox "$GUEST_KIT/vmlinuz"; ls "$GUEST_KIT/modules"; } | sha256sum)
    image=$GUEST_KIT/initramfs-${key:0:16}
    if [[ ! -r $image ]]; then
        tree=$(mktemp -d "$GUEST_KIT/tree.XXXXXX")
        mkdir -p "$tree"/{bin,dev,proc,sys,etc}
        cp -r "$GUEST_KIT/modules" "$tree"
        cp -L /bin/busybox "$(command -v iperf3)" "$tree/bin"
        cp_libraries "$tree" "$(command -v iperf3)"
        /bin/busybox --list | while read -r name; do [[ $name == busybox ]] || ln -s busybox "$tree/bin/$name"; done
        guest_init >"$tree/init"
        chmod +x "$tree/init"
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
# The kernel inside does not clear pages before it hands them out (init_on_alloc): one that only the switch writes to is then
# known to a migration by the switch's log alone.
start_guest() {
    local name=$1 mac=$2 address=$3 setting
    local queues=1 packed=off memory=memfd socket=$WORK/$1.sock listen=on mtu=1500 announce=on incoming=''
    shift 3
    for setting in "$@"; do
        [[ $setting =~ ^(queues|packed|memory|socket|listen|mtu|announce|incoming)= ]] || die "a guest has no setting \`$setting\`"
        local "$setting"
    done
    local backend="memory-backend-memfd,id=ram,size=$GUEST_MEMORY,share=on" meet="server=on,wait=off" mq=''
    [[ $memory == memfd ]] || backend="$backend,hugetlb=on,hugetlbsize=2M"
    [[ $listen == on ]] || meet="reconnect=1"
    ((queues == 1)) || mq=",mq=on"
    rm -f "$WORK/$name".{serial,qmp}
    [[ $listen == off ]] || rm -f "$socket"
    spawn "$WORK/$name.qemu" qemu-system-x86_64 -nodefaults -no-user-config -display none -machine pc,accel=tcg,memory-backend=ram \
        -m "$GUEST_MEMORY" -smp "$queues" -object "$backend" \
        -kernel "$GUEST_KIT/vmlinuz" -initrd "$(guest_initramfs)" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on init_on_alloc=0 guest.address=$address" \
        -serial "file:$WORK/$name.log" -serial "unix:$WORK/$name.serial,server=on,wait=off" \
        -qmp "unix:$WORK/$name.qmp,server=on,wait=off" \
        -chardev "socket,id=switch,path=$socket,$meet" -netdev "vhost-user,id=net,chardev=switch,queues=$queues" \
        -device "virtio-net-pci,netdev=net,mac=$mac,packed=$packed,host_mtu=$mtu,guest_announce=$announce,vectors=0,romfile=$mq" \
        ${incoming:+-incoming "unix:$incoming"}
    GUEST_PID[$name]=$SPAWNED
}

# ask_guest NAME SECONDS COMMAND...: runs a line of shell inside, and fails where there is no answer in time: one that reboots
# meanwhile never gives it.
ask_guest() { "$ROOT/scripts/smoke/in-guest.py" "$WORK/$1.serial" "$2" "${*:3}"; }

# in_guest NAME COMMAND...: the same, for a minute at most.
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
