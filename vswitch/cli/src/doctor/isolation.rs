//! Whether the kernel leaves the workers' CPUs alone: scheduler, tick, RCU, work queues.

use super::{
    Patient,
    cpu_set::CpuSet,
    finding::{Finding, Severity::Warning, look},
    mend,
    need::Pinned,
};

const CMDLINE: &str = "/proc/cmdline";
const NOHZ: &str = "/sys/devices/system/cpu/nohz_full";
const WORKQUEUES: &str = "/sys/devices/virtual/workqueue/cpumask";

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    match patient.need.pinned {
        Pinned::No => Vec::new(),
        Pinned::ByDefault => vec![by_default(patient)],
        Pinned::ByFile => {
            let findings = [isolcpus(patient), Some(nohz_full(patient)), Some(rcu_nocbs(patient)), workqueues(patient)];
            findings.into_iter().flatten().collect()
        }
    }
}

/// Isolating the CPU of a worker that is not told its CPU drives it onto another one.
fn by_default(patient: &Patient) -> Finding {
    let file = patient.need.file.clone().unwrap_or_default();
    look("isolcpus", format!("CPU {}", patient.need.cpus), file).unchecked(
        "the configuration names no CPUs; by itself a worker never takes an isolated one",
        "only a CPU that is named can be isolated for a worker",
        mend::name_cores(patient.need, &patient.need.cpus),
    )
}

/// The workers' CPUs without CPU 0, which the kernel never lets go; there is a finding of its own for it.
fn wanted(patient: &Patient) -> CpuSet {
    patient.need.cpus.without(&CpuSet::from_iter([0]))
}

/// Adds CPUs to those that a boot parameter names; `flags` stand before the list.
fn boot(patient: &Patient, name: &str, have: &CpuSet, flags: &str) -> String {
    let new = format!("{name}={flags}{}", have.or(&wanted(patient)));
    match patient.root.boot_parameter(name) {
        Some(old) => mend::boot_instead(&format!("{name}={old}"), &new),
        None => mend::boot_with(&new),
    }
}

/// The CPUs that a boot parameter names, without its flags.
fn named(patient: &Patient, name: &str) -> CpuSet {
    let value = patient.root.boot_parameter(name).unwrap_or_default();
    let digits = value.split(',').filter(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    digits.collect::<Vec<_>>().join(",").parse().unwrap_or_default()
}

fn isolcpus(patient: &Patient) -> Option<Finding> {
    let isolated = &patient.topology.isolated;
    let missing = wanted(patient).without(isolated);
    let file = "/sys/devices/system/cpu/isolated";
    let look = look("isolcpus", format!("CPU {}", patient.need.cpus), file);
    if missing.is_empty() {
        return Some(look.ok(format!("isolated: {isolated}")));
    }
    Some(look.bad(
        Warning,
        format!("CPU {missing} not isolated (isolated: {})", or_none(isolated)),
        "whatever the scheduler puts there interrupts the worker for milliseconds, and queues overflow",
        boot(patient, "isolcpus", isolated, "managed_irq,domain,"),
    ))
}

fn nohz_full(patient: &Patient) -> Finding {
    let quiet = patient.root.cpus(NOHZ).unwrap_or_default();
    let missing = wanted(patient).without(&quiet);
    let look = look("nohz_full", format!("CPU {}", patient.need.cpus), NOHZ);
    if missing.is_empty() {
        return look.ok(format!("without a tick: {}", or_none(&quiet)));
    }
    look.bad(
        Warning,
        format!("CPU {missing} has a tick (without one: {})", or_none(&quiet)),
        "the timer interrupts the worker 100 to 1000 times a second",
        boot(patient, "nohz_full", &quiet, ""),
    )
}

/// `nohz_full` takes RCU's callbacks along.
fn rcu_nocbs(patient: &Patient) -> Finding {
    let named = match patient.root.boot_parameter("rcu_nocbs").as_deref() {
        Some("all") => patient.topology.online.clone(),
        _ => named(patient, "rcu_nocbs"),
    };
    let free = named.or(&patient.root.cpus(NOHZ).unwrap_or_default());
    let missing = wanted(patient).without(&free);
    let look = look("rcu_nocbs", format!("CPU {}", patient.need.cpus), CMDLINE);
    if missing.is_empty() {
        return look.ok(format!("without RCU callbacks: {}", or_none(&free)));
    }
    look.bad(
        Warning,
        format!("CPU {missing} runs RCU callbacks (without: {})", or_none(&free)),
        "callbacks of the whole kernel run in the worker's time",
        boot(patient, "rcu_nocbs", &named, ""),
    )
}

fn workqueues(patient: &Patient) -> Option<Finding> {
    let mask = patient.root.text(WORKQUEUES)?;
    let allowed = from_mask(&mask)?;
    let on_workers = allowed.and(&patient.need.cpus);
    let look = look("workqueues", format!("CPU {}", patient.need.cpus), WORKQUEUES);
    if on_workers.is_empty() {
        return Some(look.ok(format!("unbound work runs on CPU {allowed}")));
    }
    let rest = patient.topology.online.without(&patient.need.cpus);
    let why = "deferred work of the kernel runs in the worker's time";
    let mend = match rest.is_empty() {
        true => mend::move_workers(patient.need, &patient.topology, None),
        false => format!("echo {} > {WORKQUEUES}", rest.mask()),
    };
    Some(look.bad(Warning, format!("unbound work may run on CPU {on_workers} (mask {mask})"), why, mend))
}

/// The CPUs of a hexadecimal mask.
fn from_mask(mask: &str) -> Option<CpuSet> {
    let mut cpus = Vec::new();
    for (group, word) in mask.rsplit(',').take(256).enumerate() {
        let word = u32::from_str_radix(word, 16).ok()?;
        cpus.extend((0..32).filter(|bit| word >> bit & 1 == 1).map(|bit| group as u16 * 32 + bit));
    }
    Some(CpuSet::from_iter(cpus))
}

fn or_none(cpus: &CpuSet) -> String {
    if cpus.is_empty() { "none".to_owned() } else { cpus.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_the_same_there_and_back() {
        for list in ["0-1", "0-3,35", "127"] {
            let cpus: CpuSet = list.parse().unwrap();
            assert_eq!(from_mask(&cpus.mask()), Some(cpus));
        }
        assert_eq!((from_mask("ff,x"), from_mask("")), (None, None));
    }
}
