//! Which CPUs there are, on which NUMA node, which share a core; and which would be better for the workers.

use super::{cpu_set::CpuSet, need::Need, sysroot::Sysroot};

const CPUS: &str = "/sys/devices/system/cpu";
const NODES: &str = "/sys/devices/system/node";

/// The CPUs of the machine.
pub(super) struct Topology {
    /// Those that run.
    pub(super) online: CpuSet,
    /// Those that the scheduler leaves alone.
    pub(super) isolated: CpuSet,
    /// Nodes with memory or CPUs, and the CPUs of each.
    pub(super) nodes: Vec<(u16, CpuSet)>,
    /// CPUs that share a core, for each core with several.
    cores: Vec<CpuSet>,
}

impl Topology {
    /// What the kernel tells.
    pub(super) fn read(root: &Sysroot) -> Topology {
        let cpus = |name: &str| root.cpus(&format!("{CPUS}/{name}")).unwrap_or_default();
        let online = cpus("online");
        // A cpuset partition isolates as `isolcpus=domain` does (since 6.7).
        let by_partition = root.cpus("/sys/fs/cgroup/cpuset.cpus.isolated").unwrap_or_default();
        let siblings = |cpu| root.cpus(&format!("{CPUS}/cpu{cpu}/topology/thread_siblings_list"));
        let mut cores: Vec<CpuSet> = online.iter().filter_map(siblings).filter(|core| core.len() > 1).collect();
        cores.dedup();
        Topology { isolated: cpus("isolated").or(&by_partition), nodes: nodes(root), cores, online }
    }

    /// The node a CPU belongs to.
    pub(super) fn node_of(&self, cpu: u16) -> Option<u16> {
        self.nodes.iter().find(|(_, cpus)| cpus.contains(cpu)).map(|(node, _)| *node)
    }

    /// All CPUs on the same core, this one included.
    pub(super) fn core_of(&self, cpu: u16) -> CpuSet {
        let core = self.cores.iter().find(|core| core.contains(cpu));
        core.cloned().unwrap_or_else(|| CpuSet::from_iter([cpu]))
    }

    /// As many CPUs as there are workers: one a core, none beside CPU 0, isolated ones first, on `node` where it is
    /// given. `None` where the machine has not so many, or the workers are there already.
    pub(super) fn better_cpus(&self, need: &Need, node: Option<u16>) -> Option<CpuSet> {
        let fits = |&cpu: &u16| node.is_none() || self.node_of(cpu) == node;
        let mut candidates: Vec<u16> = self.online.iter().filter(fits).collect();
        // What runs there already stays where that is good; then isolated CPUs, then in order.
        candidates.sort_by_key(|&cpu| (!need.cpus.contains(cpu), !self.isolated.contains(cpu), cpu));
        let (mut chosen, mut taken) = (Vec::new(), self.core_of(0));
        for cpu in candidates {
            if chosen.len() < need.cpus.len() && !taken.contains(cpu) {
                taken = taken.or(&self.core_of(cpu));
                chosen.push(cpu);
            }
        }
        let chosen_set = CpuSet::from_iter(chosen);
        (chosen_set.len() == need.cpus.len() && chosen_set != need.cpus).then_some(chosen_set)
    }
}

fn nodes(root: &Sysroot) -> Vec<(u16, CpuSet)> {
    let number = |name: &String| name.strip_prefix("node")?.parse::<u16>().ok();
    let mut nodes: Vec<(u16, CpuSet)> = root
        .names(NODES)
        .iter()
        .filter_map(number)
        .map(|node| (node, root.cpus(&format!("{NODES}/node{node}/cpulist")).unwrap_or_default()))
        .collect();
    nodes.sort_by_key(|(node, _)| *node);
    nodes
}
