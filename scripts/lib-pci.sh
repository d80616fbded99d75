# shellcheck shell=bash
# shellcheck disable=SC2034 # some of what is set here is used by scripts/bind only
# What sysfs tells of PCI network devices, for scripts/bind. Source it after lib.sh, with SYSROOT set ('' is the machine).
#
# A device is named as an operator does: interface (ens1f0), PCI address (0000:3b:00.0, 3b:00.0), or the virtual function
# of a physical one (ens1f0/2). In here it is always the full PCI address.

PCI=$SYSROOT/sys/bus/pci/devices
DRIVERS=$SYSROOT/sys/bus/pci/drivers
GROUPS_DIR=$SYSROOT/sys/kernel/iommu_groups
NO_IOMMU=$SYSROOT/sys/module/vfio/parameters/enable_unsafe_noiommu_mode

# Drivers that the kernel and DPDK share: such a device is never rebound.
BIFURCATED=(mlx5_core mlx4_core mana)

# Drivers beside which VFIO still has a group for itself.
HARMLESS=(vfio-pci pci-stub pcieport)

# one_of WORD WORD...: whether the first is among the others.
one_of() {
    local word=$1 other
    shift
    for other in "$@"; do
        [[ $word != "$other" ]] || return 0
    done
    return 1
}

# content FILE: its first line, or nothing.
content() {
    local line=''
    if [[ -r $1 ]]; then read -r line <"$1" || true; fi
    printf '%s' "$line"
}

# link_name LINK: the last part of what it points to, or nothing.
link_name() { [[ ! -L $1 ]] || basename "$(readlink "$1")"; }

driver_of() { link_name "$PCI/$1/driver"; }
group_of() { link_name "$PCI/$1/iommu_group"; }
pf_of() { link_name "$PCI/$1/physfn"; }

# interfaces_of DEVICE: the kernel's interfaces of it, one a line; virtio puts a bus of its own between.
interfaces_of() {
    local path
    for path in "$PCI/$1/net"/* "$PCI/$1"/virtio*/net/*; do
        [[ ! -e $path ]] || basename "$path"
    done
}

# interface_of DEVICE: the first one, or nothing.
interface_of() {
    local all
    mapfile -t all < <(interfaces_of "$1")
    printf '%s' "${all[0]:-}"
}

# called DEVICE: address and interface, for messages.
called() {
    local interface
    interface=$(interface_of "$1")
    printf '%s' "$1${interface:+ ($interface)}"
}

# network_devices: addresses of class 02xxxx (network controller), one a line.
network_devices() {
    local path
    for path in "$PCI"/*; do
        [[ $(content "$path/class") != 0x02* ]] || basename "$path"
    done
}

is_pf() { [[ -e $PCI/$1/sriov_totalvfs ]]; }

# vfs_of PF: `INDEX ADDRESS` of each of its virtual functions, in order.
vfs_of() {
    local path
    for path in "$PCI/$1"/virtfn*; do
        [[ ! -L $path ]] || printf '%s %s\n' "${path##*/virtfn}" "$(link_name "$path")"
    done | sort -n
}

# pfs: a line for messages.
pfs() {
    local device line=''
    for device in $(network_devices); do
        ! is_pf "$device" || line+="${line:+, }$(called "$device")"
    done
    printf '%s' "${line:-none}"
}

# resolve NAME: the full PCI address; dies where there is no such device.
resolve() {
    local name=${1,,} device pf index
    case $name in
    */*)
        pf=$(resolve "${1%/*}") index=${1##*/}
        [[ $index =~ ^[0-9]{1,5}$ ]] || die "\`$1\`: \`$index\` is not the number of a VF"
        device=$(link_name "$PCI/$pf/virtfn$((10#$index))")
        [[ -n $device ]] || die "$(called "$pf") has no VF $index: it has $(content "$PCI/$pf/sriov_numvfs") of them;" \
            "scripts/bind create $pf $((10#$index + 1))"
        printf '%s' "$device"
        return
        ;;
    *:*.*)
        [[ $name == *:*:*.* ]] || name=0000:$name
        [[ $name =~ ^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$ ]] || die "\`$1\` is not a PCI address"
        [[ ! -d $PCI/$name ]] || { printf '%s' "$name" && return; }
        die "there is no device $name; physical functions here: $(pfs)"
        ;;
    esac
    for device in "$PCI"/*; do
        if [[ $'\n'$(interfaces_of "$(basename "$device")")$'\n' == *$'\n'"$1"$'\n'* ]]; then
            basename "$device"
            return
        fi
    done
    die "no PCI device has an interface \`$1\`; physical functions here: $(pfs)"
}

# carriers: interfaces that a default route leaves by, and those below them (bonds, bridges, VLANs).
carriers() {
    local found=() interface path i
    mapfile -t found < <(
        awk 'NR > 1 && $2 == "00000000" && $8 == "00000000" { print $1 }' "$SYSROOT/proc/net/route" 2>/dev/null || true
        awk '$1 ~ /^0+$/ && $2 == "00" && $10 != "lo" { print $10 }' "$SYSROOT/proc/net/ipv6_route" 2>/dev/null || true
    )
    # Interfaces are appended while the list is walked; 64 are more than any machine stacks.
    for ((i = 0; i < ${#found[@]} && i < 64; i++)); do
        interface=${found[i]}
        for path in "$SYSROOT/sys/class/net/$interface"/lower_*; do
            [[ ! -e $path && ! -L $path ]] || found+=("${path##*/lower_}")
        done
    done
    printf '%s\n' "${found[@]}"
}

# default_interface DEVICE: the interface by which it carries a default route, or nothing.
default_interface() {
    local interface all
    mapfile -t all < <(carriers)
    for interface in $(interfaces_of "$1"); do
        ! one_of "$interface" "${all[@]}" || { printf '%s' "$interface" && return; }
    done
}

# neighbours GROUP DEVICE...: `ADDRESS DRIVER` of devices in the group, not among those given, that keep VFIO out.
neighbours() {
    local group=$1 path other driver
    shift
    for path in "$GROUPS_DIR/$group/devices"/*; do
        other=$(basename "$path")
        driver=$(driver_of "$other")
        [[ -z $driver ]] || one_of "$other" "$@" || one_of "$driver" "${HARMLESS[@]}" || printf '%s %s\n' "$other" "$driver"
    done
}
