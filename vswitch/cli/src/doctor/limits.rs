//! Limits of processes that this shell starts.

use super::{
    Patient,
    finding::{Finding, Severity::Problem, look},
};

const LIMITS: &str = "/proc/self/limits";

/// `CAP_IPC_LOCK`: who has it may lock as much memory as it likes.
const CAP_IPC_LOCK: u32 = 14;

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    vec![memlock(patient), nofile(patient)]
}

/// The soft limit of that name, in its own unit; `u64::MAX` is unlimited.
fn soft(patient: &Patient, name: &str) -> Option<u64> {
    let limits = patient.root.text(LIMITS)?;
    let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn may_lock(patient: &Patient) -> bool {
    let status = patient.root.text("/proc/self/status").unwrap_or_default();
    let caps = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let caps = caps.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    caps >> CAP_IPC_LOCK & 1 == 1
}

fn memlock(patient: &Patient) -> Finding {
    let look = look("memlock", "limits", LIMITS);
    let why = "VFIO locks every page that a device may write to, and refuses beyond the limit";
    if patient.need.pci.is_empty() {
        return look.ok("no PCI device is configured: VFIO locks nothing");
    }
    if may_lock(patient) {
        return look.ok("CAP_IPC_LOCK: no limit holds");
    }
    let needed_mib = patient.need.memory_mib;
    match soft(patient, "Max locked memory") {
        None => look.unchecked("the limit cannot be read", why, "ulimit -l"),
        Some(octets) if octets >> 20 >= needed_mib => look.ok(format!("at least the {needed_mib} MiB that are needed")),
        Some(octets) => {
            let found = format!("{} MiB may be locked, about {needed_mib} MiB are needed", octets >> 20);
            look.bad(Problem, found, why, "ulimit -l unlimited  # in a systemd unit: LimitMEMLOCK=infinity")
        }
    }
}

fn nofile(patient: &Patient) -> Finding {
    let look = look("nofile", "limits", LIMITS);
    let (needed, why) = (patient.need.files, "a port whose files cannot be opened does not come up");
    match soft(patient, "Max open files") {
        None => look.unchecked("the limit cannot be read", why, "ulimit -n"),
        Some(files) if files >= needed => look.ok(format!("{files} files, about {needed} are needed")),
        Some(files) => {
            let mend = format!("ulimit -n {0}  # in a systemd unit: LimitNOFILE={0}", needed.next_power_of_two());
            look.bad(Problem, format!("{files} files, about {needed} are needed"), why, mend)
        }
    }
}
