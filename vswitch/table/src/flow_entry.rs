//! One cached verdict.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use sync::Counter;
use zerocopy::FromBytes;

use crate::{FdbSlot, Tail, Tick, bucket::SlotSet};

/// The place of a flow in its table. The flow's until it is removed, gives way, or moves as another one comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowSlot(pub(crate) u32);

impl FlowSlot {
    /// As an index below the table's capacity.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a flow is to remember; what the numbers mean is its owner's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowValue {
    /// What to do with its frames.
    pub recipe: u32,
    /// The FDB slot the verdict rests on, if it rests on one.
    pub dst_slot: Option<FdbSlot>,
    /// The epoch in which the verdict was last found true.
    pub checked_at: u32,
    /// When its last frame was seen.
    pub last_seen: Tick,
}

/// One flow: its key of `W` words, its value, its counts; one cache line with a key of four words. Only the worker that
/// owns the table writes; others read copies ([`FlowReading`]).
///
/// It is a slot at the same time, and the home of flows: where those are (its natives), be it here or as guests elsewhere, is
/// said here too, whoever has the slot, so that a lookup that finds somebody else at home need not ask anywhere else.
#[repr(C, align(64))]
#[derive(Debug, FromBytes)]
pub struct FlowEntry<const W: usize> {
    key: [AtomicU64; W],
    recipe: AtomicU32,
    dst_slot: AtomicU32,
    checked_at: AtomicU32,
    last_seen: AtomicU32,
    /// Frames counted, and in the low [`NATIVE_BITS`] the natives.
    packets_and_natives: Counter,
    bytes: Counter,
}

/// One for each slot of two buckets. 48 bits are left to count frames: 108 days at 30 million a second, all of one flow.
const NATIVE_BITS: u32 = 16;

/// `dst_slot` of a verdict that rests on none; no table has that many slots.
const NO_SLOT: u32 = u32::MAX;

const _: () = assert!(size_of::<FlowEntry<4>>() == 64);

impl<const W: usize> FlowEntry<W> {
    /// The key.
    #[inline]
    pub fn key(&self) -> [u64; W] {
        self.key.each_ref().map(|word| word.load(Relaxed))
    }

    /// What to do with the flow's frames.
    #[inline]
    pub fn recipe(&self) -> u32 {
        self.recipe.load(Relaxed)
    }

    /// The FDB slot the verdict rests on, if it rests on one.
    #[inline]
    pub fn dst_slot(&self) -> Option<FdbSlot> {
        let slot = self.dst_slot.load(Relaxed);
        (slot != NO_SLOT).then_some(FdbSlot(slot))
    }

    /// The epoch in which the verdict was last found true.
    #[inline]
    pub fn checked_at(&self) -> u32 {
        self.checked_at.load(Relaxed)
    }

    /// Notes that the verdict was found true in `epoch`. For the owner.
    #[inline]
    pub fn set_checked_at(&self, epoch: u32) {
        self.checked_at.store(epoch, Relaxed);
    }

    /// When the flow's last frame was seen.
    #[inline]
    pub fn last_seen(&self) -> Tick {
        Tick(self.last_seen.load(Relaxed))
    }

    /// Frames counted.
    #[inline]
    pub fn packets(&self) -> u64 {
        self.packets_and_natives.get() >> NATIVE_BITS
    }

    /// Octets counted.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Counts one frame of the flow, seen `now`. For the owner.
    #[inline]
    pub fn hit(&self, bytes: u64, now: Tick) {
        self.packets_and_natives.add(1 << NATIVE_BITS);
        self.bytes.add(bytes);
        self.last_seen.store(now.0, Relaxed);
    }

    #[inline]
    pub(crate) fn has_key(&self, key: &[u64; W]) -> bool {
        self.agrees(key, W)
    }

    #[inline(always)]
    pub(crate) fn has_front(&self, key: &[u64; W]) -> bool {
        self.agrees(key, 2)
    }

    /// Whether the first `words` of the key are these.
    #[inline(always)]
    fn agrees(&self, key: &[u64; W], words: usize) -> bool {
        // One branch for all words, as they lie in one line: differences are rare and need not be found early.
        let pairs = self.key.iter().zip(key).take(words);
        pairs.fold(0, |difference, (mine, wanted)| difference | (mine.load(Relaxed) ^ wanted)) == 0
    }

    /// Loses its key, so that no lookup, under way or later, finds what was removed. No frame has this one.
    pub(crate) fn forget_key(&self) {
        self.key.iter().for_each(|word| word.store(u64::MAX, Relaxed));
    }

    /// The slots, of the two buckets of keys that are at home here, that they have.
    #[inline(always)]
    pub(crate) fn natives(&self) -> SlotSet {
        SlotSet::from_bits(self.packets_and_natives.get() as u16)
    }

    pub(crate) fn set_natives(&self, natives: SlotSet) {
        let packets = self.packets_and_natives.get() >> NATIVE_BITS << NATIVE_BITS;
        self.packets_and_natives.set(packets | u64::from(natives.bits()));
    }

    /// Becomes a new flow that has seen no frame. Its slot's natives stay.
    pub(crate) fn begin(&self, key: &[u64; W], value: FlowValue) {
        self.key.iter().zip(key).for_each(|(mine, word)| mine.store(*word, Relaxed));
        self.packets_and_natives.set(self.natives().bits().into());
        self.bytes.set(0);
        self.set_value(value);
    }

    /// Becomes the flow that is in another slot, with its counts. The slot's natives stay.
    pub(crate) fn move_in(&self, other: &FlowEntry<W>) {
        self.begin(&other.key(), other.value());
        self.packets_and_natives.add(other.packets() << NATIVE_BITS);
        self.bytes.set(other.bytes());
    }

    fn value(&self) -> FlowValue {
        FlowValue {
            recipe: self.recipe(),
            dst_slot: self.dst_slot(),
            checked_at: self.checked_at(),
            last_seen: self.last_seen(),
        }
    }

    pub(crate) fn set_value(&self, value: FlowValue) {
        self.recipe.store(value.recipe, Relaxed);
        self.dst_slot.store(value.dst_slot.map_or(NO_SLOT, |slot| slot.0), Relaxed);
        self.checked_at.store(value.checked_at, Relaxed);
        self.last_seen.store(value.last_seen.0, Relaxed);
    }

    pub(crate) fn reading(&self, slot: FlowSlot, tail: Tail) -> FlowReading<W> {
        FlowReading {
            slot,
            key: self.key(),
            tail,
            recipe: self.recipe(),
            dst_slot: self.dst_slot(),
            checked_at: self.checked_at(),
            last_seen: self.last_seen(),
            packets: self.packets(),
            bytes: self.bytes(),
        }
    }
}

/// A copy of one flow, as a reader saw it: key, recipe and slot belong together, the counts are as of about that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowReading<const W: usize> {
    /// Its place.
    pub slot: FlowSlot,
    /// Its key.
    pub key: [u64; W],
    /// The rest of it, where it is a long one; anything where it is not.
    pub tail: Tail,
    /// What to do with its frames.
    pub recipe: u32,
    /// The FDB slot the verdict rests on, if it rests on one.
    pub dst_slot: Option<FdbSlot>,
    /// The epoch in which the verdict was last found true.
    pub checked_at: u32,
    /// When its last frame was seen.
    pub last_seen: Tick,
    /// Frames counted.
    pub packets: u64,
    /// Octets counted.
    pub bytes: u64,
}
