# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # GUEST_PID and GUEST_KIT are those of lib-guest.sh
# Machines with NICs: guests of lib-guest.sh in which the switch itself runs, on emulated PCI devices that VFIO hands to it
# behind an emulated IOMMU. Source it after lib-guest.sh.
#
# A machine goes by a short name, as guests do. Its switch has the configuration $WORK/NAME.toml; what lib-net.sh knows to ask
# a switch, it asks this one: `millrace NAME …` runs inside.

# What DPDK needs at every start, and its drivers of the NICs that QEMU emulates.
NIC_DRIVERS=(bus_pci bus_vdev mempool_ring net_e1000 net_vmxnet3 net_virtio)

# A machine's memory, and how many hugepages of 2 MiB it reserves of it.
MACHINE_MEMORY=512M
MACHINE_HUGEPAGES=80

# drivers_folder: where DPDK's drivers are installed.
drivers_folder() { dirname "$(find /usr/lib -path '*/dpdk/pmds-*/librte_bus_pci.so*' -print -quit)"; }

# need_machines: skips a test where they cannot run.
need_machines() {
    need_guests
    compgen -G "$GUEST_KIT/nic-modules/*-vfio-pci.ko" >/dev/null || skip "needs VFIO for guests in target/guest (scripts/setup)"
    [[ -x $MILLRACED && -x $MILLRACE ]] || die "$MILLRACED or $MILLRACE is missing: cargo build --release"
}

# machine_initramfs: a guest's, and behind it what makes a machine of it: the switch with DPDK and its drivers, scripts/bind, and
# the modules of VFIO. Its path.
machine_initramfs() {
    local tree=$WORK/machine image=$WORK/machine.initramfs drivers name file
    drivers=$(drivers_folder)
    mkdir -p "$tree"/{bin,etc,modules,scripts,var} "$tree$drivers"
    cp /bin/bash "$tree/bin"
    strip -o "$tree/bin/millraced" "$MILLRACED"
    strip -o "$tree/bin/millrace" "$MILLRACE"
    cp "$ROOT"/scripts/{bind,lib.sh,lib-pci.sh} "$tree/scripts"
    for file in "$GUEST_KIT"/nic-modules/*; do cp "$file" "$tree/modules/nic-$(basename "$file")"; done
    cp_libraries "$tree" /bin/bash "$MILLRACED" "$drivers"/librte_net_{e1000,vmxnet3,virtio}.so
    for name in "${NIC_DRIVERS[@]}"; do
        file=$(readlink -f "$drivers/librte_$name.so")
        cp "$file" "$tree$drivers"
        # One that is a library to others, too, is one file, or DPDK would have it twice.
        find "$tree/lib" "$tree/usr/lib" -name "librte_$name.so.*" ! -path "$tree$drivers/*" -exec ln -sf "$file" {} \;
    done
    ln -s /run "$tree/var/run"
    echo 'root:x:0:0::/:/bin/sh' >"$tree/etc/passwd"
    { cat "$(guest_initramfs)" && pack "$tree"; } >"$image"
    echo "$image"
}

# nic N MODEL: what QEMU is told of NIC number N, counted from 1. Each is alone behind a PCI Express port, as in a slot of a
# server, so that it can be unplugged, and in an IOMMU group of its own: its address is 0000:0N:00.0. A virtio NIC has two queue
# pairs, and spreads flows over them by RSS.
nic() {
    local more=''
    [[ $2 != virtio-net-pci ]] || more=,disable-legacy=on,iommu_platform=on,mq=on,rss=on,vectors=6
    printf '%s,id=nic%d,netdev=net%d,bus=slot%d,mac=02:00:00:00:10:0%d,romfile=%s' "$2" "$1" "$1" "$1" "$1" "$more"
}

# start_machine NAME MODEL=NETNS...: starts a machine with a NIC of each MODEL, numbered from 1, whose other end is `eth0` in the
# namespace NETNS, up. `wait_for_guests` says when it can be talked to.
start_machine() {
    local name=$1 devices=() nic number=0 more
    shift
    netns_add "$name"
    for nic in "$@"; do
        number=$((number + 1))
        devices+=(-device "pcie-root-port,id=slot$number,chassis=$number,slot=$number")
        # QEMU's e1000e hands what the host's kernel left unfinished to a driver that never asked for such; no wire does that.
        case ${nic%=*} in
        e1000e) more=,vnet_hdr=off ;;
        virtio-net-pci) more=,queues=2 ;;
        *) more='' ;;
        esac
        devices+=(-netdev "tap,id=net$number,ifname=nic$number,script=no,downscript=no$more")
        devices+=(-device "$(nic "$number" "${nic%=*}")")
    done
    # Translating for devices as the IOMMU does is QEMU's work here, and no small one: the kernel's own devices go without.
    spawn_in "$name" "$WORK/$name.qemu" qemu-system-x86_64 -nodefaults -no-user-config -display none \
        -machine q35,accel=tcg -cpu max -m "$MACHINE_MEMORY" -smp 2 -device intel-iommu,intremap=on \
        -kernel "$GUEST_KIT/vmlinuz" -initrd "$(machine_initramfs)" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on init_on_alloc=0 intel_iommu=on iommu=pt \
hugepages=$MACHINE_HUGEPAGES" \
        -serial "file:$WORK/$name.log" -serial "unix:$WORK/$name.serial,server=on,wait=off" \
        -qmp "unix:$WORK/$name.qmp,server=on,wait=off" "${devices[@]}"
    GUEST_PID["$name"]=$SPAWNED
    number=0
    for nic in "$@"; do
        number=$((number + 1))
        wait_until 10 "the other end of NIC $number" in_ns "$name" ip link show "nic$number"
        ip -n "$(ns "$name")" link set "nic$number" netns "$(ns "${nic#*=}")" name eth0
        ip -n "$(ns "${nic#*=}")" link set eth0 up
    done
}

# unplug MACHINE N: asks for the NIC as its slot's button does; gone when nobody in there holds it any more.
unplug() {
    qmp "$1" device_del "{\"id\": \"nic$2\"}" >/dev/null
    wait_until 30 "NIC $2 of $1 to be let go of" in_guest "$1" "[ ! -e /sys/bus/pci/devices/0000:0$2:00.0 ]"
}

# plug MACHINE N MODEL: puts the NIC back.
plug() {
    local pairs
    # QMP wants JSON: a=b,c=d is {"a": "b", "c": "d"}, the model first.
    pairs=$(nic "$2" "$3" | jq -Rc 'split(",") | [{driver: .[0]}] + (.[1:] | map(split("=") | {(.[0]): (if .[1] == "on" then true else .[1] end)})) | add')
    qmp "$1" device_add "$pairs" >/dev/null
    wait_until 30 "NIC $2 of $1" in_guest "$1" "[ -e /sys/bus/pci/devices/0000:0$2:00.0/class ]"
}

# set_link MACHINE N true|false: pulls the cable of a NIC, or puts it back.
set_link() { qmp "$1" set_link "{\"name\": \"nic$2\", \"up\": $3}" >/dev/null; }

# bind MACHINE ARGUMENT...: scripts/bind inside.
bind() { in_guest "$1" "bash /scripts/bind ${*:2}"; }

# --- its switch ---

# send_config MACHINE: brings $WORK/MACHINE.toml there.
send_config() { in_guest "$1" "mkdir -p $WORK; echo $(base64 -w 0 "$WORK/$1.toml") | base64 -d >$WORK/$1.toml"; }

# start_switch MACHINE: starts the switch of $WORK/MACHINE.toml inside and waits until it answers.
start_switch() {
    send_config "$1"
    in_guest "$1" "{ millraced --config $WORK/$1.toml & echo \$! >/run/$1.pid; wait \$!; echo \$? >/run/$1.code; } >/run/$1.log 2>&1 &"
    wait_until 60 "millraced in $1" millrace "$1" show version && return 0
    switch_log "$1" >&2
    die "millraced in $1 did not start"
}

switch_log() { in_guest "$1" "cat /run/$1.log"; }

# millrace MACHINE ARGUMENT...: the operator's tool inside.
millrace() { in_guest "$1" "millrace --socket $WORK/$1.sock $(printf '%q ' "${@:2}")"; }

# stop_switch MACHINE: SIGTERM; it must end by itself with code 0.
stop_switch() {
    in_guest "$1" "kill -TERM \$(cat /run/$1.pid)"
    wait_until 30 "millraced in $1 to end with code 0" in_guest "$1" "grep -qx 0 /run/$1.code" && return 0
    switch_log "$1" >&2
    return 1
}
