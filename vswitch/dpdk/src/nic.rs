//! What of the work on frames that are sent is left to a device: checksums and segments.

use dpdk_sys::{MILLRACE_TX_IPV4_CKSUM, MILLRACE_TX_L4_CKSUM, MILLRACE_TX_TCP_TSO, MILLRACE_TX_VXLAN_TSO};
use frame::Takes;

use crate::{
    Choice,
    abilities::Abilities,
    eth_port::Nic,
    plan::Plan,
    trial::{Finding, Outcome},
};

/// What the device does, DPDK's bits for it, and why it is so; nothing where its driver is not to be trusted.
pub(crate) fn offloads(abilities: &Abilities, is_trusted: bool) -> (Nic, u64, Choice) {
    let choice = |chosen: &str, why: &str| Choice::new("offloads", chosen, why);
    let has = |bits| abilities.tx_offloads & bits == bits;
    let checksum = has(MILLRACE_TX_L4_CKSUM);
    if !is_trusted {
        let why = match checksum {
            true => "the switch does it in software; the driver offers it: `offloads = true` of the port uses it",
            false => "the switch does it in software; the driver offers none",
        };
        return (Nic::default(), 0, choice("none", why));
    }
    if !checksum {
        let why = "the driver does not offer checksums of TCP and UDP, without which nothing can be left to it";
        return (Nic::default(), 0, choice("none", why).asked(true).short(true));
    }
    let (cuts, why) = match distrusted(&abilities.driver) {
        Some(why) => (false, why),
        None if has(MILLRACE_TX_TCP_TSO) => (true, "the driver offers it"),
        None => (false, "the driver offers no more"),
    };
    let tunnel = cuts && has(MILLRACE_TX_VXLAN_TSO);
    let optional = if has(MILLRACE_TX_IPV4_CKSUM) { MILLRACE_TX_IPV4_CKSUM } else { 0 };
    let bits = MILLRACE_TX_L4_CKSUM
        | optional
        | if cuts { MILLRACE_TX_TCP_TSO } else { 0 }
        | if tunnel { MILLRACE_TX_VXLAN_TSO } else { 0 };
    let takes = Takes { checksum, tcp4: cuts, tcp6: cuts, udp: false, tunnel };
    (Nic { takes, sums_ipv4: optional != 0 }, bits, choice(text(takes), why).asked(true))
}

/// Changes the plan to what is left of it after a trial: `takes`. What came of each kind of packet is a choice of its own.
pub(crate) fn tried(plan: &mut Plan, takes: Takes, findings: &[Finding]) {
    plan.nic.takes = takes;
    let refused: Vec<&str> = findings.iter().filter(|it| it.is_refused()).map(|it| it.kind).collect();
    if let Some(choice) = plan.choices.iter_mut().find(|choice| choice.what == "offloads" && !refused.is_empty()) {
        choice.chosen = text(takes).to_owned();
        choice.why = format!("it fails at what its driver offers ({}): the switch does that", refused.join(", "));
        choice.falls_short = true;
    }
    plan.choices.extend(findings.iter().map(row));
}

fn row(finding: &Finding) -> Choice {
    match &finding.outcome {
        Outcome::Tried => {
            Choice::new(finding.kind, "tried", "the device sent it to itself, and it came back as it should")
        }
        Outcome::Asked => Choice::new(
            finding.kind,
            "asked",
            "not tried: the device does not send to itself, or not in time; its driver takes it",
        ),
        Outcome::Refused(how) => Choice::new(finding.kind, "refused", format!("{how}; the switch does it")),
    }
}

fn text(takes: Takes) -> &'static str {
    match (takes.checksum, takes.tcp4, takes.tcp6, takes.tunnel) {
        (false, ..) => "none",
        (_, false, false, _) => "checksums",
        (_, true, false, _) => "checksums, TCP segments over IPv4",
        (_, false, true, _) => "checksums, TCP segments over IPv6",
        (_, true, true, false) => "checksums, TCP segments",
        (_, true, true, true) => "checksums, TCP segments, both in VXLAN",
    }
}

/// Why a driver's word on cutting segments is not taken, whatever the operator believes.
///
/// A super-frame has up to 64 KiB in one buffer. DPDK has no word for how much of a buffer a device takes at a time, and most
/// drivers write the length as it is into a descriptor, of which Intel's older NICs read 16 or 32 KiB. So those are believed whose
/// source, of DPDK 22.11, says that they are made for it.
fn distrusted(driver: &str) -> Option<&'static str> {
    match driver {
        // A length in a virtqueue has 32 bits, and so has one of a mlx5 or mlx4 work queue.
        "net_virtio" | "net_virtio_user" | "mlx5_pci" | "net_mlx4" => None,
        // They spread a buffer over descriptors of less than 16 KiB: *_MAX_DATA_PER_TXD.
        "net_i40e" | "net_ice" | "net_ice_dcf" | "net_iavf" => None,
        // rte_gso: IPv6 is not cut, and lost; 64 segments are the most.
        "net_tap" => Some("net_tap cuts in software, 64 segments of IPv4 at most, and loses what it does not cut"),
        // They write the length of a buffer, of 16 bits, into 14 bits of a descriptor.
        "net_vmxnet3" | "net_enic" => Some("its driver garbles packets of more than 16 KiB in one buffer"),
        _ => Some("its driver is not known to take packets of up to 64 KiB in one buffer, to be cut"),
    }
}
