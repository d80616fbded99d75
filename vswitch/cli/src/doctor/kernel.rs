//! The kernel itself: its version, and what it does behind everybody's back.

use super::{
    Patient,
    finding::{
        Finding,
        Severity::{Problem, Warning},
        look,
    },
};

const RELEASE: &str = "/proc/sys/kernel/osrelease";
const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const SWAPS: &str = "/proc/swaps";
const WATCHDOG: &str = "/proc/sys/kernel/nmi_watchdog";
const NUMA_BALANCING: &str = "/proc/sys/kernel/numa_balancing";
const TUN: &str = "/dev/net/tun";

/// The oldest kernel DPDK 22.11 runs on, and the oldest Millrace was ever run on.
const DPDK_FLOOR: (u32, u32) = (4, 14);
const TRIED_FLOOR: (u32, u32) = (6, 1);

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let findings = [
        Some(version(patient)),
        tun(patient),
        Some(transparent_hugepages(patient)),
        Some(swap(patient)),
        watchdog(patient),
        numa_balancing(patient),
    ];
    findings.into_iter().flatten().collect()
}

fn version(patient: &Patient) -> Finding {
    let look = look("kernel", "kernel", RELEASE);
    let mend = "apt-get install linux-image-amd64 && reboot";
    let Some(text) = patient.root.text(RELEASE) else {
        return look.unchecked("it does not say its version", "old kernels lack what DPDK needs", "uname -r");
    };
    let mut numbers = text.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= TRIED_FLOOR {
        look.ok(text)
    } else if version >= DPDK_FLOOR {
        look.bad(Warning, text, "Millrace was never run on anything older than Debian 12's 6.1", mend)
    } else {
        look.bad(Problem, text, "DPDK 22.11 needs Linux 4.14", mend)
    }
}

fn tun(patient: &Patient) -> Option<Finding> {
    let taps = patient.need.taps;
    let look = look("tun", format!("{taps} TAP ports"), TUN);
    if patient.root.exists(TUN) {
        return Some(look.ok("there"));
    }
    let mend = "modprobe tun || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }";
    (taps > 0).then(|| look.bad(Problem, "not there", "TAP ports cannot be made", mend))
}

fn transparent_hugepages(patient: &Patient) -> Finding {
    let text = patient.root.text(THP).unwrap_or_default();
    let chosen = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let look = look("thp", "kernel", THP);
    match chosen {
        Some("always") => look.bad(
            Warning,
            "always",
            "khugepaged moves pages under running threads, which stand still meanwhile",
            format!("echo madvise > {THP}"),
        ),
        chosen => look.ok(chosen.unwrap_or("not in this kernel")),
    }
}

fn swap(patient: &Patient) -> Finding {
    let look = look("swap", "kernel", SWAPS);
    let swaps = patient.root.text(SWAPS).unwrap_or_default();
    let places: Vec<&str> = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    if places.is_empty() {
        return look.ok("none");
    }
    let why = "a table on ordinary pages that is swapped out costs milliseconds on its next packet";
    look.bad(
        Warning,
        format!("on {}", places.join(", ")),
        why,
        "swapoff -a && sed -i '/\\sswap\\s/s/^[^#]/#&/' /etc/fstab",
    )
}

fn watchdog(patient: &Patient) -> Option<Finding> {
    let on = patient.root.number(WATCHDOG)?;
    let look = look("nmi-watchdog", "kernel", WATCHDOG);
    if on == 0 {
        return Some(look.ok("off"));
    }
    let why = "it interrupts every CPU and takes a performance counter";
    Some(look.bad(Warning, "on", why, keep("kernel.nmi_watchdog=0")))
}

/// Matters where there are several nodes.
fn numa_balancing(patient: &Patient) -> Option<Finding> {
    let on = patient.root.number(NUMA_BALANCING)?;
    let look = look("numa-balancing", "kernel", NUMA_BALANCING);
    if on == 0 || patient.topology.nodes.len() < 2 {
        return Some(look.ok(if on == 0 { "off" } else { "on, with one node" }));
    }
    let why = "it unmaps pages to see who touches them, and workers take the page faults";
    Some(look.bad(Warning, "on", why, keep("kernel.numa_balancing=0")))
}

/// Sets a sysctl now and at every start.
fn keep(setting: &str) -> String {
    format!("sysctl -w {setting} && echo {setting} >> /etc/sysctl.d/90-millrace.conf")
}
