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
        let why = "checksums and segmentation are not carried through the switch yet";
        rows.push(row("offloads", "not offered".to_owned(), why.to_owned(), false));
        let rings: Vec<String> = status.rings.iter().map(|(ring, size)| format!("{ring}:{size}")).collect();
        rows.push(row("rings", rings.join(" "), "number and descriptors; even ones go to the guest".to_owned(), false));
    }
    rows
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
