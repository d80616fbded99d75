//! What control and a worker hand each other: a queue pair's rings, and word of how they do.

use sync::{ControlEnd, WorkerEnd, mailbox};

use crate::{Queue, RingFault, RingIndex};

/// Orders that may wait for a worker: a change and the one that undoes it, and announcements.
const MAIL: usize = 8;

/// One ring in a worker's hands.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) queue: Queue,
    pub(crate) ring: RingIndex,
    /// The start it belongs to (see [`crate::Vring::run`]).
    pub(crate) run: u64,
}

/// The rings of a queue pair that may move frames now.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    pub(crate) to_guest: Option<Held>,
    pub(crate) from_guest: Option<Held>,
}

impl Pair {
    /// Whatever rings it has.
    pub(crate) fn rings(&self) -> impl Iterator<Item = &Held> {
        self.to_guest.iter().chain(&self.from_guest)
    }

    /// Goes on where `old` stands, ring by ring, where both are of one start.
    pub(crate) fn resume(&mut self, old: &Pair) {
        for (new, old) in [(&mut self.to_guest, &old.to_guest), (&mut self.from_guest, &old.from_guest)] {
            if let (Some(new), Some(old)) = (new, old)
                && new.run == old.run
            {
                new.queue.resume(&old.queue);
            }
        }
    }
}

/// What control tells a worker.
#[derive(Debug)]
pub(crate) enum Order {
    /// Work with these rings from now on, and give the others back.
    Install(Box<Pair>),
    /// Let the network learn of the guest with this MAC.
    Announce([u8; 6]),
}

/// What a worker tells control.
#[derive(Debug)]
pub(crate) enum Report {
    /// The rings it worked with before; it does not touch them any more.
    Installed(Box<Pair>),
    /// What a driver did wrong. The pair rests until other rings come.
    Fault(RingIndex, RingFault),
}

pub(crate) type PairControl = ControlEnd<Order, Report>;
pub(crate) type PairWorker = WorkerEnd<Order, Report>;

/// The two ends of one queue pair.
pub(crate) fn pair() -> (PairControl, PairWorker) {
    mailbox(MAIL)
}
