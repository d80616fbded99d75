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
        None if has(MILLRACE_TX_TCP_TSO) => (true, "the driver offers it and is trusted"),
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
fn distrusted(driver: &str) -> Option<&'static str> {
    match driver {
        // rte_gso: IPv6 is not cut, and lost; 64 segments are the most.
        "net_tap" => Some("net_tap cuts in software, 64 segments of IPv4 at most, and loses what it does not cut"),
        // It writes the length of a buffer, of 16 bits, into 14 bits of a descriptor; super-frames have up to 64 KiB in one.
        "net_vmxnet3" => Some("the driver of vmxnet3 garbles packets of more than 16 KiB in one buffer"),
        _ => None,
    }
}
