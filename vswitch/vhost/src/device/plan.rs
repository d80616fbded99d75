//! What a worker should have of a ring, compared with what it has.

use std::{os::fd::OwnedFd, sync::Arc};

use crate::{
    Backend, Bell, Call, Fault, Features, GuestMemory, InflightMemory, Queue, QueueConfig, Record, RingAddresses,
    RingFault, RingIndex, pair::Held, ring::recover,
};

/// Memory, log and in-flight records as they are now, with numbers that change when they do.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) memory: Arc<GuestMemory>,
    pub(super) log: Option<crate::DirtyLog>,
    pub(super) inflight: Option<InflightMemory>,
    /// Counts the changes of all three.
    pub(super) generation: u64,
}

/// Everything that makes a ring what it is, for comparison.
#[derive(Clone, Debug)]
pub(super) struct RingPlan {
    run: u64,
    size: u32,
    base: u32,
    addresses: RingAddresses,
    features: Features,
    call: Option<Arc<OwnedFd>>,
    generation: u64,
}

impl PartialEq for RingPlan {
    fn eq(&self, other: &RingPlan) -> bool {
        let call = |plan: &RingPlan| plan.call.as_ref().map(Arc::as_ptr);
        // Not the base: that is where it once began.
        (self.run, self.size, self.addresses, self.features, self.generation, call(self))
            == (other.run, other.size, other.addresses, other.features, other.generation, call(other))
    }
}

impl Surroundings {
    /// Where it is written down where a ring stands; only a packed ring needs that.
    pub(super) fn record(&self, ring: RingIndex, features: Features) -> Option<Record> {
        self.inflight.as_ref().filter(|_| features.has(Features::RING_PACKED))?.record(ring)
    }

    /// Where a ring stands that no worker has, if a record says so.
    pub(super) fn recover(
        &self,
        ring: RingIndex,
        features: Features,
        addresses: &RingAddresses,
        size: u16,
    ) -> Result<Option<u32>, RingFault> {
        self.record(ring, features).map_or(Ok(None), |record| recover(&record, &self.memory, addresses, size))
    }
}

/// Where a ring is to begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// The worker has it, and goes on where it stands.
    Running,
    /// Where it stood when it was last given back.
    Stood(u32),
    /// Where its record says, or else the front end.
    Anew,
}

impl RingPlan {
    /// The plan for a ring; `None` where it may not move frames.
    pub(super) fn of(backend: &Backend, ring: RingIndex, around: &Surroundings) -> Option<RingPlan> {
        let vring = backend.rings().get(usize::from(ring.0)).filter(|_| backend.is_active(ring))?;
        Some(RingPlan {
            run: vring.run,
            size: vring.size,
            base: vring.base,
            addresses: vring.addresses?,
            features: backend.features(),
            call: vring.call.clone(),
            generation: around.generation,
        })
    }

    pub(super) fn run(&self) -> u64 {
        self.run
    }

    /// Makes the ring, and wakes its guest: what it was shown last it may not have been told of.
    pub(super) fn make(
        &self,
        ring: RingIndex,
        around: &Surroundings,
        start: &Start,
        bell: &Bell,
    ) -> Result<Held, Fault> {
        let at_fault = |fault| Fault::Ring { ring, fault };
        let wrong_size = Fault::RingSize { ring, size: self.size };
        let size = u16::try_from(self.size).map_err(|_| wrong_size)?;
        let base = match *start {
            Start::Running => self.base,
            Start::Stood(base) => base,
            Start::Anew => {
                let found = around.recover(ring, self.features, &self.addresses, size).map_err(at_fault)?;
                found.unwrap_or(self.base)
            }
        };
        let record = around.record(ring, self.features);
        let config = QueueConfig {
            size,
            addresses: self.addresses,
            base,
            features: self.features,
            call: self.call.clone().map(|fd| Call::new(fd, bell.clone())).transpose()?,
            record: record.clone(),
            log: around.log.clone(),
        };
        let queue = Queue::new(Arc::clone(&around.memory), &config).map_err(at_fault)?;
        if let (Start::Stood(_) | Start::Anew, Some(record)) = (start, record) {
            record.settle(base as u16);
        }
        if let Some(call) = &config.call {
            let _ = call.wake(); // where it is not heard, the first burst is
        }
        Ok(Held { queue, ring, run: self.run })
    }
}
