//! One front end on one socket: reads, lets the session think, carries out what it asks for.

use std::{os::fd::BorrowedFd, sync::Arc};

use super::{
    desk::Desk,
    plan::{RingPlan, Surroundings},
    stream::{Arrived, Stream},
};
use crate::{Action, Alarm, Backend, DirtyLog, Done, Fault, GuestMemory, InflightMemory, Offer, RingIndex, pair::Pair};

/// Reads in one turn at most: a front end that talks without end gets its share of the control thread and no more.
const READS_A_TURN: usize = 64;

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// The front end closed the socket.
    Gone,
    /// It was at fault.
    Fault(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> End {
        End::Fault(fault)
    }
}

/// A connected front end.
pub(super) struct Session {
    stream: Stream,
    backend: Backend,
    around: Surroundings,
    /// The ring whose position the open action asks for.
    stopping: Option<RingIndex>,
    /// The in-flight memory that the open action asks for.
    made: Option<InflightMemory>,
    /// The start number of each ring, as far as its record knows.
    runs: Vec<u64>,
}

impl Session {
    pub(super) fn new(stream: Stream, offer: Offer) -> Session {
        let memory = Arc::new(GuestMemory::new(Alarm::default()));
        let around = Surroundings { memory, log: None, inflight: None, generation: 0 };
        let backend = Backend::new(offer);
        let runs = backend.rings().iter().map(|ring| ring.run).collect();
        Session { stream, backend, around, stopping: None, made: None, runs }
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        // While workers are awaited nothing is read, and what has come must not wake control over and over.
        (!self.backend.is_open()).then(|| self.stream.fd())
    }

    /// The connection, once the session is over.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    pub(super) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Does what can be done now.
    pub(super) fn turn(&mut self, desks: &mut [Desk]) -> Result<(), End> {
        if self.around.memory.alarm().is_raised() {
            return Err(Fault::MemoryGone.into());
        }
        for _ in 0..READS_A_TURN {
            if !self.think(desks)? {
                return Ok(());
            }
            match self.stream.read(self.backend.wanted())? {
                Arrived::Nothing => return Ok(()),
                Arrived::End => return Err(End::Gone),
                Arrived::Octets(octets, fds) => self.backend.receive(&octets, fds)?,
            }
        }
        // The last one may have completed a message.
        self.think(desks)?;
        Ok(())
    }

    /// Carries out all that was asked for; `false` where that has to wait for a worker.
    fn think(&mut self, desks: &mut [Desk]) -> Result<bool, Fault> {
        if self.backend.is_open() {
            if !desks.iter().all(Desk::is_quiet) {
                return Ok(false);
            }
            self.done(desks);
        }
        while let Some(action) = self.backend.next()? {
            self.act(action, desks)?;
            if !desks.iter().all(Desk::is_quiet) {
                return Ok(false);
            }
            self.done(desks);
        }
        self.answer().map(|()| true)
    }

    fn answer(&mut self) -> Result<(), Fault> {
        while let Some(reply) = self.backend.reply() {
            self.stream.write(&reply)?;
        }
        Ok(())
    }

    /// The workers have answered: the open action is done.
    fn done(&mut self, desks: &mut [Desk]) {
        let stopping = self.stopping.take();
        let stopped = stopping.map(|ring| Done::Base(self.stands(ring, desks)));
        let made = self.made.take().and_then(|memory| memory.share().ok());
        let made = made.map(|(size, fd)| Done::Inflight { size, fd });
        self.stop_records(stopping);
        self.backend.done(stopped.or(made).unwrap_or(Done::Yes));
    }

    /// Where a ring stands that was just stopped.
    fn stands(&self, ring: RingIndex, desks: &mut [Desk]) -> u32 {
        let vring = &self.backend.rings()[usize::from(ring.0)];
        // Its start is one ago. Where it never ran here it stands where it did before us, or was told to begin.
        let ended = vring.run.wrapping_sub(1);
        let stood = desks.iter_mut().find_map(|desk| desk.take_stood(ring, ended));
        let before = || {
            let (addresses, size) = (vring.addresses?, u16::try_from(vring.size).ok()?);
            self.around.recover(ring, self.backend.features(), &addresses, size).ok()?
        };
        stood.or_else(before).unwrap_or(vring.base)
    }

    /// What was stopped in the words of the protocol begins where the front end says, and not where its record does.
    fn stop_records(&mut self, asked: Option<RingIndex>) {
        for (index, vring) in (0..).zip(self.backend.rings()) {
            let known = &mut self.runs[usize::from(index)];
            let changed = std::mem::replace(known, vring.run) != vring.run;
            if (changed || asked == Some(RingIndex(index)))
                && let Some(inflight) = &self.around.inflight
                && let Some(record) = inflight.record(RingIndex(index))
            {
                record.stop();
            }
        }
    }

    fn act(&mut self, action: Action, desks: &mut [Desk]) -> Result<(), Fault> {
        match action {
            Action::Rings => self.bring_up_to_date(desks),
            Action::Stop(ring) => {
                self.stopping = Some(ring);
                self.bring_up_to_date(desks)
            }
            Action::Memory(regions) => {
                let empty = GuestMemory::new(self.around.memory.alarm().clone());
                let memory = regions.into_iter().try_fold(empty, |memory, region| memory.with(region))?;
                self.surround(memory, desks)
            }
            Action::AddRegion(region) => {
                let memory = self.around.memory.with(region)?;
                self.surround(memory, desks)
            }
            Action::RemoveRegion(place) => self.surround(self.around.memory.without(&place), desks),
            Action::Log(area) => {
                self.around.log = Some(DirtyLog::new(area, self.around.memory.alarm())?);
                self.around.generation += 1;
                self.bring_up_to_date(desks)
            }
            Action::Announce(mac) => {
                desks.iter_mut().take(1).for_each(|desk| desk.announce(mac));
                Ok(())
            }
            Action::MakeInflight { rings, ring_size } => {
                // Without memory for it the answer says so, and the front end goes without.
                self.made = InflightMemory::create(rings, ring_size).ok();
                Ok(())
            }
            Action::Inflight(area) => {
                self.around.inflight = Some(InflightMemory::attach(area)?);
                self.around.generation += 1;
                self.bring_up_to_date(desks)
            }
        }
    }

    fn surround(&mut self, memory: GuestMemory, desks: &mut [Desk]) -> Result<(), Fault> {
        self.around.memory = Arc::new(memory);
        self.around.generation += 1;
        self.bring_up_to_date(desks)
    }

    /// Gives every worker whose rings are not as they should be those that are.
    fn bring_up_to_date(&mut self, desks: &mut [Desk]) -> Result<(), Fault> {
        for desk in desks {
            let plans = desk.rings.map(|ring| RingPlan::of(&self.backend, ring, &self.around));
            if plans == desk.plans {
                continue;
            }
            let make = |side: usize| {
                let ring = desk.rings[side];
                let plan = plans[side].as_ref();
                plan.map(|plan| plan.make(ring, &self.around, &desk.start(side, plan), &desk.bell)).transpose()
            };
            let pair = Pair { to_guest: make(0)?, from_guest: make(1)? };
            desk.install(pair, plans);
        }
        Ok(())
    }
}
