//! One change of configuration on its way: what it opens, what it must close first, and how far it is.

use std::{collections::BTreeMap, time::Duration};

use crate::config::{Kind, Name, Port, Sourced};

/// Names a transaction to whoever waits for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// A transaction under way.
pub(super) struct Transaction {
    pub(super) ticket: Ticket,
    /// What it brings into force, and who ordered it, where known.
    pub(super) source: Sourced,
    pub(super) uid: Option<u32>,
    pub(super) plan: Plan,
    pub(super) stage: Stage,
    /// The answer, once it is through.
    pub(super) answer: api::Applied,
    /// When it was last seen to advance, and whether a worker's delay was complained about since.
    pub(super) since: Duration,
    pub(super) is_overdue: bool,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Queues of devices that are in the way of new ones come back from the workers. It can still fail.
    Vacating,
    /// The workers take up the snapshot of that generation.
    Installing(u64),
    /// Queues go to, and come back from, the workers.
    Settling,
}

/// What happens to devices. Ports that are in none of the lists are not touched.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// New, and nobody in the way.
    pub(super) open_first: Vec<Port>,
    /// Open ones that a new one cannot be opened beside: the same port anew, or a removed one with the same device.
    pub(super) vacate: Vec<Port>,
    /// New, and openable when `vacate` is closed.
    pub(super) open_later: Vec<Port>,
    /// Changed while open: as it was, as it shall be.
    pub(super) change: Vec<(Port, Port)>,
}

/// What a port occupies outside of the switch: only one open port can have each.
fn places(port: &Port) -> Vec<String> {
    let attached = port.kind.attached_to().map(|interface| format!("attached to {interface}"));
    let own = match &port.kind {
        Kind::Eth { device } => device.split(',').next().unwrap_or_default().to_owned(),
        Kind::Tap { netns, interface } => format!("{netns:?} {interface}"),
        Kind::VhostUser { socket, .. } => format!("socket {}", socket.display()),
    };
    attached.into_iter().chain([own]).collect()
}

impl Plan {
    /// The plan that leads from the ports `old` to the ports `new`; `reopens` says which of both must be opened anew.
    pub(super) fn new(old: &[Port], new: &[Port], reopens: impl Fn(&Port, &Port) -> bool) -> Plan {
        let old_by_name: BTreeMap<&Name, &Port> = old.iter().map(|port| (&port.name, port)).collect();
        let leaves = |port: &Port| match new.iter().find(|other| other.name == port.name) {
            Some(other) => reopens(port, other),
            None => true,
        };
        let leaving = old.iter().filter(|port| leaves(port));
        let left: BTreeMap<String, &Port> =
            leaving.flat_map(|port| places(port).into_iter().map(move |place| (place, port))).collect();
        let mut plan = Plan::default();
        for port in new {
            let same_name = old_by_name.get(&port.name).copied();
            match same_name {
                Some(before) if !reopens(before, port) => {
                    if (before.mtu, before.mac, &before.addresses) != (port.mtu, port.mac, &port.addresses) {
                        plan.change.push((before.clone(), port.clone()));
                    }
                }
                _ => {
                    let in_the_way = places(port).into_iter().filter_map(|place| left.get(&place).copied());
                    plan.add(port, same_name.into_iter().chain(in_the_way));
                }
            }
        }
        plan
    }

    /// Opens `port`, after those that have its name or one of its places are closed.
    fn add<'p>(&mut self, port: &Port, in_the_way: impl Iterator<Item = &'p Port>) {
        let mut is_free = true;
        for other in in_the_way {
            is_free = false;
            if !self.vacate.iter().any(|leaving| leaving.name == other.name) {
                self.vacate.push(other.clone());
            }
        }
        let open = if is_free { &mut self.open_first } else { &mut self.open_later };
        open.push(port.clone());
    }
}
