//! Control's side of one queue pair: what a worker was told, and what it has not answered yet.

use super::plan::{RingPlan, Start};
use crate::{
    Bell, Fault, RingIndex,
    pair::{Order, Pair, PairControl, Report},
};

/// Where a ring stood when it was last given back.
#[derive(Clone, Copy, Debug)]
struct Stood {
    run: u64,
    base: u32,
}

/// One queue pair.
pub(super) struct Desk {
    /// Its rings: to the guest, from the guest.
    pub(super) rings: [RingIndex; 2],
    control: PairControl,
    /// What wakes its guest.
    pub(super) bell: Bell,
    /// What the worker was last told of each ring.
    pub(super) plans: [Option<RingPlan>; 2],
    /// Installations not yet answered.
    open: u32,
    stood: [Option<Stood>; 2],
}

impl Desk {
    pub(super) fn new(pair: u16, control: PairControl, bell: Bell) -> Desk {
        let rings = [RingIndex(2 * pair), RingIndex(2 * pair + 1)];
        Desk { rings, control, bell, plans: [None, None], open: 0, stood: [None, None] }
    }

    /// Whether the worker has answered everything.
    pub(super) fn is_quiet(&self) -> bool {
        self.open == 0
    }

    /// Takes the worker's answers. Rings it gave back are let go of here, with all that they lie in.
    pub(super) fn hear(&mut self) -> Option<Fault> {
        let mut found = None;
        while let Some(report) = self.control.recv() {
            match report {
                Report::Installed(old) => {
                    self.open -= 1;
                    self.remember(&old);
                }
                Report::Fault(ring, fault) => found = found.or(Some(Fault::Ring { ring, fault })),
            }
        }
        found
    }

    fn remember(&mut self, old: &Pair) {
        for held in old.rings() {
            let side = usize::from(held.ring != self.rings[0]);
            self.stood[side] = Some(Stood { run: held.run, base: held.queue.base() });
        }
    }

    /// Where a ring stands that was given back after its start number `run`.
    fn stood(&self, ring: RingIndex, run: u64) -> Option<u32> {
        let side = self.rings.iter().position(|&own| own == ring)?;
        self.stood[side].filter(|stood| stood.run == run).map(|stood| stood.base)
    }

    /// The same, and forgets it: the start is over.
    pub(super) fn take_stood(&mut self, ring: RingIndex, run: u64) -> Option<u32> {
        let base = self.stood(ring, run)?;
        self.stood[usize::from(ring != self.rings[0])] = None;
        Some(base)
    }

    /// Where the ring on this side is to begin by `plan`.
    pub(super) fn start(&self, side: usize, plan: &RingPlan) -> Start {
        if self.plans[side].as_ref().is_some_and(|held| held.run() == plan.run()) {
            return Start::Running;
        }
        self.stood(self.rings[side], plan.run()).map_or(Start::Anew, Start::Stood)
    }

    /// Gives the worker these rings instead of those it has.
    pub(super) fn install(&mut self, pair: Pair, plans: [Option<RingPlan>; 2]) {
        // There is room: control waits for the answer before it installs the next, but for the end of a session, and
        // announcements leave some.
        match self.control.send(Order::Install(Box::new(pair))) {
            Ok(()) => self.open += 1,
            Err(_) => unreachable!("a mailbox has room for a change and its end"),
        }
        self.plans = plans;
    }

    /// Takes all rings from the worker.
    pub(super) fn clear(&mut self) {
        if self.plans.iter().any(Option::is_some) {
            self.install(Pair::default(), [None, None]);
        }
    }

    /// Forgets where the rings of the last front end stood, once the worker has given them back.
    pub(super) fn forget(&mut self) {
        self.stood = [None, None];
    }

    /// Asks for an announcement; one that finds no room is not worth waiting for.
    pub(super) fn announce(&mut self, mac: [u8; 6]) {
        if self.control.unread() < 4 {
            let _ = self.control.send(Order::Announce(mac));
        }
    }
}
