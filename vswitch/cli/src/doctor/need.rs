//! What a configuration needs of the machine.

use control::config::{Config, Hugepages, Idle, Kind, Placement};

use super::{cpu_set::CpuSet, pci_address::PciAddress, sysroot::Sysroot};

/// What the default configuration says: one worker, default memory, no ports.
const DEFAULT: &str = "[switch]\nname = \"default\"\n";

/// Files that the switch has open beside those of its ports: sockets, regions, logs.
const FILES: u64 = 256;

/// Files of a queue pair: a TAP queue is one; VFIO wants an event for each queue.
const FILES_PER_QUEUE: u64 = 4;

/// An eth port on a PCI device.
pub(super) struct PciPort {
    /// Its name in the configuration.
    pub(super) name: String,
    /// The device.
    pub(super) address: PciAddress,
}

/// Where the workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pinned {
    /// On the CPUs that the file names.
    ByFile,
    /// On the last CPU the process may use, because the file names none.
    ByDefault,
    /// Wherever the kernel likes.
    No,
}

/// What a configuration needs.
pub(super) struct Need {
    /// The file, as the operator named it; `None` is the default configuration.
    pub(super) file: Option<String>,
    /// Its text.
    pub(super) text: String,
    /// The CPUs of the workers.
    pub(super) cpus: CpuSet,
    /// How these CPUs were chosen.
    pub(super) pinned: Pinned,
    /// Whether idle workers poll on.
    pub(super) busy: bool,
    /// What CPUs may take to wake up while there is traffic, in µs, where the file says.
    pub(super) cpu_latency_us: Option<u16>,
    /// Whether memory lies on hugepages.
    pub(super) hugepages: Hugepages,
    /// How many, of 2 MiB.
    pub(super) huge_pages: u64,
    /// The node the buffers are to lie on, where the file says.
    pub(super) numa: Option<u32>,
    /// Memory on ordinary pages, in MiB.
    pub(super) ordinary_mib: u64,
    /// Memory in all, in MiB.
    pub(super) memory_mib: u64,
    /// Open files, about.
    pub(super) files: u64,
    /// How many ports are TAPs.
    pub(super) taps: usize,
    /// How many ports are of containers or guests on this node.
    pub(super) containers: usize,
    /// Ports on PCI devices.
    pub(super) pci: Vec<PciPort>,
}

impl Need {
    /// What the default configuration needs, where the operator names none.
    pub(super) fn of_default(root: &Sysroot) -> Option<Need> {
        let config = control::config::load(DEFAULT, "default").ok()?;
        Some(Need::new(&config, None, DEFAULT, root))
    }

    /// What this configuration needs.
    pub(super) fn new(config: &Config, file: Option<&str>, text: &str, root: &Sysroot) -> Need {
        let (cpus, pinned) = match &config.workers.placement {
            Placement::Cpus(cpus) => (cpus.iter().copied().collect(), Pinned::ByFile),
            Placement::LastCpu => (last_allowed(root).into_iter().collect(), Pinned::ByDefault),
            Placement::Unpinned(_) => (CpuSet::default(), Pinned::No),
        };
        let queues: u64 = config.ports.iter().map(|port| u64::from(port.queues)).sum();
        Need {
            file: file.map(str::to_owned),
            text: text.to_owned(),
            cpus,
            pinned,
            busy: config.workers.idle == Idle::Busy,
            cpu_latency_us: config.workers.cpu_latency_us,
            hugepages: config.memory.hugepages,
            memory_mib: control::need::Need::of(config).bytes().div_ceil(1 << 20),
            huge_pages: control::need::Need::of(config).huge_pages(),
            ordinary_mib: control::need::Need::of(config).ordinary_bytes().div_ceil(1 << 20),
            numa: config.memory.numa,
            files: FILES + FILES_PER_QUEUE * queues,
            taps: config.ports.iter().filter(|port| matches!(port.kind, Kind::Tap { .. })).count(),
            containers: config.ports.iter().filter(|port| !matches!(port.kind, Kind::Eth { .. })).count(),
            pci: config.ports.iter().filter_map(pci_port).collect(),
        }
    }
}

/// Where a worker runs that is not told: the daemon asks the kernel the same.
fn last_allowed(root: &Sysroot) -> Option<u16> {
    let status = root.text("/proc/self/status")?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    allowed.trim().parse::<CpuSet>().ok()?.last()
}

fn pci_port(port: &control::config::Port) -> Option<PciPort> {
    let Kind::Eth { device } = &port.kind else { return None };
    let address = device.split(',').next()?.parse().ok()?;
    Some(PciPort { name: port.name.to_string(), address })
}
