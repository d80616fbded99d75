//! A worker's private books of the turn, and their publication.

use crate::{Books, DropReason, PORTS_MAX, PortId, PortReading, REASONS, WorkerId, WorkerReading};

/// Private, plain counters; cumulative, so that publishing is copying.
pub(crate) struct Tally {
    pub(crate) worker: WorkerReading,
    ports: Vec<PortReading>,
    /// Ports that changed since the last publication, and whether each stands in the list already.
    dirty: Vec<PortId>,
    is_dirty: Vec<bool>,
    drops_dirty: bool,
    /// Turns whose books a reader has kept from being published.
    turns_withheld: u32,
    /// When the books were published last: frames received by then, and turns that had ended.
    published: (u64, u64),
}

/// Frames received, or turns, after which the books of a busy worker are published again: what many small bursts leave in
/// them costs as much as what one large one does. These are microseconds; a worker with nothing to do publishes at once.
const FRAMES_A_PUBLICATION: u64 = 32;
const TURNS_A_PUBLICATION: u64 = 8;

/// Turns that may be withheld for a reader: milliseconds of a busy worker.
const WITHHELD_MAX: u32 = 4096;

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            worker: WorkerReading::default(),
            ports: vec![PortReading::default(); PORTS_MAX],
            dirty: Vec::with_capacity(PORTS_MAX),
            is_dirty: vec![false; PORTS_MAX],
            drops_dirty: false,
            turns_withheld: 0,
            published: (0, 0),
        }
    }

    /// The counters of `port`, to be changed.
    #[inline]
    pub(crate) fn port(&mut self, port: PortId) -> &mut PortReading {
        if !self.is_dirty[port.index()] {
            self.is_dirty[port.index()] = true;
            self.dirty.push(port);
        }
        &mut self.ports[port.index()]
    }

    /// Books that a frame that came in by `port` waits in the worker's hands.
    #[inline]
    pub(crate) fn hold(&mut self, port: PortId) {
        self.worker.held += 1;
        self.port(port).held += 1;
    }

    /// Books that it does no more.
    #[inline]
    pub(crate) fn release(&mut self, port: PortId) {
        self.worker.held -= 1;
        self.port(port).held -= 1;
    }

    /// Books a drop of a frame (or copy) that came in by `port`.
    #[inline]
    pub(crate) fn drop_from(&mut self, port: PortId, reason: DropReason) {
        self.port(port).dropped[reason.index()] += 1;
        self.drop_unattributed(reason, 1);
    }

    /// Books drops of frames on their way out, whose ingress port has already booked them as forwarded.
    #[inline]
    pub(crate) fn drop_unattributed(&mut self, reason: DropReason, frames: u64) {
        self.worker.dropped[reason.index()] += frames;
        self.drops_dirty = true;
    }

    /// Tells others that a turn begins.
    #[inline]
    pub(crate) fn begin_turn(&mut self, books: &Books, id: WorkerId) {
        self.worker.turns_begun = self.worker.turns + 1;
        books.worker(id).turns_begun.set(self.worker.turns_begun);
    }

    /// Whether enough has happened for others to be told.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        let (rx, turns) = self.published;
        self.worker.rx - rx >= FRAMES_A_PUBLICATION || self.worker.turns - turns >= TURNS_A_PUBLICATION
    }

    /// Copies what changed to where others can read it.
    #[inline(never)]
    pub(crate) fn publish(&mut self, books: &Books, id: WorkerId) {
        // The books stand still for a reader, but not for one that never ends.
        if books.are_read(id) && self.turns_withheld < WITHHELD_MAX {
            self.turns_withheld += 1;
            return;
        }
        self.turns_withheld = 0;
        self.published = (self.worker.rx, self.worker.turns);
        let sequence = books.sequence(id);
        sequence.begin_write();
        // Whoever books a drop says so, and marks its port: where nothing was dropped there is nothing new by reason.
        let drops = if std::mem::take(&mut self.drops_dirty) { REASONS } else { 0 };
        // A worker that is alone hands nothing to anybody.
        let workers = if books.workers() > 1 { books.workers() } else { 0 };
        books.worker(id).write(&self.worker, drops, workers);
        for port in self.dirty.drain(..) {
            self.is_dirty[port.index()] = false;
            books.port(id, port).write(&self.ports[port.index()], drops, 0);
        }
        sequence.end_write();
    }
}
