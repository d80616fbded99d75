//! What a report was measured on: figures of two machines, or of two commits, must not be taken for one another.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use api::Version;
use serde::Serialize;

/// Machine, programs and settings of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fingerprint {
    /// The model of the first CPU, and how many there are.
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) kernel: String,
    /// The DPDK that millraced runs on, its version and its commit, where it ran.
    pub(crate) dpdk: Option<String>,
    pub(crate) millraced: Option<String>,
    pub(crate) commit: Option<String>,
    /// The CPU that forwarded.
    pub(crate) poll_cpu: u32,
    /// Whether all buffers lay on hugepages.
    pub(crate) hugepages: bool,
    pub(crate) seed: u64,
    pub(crate) inner_octets: usize,
    pub(crate) mac_pairs: u32,
    /// Frames taken at once, where it is not what programs do by themselves.
    pub(crate) burst: Option<u32>,
    pub(crate) rounds: u32,
    pub(crate) window_ms: u64,
    /// When it began, in seconds since 1970.
    pub(crate) began_s: u64,
}

/// How the machine is called by its kernel: CPU, number of CPUs, kernel.
pub(crate) fn machine() -> (String, usize, String) {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    (model(&cpus), cpus.lines().filter(|line| line.starts_with("processor")).count(), kernel.trim().to_owned())
}

fn model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name.trim()).to_owned()
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

impl Fingerprint {
    /// This machine, now; the rest is for who measures to say.
    pub(crate) fn of_now() -> Fingerprint {
        let (cpu, cpus, kernel) = machine();
        Fingerprint {
            cpu,
            cpus,
            kernel,
            dpdk: None,
            millraced: None,
            commit: None,
            poll_cpu: 0,
            hugepages: false,
            seed: 0,
            inner_octets: 0,
            mac_pairs: 0,
            burst: None,
            rounds: 0,
            window_ms: 0,
            began_s: now_s(),
        }
    }

    /// Notes which switch has answered.
    pub(crate) fn note(&mut self, version: Version) {
        self.dpdk = version.dpdk;
        self.millraced = Some(version.version);
        self.commit = version.git;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_among_much_else() {
        assert_eq!(model("processor\t: 0\nmodel\t\t: 207\nmodel name\t: Xeon 9\nmodel name\t: y\n"), "Xeon 9");
        assert_eq!(model(""), "unknown");
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_cpu() {
        let (_, cpus, kernel) = machine();
        assert!(cpus > 0 && !kernel.is_empty());
    }
}
