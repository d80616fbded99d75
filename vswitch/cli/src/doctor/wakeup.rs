//! How long CPUs take to wake up: whether the kernel heeds `cpu_latency_us`, and whether containers would gain by it.

use super::{
    Patient,
    finding::{Finding, Look, Severity::Warning, look},
    mend,
};

const CPUS: &str = "/sys/devices/system/cpu";
const REQUESTS: &str = "/dev/cpu_dma_latency";
const MISC: &str = "/proc/misc";
/// How long a CPU polls before it halts, in ns, where the governor of that name rules.
const HALT_POLL: &str = "/sys/module/haltpoll/parameters/guest_halt_poll_ns";

const WHY: &str = "a packet for a container whose CPU sleeps waits until it is awake: 10 to 20 µs in a VM";

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let look = look("cpu-latency", "all CPUs", REQUESTS);
    let finding = match patient.need.cpu_latency_us {
        Some(max_us) => asked(patient, look, max_us),
        None => not_asked(patient, look),
    };
    vec![finding]
}

fn asked(patient: &Patient, look: Look, max_us: u16) -> Finding {
    if !patient.root.exists(REQUESTS) {
        return look.bad(Warning, "not there: `cpu_latency_us` has no effect", WHY, missing(patient));
    }
    if !has_driver(patient) {
        let found = "no driver puts CPUs to sleep, and none heeds `cpu_latency_us`";
        return look.bad(Warning, found, WHY, missing_driver(patient));
    }
    let deepest_us = deepest_us(patient);
    // What the driver of a VM says of its only sleep is 1 µs, and not what it takes.
    if is_vm(patient) && max_us > 0 && deepest_us <= max_us.into() {
        let found = format!("{max_us} µs forbid no sleep: the deepest one claims {deepest_us}");
        return look.bad(Warning, found, WHY, mend::set_cpu_latency(patient.need, 0));
    }
    look.ok(format!("{max_us} µs at most while there is traffic; the deepest sleep takes {deepest_us}"))
}

/// Bare metal sleeps lightly enough, where `c-states` has nothing to say.
fn not_asked(patient: &Patient, look: Look) -> Finding {
    let polls_first = patient.root.number(HALT_POLL).is_some_and(|ns| ns > 0) && governor(patient) == "haltpoll";
    if patient.need.containers == 0 || !is_vm(patient) || deepest_us(patient) == 0 || polls_first {
        return look.ok("nothing is asked for, and nobody needs it");
    }
    look.bad(Warning, "CPUs halt as soon as they wait", WHY, mend::set_cpu_latency(patient.need, 0))
}

/// The kernel's own device node, where it has one that nobody has made.
fn missing(patient: &Patient) -> String {
    let misc = patient.root.text(MISC).unwrap_or_default();
    let minor = misc.lines().find_map(|line| line.trim().strip_suffix(" cpu_dma_latency"));
    match minor.and_then(|minor| minor.trim().parse::<u32>().ok()) {
        Some(minor) => format!("mknod -m 600 {REQUESTS} c 10 {minor}"),
        None => "apt-get install linux-image-amd64 && reboot".to_owned(),
    }
}

fn missing_driver(patient: &Patient) -> &'static str {
    if is_vm(patient) {
        "modprobe cpuidle-haltpoll force=Y"
    } else {
        "cat /proc/cmdline  # boot without `idle=` and `cpuidle.off=`"
    }
}

fn has_driver(patient: &Patient) -> bool {
    patient.root.text(&format!("{CPUS}/cpuidle/current_driver")).is_some_and(|driver| driver != "none")
}

fn governor(patient: &Patient) -> String {
    patient.root.text(&format!("{CPUS}/cpuidle/current_governor")).unwrap_or_default()
}

fn is_vm(patient: &Patient) -> bool {
    let cpus = patient.root.text("/proc/cpuinfo").unwrap_or_default();
    let flags = cpus.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// What the deepest state that any CPU may enter takes to wake from, in µs; 0 where none sleeps.
fn deepest_us(patient: &Patient) -> u64 {
    let cpus = patient.root.cpus(&format!("{CPUS}/online")).unwrap_or_default();
    let folders = cpus.iter().map(|cpu| format!("{CPUS}/cpu{cpu}/cpuidle"));
    let states = folders.flat_map(|folder| {
        let names = patient.root.names(&folder);
        names.into_iter().map(move |name| format!("{folder}/{name}"))
    });
    let may = |state: &String| patient.root.number(&format!("{state}/disable")) == Some(0);
    let latency_us = |state: String| patient.root.number(&format!("{state}/latency"));
    states.filter(may).filter_map(latency_us).max().unwrap_or(0)
}
