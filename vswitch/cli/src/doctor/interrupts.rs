//! Interrupts of devices that may come to a worker's CPU.

use super::{
    Patient,
    cpu_set::CpuSet,
    finding::{Finding, Severity::Warning, look},
    mend,
};

/// Interrupts named in a finding; the command names all.
const NAMED_MAX: usize = 6;

/// One interrupt.
struct Irq {
    number: u32,
    name: String,
}

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    if patient.need.cpus.is_empty() {
        return Vec::new();
    }
    let look = look("irq", format!("CPU {}", patient.need.cpus), "/proc/irq/*/smp_affinity_list");
    let numbers = patient.root.names("/proc/irq");
    let mut numbers: Vec<u32> = numbers.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    let irqs: Vec<Irq> = numbers.iter().filter(|&&irq| comes(patient, irq)).map(|&irq| named(patient, irq)).collect();
    if irqs.is_empty() {
        return vec![look.ok(format!("none of {} interrupts comes there", numbers.len()))];
    }
    let found = format!("{} of {} interrupts may come there: {}", irqs.len(), numbers.len(), list(&irqs));
    vec![look.bad(Warning, found, "each one takes microseconds from a worker that polls", mend(patient, &irqs))]
}

/// Whether an interrupt may come to a worker. Where the kernel keeps managed interrupts off isolated CPUs, what counts is
/// where they go, not where they might.
fn comes(patient: &Patient, irq: u32) -> bool {
    let cpus = |name: &str| patient.root.cpus(&format!("/proc/irq/{irq}/{name}")).unwrap_or_default();
    let meets = |cpus: &CpuSet| !cpus.and(&patient.need.cpus).is_empty();
    let goes = cpus("effective_affinity_list");
    let isolcpus = patient.root.boot_parameter("isolcpus").unwrap_or_default();
    let kept_off = isolcpus.split(',').any(|flag| flag == "managed_irq") && !goes.is_empty() && !meets(&goes);
    meets(&cpus("smp_affinity_list")) && !kept_off
}

/// The kernel makes a folder named for whoever asked for the interrupt.
fn named(patient: &Patient, number: u32) -> Irq {
    let names = patient.root.names(&format!("/proc/irq/{number}"));
    let is_file = |name: &String| ["affinity", "node", "spurious"].iter().any(|word| name.contains(word));
    let name = names.into_iter().find(|name| !is_file(name)).unwrap_or_default();
    Irq { number, name }
}

fn list(irqs: &[Irq]) -> String {
    let one = |irq: &Irq| format!("{} {}", irq.number, irq.name).trim_end().to_owned();
    let mut text = irqs.iter().take(NAMED_MAX).map(one).collect::<Vec<_>>().join(", ");
    if irqs.len() > NAMED_MAX {
        text.push_str(", …");
    }
    text
}

fn mend(patient: &Patient, irqs: &[Irq]) -> String {
    let rest = patient.topology.online.without(&patient.need.cpus);
    if rest.is_empty() {
        return mend::move_workers(patient.need, &patient.topology, None);
    }
    let numbers: Vec<String> = irqs.iter().map(|irq| irq.number.to_string()).collect();
    let numbers = numbers.join(" ");
    let balancer = if patient.root.runs("irqbalance") { "systemctl disable --now irqbalance; " } else { "" };
    format!("{balancer}for irq in {numbers}; do echo {rest} > /proc/irq/$irq/smp_affinity_list; done")
}
