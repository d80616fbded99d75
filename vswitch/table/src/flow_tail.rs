//! The rest of a key that is longer than an entry has words for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use zerocopy::FromBytes;

use crate::{FlowEntry, FlowSlot, FlowTable, FlowValue, Inserted, Probe, prefetch::prefetch_at};

/// Words of a long key that do not lie in its entry.
pub type Tail = [u64; 4];

/// Where a tail lies: half a cache line, so that none straddles two.
#[repr(C, align(32))]
#[derive(Debug, FromBytes)]
pub(crate) struct TailCell([AtomicU64; 4]);

impl TailCell {
    #[inline]
    pub(crate) fn is(&self, tail: &Tail) -> bool {
        self.0.iter().zip(tail).fold(0, |difference, (mine, wanted)| difference | (mine.load(Relaxed) ^ wanted)) == 0
    }

    pub(crate) fn get(&self) -> Tail {
        self.0.each_ref().map(|word| word.load(Relaxed))
    }

    pub(crate) fn set(&self, tail: &Tail) {
        self.0.iter().zip(tail).for_each(|(mine, word)| mine.store(*word, Relaxed));
    }
}

impl<const W: usize> FlowTable<W> {
    /// As [`FlowTable::find_entry`], for a long key.
    #[inline]
    pub fn find_long(&self, probe: &Probe, front: &[u64; W], tail: &Tail) -> Option<(FlowSlot, &FlowEntry<W>)> {
        self.find_where(probe, |slot, entry| entry.has_key(front) && self.tail_cell(slot).is(tail))
    }

    /// As [`FlowTable::find_now`], for a long key.
    #[inline]
    pub fn find_long_now(&self, probe: &Probe, front: &[u64; W], tail: &Tail) -> Option<FlowSlot> {
        self.find_now_where(probe, |slot, entry| entry.has_key(front) && self.tail_cell(slot).is(tail))
    }

    /// Asks for the tail in the first place to look, which [`FlowTable::find_long`] will look at.
    #[inline]
    pub fn expect_tail(&self, probe: &Probe) {
        prefetch_at(&self.parts.beside, probe.first & (self.slots() - 1));
    }

    /// What is beside a slot of this table.
    #[inline]
    pub(crate) fn tail_cell(&self, slot: u32) -> &TailCell {
        &self.parts.beside[(slot & (self.slots() - 1)) as usize]
    }

    /// The tail of the key in a slot that has a long one.
    pub fn tail(&self, slot: FlowSlot) -> Tail {
        self.tail_cell(slot.0).get()
    }

    /// As [`FlowTable::insert_new`], for a flow with a long key.
    pub fn insert_long(&mut self, probe: &Probe, front: &[u64; W], tail: &Tail, value: FlowValue) -> Inserted {
        self.begin(probe, value, |cell, entry| {
            entry.begin(front, value);
            cell.set(tail);
        })
    }
}
