//! What there is to say of a vhost-user port's guest: in the log, and in `show ports`.

use std::time::Instant;

use api::{ChoiceRow, Link};
use vhost::{Features, State, Status};

/// Tells in the log what has changed.
pub(crate) fn tell(port: &str, before: &Status, now: &Status) {
    if now.faults > before.faults
        && let Some(fault) = &now.last_fault
    {
        log::warn!("port {port}: its guest is quarantined: {fault} (fault {})", now.faults);
    }
    match (before.state, now.state) {
        (was, is) if was == is => {}
        (_, State::Connected { active: 0 }) => log::debug!("port {port}: a front end is connected"),
        (_, State::Connected { active }) => {
            log::info!("port {port}: {active} rings of its guest are in use: {}", now.features)
        }
        (State::Connected { .. }, State::Waiting) => log::info!("port {port}: its guest is gone"),
        (_, State::Waiting | State::Quarantined) => {}
    }
}

/// Whether frames can move.
pub(crate) fn link(status: &Status) -> Link {
    match status.state {
        State::Connected { active } if active > 0 => Link::Up,
        _ => Link::Down,
    }
}

/// The guest's state, what was agreed on with it and what not, and its rings, for `show ports --detail`.
pub(crate) fn choices(status: &Status, now: Instant) -> Vec<ChoiceRow> {
    let mut rows = vec![standing(status, now)];
    if let State::Connected { .. } = status.state {
        let missing = status.offered.without(status.features);
        let why = if missing == Default::default() {
            "all that is offered".to_owned()
        } else {
            format!("not taken by the guest: {missing}")
        };
        rows.push(row("features", status.features.to_string(), why, false));
        if !status.offered.has(Features::MQ) {
            let why = "the port has one queue pair; more are had by `queues`";
            rows.push(row("mq", "not offered".to_owned(), why.to_owned(), false));
        }
        let (chosen, why) = offloads(status.offered, status.features);
        rows.push(row("offloads", chosen, why.to_owned(), false));
        let rings: Vec<String> = status.rings.iter().map(|(ring, size)| format!("{ring}:{size}")).collect();
        rows.push(row("rings", rings.join(" "), "number and descriptors; even ones go to the guest".to_owned(), false));
    }
    rows
}

/// What switch and guest leave to each other, in words, and why it is not more.
fn offloads(offered: Features, agreed: Features) -> (String, &'static str) {
    let chosen = format!("to the guest: {}; from it: {}", to_guest(agreed), from_guest(agreed));
    let why = if !offered.has(Features::CHECKSUMS) {
        "the port has `offloads = false`"
    } else if !offered.has(Features::TO_GUEST | Features::FROM_GUEST) {
        "there is no buffer for super-frames: [memory] super_frames"
    } else {
        "what the guest has taken of `features`"
    };
    (chosen, why)
}

/// A guest that does not know of shrinking windows is not given segments: see `ring/net_header.rs` of `vhost`.
fn to_guest(agreed: Features) -> &'static str {
    let tcp = |family| agreed.has(Features::GUEST_CSUM | Features::GUEST_ECN | family);
    left(agreed.has(Features::GUEST_CSUM), tcp(Features::GUEST_TSO4), tcp(Features::GUEST_TSO6))
}

fn from_guest(agreed: Features) -> &'static str {
    let tcp = |family| agreed.has(Features::CSUM | family);
    left(agreed.has(Features::CSUM), tcp(Features::HOST_TSO4), tcp(Features::HOST_TSO6))
}

fn left(checksums: bool, tcp4: bool, tcp6: bool) -> &'static str {
    match (checksums, tcp4, tcp6) {
        (false, ..) => "none",
        (true, false, false) => "checksums",
        (true, true, false) => "checksums, TCP segments over IPv4",
        (true, false, true) => "checksums, TCP segments over IPv6",
        (true, true, true) => "checksums, TCP segments",
    }
}

fn row(what: &str, chosen: String, why: String, falls_short: bool) -> ChoiceRow {
    ChoiceRow { what: what.to_owned(), asked: None, chosen, why, falls_short }
}

/// Whether a guest is there, and what it did wrong.
fn standing(status: &Status, now: Instant) -> ChoiceRow {
    let mut why = match &status.last_fault {
        Some(fault) => format!("at fault {} time(s), last: {fault}", status.faults),
        None => "never at fault".to_owned(),
    };
    if let Some(until) = status.quarantined_until {
        let left = until.saturating_duration_since(now);
        why.push_str(&format!("; may come back in {:.1} s", left.as_secs_f64()));
    }
    let (state, short) = match status.state {
        State::Waiting => ("waiting for a front end".to_owned(), false),
        State::Connected { active } => (format!("connected, {active} rings in use"), false),
        State::Quarantined => ("quarantined".to_owned(), true),
    };
    row("guest", state, why, short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offloads_are_told_for_each_direction_with_the_reason_why_there_are_no_more() {
        let all = Features::CHECKSUMS | Features::TO_GUEST | Features::FROM_GUEST;
        let some = Features::CHECKSUMS | Features::GUEST_TSO4 | Features::HOST_TSO6;
        for (offered, agreed, chosen, why) in [
            (all, all, "to the guest: checksums, TCP segments; from it: checksums, TCP segments", "has taken"),
            (all, some, "to the guest: checksums; from it: checksums, TCP segments over IPv6", "has taken"),
            (all, Features::CSUM, "to the guest: none; from it: checksums", "has taken"),
            (Features::CHECKSUMS, Features::CHECKSUMS, "to the guest: checksums; from it: checksums", "super_frames"),
            (Features::MTU, Features::MTU, "to the guest: none; from it: none", "`offloads = false`"),
        ] {
            let (said, reason) = offloads(offered, agreed);
            assert_eq!(said, chosen);
            assert!(reason.contains(why), "{reason}");
        }
    }
}
