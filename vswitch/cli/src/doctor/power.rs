//! What saves energy at the cost of time: deep C-states, and governors that lower the clock.

use super::{
    Patient,
    cpu_set::CpuSet,
    finding::{Finding, Severity::Warning, look},
    mend,
};

const CPUS: &str = "/sys/devices/system/cpu";

/// The first state that is deeper than C1: 0 polls, 1 is C1.
const FIRST_DEEP: u32 = 2;

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    if patient.need.cpus.is_empty() {
        return Vec::new();
    }
    vec![idle_states(patient), governor(patient)]
}

fn idle_states(patient: &Patient) -> Finding {
    let mut sleepers = Vec::new();
    let mut deepest = (0, String::new());
    for cpu in patient.need.cpus.iter() {
        for (latency_us, name) in deep_states(patient, cpu) {
            sleepers.push(cpu);
            deepest = deepest.max((latency_us, name));
        }
    }
    let sleepers = CpuSet::from_iter(sleepers);
    let cpu = sleepers.iter().next().or(patient.need.cpus.last()).unwrap_or(0);
    let look =
        look("c-states", format!("CPU {}", patient.need.cpus), format!("{CPUS}/cpu{cpu}/cpuidle/state*/disable"));
    if sleepers.is_empty() {
        return look.ok("no state deeper than C1 is enabled");
    }
    let (latency_us, name) = deepest;
    let why = match patient.need.busy {
        true => "an idle moment, or an idle sibling, lowers the clock of the core and of the package",
        false => "an idle worker sleeps, and the first packet waits until its CPU is awake",
    };
    let states = format!("{CPUS}/cpu$c/cpuidle/state[{FIRST_DEEP}-9]*/disable");
    let mend = format!("for c in {}; do for s in {states}; do echo 1 > $s; done; done", mend::words(&sleepers));
    look.bad(Warning, format!("CPU {sleepers} may sleep as deep as {name} ({latency_us} µs to wake)"), why, mend)
}

/// Exit latency in µs and name of each deep state that is enabled.
fn deep_states(patient: &Patient, cpu: u16) -> Vec<(u64, String)> {
    let folder = format!("{CPUS}/cpu{cpu}/cpuidle");
    let states = patient.root.names(&folder);
    let deep = |name: &&String| {
        let number = name.strip_prefix("state").and_then(|number| number.parse::<u32>().ok());
        number.is_some_and(|number| number >= FIRST_DEEP)
    };
    let enabled = |state: &String| {
        let off = patient.root.number(&format!("{folder}/{state}/disable"))?;
        let latency_us = patient.root.number(&format!("{folder}/{state}/latency")).unwrap_or(0);
        let name = patient.root.text(&format!("{folder}/{state}/name")).unwrap_or_else(|| state.clone());
        (off == 0).then_some((latency_us, name))
    };
    states.iter().filter(deep).filter_map(enabled).collect()
}

fn governor(patient: &Patient) -> Finding {
    let file = |cpu: u16| format!("{CPUS}/cpu{cpu}/cpufreq/scaling_governor");
    let mut slow = Vec::new();
    let (mut known, mut governor) = (false, String::new());
    for cpu in patient.need.cpus.iter() {
        let Some(text) = patient.root.text(&file(cpu)) else { continue };
        known = true;
        if text != "performance" {
            slow.push(cpu);
            governor = text;
        }
    }
    let slow = CpuSet::from_iter(slow);
    let cpu = slow.iter().next().or(patient.need.cpus.last()).unwrap_or(0);
    let look = look("governor", format!("CPU {}", patient.need.cpus), file(cpu));
    if !known {
        return look.ok("no frequency governor: the clock is not the kernel's to change");
    }
    if slow.is_empty() {
        return look.ok("performance");
    }
    let mend =
        format!("for c in {}; do echo performance > {CPUS}/cpu$c/cpufreq/scaling_governor; done", mend::words(&slow));
    look.bad(Warning, format!("{governor} on CPU {slow}"), "the clock falls between bursts, and rises too late", mend)
}
