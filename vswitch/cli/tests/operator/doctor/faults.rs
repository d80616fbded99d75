//! Things that can be wrong with a machine, one at a time, and what is to be said of each.

use super::machine::{Machine, PF, VF};

/// One thing spoilt, and its finding.
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) plant: fn(&Machine),
    /// Severity, check, and what it is about.
    pub(super) finding: [&'static str; 3],
    /// The command. FILE is the configuration; BOOT<…> adds to the kernel's command line, REBOOT<old> replaces there.
    pub(super) mend: &'static str,
    /// Whether the command mends at once, without a kernel that reacts.
    pub(super) acts: bool,
}

/// A fault whose mend needs a kernel, a package or a restart to act.
const fn fault(name: &'static str, plant: fn(&Machine), finding: [&'static str; 3], mend: &'static str) -> Fault {
    Fault { name, plant, finding, mend, acts: false }
}

/// A fault whose mend can be run on the planted machine.
const fn acting(name: &'static str, plant: fn(&Machine), finding: [&'static str; 3], mend: &'static str) -> Fault {
    Fault { name, plant, finding, mend, acts: true }
}

const UPLINK: &str = "0000:3b:02.0 (up0)";
const WORKERS: &str = "CPU 8,10";
/// What is said of how long CPUs take to wake up.
const LATENCY: [&str; 3] = ["warning", "cpu-latency", "all CPUs"];
const PORT: &str = "device = \"0000:3b:02.0\"";

pub(super) const FAULTS: &[Fault] = &[
    // Memory
    fault(
        "too few hugepages",
        |m| m.pages(1, 10),
        ["warning", "hugepages", "memory"],
        "echo 64 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
    ),
    fault(
        "too few hugepages where they are required",
        |m| {
            m.pages(1, 10);
            m.configure("[[network]]", "[memory]\nhugepages = \"always\"\n[[network]]");
        },
        ["problem", "hugepages", "memory"],
        "echo 64 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
    ),
    fault(
        "hugepages on the other node",
        |m| {
            m.pages(0, 512);
            m.pages(1, 1);
        },
        ["warning", "hugepages-node", "node 1"],
        "echo 64 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
    ),
    fault(
        "no hugetlbfs",
        |m| m.write("/proc/mounts", "nodev /big hugetlbfs rw,pagesize=1024M 0 0\nproc /proc proc rw 0 0"),
        ["warning", "hugepages-mounted", "memory"],
        "mkdir -p /dev/hugepages && mount -t hugetlbfs -o pagesize=2M nodev /dev/hugepages",
    ),
    // IOMMU and VFIO
    fault(
        "IOMMU off on Intel",
        without_iommu,
        ["problem", "iommu", "VFIO"],
        "BOOT<intel_iommu=on iommu=pt>  # and VT-d, AMD-Vi or SMMU switched on in the firmware",
    ),
    fault(
        "IOMMU off on AMD, VFIO without it",
        |m| {
            without_iommu(m);
            m.write("/proc/cpuinfo", "vendor_id : AuthenticAMD");
            m.write("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y");
        },
        ["warning", "iommu", "VFIO"],
        "BOOT<amd_iommu=on iommu=pt>  # and VT-d, AMD-Vi or SMMU switched on in the firmware",
    ),
    acting(
        "no-IOMMU mode left on",
        |m| m.write("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y"),
        ["warning", "vfio-noiommu", "VFIO"],
        "echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode",
    ),
    fault(
        "vfio-pci not loaded",
        |m| m.remove("/sys/bus/pci/drivers/vfio-pci"),
        ["problem", "vfio-pci", "VFIO"],
        "modprobe vfio-pci && echo vfio-pci > /etc/modules-load.d/millrace.conf",
    ),
    fault(
        "no /dev/vfio/vfio",
        |m| m.remove("/dev/vfio/vfio"),
        ["problem", "vfio-device", "VFIO"],
        "modprobe vfio && udevadm trigger --subsystem-match=misc && udevadm settle",
    ),
    fault(
        "no file for the group",
        |m| m.remove("/dev/vfio/7"),
        ["problem", "iommu-group", UPLINK],
        "udevadm trigger --subsystem-match=vfio && udevadm settle",
    ),
    fault(
        "a neighbour in the group",
        |m| {
            m.link("/sys/kernel/iommu_groups/7/devices/0000:3b:02.1", "../../../../bus/pci/devices/0000:3b:02.1");
            m.bind("/sys/bus/pci/devices/0000:3b:02.1", "iavf");
        },
        ["problem", "iommu-group", UPLINK],
        "scripts/bind vfio 0000:3b:02.1 --apply",
    ),
    fault(
        "the device outside of any group",
        |m| m.remove(&format!("{VF}/iommu_group")),
        ["problem", "iommu-group", UPLINK],
        "# another slot, or IOMMU and ACS switched on in the firmware",
    ),
    // The NIC
    fault(
        "a virtual function that was never made",
        |m| m.configure(PORT, "device = \"3b:02.3\""),
        ["problem", "pci-device", "0000:3b:02.3 (up0)"],
        "scripts/bind create 0000:3b:00.0 4 --apply",
    ),
    fault(
        "no such device at all",
        |m| m.configure(PORT, "device = \"0000:af:00.0\""),
        ["problem", "pci-device", "0000:af:00.0 (up0)"],
        "echo 1 > /sys/bus/pci/rescan",
    ),
    fault(
        "the kernel's driver",
        |m| m.bind(VF, "iavf"),
        ["problem", "driver", UPLINK],
        "scripts/bind vfio 0000:3b:02.0 --apply",
    ),
    fault(
        "no driver",
        |m| m.remove(&format!("{VF}/driver")),
        ["problem", "driver", UPLINK],
        "scripts/bind vfio 0000:3b:02.0 --apply",
    ),
    fault(
        "a driver without IOMMU",
        |m| m.bind(VF, "uio_pci_generic"),
        ["warning", "driver", UPLINK],
        "scripts/bind vfio 0000:3b:02.0 --apply",
    ),
    fault(
        "the NIC on the other node",
        |m| [PF, VF].iter().for_each(|device| m.write(&format!("{device}/numa_node"), "0")),
        ["warning", "nic-numa", UPLINK],
        r"sed -i 's/^\( *cores *= *\)\[[^]]*\]/\1[2, 4]/' FILE",
    ),
    // Where workers run
    acting(
        "a worker on CPU 0",
        |m| {
            m.configure("cores = [8, 10]", "cores = [0, 8]");
            m.configure(PORT, "device = \"net_null0\"");
        },
        ["warning", "worker-cpu-0", "CPU 0"],
        r"sed -i 's/^\( *cores *= *\)\[[^]]*\]/\1[8, 10]/' FILE",
    ),
    acting(
        "two workers on one core",
        |m| m.configure("cores = [8, 10]", "cores = [8, 9]"),
        ["warning", "smt-siblings", "CPU 8-9"],
        r"sed -i 's/^\( *cores *= *\)\[[^]]*\]/\1[8, 10]/' FILE",
    ),
    acting(
        "a CPU that the machine has not",
        |m| {
            m.configure("cores = [8, 10]", "cores = [8, 40]");
            m.write("/sys/devices/system/cpu/isolated", "8-11,40");
            m.write("/sys/devices/system/cpu/nohz_full", "8-11,40");
        },
        ["problem", "worker-cpus", "CPU 8,40"],
        r"sed -i 's/^\( *cores *= *\)\[[^]]*\]/\1[8, 10]/' FILE",
    ),
    fault(
        "a CPU that is switched off",
        |m| {
            m.write("/sys/devices/system/cpu/online", "0-9,11");
            m.write("/sys/devices/system/cpu/cpu10/online", "0");
        },
        ["problem", "worker-cpus", WORKERS],
        "for c in 10; do echo 1 > /sys/devices/system/cpu/cpu$c/online; done",
    ),
    // What disturbs workers
    fault(
        "no isolation at all",
        |m| {
            m.write("/sys/devices/system/cpu/isolated", "");
            m.write("/proc/cmdline", "quiet nohz_full=8-11");
        },
        ["warning", "isolcpus", WORKERS],
        "BOOT<isolcpus=managed_irq,domain,8,10>",
    ),
    fault(
        "isolation of one of two",
        |m| {
            m.write("/sys/devices/system/cpu/isolated", "8-9");
            m.write("/proc/cmdline", "quiet isolcpus=8-9 nohz_full=8-11");
        },
        ["warning", "isolcpus", WORKERS],
        "REBOOT<isolcpus=8-9|isolcpus=managed_irq,domain,8-10>",
    ),
    fault(
        "a tick on one of two",
        |m| {
            m.write("/sys/devices/system/cpu/nohz_full", "8-9");
            m.write("/proc/cmdline", "isolcpus=managed_irq,domain,8-11 nohz_full=8-9 rcu_nocbs=all");
        },
        ["warning", "nohz_full", WORKERS],
        "REBOOT<nohz_full=8-9|nohz_full=8-10>",
    ),
    acting(
        "deferred work on a worker",
        |m| m.write("/sys/devices/virtual/workqueue/cpumask", "fff"),
        ["warning", "workqueues", WORKERS],
        "echo 00000aff > /sys/devices/virtual/workqueue/cpumask",
    ),
    acting(
        "an interrupt on a worker",
        |m| {
            m.write("/proc/irq/25/smp_affinity_list", "6-8");
            m.write("/proc/irq/25/effective_affinity_list", "8");
        },
        ["warning", "irq", WORKERS],
        "for irq in 25; do echo 0-7,9,11 > /proc/irq/$irq/smp_affinity_list; done",
    ),
    fault(
        "an interrupt on a worker, and a daemon that moves them",
        |m| {
            m.write("/proc/irq/24/smp_affinity_list", "10");
            m.write("/proc/irq/24/effective_affinity_list", "10");
            m.write("/proc/812/comm", "irqbalance");
        },
        ["warning", "irq", WORKERS],
        "systemctl disable --now irqbalance; for irq in 24; do echo 0-7,9,11 > /proc/irq/$irq/smp_affinity_list; done",
    ),
    acting(
        "a deep C-state",
        |m| m.write("/sys/devices/system/cpu/cpu10/cpuidle/state3/disable", "0"),
        ["warning", "c-states", WORKERS],
        "for c in 10; do for s in /sys/devices/system/cpu/cpu$c/cpuidle/state[2-9]*/disable; do echo 1 > $s; done; done",
    ),
    acting(
        "a governor that saves",
        |m| m.write("/sys/devices/system/cpu/cpu8/cpufreq/scaling_governor", "powersave"),
        ["warning", "governor", WORKERS],
        "for c in 8; do echo performance > /sys/devices/system/cpu/cpu$c/cpufreq/scaling_governor; done",
    ),
    acting("a VM whose CPUs halt at once", as_vm, LATENCY, "sed -i '/^\\[workers\\]/a cpu_latency_us = 0' FILE"),
    acting(
        "a latency that forbids no sleep of a VM",
        |m| {
            as_vm(m);
            ask_for(m, 2);
        },
        LATENCY,
        "sed -i 's/^\\( *cpu_latency_us *= *\\)[0-9_]*/\\10/' FILE",
    ),
    fault(
        "a latency that there is nobody to ask for",
        |m| {
            m.remove("/dev/cpu_dma_latency");
            ask_for(m, 2);
        },
        LATENCY,
        "apt-get install linux-image-amd64 && reboot",
    ),
    fault(
        "a latency whose device nobody has made",
        |m| {
            m.remove("/dev/cpu_dma_latency");
            m.write("/proc/misc", "258 network_latency\n259 cpu_dma_latency\n130 watchdog");
            ask_for(m, 2);
        },
        LATENCY,
        "mknod -m 600 /dev/cpu_dma_latency c 10 259",
    ),
    fault(
        "a latency that nobody heeds",
        |m| {
            m.write("/sys/devices/system/cpu/cpuidle/current_driver", "none");
            ask_for(m, 2);
        },
        LATENCY,
        "cat /proc/cmdline  # boot without `idle=` and `cpuidle.off=`",
    ),
    fault(
        "a latency that nobody heeds in a VM",
        |m| {
            as_vm(m);
            m.remove("/sys/devices/system/cpu/cpuidle/current_driver");
            ask_for(m, 0);
        },
        LATENCY,
        "modprobe cpuidle-haltpoll force=Y",
    ),
    // Limits and kernel
    fault(
        "little memory may be locked",
        |m| m.write("/proc/self/status", "CapEff:\t0000000000000000\nCpus_allowed_list:\t0-7"),
        ["problem", "memlock", "limits"],
        "ulimit -l unlimited  # in a systemd unit: LimitMEMLOCK=infinity",
    ),
    fault(
        "few files may be open",
        |m| m.write("/proc/self/limits", "Max open files            64        64      files"),
        ["problem", "nofile", "limits"],
        "ulimit -n 512  # in a systemd unit: LimitNOFILE=512",
    ),
    acting(
        "transparent hugepages everywhere",
        |m| m.write("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"),
        ["warning", "thp", "kernel"],
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
    ),
    fault(
        "swap",
        |m| m.write("/proc/swaps", "Filename Type Size\n/dev/sda2 partition 8388604 0 -2"),
        ["warning", "swap", "kernel"],
        "swapoff -a && sed -i '/\\sswap\\s/s/^[^#]/#&/' /etc/fstab",
    ),
    fault(
        "the NMI watchdog",
        |m| m.write("/proc/sys/kernel/nmi_watchdog", "1"),
        ["warning", "nmi-watchdog", "kernel"],
        "sysctl -w kernel.nmi_watchdog=0 && echo kernel.nmi_watchdog=0 >> /etc/sysctl.d/90-millrace.conf",
    ),
    fault(
        "automatic NUMA balancing",
        |m| m.write("/proc/sys/kernel/numa_balancing", "1"),
        ["warning", "numa-balancing", "kernel"],
        "sysctl -w kernel.numa_balancing=0 && echo kernel.numa_balancing=0 >> /etc/sysctl.d/90-millrace.conf",
    ),
    fault(
        "a kernel older than any that was tried",
        |m| m.write("/proc/sys/kernel/osrelease", "5.10.0-28-amd64"),
        ["warning", "kernel", "kernel"],
        "apt-get install linux-image-amd64 && reboot",
    ),
    fault(
        "a kernel older than DPDK takes",
        |m| m.write("/proc/sys/kernel/osrelease", "4.9.0"),
        ["problem", "kernel", "kernel"],
        "apt-get install linux-image-amd64 && reboot",
    ),
    fault(
        "no TAPs",
        |m| m.remove("/dev/net/tun"),
        ["problem", "tun", "1 TAP ports"],
        "modprobe tun || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }",
    ),
];

fn without_iommu(machine: &Machine) {
    machine.remove("/sys/kernel/iommu_groups");
    machine.remove(&format!("{VF}/iommu_group"));
}

/// Its configuration has `cpu_latency_us`.
fn ask_for(machine: &Machine, max_us: u16) {
    machine.configure("[workers]", &format!("[workers]\ncpu_latency_us = {max_us}"));
}

/// Its CPUs know one sleep, and take to it without polling first.
fn as_vm(machine: &Machine) {
    machine.write("/proc/cpuinfo", "vendor_id : GenuineIntel\nflags : fpu hypervisor lahf_lm");
    for (file, text) in [("driver", "haltpoll"), ("governor", "haltpoll")] {
        machine.write(&format!("/sys/devices/system/cpu/cpuidle/current_{file}"), text);
    }
    machine.write("/sys/module/haltpoll/parameters/guest_halt_poll_ns", "0");
    for cpu in 8..12 {
        machine.write(&format!("/sys/devices/system/cpu/cpu{cpu}/cpuidle/state1/latency"), "1");
    }
}
