//! The queue pairs a worker holds, and what waits in front of each to be sent.

use frame::{BURST_MAX, Burst, Frame, Pool, Port};

use wire::{gro::Row, gso::Cut};

use crate::{
    Cause, PORTS_MAX, PortId,
    feature::{
        gro,
        gso::{self, Work},
    },
    lookout::Lookout,
    tally::Tally,
};

/// One queue pair and the frames that will leave by it: of this turn, and of those before it where the port gathers them.
struct Lane<P> {
    queue: P,
    waiting: Burst,
    /// What the first frame that waits is part of, where more may come to it: the rest of a full lane was sent before it.
    row: Option<Row>,
}

/// All queue pairs a worker holds, by port.
pub(crate) struct Lanes<P> {
    /// One place for every port there can be, made once: attaching a port allocates nothing.
    lanes: Vec<Option<Lane<P>>>,
    /// Ports held, but for those that are silenced.
    held: Vec<PortId>,
    /// Frames fetched from one port before the next is asked.
    burst: usize,
    /// The place among those polled of whom the next turn polls first, so that nobody is always last.
    first: usize,
    /// The place in `held` of the port whose device was asked last.
    asked: usize,
    /// Lanes with frames waiting.
    loaded: Vec<PortId>,
    /// Frames that wait for others from one turn to the next, as they were booked last.
    gathered: u64,
    /// Which of the ports held are polled.
    pub(crate) lookout: Lookout,
}

impl<P: Port> Lanes<P> {
    pub(crate) fn new(burst: usize) -> Self {
        Lanes {
            lanes: (0..PORTS_MAX).map(|_| None).collect(),
            held: Vec::with_capacity(PORTS_MAX),
            burst: burst.clamp(1, BURST_MAX),
            first: 0,
            asked: 0,
            loaded: Vec::with_capacity(PORTS_MAX),
            gathered: 0,
            lookout: Lookout::new(),
        }
    }

    /// Takes a queue pair, or gives it back where the port has one here or its number is out of range.
    pub(crate) fn attach(&mut self, port: PortId, queue: P) -> Result<(), P> {
        match self.lanes.get_mut(port.index()) {
            Some(slot @ None) => {
                *slot = Some(Lane { queue, waiting: Burst::new(), row: None });
                self.held.push(port);
                self.lookout.came(port);
                Ok(())
            }
            _ => Err(queue),
        }
    }

    /// Receives nothing more from `port`; what is for it is sent on.
    pub(crate) fn silence(&mut self, port: PortId) {
        self.held.retain(|&p| p != port);
        self.lookout.silence(port);
        self.first = 0;
    }

    /// Sends what waits for `port` and gives its queue pair back.
    pub(crate) fn detach(&mut self, port: PortId, tally: &mut Tally, pool: &mut impl Pool) -> Option<P> {
        self.flush_one(port, tally, pool);
        self.silence(port);
        self.loaded.retain(|&p| p != port);
        let lane = self.lanes.get_mut(port.index())?.take()?;
        self.lookout.left(port);
        Some(lane.queue)
    }

    /// Lets `watch` watch the queue pairs that nobody watches yet; it says which of them it does.
    pub(crate) fn watch(&mut self, mut watch: impl FnMut(PortId, &P) -> bool) {
        for &port in &self.held {
            if let Some(lane) = &self.lanes[port.index()]
                && !self.lookout.is_watched(port)
            {
                self.lookout.watch(port, watch(port, &lane.queue));
            }
        }
    }

    /// Nobody watches any more.
    pub(crate) fn unwatch(&mut self) {
        self.held.iter().for_each(|&port| self.lookout.watch(port, false));
    }

    /// Polls ports in turn until `burst` is full; says how many frames came from each. Whether as many came
    /// as one port is asked for, so that there may be more.
    #[inline]
    pub(crate) fn receive(&mut self, burst: &mut Burst, mut each: impl FnMut(PortId, usize)) -> bool {
        let polled = self.lookout.polled();
        let (later, sooner) = polled.split_at(self.first.min(polled.len()));
        let mut is_any_dry = false;
        for (step, port) in sooner.iter().chain(later).enumerate() {
            let room = burst.room();
            if room == 0 {
                self.first = (self.first + step) % polled.len();
                return true;
            }
            let Some(lane) = &mut self.lanes[port.index()] else { continue };
            let received = lane.queue.rx_burst(burst, room.min(self.burst));
            if received > 0 {
                each(*port, received);
            } else {
                is_any_dry |= lane.queue.is_dry();
            }
        }
        if is_any_dry {
            let Lanes { lanes, lookout, .. } = self;
            lookout.dismiss(|port| lanes[port.index()].as_ref().is_some_and(|lane| lane.queue.is_dry()));
        }
        burst.len() >= self.burst
    }

    /// Whether something waits for a port that takes super-frames: what else comes may be merged with it.
    #[inline]
    pub(crate) fn may_merge(&self) -> bool {
        let lanes = self.loaded.iter().filter_map(|port| self.lanes[port.index()].as_ref());
        lanes.into_iter().any(|lane| gro::suits(lane.queue.takes()))
    }

    /// Queues `frame` for `port`, which should be served here.
    pub(crate) fn place(&mut self, port: PortId, frame: Frame, tally: &mut Tally, pool: &mut impl Pool) {
        if let Err(frame) = self.offer_any(port, frame, tally, pool) {
            tally.drop_unattributed(Cause::TxUnserved.into(), 1);
            pool.release_one(frame);
        }
    }

    /// As [`Lanes::offer`], for any frame: what its sender left to be done and the port does not do is done first.
    #[inline]
    pub(crate) fn offer_any(
        &mut self,
        port: PortId,
        frame: Frame,
        tally: &mut Tally,
        pool: &mut impl Pool,
    ) -> Result<(), Frame> {
        if frame.is_unfinished() {
            self.offer_unfinished(port, frame, tally, pool)
        } else {
            self.offer(port, frame, tally, pool)
        }
    }

    #[inline(never)]
    fn offer_unfinished(
        &mut self,
        port: PortId,
        mut frame: Frame,
        tally: &mut Tally,
        pool: &mut impl Pool,
    ) -> Result<(), Frame> {
        let Some(Some(lane)) = self.lanes.get(port.index()) else { return Err(frame) };
        match gso::finish(&mut frame, lane.queue.takes()) {
            Ok(Work::Done) => return self.offer(port, frame, tally, pool),
            Ok(Work::Cut(layout, segment)) => {
                if let Some(cut) = Cut::new(frame.data(), layout, segment) {
                    self.offer_segments(port, &cut, tally, pool);
                }
            }
            Err(cause) => tally.drop_unattributed(cause.into(), 1),
        }
        pool.release_one(frame);
        Ok(())
    }

    /// Queues the segments of a super-frame, all but the first of which are booked as new frames; where the pool has no more
    /// buffers, what is left of the super-frame is dropped as one.
    fn offer_segments(&mut self, port: PortId, cut: &Cut<'_>, tally: &mut Tally, pool: &mut impl Pool) {
        let count = cut.count();
        for nth in 0..count {
            let Some(segment) = gso::segment(cut, nth, pool) else {
                tally.worker.split += nth as u64;
                return tally.drop_unattributed(Cause::SplitOutOfFrames.into(), 1);
            };
            if let Err(segment) = self.offer(port, segment, tally, pool) {
                pool.release_one(segment); // the lane is there: it was asked what it takes
            }
        }
        tally.worker.split += count as u64 - 1;
    }

    /// Queues `frame` for `port`, or gives it back where the port is not served here; a full lane is sent at once. The frame
    /// has nothing left to be done, or nothing that the port does not do.
    #[inline(always)]
    pub(crate) fn offer(
        &mut self,
        port: PortId,
        frame: Frame,
        tally: &mut Tally,
        pool: &mut impl Pool,
    ) -> Result<(), Frame> {
        // Neither the lane's first frame nor the one that fills it, as nearly all are.
        if let Some(Some(lane)) = self.lanes.get_mut(port.index())
            && (1..BURST_MAX - 1).contains(&lane.waiting.len())
        {
            return lane.waiting.push(frame);
        }
        self.offer_edge(port, frame, tally, pool)
    }

    #[inline(never)]
    fn offer_edge(&mut self, port: PortId, frame: Frame, tally: &mut Tally, pool: &mut impl Pool) -> Result<(), Frame> {
        let Some(lane) = self.lanes.get_mut(port.index()).and_then(Option::as_mut) else { return Err(frame) };
        if lane.waiting.is_empty() {
            self.loaded.push(port);
        }
        if lane.waiting.push(frame).is_err() {
            unreachable!("a full lane is sent at once");
        }
        if lane.waiting.room() == 0 {
            relieve(lane, port, tally, pool);
            if lane.waiting.is_empty() {
                self.loaded.retain(|&p| p != port);
            }
        }
        Ok(())
    }

    /// Sends what waits, but for rows to which more may come. Whether there is such a row.
    #[inline(never)]
    pub(crate) fn relieve(&mut self, tally: &mut Tally, pool: &mut impl Pool) -> bool {
        let Lanes { lanes, loaded, .. } = self;
        loaded.retain(|&port| {
            let Some(lane) = &mut lanes[port.index()] else { return false };
            relieve(lane, port, tally, pool);
            !lane.waiting.is_empty()
        });
        !loaded.is_empty()
    }

    /// Sends everything that waits.
    #[inline(never)]
    pub(crate) fn flush(&mut self, tally: &mut Tally, pool: &mut impl Pool) {
        while let Some(port) = self.loaded.pop() {
            self.flush_one(port, tally, pool);
        }
        self.book_gathered(0, tally);
    }

    /// Sends what waits at the end of a turn, but for what a port gathers ([`Port::gathers`]): that is in the worker's hands from this
    /// turn to the next. Whether there is any.
    #[inline(never)]
    pub(crate) fn end_turn(&mut self, tally: &mut Tally, pool: &mut impl Pool) -> bool {
        let Lanes { lanes, loaded, .. } = self;
        let mut gathered = 0;
        loaded.retain(|&port| {
            let Some(lane) = &mut lanes[port.index()] else { return false };
            let waiting = lane.waiting.len();
            let gathers = waiting > 0 && lane.queue.gathers(waiting);
            match gathers {
                true => gathered += waiting as u64,
                false => send(lane, port, tally, pool),
            }
            gathers
        });
        self.book_gathered(gathered, tally);
        gathered > 0
    }

    fn book_gathered(&mut self, gathered: u64, tally: &mut Tally) {
        let before = std::mem::replace(&mut self.gathered, gathered);
        tally.worker.held = tally.worker.held + gathered - before;
    }

    fn flush_one(&mut self, port: PortId, tally: &mut Tally, pool: &mut impl Pool) {
        if let Some(lane) = self.lanes.get_mut(port.index()).and_then(Option::as_mut) {
            send(lane, port, tally, pool);
        }
    }

    /// Asks the next port in line what its device has lost.
    pub(crate) fn ask_device(&mut self, tally: &mut Tally) {
        self.asked = (self.asked + 1) % self.held.len().max(1);
        let Some(&port) = self.held.get(self.asked) else { return };
        if let Some(lane) = &mut self.lanes[port.index()] {
            let stats = lane.queue.device_stats();
            let books = tally.port(port);
            books.rx_missed += stats.rx_missed;
            books.rx_no_buffer += stats.rx_no_buffer;
            books.rx_errors += stats.rx_errors;
            books.tx_errors += stats.tx_errors;
        }
    }
}

/// Sends all that waits.
fn send<P: Port>(lane: &mut Lane<P>, port: PortId, tally: &mut Tally, pool: &mut impl Pool) {
    merge(lane, tally, pool);
    lane.row = None;
    transmit(lane, port, tally);
}

/// Sends what waits, but for a last row to which more may come.
fn relieve<P: Port>(lane: &mut Lane<P>, port: PortId, tally: &mut Tally, pool: &mut impl Pool) {
    merge(lane, tally, pool);
    lane.row = lane.row.filter(Row::is_open);
    let last = lane.row.and_then(|_| lane.waiting.pop());
    transmit(lane, port, tally);
    if let Some(frame) = last {
        lane.waiting.push(frame).unwrap_or_else(|frame| pool.release_one(frame)); // never: the lane is empty
    }
}

fn merge<P: Port>(lane: &mut Lane<P>, tally: &mut Tally, pool: &mut impl Pool) {
    if lane.waiting.len() > 1 {
        let takes = lane.queue.takes();
        if gro::suits(takes) {
            gro::merge(&mut lane.waiting, &mut lane.row, takes, pool, tally);
        }
    }
}

fn transmit<P: Port>(lane: &mut Lane<P>, port: PortId, tally: &mut Tally) {
    let offered = lane.waiting.len() as u64;
    if offered == 0 {
        return;
    }
    let sent = lane.queue.tx_burst(&mut lane.waiting);
    debug_assert!(lane.waiting.is_empty() && u64::from(sent.frames + sent.refused) == offered);
    tally.worker.tx += u64::from(sent.frames);
    let books = tally.port(port);
    books.offered += offered;
    books.tx += u64::from(sent.frames);
    books.tx_bytes += sent.bytes;
    books.refused += u64::from(sent.refused);
    if sent.refused > 0 {
        tally.drop_unattributed(Cause::TxRefused.into(), u64::from(sent.refused));
    }
}
