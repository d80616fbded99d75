//! `[workers]`: how many threads move packets, and where they run.

use datapath::{WORKERS_MAX, WorkerId};
use serde::Serialize;
use toml::Spanned;

use super::{error::Errors, file, keys, section::Section};

/// `[workers]`, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Where they run.
    pub placement: Placement,
    /// What they do when nothing is there to do.
    pub idle: Idle,
    /// The longest rest of an adaptive worker, in microseconds.
    pub rest_max_us: u16,
    /// While there is traffic, no CPU of the node may take longer than this to wake up, in microseconds; `None`: the kernel
    /// decides.
    pub cpu_latency_us: Option<u16>,
    /// For how long packets for a container on a TAP may wait for others where there are many, in microseconds; 0: not at all.
    pub tap_coalesce_us: u16,
    /// Frames taken from one port before the next is looked at.
    pub burst: u8,
}

/// The longest rest where the file does not say.
pub(super) const REST_MAX_US_DEFAULT: u16 = 50;

/// How long packets for a container wait for others where the file does not say: what adaptive NICs come to.
pub(super) const TAP_COALESCE_US_DEFAULT: u16 = 50;

/// Frames a port gives at once where the file does not say: half a batch, so that none fills it alone.
pub(super) const BURST_DEFAULT: u8 = 32;

/// Where the workers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// One worker, on the last CPU that the process may use.
    LastCpu,
    /// One worker on each of these CPUs.
    Cpus(Vec<u16>),
    /// That many workers, where the kernel likes.
    Unpinned(u8),
}

/// What a worker does when nothing is there to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Idle {
    /// It backs off: polls less often, and sleeps between.
    Adaptive,
    /// It polls on, for the least delay.
    Busy,
}

impl Default for Workers {
    fn default() -> Self {
        Workers {
            placement: Placement::LastCpu,
            idle: Idle::Adaptive,
            rest_max_us: REST_MAX_US_DEFAULT,
            cpu_latency_us: None,
            tap_coalesce_us: TAP_COALESCE_US_DEFAULT,
            burst: BURST_DEFAULT,
        }
    }
}

impl Workers {
    /// How many workers there are, 1 to [`WORKERS_MAX`].
    pub fn count(&self) -> usize {
        match &self.placement {
            Placement::LastCpu => 1,
            Placement::Cpus(cpus) => cpus.len(),
            Placement::Unpinned(count) => usize::from(*count),
        }
    }

    /// All workers.
    pub fn ids(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..self.count()).map(|index| WorkerId(index as u8))
    }

    pub(super) fn check(section: Option<&Spanned<file::Workers>>, errors: &mut Errors) -> Workers {
        let Some(section) = section else { return Workers::default() };
        let said = section.get_ref();
        let mut check = Section::single(errors, "[workers]", section.span());
        let idle = said.idle.as_ref().and_then(|text| check.chosen(&keys::IDLE, text, &[Idle::Adaptive, Idle::Busy]));
        let placement = match (&said.cores, &said.count) {
            (Some(_), Some(count)) => {
                check.refuse("count", &count.span(), "stands beside `cores`", "give one of the two");
                None
            }
            (Some(cores), None) => cpus(&mut check, cores).map(Placement::Cpus),
            (None, Some(count)) => check.counted(&keys::COUNT, count).map(Placement::Unpinned),
            (None, None) => None,
        };
        let default = Workers::default();
        Workers {
            placement: placement.unwrap_or(default.placement),
            idle: idle.unwrap_or(default.idle),
            rest_max_us: check.counted_or(&keys::REST_MAX_US, &said.rest_max_us, default.rest_max_us),
            cpu_latency_us: said.cpu_latency_us.as_ref().and_then(|us| check.counted(&keys::CPU_LATENCY_US, us)),
            tap_coalesce_us: check.counted_or(&keys::TAP_COALESCE_US, &said.tap_coalesce_us, default.tap_coalesce_us),
            burst: check.counted_or(&keys::BURST, &said.burst, default.burst),
        }
    }
}

fn cpus(check: &mut Section, cores: &Spanned<Vec<file::Int>>) -> Option<Vec<u16>> {
    if !(1..=WORKERS_MAX).contains(&cores.get_ref().len()) {
        let problem = format!("names {} CPUs", cores.get_ref().len());
        check.refuse("cores", &cores.span(), problem, format!("1 to {WORKERS_MAX}, one for each worker"));
        return None;
    }
    let mut cpus = Vec::new();
    for core in cores.get_ref() {
        let Some(cpu) = check.counted(&keys::CORES, core) else { continue };
        if cpus.contains(&cpu) {
            check.refuse("cores", &core.span(), "is there twice", "one worker runs on a CPU");
        }
        cpus.push(cpu);
    }
    Some(cpus).filter(|cpus| cpus.len() == cores.get_ref().len())
}
