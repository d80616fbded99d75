//! One ring as a worker holds it: its memory, its kind, and whom to wake.

use std::sync::Arc;

use frame::{Burst, Pool, Sent, Takes};

use super::{
    call::Call,
    fault::RingFault,
    net_header::{self, HEADER_MAX},
    packed::PackedRing,
    receive,
    split::SplitRing,
    transmit,
    used::Published,
};
use crate::{DirtyLog, Features, GuestAddress, GuestMemory, Record, RingAddresses};

/// What a ring is made from.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Descriptors, at most 32,768; a power of two for a split ring.
    pub size: u16,
    /// Where its parts lie.
    pub addresses: RingAddresses,
    /// Where to start (see [`crate::Vring::base`]).
    pub base: u32,
    /// What both sides have agreed on.
    pub features: Features,
    /// Whom to wake; `None` where the guest polls.
    pub call: Option<Call>,
    /// Where a packed ring writes down where it stands; `None` where nobody keeps that.
    pub record: Option<Record>,
    /// Where to note which pages were written; `None` outside of a migration.
    pub log: Option<DirtyLog>,
}

/// What came of looking for frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Frames appended.
    pub frames: usize,
    /// Chains that held no frame: nothing but a header, too long for a buffer, with a header that lies, or asking for what
    /// was not agreed on.
    pub errors: u64,
    /// Looks that ended because the pool was empty; what was there stays in the ring.
    pub no_buffer: u64,
}

#[derive(Debug)]
enum AnyRing {
    Split(SplitRing),
    Packed(PackedRing),
}

/// A ring to receive from or to send into.
#[derive(Debug)]
pub struct Queue {
    memory: Arc<GuestMemory>,
    ring: AnyRing,
    shape: Shape,
    call: Option<Call>,
    /// A wake the kernel did not take.
    owed: bool,
    used_log: Option<UsedLog>,
}

/// What the loops need to know of a ring beside the ring.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Octets in front of each frame.
    pub(super) header_len: usize,
    /// Whether a frame may lie in several chains.
    pub(super) mergeable: bool,
    /// Whether the driver finds out by the last chain of several, shown in place of all, that they were used.
    pub(super) in_order: bool,
    /// What both sides have agreed to leave to each other, among much else.
    pub(super) agreed: Features,
    pub(super) log: Option<DirtyLog>,
}

impl Shape {
    /// Whether there is nothing to mind but a header of the usual length and the frame behind it.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        self.header_len == HEADER_MAX && self.log.is_none()
    }

    /// Whether the driver may send super-frames.
    #[inline]
    pub(super) fn has_long(&self) -> bool {
        self.agreed.has(Features::HOST_TSO4) || self.agreed.has(Features::HOST_TSO6)
    }
}

/// Where the ring's own pages lie, of which those that say "used" are written by us.
#[derive(Clone, Debug)]
struct UsedLog {
    log: DirtyLog,
    address: GuestAddress,
    len: u32,
}

impl Queue {
    /// The ring that `config` describes, in `memory`.
    pub fn new(memory: Arc<GuestMemory>, config: &QueueConfig) -> Result<Queue, RingFault> {
        let ring = if config.features.has(Features::RING_PACKED) {
            AnyRing::Packed(PackedRing::new(&memory, config)?)
        } else {
            AnyRing::Split(SplitRing::new(&memory, config)?)
        };
        let log = config.log.clone().filter(|_| config.features.has(Features::LOG_ALL));
        let used_log = log.clone().and_then(|log| used_log(log, &memory, config));
        let shape = Shape {
            header_len: net_header::len(config.features),
            mergeable: config.features.has(Features::MRG_RXBUF),
            in_order: config.features.has(Features::IN_ORDER),
            agreed: config.features,
            log,
        };
        Ok(Queue { memory, ring, shape, call: config.call.clone(), owed: false, used_log })
    }

    /// Goes on where `old` stands: the same ring after its memory, its addresses or its call changed. A ring of another
    /// kind is not the same, and changes nothing.
    pub fn resume(&mut self, old: &Queue) {
        match (&mut self.ring, &old.ring) {
            (AnyRing::Split(ring), AnyRing::Split(old)) => ring.resume(old),
            (AnyRing::Packed(ring), AnyRing::Packed(old)) => ring.resume(old),
            _ => {}
        }
        self.owed |= old.owed;
    }

    /// What the driver does by itself to what is sent to it.
    pub fn takes(&self) -> Takes {
        net_header::takes(self.shape.agreed)
    }

    /// Where it stands, as GET_VRING_BASE tells it.
    pub fn base(&self) -> u32 {
        match &self.ring {
            AnyRing::Split(ring) => ring.base(),
            AnyRing::Packed(ring) => ring.base(),
        }
    }

    /// Receives at most `max` frames of the guest into frames of `pool`, and appends them.
    pub fn receive(&mut self, burst: &mut Burst, max: usize, pool: &mut impl Pool) -> Result<Received, RingFault> {
        let (memory, shape) = (&*self.memory, &self.shape);
        let (received, wake) = match &mut self.ring {
            AnyRing::Split(ring) => receive::receive(ring, memory, shape, burst, max, pool),
            AnyRing::Packed(ring) => receive::receive(ring, memory, shape, burst, max, pool),
        }
        .map_err(|fault| truth(memory, fault))?;
        self.after(wake)?;
        Ok(received)
    }

    /// Copies the frames into the guest's buffers, in order, as far as there are any. The frames stay in the burst.
    pub fn send(&mut self, burst: &Burst) -> Result<Sent, RingFault> {
        let (memory, shape, frames) = (&*self.memory, &self.shape, burst.as_slice());
        let (sent, wake) = match &mut self.ring {
            AnyRing::Split(ring) => transmit::send(ring, memory, shape, frames),
            AnyRing::Packed(ring) => transmit::send(ring, memory, shape, frames),
        }
        .map_err(|fault| truth(memory, fault))?;
        self.after(wake)?;
        Ok(sent)
    }

    /// After something was published, or nothing: the log, and at most one call a burst.
    #[inline]
    fn after(&mut self, published: Published) -> Result<(), RingFault> {
        if published != Published::Nothing
            && let Some(UsedLog { log, address, len }) = &self.used_log
        {
            log.mark(*address, *len);
        }
        if (published == Published::Wake || self.owed)
            && let Some(call) = &self.call
        {
            self.owed = !call.wake();
        }
        if self.memory.alarm().is_raised() { Err(RingFault::MemoryGone) } else { Ok(()) }
    }
}

/// What is wrong: zeroes that stand for memory that is gone look like many other faults.
#[cold]
fn truth(memory: &GuestMemory, fault: RingFault) -> RingFault {
    if memory.alarm().is_raised() { RingFault::MemoryGone } else { fault }
}

/// The part of the ring that we write: the used ring, or a packed ring's descriptors.
fn used_log(log: DirtyLog, memory: &GuestMemory, config: &QueueConfig) -> Option<UsedLog> {
    config.addresses.log?;
    let size = u32::from(config.size);
    let (start, len) = if config.features.has(Features::RING_PACKED) {
        (config.addresses.descriptors, 16 * size)
    } else {
        (config.addresses.used, 6 + 8 * size)
    };
    memory.guest_address(start).map(|address| UsedLog { log, address, len })
}
