//! Where the workers run: CPUs that exist, are not needed otherwise, and do not share a core.

use super::{
    Patient,
    cpu_set::CpuSet,
    finding::{
        Finding,
        Severity::{Problem, Warning},
        look,
    },
    mend,
    need::Pinned,
};

const ONLINE: &str = "/sys/devices/system/cpu/online";

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    if patient.need.pinned == Pinned::No {
        return vec![unpinned(patient)];
    }
    let findings = [exist(patient), Some(first_cpu(patient)), housekeeping(patient), Some(siblings(patient))];
    findings.into_iter().flatten().collect()
}

fn unpinned(patient: &Patient) -> Finding {
    let file = patient.need.file.clone().unwrap_or_default();
    look("worker-cpus", "workers", file).unchecked(
        "the configuration pins no worker: its CPUs, their interrupts and C-states are not known",
        "a worker that the scheduler moves stands still for a while, and its caches are cold",
        "taskset -cp $(pidof millraced)",
    )
}

/// CPUs the configuration names, and the kernel does not run.
fn exist(patient: &Patient) -> Option<Finding> {
    let (need, online) = (patient.need, &patient.topology.online);
    let absent = need.cpus.without(online);
    let look = look("worker-cpus", format!("CPU {}", need.cpus), ONLINE);
    if need.cpus.is_empty() || online.is_empty() {
        return Some(look.unchecked(
            "the kernel does not say which CPUs run",
            "workers are pinned to CPUs",
            "lscpu -e",
        ));
    }
    if absent.is_empty() {
        let by = if need.pinned == Pinned::ByDefault { "the last one it may use" } else { "as configured" };
        return Some(look.ok(format!("workers on CPU {} of {online}, {by}", need.cpus)));
    }
    let (why, offline) = ("a worker cannot be pinned to a CPU that is not there", offline(patient, &absent));
    let mend = match offline {
        Some(cpus) => format!("for c in {cpus}; do echo 1 > /sys/devices/system/cpu/cpu$c/online; done"),
        None => mend::move_workers(need, &patient.topology, None),
    };
    Some(look.bad(Problem, format!("CPU {absent} is not online ({online} are)"), why, mend))
}

/// Absent CPUs, as a shell counts them, where all of them are only switched off.
fn offline(patient: &Patient, absent: &CpuSet) -> Option<String> {
    let is_there = |cpu| patient.root.exists(&format!("/sys/devices/system/cpu/cpu{cpu}/online"));
    absent.iter().all(is_there).then(|| mend::words(absent))
}

fn first_cpu(patient: &Patient) -> Finding {
    let look = look("worker-cpu-0", "CPU 0", ONLINE);
    if !patient.need.cpus.contains(0) {
        return look.ok("no worker is on CPU 0");
    }
    look.bad(
        Warning,
        "a worker is on CPU 0",
        "timekeeping and much of the kernel's own work stay on CPU 0 whatever is isolated",
        mend::move_workers(patient.need, &patient.topology, None),
    )
}

/// A CPU has to be left for the kernel and the control thread.
fn housekeeping(patient: &Patient) -> Option<Finding> {
    let left = patient.topology.online.without(&patient.need.cpus);
    let look = look("housekeeping", format!("CPU {}", patient.topology.online), ONLINE);
    if patient.topology.online.is_empty() {
        return None;
    }
    Some(if left.is_empty() {
        look.bad(
            Warning,
            "every CPU has a worker",
            "control, the kernel and the containers take time from the workers",
            match patient.need.cpus.iter().nth(1) {
                Some(_) => mend::name_cores(patient.need, &patient.need.cpus.without(&CpuSet::from_iter([0]))),
                None => "# a machine with one CPU: none can be left free".to_owned(),
            },
        )
    } else {
        look.ok(format!("CPU {left} left for control and kernel"))
    })
}

fn siblings(patient: &Patient) -> Finding {
    let (need, topology) = (patient.need, &patient.topology);
    let shared = need.cpus.iter().map(|cpu| topology.core_of(cpu).and(&need.cpus)).find(|both| both.len() > 1);
    let cpu = shared.as_ref().or(Some(&need.cpus)).and_then(CpuSet::last).unwrap_or(0);
    let file = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    match shared {
        None => look("smt-siblings", "workers", file).ok("no two workers share a core"),
        Some(both) => look("smt-siblings", format!("CPU {both}"), file).bad(
            Warning,
            format!("workers on CPU {both} share one core"),
            "two polling threads on one core each get about half of it",
            mend::move_workers(need, topology, None),
        ),
    }
}
