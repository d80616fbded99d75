#!/usr/bin/env bash
# scripts/bind on planted sysfs trees: what it lists, plans, refuses, does and takes back. No real NIC is touched.
source "$(dirname "$0")/../lib.sh"

WORK=$(mktemp -d)
defer rm -rf "$WORK"
R=$WORK/root
PF=0000:3b:00.0
MLX=0000:5e:00.0
DISK=0000:00:17.0
DEVICES=$R/sys/bus/pci/devices

# write FILE TEXT: below the planted root.
write() {
    mkdir -p "$(dirname "$R$1")"
    printf '%s\n' "$2" >"$R$1"
}

# device ADDRESS CLASS DRIVER GROUP [INTERFACE]
device() {
    local folder=/sys/bus/pci/devices/$1
    write "$folder/class" "$2"
    write "$folder/driver_override" '(null)'
    write "$folder/numa_node" 1
    [[ -z $3 ]] || ln -s "../../../../bus/pci/drivers/$3" "$R$folder/driver"
    if [[ -n $4 ]]; then
        mkdir -p "$R/sys/kernel/iommu_groups/$4/devices"
        ln -s "../../../../kernel/iommu_groups/$4" "$R$folder/iommu_group"
        ln -s "../../../../bus/pci/devices/$1" "$R/sys/kernel/iommu_groups/$4/devices/$1"
    fi
    [[ -z ${5:-} ]] || write "$folder/net/$5/mtu" 1500
}

# machine: two physical functions (ice and mlx5) without VFs, a disk, and a management NIC under a bond.
machine() {
    rm -rf "$R"
    local driver
    for driver in ice iavf mlx5_core ahci igb vfio-pci; do
        write "/sys/bus/pci/drivers/$driver/unbind" ''
    done
    write /sys/bus/pci/drivers_probe ''
    device "$PF" 0x020000 ice 20 ens1f0
    device "$MLX" 0x020000 mlx5_core 30 ens2f0
    device "$DISK" 0x010601 ahci 40
    device 0000:04:00.0 0x020000 igb 41 eno1
    local pf
    for pf in "$PF" "$MLX"; do
        write "/sys/bus/pci/devices/$pf/sriov_numvfs" 0
        write "/sys/bus/pci/devices/$pf/sriov_totalvfs" 8
    done
    write /proc/net/route $'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nbond0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000'
    mkdir -p "$R/sys/class/net/bond0/lower_eno1"
}

# The kernel's part: it answers writes as Linux does, and keeps a VF's settings in files.
cat >"$WORK/kernel" <<'KERNEL'
#!/usr/bin/env bash
set -euo pipefail
R=$1
shift
D=$R/sys/bus/pci/devices
echo "$*" >>"$R/heard"
if [[ $1 == ip ]]; then
    if [[ $2 == -j ]]; then
        echo '[{"vfinfo_list":[{"vf":0,"address":"00:00:00:00:00:00","vlan_list":[{"vlan":7}],"rate":{"max_tx":0},"spoofchk":true,"trust":false}]}]'
    fi
    exit
fi
file=$2 value=$3 device=$(basename "$(dirname "$2")")
case $file in
*/sriov_numvfs)
    [[ ! -e $R/no-vfs ]] || exit 1
    for link in "$D/$device"/virtfn*; do
        [[ -L $link ]] || continue
        vf=$(basename "$(readlink "$link")")
        rm -r "$link" "$D/$vf" "$R/sys/kernel/iommu_groups/1${vf: -1}"
    done
    for ((i = 0; i < value; i++)); do
        vf=${device%00.0}02.$i
        mkdir -p "$D/$vf/net/${device:5:2}v$i" "$R/sys/kernel/iommu_groups/1$i/devices/$vf"
        echo 0x020000 >"$D/$vf/class"
        echo '(null)' >"$D/$vf/driver_override"
        echo 1 >"$D/$vf/numa_node"
        ln -s "../../../../kernel/iommu_groups/1$i" "$D/$vf/iommu_group"
        ln -s "../$device" "$D/$vf/physfn"
        ln -s "../$vf" "$D/$device/virtfn$i"
        driver=iavf
        [[ $device != 0000:5e:* ]] || driver=mlx5_core
        ln -s "../../../../bus/pci/drivers/$driver" "$D/$vf/driver"
    done
    ;;
*/unbind) rm "$D/$value/driver" ;;
*/drivers_probe)
    [[ ! -e $D/$value/driver ]] || exit 0
    driver=$(<"$D/$value/driver_override")
    [[ -n $driver && $driver != '(null)' ]] || driver=iavf
    ln -s "../../../../bus/pci/drivers/$driver" "$D/$value/driver"
    ;;
esac
KERNEL
printf '#!/usr/bin/env bash\nexec bash %q %q "$@"\n' "$WORK/kernel" "$R" >"$WORK/run-kernel"
chmod +x "$WORK/run-kernel"

bind() { "$ROOT/scripts/bind" "$@" --sysroot "$R" --kernel "$WORK/run-kernel"; }

# says EXPECTED ARGUMENT...: succeeds, and prints exactly this, with ROOT for the planted root.
says() {
    local expected=$1 got
    shift
    got=$(bind "$@") || die "bind $* failed"
    got=${got//"$R"/ROOT}
    [[ $got == "$expected" ]] || die "bind $* says:"$'\n'"$got"$'\n'"and not:"$'\n'"$expected"
    good "bind $*"
}

# refuses WORDS ARGUMENT...: fails, changes nothing, and its error has these words.
refuses() {
    local words=$1 got before
    shift
    before=$(tree)
    ! got=$(bind "$@" 2>&1) || die "bind $* succeeded: $got"
    [[ $got == *"$words"* ]] || die "bind $* says: $got, and not: $words"
    [[ $(tree) == "$before" ]] || die "bind $* changed something"
    good "bind $* is refused"
}

# tree: everything that is planted, less what the kernel heard.
tree() { (cd "$R" && find . -path ./heard -prune -o -type l -printf '%p -> %l\n' -o -type f -printf '%p ' -exec cat {} \; | sort); }

driver() { basename "$(readlink "$DEVICES/$1/driver")"; }
S=ROOT/sys/bus/pci

machine
says "ADDRESS         DRIVER      INTERFACE   NODE  VFS      GROUP  NOTE
0000:04:00.0    igb         eno1           1  -        41     default route
$PF    ice         ens1f0         1  0/8      20
$MLX    mlx5_core   ens2f0         1  0/8      30     shared with the kernel" list

before=$(tree)
says "# makes 4 VFs of $PF (ens1f0), which has 0 of 8
echo 4 > $S/devices/$PF/sriov_numvfs
# nothing was done: --apply does it" create ens1f0 4
[[ $(tree) == "$before" ]] || die "a dry run changed something"

says "# makes 2 VFs of $PF (ens1f0), which has 0 of 8
echo 2 > $S/devices/$PF/sriov_numvfs" create 3b:00.0 2 --apply
says "# $PF (ens1f0) has 2 VFs already" create ens1f0 2 --apply
says "ADDRESS         DRIVER      INTERFACE   NODE  VFS      GROUP  NOTE
$PF    ice         ens1f0         1  2/8      20
  0000:3b:02.0  iavf        3bv0           1  vf 0     10
  0000:3b:02.1  iavf        3bv1           1  vf 1     11" list ens1f0

says "# sets VF 0 of $PF (ens1f0)
ip link set dev ens1f0 vf 0 mac 02:00:00:00:00:01
ip link set dev ens1f0 vf 0 vlan 100
ip link set dev ens1f0 vf 0 trust on
ip link set dev ens1f0 vf 0 spoofchk off
ip link set dev ens1f0 vf 0 max_tx_rate 10000" \
    set ens1f0 0 --mac 02:00:00:00:00:01 --vlan 100 --trust on --spoofchk off --rate 10000 --apply
expect_heard() { grep -qxF -- "$1" "$R/heard" || die "the kernel did not hear: $1"; }
expect_heard "ip link set dev ens1f0 vf 0 trust on"

says "# gives 0000:3b:02.1 (3bv1) to vfio-pci, from iavf
echo vfio-pci > $S/devices/0000:3b:02.1/driver_override
echo 0000:3b:02.1 > $S/devices/0000:3b:02.1/driver/unbind
echo 0000:3b:02.1 > $S/drivers_probe" vfio ens1f0/1 --apply
[[ $(driver 0000:3b:02.1) == vfio-pci ]] || die "0000:3b:02.1 is bound to $(driver 0000:3b:02.1)"
says "# 0000:3b:02.1 is bound to vfio-pci already" vfio 3b:02.1 --apply

says "# $MLX (ens2f0) stays with mlx5_core: DPDK shares it with the kernel, and takes it by its PCI address" \
    vfio ens2f0 --apply

# What cannot be, and what should not be.
refuses "$PF (ens1f0) can have 8 VFs, 9 are asked for: at most 8" create ens1f0 9 --apply
refuses "\`x\` is not a number of VFs: 0 to 8" create ens1f0 x --apply
refuses "has 2 VFs, all of them would go, and these are in use: 0000:3b:02.1; --force" create ens1f0 4 --apply
refuses "no PCI device has an interface \`ens9\`; physical functions here: $PF (ens1f0), $MLX (ens2f0)" create ens9 1
refuses "0000:3b:02.0 is a VF of $PF (ens1f0): name the physical function" create 3b:02.0 1
refuses "0000:04:00.0 (eno1) has no SR-IOV: switch it on in the firmware" create eno1 1
refuses "there is no device 0000:ff:00.0" vfio ff:00.0
refuses "\`3b:02.9\` is not a PCI address" vfio 3b:02.9
refuses "no PCI device has an interface \`..\`" vfio ../..:0.0
refuses "has no VF 5: it has 2 of them; scripts/bind create $PF 6" vfio ens1f0/5
refuses "0000:04:00.0 (eno1) carries the node's default route, and taking it from the kernel would cut it; --force" vfio eno1 --apply
refuses "$DISK is not a network device (class 0x010601); --force" vfio "$DISK" --apply
refuses "has 2 VFs, which would go with its driver; --force" vfio ens1f0 --apply
refuses "has no VF 2: it has 2 of them" set ens1f0 2 --trust on
refuses "nothing to set" set ens1f0 0
refuses "--mac \`01:00:00:00:00:01\` is no address that a station can have" set ens1f0 0 --mac 01:00:00:00:00:01
refuses "--mac \`2:0:0:0:0:1\` is not a MAC" set ens1f0 0 --mac 2:0:0:0:0:1
refuses "--vlan \`4095\` is not a VLAN" set ens1f0 0 --vlan 4095
refuses "--trust \`yes\`: it is on or off" set ens1f0 0 --trust yes
refuses "--rate has no value" set ens1f0 0 --rate
refuses "what is \`bund\`?" bund
write /sys/bus/pci/devices/0000:04:00.0/sriov_totalvfs 7
write /sys/bus/pci/devices/0000:04:00.0/sriov_numvfs 0
refuses "(eno1) carries the node's default route, and making VFs" create eno1 1 --apply

# A neighbour in the IOMMU group, an absent group, an absent driver.
ln -s ../../../../bus/pci/devices/$DISK "$R/sys/kernel/iommu_groups/10/devices/$DISK"
refuses "IOMMU group 10 of 0000:3b:02.0 is not VFIO's alone: $DISK ahci. Bind them in the same go: scripts/bind vfio 0000:3b:02.0 $DISK" \
    vfio ens1f0/0 --apply
rm "$R/sys/kernel/iommu_groups/10/devices/$DISK" "$DEVICES/0000:3b:02.0/iommu_group"
refuses "0000:3b:02.0 is in no IOMMU group" vfio ens1f0/0 --apply
write /sys/module/vfio/parameters/enable_unsafe_noiommu_mode Y
got=$(bind vfio ens1f0/0 2>&1) || die "no-IOMMU mode is not taken: $got"
[[ $got == *"warning: 0000:3b:02.0 is in no IOMMU group"* ]] || die "no-IOMMU mode is not warned of: $got"
ln -s ../../../../kernel/iommu_groups/10 "$DEVICES/0000:3b:02.0/iommu_group"
mv "$R/sys/bus/pci/drivers/vfio-pci" "$WORK/vfio-pci"
refuses "the driver vfio-pci is not loaded: modprobe vfio-pci" vfio ens1f0/0 --apply
mv "$WORK/vfio-pci" "$R/sys/bus/pci/drivers/vfio-pci"

# Everything is taken back, last thing first.
: >"$R/heard"
before=$(tree)
says "echo > $S/devices/0000:3b:02.1/driver_override
echo 0000:3b:02.1 > $S/drivers/vfio-pci/unbind
echo 0000:3b:02.1 > $S/drivers_probe
ip link set dev ens1f0 vf 0 max_tx_rate 0
ip link set dev ens1f0 vf 0 spoofchk on
ip link set dev ens1f0 vf 0 trust off
ip link set dev ens1f0 vf 0 vlan 7
ip link set dev ens1f0 vf 0 mac 00:00:00:00:00:00
echo 0 > $S/devices/$PF/sriov_numvfs
# nothing was done: --apply does it" undo
[[ $(tree) == "$before" && ! -s $R/heard ]] || die "a dry run changed something"
bind undo --apply >/dev/null || die "undo failed"
[[ $(<"$DEVICES/$PF/sriov_numvfs") == 0 && ! -e $DEVICES/$PF/virtfn0 ]] || die "the VFs are still there"
expect_heard "ip link set dev ens1f0 vf 0 vlan 7"
says "# nothing to undo: ROOT/run/millrace/bind.state is empty or not there" undo --apply

# Another number of VFs, by force and back; undo gives a device its own driver again.
machine
bind create ens1f0 3 --apply >/dev/null
bind vfio ens1f0/0 ens1f0/2 --apply >/dev/null
bind create ens1f0 1 --apply --force 2>/dev/null >/dev/null
[[ $(<"$DEVICES/$PF/sriov_numvfs") == 1 && $(driver 0000:3b:02.0) == iavf ]] || die "one VF was wanted"
bind undo --apply 2>/dev/null >/dev/null || die "undo failed"
[[ $(<"$DEVICES/$PF/sriov_numvfs") == 0 ]] || die "the VFs are still there"
bind create ens1f0 1 --apply >/dev/null
cp "$R/run/millrace/bind.state" "$WORK/kept"
bind vfio ens1f0/0 --apply >/dev/null
tail -n 3 "$R/run/millrace/bind.state" >"$WORK/only-vfio"
cp "$WORK/only-vfio" "$R/run/millrace/bind.state"
bind undo --apply >/dev/null || die "undo failed"
[[ $(driver 0000:3b:02.0) == iavf ]] || die "undo left 0000:3b:02.0 with $(driver 0000:3b:02.0)"

# What the kernel refuses is an error, and can be undone; a state file that somebody else wrote is not run.
cp "$WORK/kept" "$R/run/millrace/bind.state"
touch "$R/no-vfs"
! got=$(bind create ens2f0 2 --apply 2>&1) || die "the kernel refused, and bind did not notice"
[[ $got == *"the kernel refuses \`2\` in $DEVICES/$MLX/sriov_numvfs"* ]] || die "$got"
rm "$R/no-vfs"
bind undo --apply >/dev/null || die "undo after a refusal failed"
printf 'write\x1f1\x1f/etc/passwd\n' >"$R/run/millrace/bind.state"
refuses "is nothing this script wrote" undo --apply
printf "write\x1f1\x1f%s\n" "$R/sys/bus/pci/../../../etc/passwd" >"$R/run/millrace/bind.state"
refuses "is nothing this script wrote" undo --apply
