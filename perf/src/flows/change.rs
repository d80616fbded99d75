//! What changes elsewhere cost packets whose flows do not rest on what changes.

use std::sync::Arc;

use datapath::{Guard, Role, Snapshot};
use serde::Serialize;
use wire::{HashKey, Mac};

use crate::flows::{
    Scale,
    clock::{Beyond, Cost, Window},
    load::{shuffled, side, square},
    switch::{LEFT, RIGHT, Size, Switch, Wanders, picture},
};
use crate::random::Random;

const BURST: usize = 32;

/// Flows of the load.
const FLOWS: usize = 100_000;

/// Length of a window: with one change in each there are a thousand a second.
const WINDOW_NS: f64 = 1e6;

/// What changes, a thousand times a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// A snapshot comes that says nothing new of networks, ports and members: what becomes of a route.
    Route,
    /// The guard of a port of another network.
    Policy,
    /// A MAC of another network moves.
    MacElsewhere,
    /// A MAC of the same network moves, which the flows have nothing to do with.
    MacBeside,
    /// A station of the same network is heard for the first time.
    MacNew,
}

impl Change {
    pub(crate) const ALL: [Change; 5] =
        [Change::Route, Change::Policy, Change::MacElsewhere, Change::MacBeside, Change::MacNew];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Change::Route => "route",
            Change::Policy => "policy of another network",
            Change::MacElsewhere => "MAC moves in another network",
            Change::MacBeside => "MAC moves in the same network",
            Change::MacNew => "new MAC in the same network",
        }
    }

    fn wanders(self) -> Wanders {
        if matches!(self, Change::MacBeside | Change::MacNew) { Wanders::Here } else { Wanders::Elsewhere }
    }
}

/// What packets cost with and without changes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Changed {
    pub(crate) change: Change,
    pub(crate) quiet: Cost,
    pub(crate) changing: Cost,
    /// How much more, as a share: each window with a change beside the two quiet ones around it, so that one speed of the machine
    /// is compared with itself.
    pub(crate) more: f64,
    /// Whether enough windows count for that.
    pub(crate) sound: bool,
    /// Flows decided about anew.
    pub(crate) redecided: u64,
}

/// A load of known flows, in windows with and without a change by turns.
pub(crate) fn measure(change: Change, scale: &Scale) -> Changed {
    let mut bench = Bench::new(change, scale);
    let frames = bench.frames_of_a_window();
    let before = bench.switch.counts().flow_redecided;
    let mut quiet = vec![Window::of(|| bench.switch.carry(frames, BURST))];
    let mut changing = Vec::new();
    for nth in 1..=scale.windows as u32 {
        let snapshot = bench.next_snapshot(nth);
        changing.push(Window::of(|| {
            bench.make(nth, snapshot);
            bench.switch.carry(frames, BURST)
        }));
        // Once through all flows: what the change has left to do is not charged to those who have none.
        bench.switch.carry(FLOWS, BURST);
        quiet.push(Window::of(|| bench.switch.carry(frames, BURST)));
    }
    let redecided = bench.switch.counts().flow_redecided - before;
    let more = Beyond::of(&changing, &quiet);
    let (quiet, changing) = (Cost::of(&quiet), Cost::of(&changing));
    Changed { change, quiet, changing, more: more.floors, sound: more.is_sound(), redecided }
}

struct Bench {
    change: Change,
    switch: Switch,
}

impl Bench {
    fn new(change: Change, scale: &Scale) -> Bench {
        let size = Size {
            flows_max: 4 * FLOWS,
            receivers: side(FLOWS),
            burst: BURST,
            hash_key: HashKey::random(),
            huge: scale.hugepages,
        };
        let mut switch = Switch::new(&size, change.wanders());
        switch.know(shuffled(square(FLOWS), &mut Random::new(scale.seed)), BURST);
        Bench { change, switch }
    }

    fn frames_of_a_window(&mut self) -> usize {
        let windows: Vec<_> = (0..32).map(|_| Window::of(|| self.switch.carry(8192, BURST))).collect();
        (WINDOW_NS / Cost::of(&windows).ns.max(1.0)) as usize
    }

    /// The snapshot of the nth change, made beforehand: control makes it, on another CPU.
    fn next_snapshot(&self, nth: u32) -> Option<Arc<Snapshot>> {
        let stamp = u64::from(nth) + 1;
        let snapshot = Snapshot { generation: stamp, ..picture(side(FLOWS), self.change.wanders()) };
        match self.change {
            Change::Route => Some(Arc::new(snapshot)),
            Change::Policy => Some(Arc::new(with_guard(snapshot, stamp))),
            Change::MacElsewhere | Change::MacBeside | Change::MacNew => None,
        }
    }

    fn make(&mut self, nth: u32, snapshot: Option<Arc<Snapshot>>) {
        if let Some(snapshot) = snapshot {
            return self.switch.install(snapshot);
        }
        let port = if nth.is_multiple_of(2) { LEFT } else { RIGHT };
        self.switch.feed(port).wander(if self.change == Change::MacNew { nth } else { 0 });
    }
}

/// Another guard at a port that the load has nothing to do with.
fn with_guard(mut snapshot: Snapshot, stamp: u64) -> Snapshot {
    if let Some(Some(port)) = snapshot.ports.get_mut(LEFT.index()) {
        let macs = Some(vec![Mac::from_u64(0x0200_0000_0000 | stamp)]);
        (port.generation, port.role) = (stamp, Role::Access { guard: Guard { macs, addresses: None } });
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_elsewhere_make_nobody_decide_again() {
        for change in Change::ALL {
            let scale = Scale { windows: 3, ..Scale::tiny() };
            let mut bench = Bench::new(change, &scale);
            let before = bench.switch.counts();
            for nth in 1..=scale.windows as u32 {
                let snapshot = bench.next_snapshot(nth);
                bench.make(nth, snapshot);
                bench.switch.carry(FLOWS / 4, BURST);
            }
            let after = bench.switch.counts();
            let own = if change == Change::MacBeside || change == Change::MacElsewhere { 1 } else { 0 };
            assert_eq!(after.flow_redecided - before.flow_redecided, own, "{change:?}");
            assert!(after.mac_moved + after.mac_learned >= before.mac_moved + before.mac_learned);
        }
    }
}
