//! A machine in a folder: what the kernel of a well-kept two-socket node tells, and ways to spoil it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::fake_switch::{Directory, Ran, millrace};

/// The virtual function that is the uplink, and its physical one.
pub(super) const VF: &str = "/sys/bus/pci/devices/0000:3b:02.0";
pub(super) const PF: &str = "/sys/bus/pci/devices/0000:3b:00.0";

pub(super) const GRUB: &str = "mkdir -p /etc/default/grub.d && echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX ";
pub(super) const GRUB_END: &str = "\"' >> /etc/default/grub.d/millrace.cfg && update-grub && reboot";

const CONFIG: &str = r#"
[switch]
name = "node-a"

[workers]
cores = [8, 10]   # both on the NIC's node

[[port]]
name = "up0"
kind = "eth"
device = "0000:3b:02.0"
role = "uplink"
addresses = ["192.0.2.1/24"]

[[port]]
name = "a1"
kind = "tap"
network = "blue"

[[network]]
name = "blue"
vni = 4096
"#;

const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max open files            1048576              1048576              files
Max locked memory         8388608              8388608              bytes
";

/// A folder that stands for `/`, and a configuration beside it.
pub(super) struct Machine {
    directory: Directory,
}

impl Machine {
    /// Twelve CPUs, two threads a core, 0-5 and 6-11; the NIC on node 1; CPUs 8-11 kept for the switch.
    pub(super) fn good() -> Machine {
        let machine = Machine { directory: Directory::new() };
        fs::create_dir(machine.root()).expect("the directory is ours");
        machine.write_config(CONFIG);
        machine.cpus();
        machine.memory();
        machine.nic();
        machine.kernel();
        machine
    }

    pub(super) fn root(&self) -> PathBuf {
        self.directory.path("root")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.path("node.toml")
    }

    fn write_config(&self, text: &str) {
        fs::write(self.config(), text).expect("the directory is ours");
    }

    /// Changes the configuration, which has to hold `old`.
    pub(super) fn configure(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.config()).expect("it was written");
        assert!(text.contains(old), "{old}");
        self.write_config(&text.replace(old, new));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Writes a file and the folders it is in.
    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the directory is ours");
        fs::write(path, format!("{text}\n")).expect("the directory is ours");
    }

    /// Removes a file, a link or a folder, which has to be there.
    pub(super) fn remove(&self, path: &str) {
        let path = self.path(path);
        let kind = fs::symlink_metadata(&path).expect("it is there").file_type();
        if kind.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("the directory is ours");
    }

    /// Makes a link as sysfs does; what it points to need not be there.
    pub(super) fn link(&self, path: &str, to: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the directory is ours");
        let _ = fs::remove_file(&path);
        symlink(to, path).expect("the directory is ours");
    }

    /// Binds a device to a driver.
    pub(super) fn bind(&self, device: &str, driver: &str) {
        self.link(&format!("{device}/driver"), &format!("../../../../bus/pci/drivers/{driver}"));
    }

    fn cpus(&self) {
        self.write("/sys/devices/system/cpu/online", "0-11");
        self.write("/sys/devices/system/cpu/isolated", "8-11");
        self.write("/sys/devices/system/cpu/nohz_full", "8-11");
        self.write("/sys/devices/virtual/workqueue/cpumask", "0fe");
        for cpu in 0..12 {
            let folder = format!("/sys/devices/system/cpu/cpu{cpu}");
            let first = cpu / 2 * 2;
            self.write(&format!("{folder}/topology/thread_siblings_list"), &format!("{first}-{}", first + 1));
            self.write(&format!("{folder}/cpufreq/scaling_governor"), "performance");
            // Of the others nobody asks; a tree is made a hundred times.
            if !(8..=11).contains(&cpu) {
                continue;
            }
            for (state, (name, latency_us)) in [("POLL", 0), ("C1", 2), ("C1E", 10), ("C6", 133)].iter().enumerate() {
                let disable = if state < 2 { "0" } else { "1" };
                self.write(&format!("{folder}/cpuidle/state{state}/name"), name);
                self.write(&format!("{folder}/cpuidle/state{state}/latency"), &latency_us.to_string());
                self.write(&format!("{folder}/cpuidle/state{state}/disable"), disable);
            }
        }
        self.write("/sys/devices/system/cpu/cpuidle/current_driver", "intel_idle");
        for irq in [24, 25] {
            self.write(&format!("/proc/irq/{irq}/smp_affinity_list"), "1-7");
            self.write(&format!("/proc/irq/{irq}/effective_affinity_list"), "3");
            self.write(&format!("/proc/irq/{irq}/eth0-rx-{irq}/x"), "");
        }
    }

    fn memory(&self) {
        for (node, cpus, pages) in [(0, "0-5", 0), (1, "6-11", 512)] {
            self.write(&format!("/sys/devices/system/node/node{node}/cpulist"), cpus);
            self.pages(node, pages);
        }
        self.write("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512");
        self.write("/proc/mounts", "nodev /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0");
        self.write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
        self.write("/proc/swaps", "Filename  Type  Size  Used  Priority");
    }

    /// Reserves pages of 2 MiB, all free.
    pub(super) fn pages(&self, node: u16, pages: u32) {
        let folder = format!("/sys/devices/system/node/node{node}/hugepages/hugepages-2048kB");
        self.write(&format!("{folder}/nr_hugepages"), &pages.to_string());
        self.write(&format!("{folder}/free_hugepages"), &pages.to_string());
    }

    fn nic(&self) {
        for device in [PF, VF] {
            self.write(&format!("{device}/vendor"), "0x8086");
            self.write(&format!("{device}/numa_node"), "1");
        }
        self.write(&format!("{PF}/net/ens1f0/mtu"), "1500");
        for (file, number) in [("totalvfs", 64), ("numvfs", 1), ("offset", 16), ("stride", 1)] {
            self.write(&format!("{PF}/sriov_{file}"), &number.to_string());
        }
        self.link(&format!("{PF}/virtfn0"), "../0000:3b:02.0");
        self.link(&format!("{VF}/physfn"), "../0000:3b:00.0");
        self.link(&format!("{VF}/iommu_group"), "../../../../kernel/iommu_groups/7");
        self.bind(PF, "ice");
        self.bind(VF, "vfio-pci");
        self.link("/sys/kernel/iommu_groups/7/devices/0000:3b:02.0", "../../../../bus/pci/devices/0000:3b:02.0");
        self.write("/sys/bus/pci/drivers/vfio-pci/bind", "");
        self.write("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N");
        self.write("/dev/vfio/vfio", "");
        self.write("/dev/vfio/7", "");
    }

    fn kernel(&self) {
        self.write("/proc/cmdline", "quiet isolcpus=managed_irq,domain,8-11 nohz_full=8-11 rcu_nocbs=8-11");
        self.write("/proc/cpuinfo", "vendor_id : GenuineIntel");
        self.write("/proc/sys/kernel/osrelease", "6.1.0-18-amd64");
        self.write("/proc/sys/kernel/nmi_watchdog", "0");
        self.write("/proc/sys/kernel/numa_balancing", "0");
        self.write("/proc/self/limits", LIMITS);
        self.write("/proc/self/status", "CapEff:\t000001ffffffffff\nCpus_allowed_list:\t0-7");
        self.write("/dev/net/tun", "");
        self.write("/dev/cpu_dma_latency", "");
    }

    /// Runs `millrace doctor` on it.
    pub(super) fn examine(&self, arguments: &[&str]) -> Ran {
        let mut command = millrace();
        command.arg("doctor").arg("--sysroot").arg(self.root()).arg("--config").arg(self.config()).args(arguments);
        command.output().expect("it was built").into()
    }

    /// A command for `/`, as one for the folder.
    pub(super) fn here(&self, command: &str) -> String {
        let root = |below: &str| format!(" {}{below}", Path::new(&self.root()).display());
        command.replace(" /sys/", &root("/sys/")).replace(" /proc/", &root("/proc/"))
    }
}
