//! What a worker should have of a ring, compared with what it has.

use std::{os::fd::OwnedFd, sync::Arc};

use crate::{
    Backend, Bell, Call, Fault, Features, GuestMemory, Queue, QueueConfig, RingAddresses, RingIndex, pair::Held,
};

/// Memory and log as they are now, with numbers that change when they do.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) memory: Arc<GuestMemory>,
    pub(super) log: Option<crate::DirtyLog>,
    /// Counts the changes of both.
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

    /// Makes the ring. It begins where it last stood, where that is known, else at its base.
    pub(super) fn make(
        &self,
        ring: RingIndex,
        around: &Surroundings,
        stood: Option<u32>,
        bell: &Bell,
    ) -> Result<Held, Fault> {
        let wrong_size = Fault::RingSize { ring, size: self.size };
        let config = QueueConfig {
            size: u16::try_from(self.size).map_err(|_| wrong_size)?,
            addresses: self.addresses,
            base: stood.unwrap_or(self.base),
            features: self.features,
            call: self.call.clone().map(|fd| Call::new(fd, bell.clone())).transpose()?,
            log: around.log.clone(),
        };
        let queue = Queue::new(Arc::clone(&around.memory), &config).map_err(|fault| Fault::Ring { ring, fault })?;
        Ok(Held { queue, ring, run: self.run })
    }
}
