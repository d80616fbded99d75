//! The exact-match table of cached verdicts, one a worker.

use std::os::fd::OwnedFd;

use sync::{Access, Region, RegionError};
use wire::{HashKey, fold};

use crate::{
    FlowEntry, FlowReader, FlowSlot, FlowValue, Probe, Sweep,
    bucket::NO_SLOT,
    flow_home::Stay,
    flow_tail::TailCell,
    layout::{Parts, fingerprint},
    prefetch::prefetch_at,
};

/// The kind of region a flow table lies in.
pub(crate) const KIND: &str = "flows";

/// The layout of a flow table with keys of `W` words.
pub(crate) const fn layout<const W: usize>() -> u64 {
    fingerprint::<FlowEntry<W>>(3 << 32 | (W * size_of::<TailCell>()) as u64)
}

/// What a flow table is made of.
pub(crate) type FlowParts<const W: usize> = Parts<FlowEntry<W>, TailCell>;

/// Where a flow went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Its place.
    pub slot: FlowSlot,
    /// Whether another flow had to give way.
    pub evicted: bool,
    /// Whether the flow was here already and has a new value.
    pub replaced: bool,
}

/// Flows by keys of `W` words. Never full: where both buckets of a key are, one of four of the sixteen flows there moves to the
/// other bucket of its own, or where none finds room the one not seen for the longest time gives way. To look at all of them
/// would take sixteen lines of memory, for little: who is at rest is among any four soon.
///
/// A lookup is three steps, so that a batch can take each step for all its frames while memory answers: [`probe`],
/// [`is_at_home`] and [`ask_guests`] of those who are not, [`find`]. Each flow has a home, one slot of its first bucket, where it
/// is unless somebody else was there first. Then it is a guest in another slot of its two buckets, and its home's entry says
/// in which ([`FlowEntry`]). So a lookup is one line of memory or two, seldom more, however full the table is, and each step
/// is bounded: a home has fifteen guests at most.
///
/// A key that is all zeros, or begins with two words of them, there must not be: slots never used look like that.
///
/// [`probe`]: FlowTable::probe
/// [`is_at_home`]: FlowTable::is_at_home
/// [`ask_guests`]: FlowTable::ask_guests
/// [`find`]: FlowTable::find
///
/// A key may be longer than an entry has words for. Its front lies in the entry as if it were all, the rest ([`crate::Tail`]) beside
/// it, where only those look that have such a key. Whoever makes keys sees to it that no front of a long one is a short key.
#[derive(Debug)]
pub struct FlowTable<const W: usize> {
    pub(crate) parts: FlowParts<W>,
    pub(crate) len: usize,
}

impl<const W: usize> FlowTable<W> {
    /// An empty table for at least `entries_max` flows (rounded up to a power of two, see [`FlowTable::capacity`]) whose
    /// keys are hashed under `seed`; `huge` asks for hugepages.
    pub fn create(name: &str, entries_max: usize, seed: HashKey, huge: bool) -> Result<Self, RegionError> {
        let parts = Parts::create((name, KIND, layout::<W>()), entries_max, seed, huge)?;
        Ok(FlowTable { parts, len: 0 })
    }

    /// Octets of a table for `entries_max` flows, without the region's own.
    pub fn payload_bytes(entries_max: usize) -> usize {
        FlowParts::<W>::payload_bytes(entries_max)
    }

    /// Takes up the table of a writer that is gone, with its seed and its flows; those of a bucket that it left half
    /// written are forgotten.
    pub fn attach(fd: OwnedFd) -> Result<Self, RegionError> {
        let parts = Parts::attach(fd, KIND, layout::<W>(), Access::ReadWrite)?;
        parts.heal(FlowEntry::forget_key);
        let mut table = FlowTable { parts, len: 0 };
        table.len = table.note_all();
        Ok(table)
    }

    /// The memory, to give its descriptor to readers and successors.
    pub fn region(&self) -> &Region {
        &self.parts.region
    }

    /// A reader for another thread.
    pub fn reader(&self) -> FlowReader<W> {
        FlowReader::new(self.parts.clone())
    }

    /// Flows held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no flow is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Flows there are slots for. Some give way to each other before all slots are taken.
    pub fn capacity(&self) -> usize {
        self.parts.entries.len()
    }

    /// The same, as a bound of a sweep's cursor.
    pub fn slots(&self) -> u32 {
        self.parts.slots()
    }

    /// The hash of a key in this table, made of the words that tell it from others: all of them, or the front of a key
    /// whose kind has zeros behind.
    #[inline]
    pub fn hash(&self, words: &[u64]) -> u64 {
        fold(words, self.parts.seed)
    }

    /// First step of a lookup: where the key of this hash can be; prefetches the entry at its home.
    #[inline]
    pub fn probe(&self, hash: u64) -> Probe {
        self.parts.probe(hash)
    }

    /// Second step: whether the key is at home. Where it is not, [`FlowTable::ask_guests`] is to follow.
    #[inline(always)]
    pub fn is_at_home(&self, probe: &mut Probe, key: &[u64; W]) -> bool {
        probe.first = probe.home;
        self.parts.entry(probe.home).has_key(key)
    }

    /// The same for keys that differ in their first two words wherever they differ; of others it may say so wrongly, which the
    /// third step finds out.
    #[inline(always)]
    pub fn is_at_home_by_front(&self, probe: &mut Probe, key: &[u64; W]) -> bool {
        probe.first = probe.home;
        self.parts.entry(probe.home).has_front(key)
    }

    /// Second step of a key that is not at home: prefetches the guests of its home, one of whom it is if it is here.
    #[inline]
    pub fn ask_guests(&self, probe: &mut Probe) {
        let mut guests = self.guests(probe);
        probe.first = guests.next().unwrap_or(NO_SLOT);
        // Of no slot it is the table's last entry, which does no harm.
        prefetch_at(&self.parts.entries, probe.first & self.parts.entries.mask());
        guests.for_each(|slot| prefetch_at(&self.parts.entries, slot));
    }

    /// Third step: compares the keys. A flow inserted since the second step may be missed; one removed is not found.
    #[inline]
    pub fn find(&self, probe: &Probe, key: &[u64; W]) -> Option<FlowSlot> {
        self.find_entry(probe, key).map(|(slot, _)| slot)
    }

    /// The same, with the entry.
    #[inline(always)]
    pub fn find_entry(&self, probe: &Probe, key: &[u64; W]) -> Option<(FlowSlot, &FlowEntry<W>)> {
        self.find_where(probe, |_, entry| entry.has_key(key))
    }

    /// The same for keys that differ in their first two words wherever they differ.
    #[inline(always)]
    pub fn find_by_front(&self, probe: &Probe, key: &[u64; W]) -> Option<&FlowEntry<W>> {
        self.find_where(probe, |_, entry| entry.has_front(key)).map(|(_, entry)| entry)
    }

    #[inline(always)]
    pub(crate) fn find_where(
        &self,
        probe: &Probe,
        is_it: impl Fn(u32, &FlowEntry<W>) -> bool,
    ) -> Option<(FlowSlot, &FlowEntry<W>)> {
        if probe.is_vain() {
            return None;
        }
        // Almost always the first is it: no loop is set up for it.
        let entry = self.parts.entry(probe.first);
        if is_it(probe.first, entry) { Some((FlowSlot(probe.first), entry)) } else { self.find_guest(probe, is_it) }
    }

    #[cold]
    #[inline(never)]
    fn find_guest(
        &self,
        probe: &Probe,
        is_it: impl Fn(u32, &FlowEntry<W>) -> bool,
    ) -> Option<(FlowSlot, &FlowEntry<W>)> {
        let mut entries =
            self.guests(probe).filter(|&slot| slot != probe.first).map(|slot| (slot, self.parts.entry(slot)));
        entries.find(|&(slot, entry)| is_it(slot, entry)).map(|(slot, entry)| (FlowSlot(slot), entry))
    }

    /// The second step and the third at once, as of now.
    #[inline]
    pub fn find_now(&self, probe: &Probe, key: &[u64; W]) -> Option<FlowSlot> {
        self.find_now_where(probe, |_, entry| entry.has_key(key))
    }

    #[inline(always)]
    pub(crate) fn find_now_where(&self, probe: &Probe, is_it: impl Fn(u32, &FlowEntry<W>) -> bool) -> Option<FlowSlot> {
        let mut slots = self.natives(probe);
        slots.find(|&slot| is_it(slot, self.parts.entry(slot))).map(FlowSlot)
    }

    /// All three steps at once.
    #[inline]
    pub fn get(&self, hash: u64, key: &[u64; W]) -> Option<FlowSlot> {
        self.find_now(&self.probe(hash), key)
    }

    /// The entry in a slot, whether a flow is still there or not.
    #[inline]
    pub fn entry(&self, slot: FlowSlot) -> &FlowEntry<W> {
        self.parts.entry(slot.0)
    }

    /// The slots that hold flows.
    pub fn occupied(&self) -> impl Iterator<Item = FlowSlot> + '_ {
        self.parts.occupied().map(FlowSlot)
    }

    /// Remembers a flow, or gives one that is here already a new value and keeps its counts.
    pub fn insert(&mut self, hash: u64, key: &[u64; W], value: FlowValue) -> Inserted {
        if let Some(slot) = self.get(hash, key) {
            self.update(slot, value);
            return Inserted { slot, evicted: false, replaced: true };
        }
        self.insert_new(&self.probe(hash), key, value)
    }

    /// Remembers a flow that is not here, as a lookup with this probe has just found out.
    #[inline]
    pub fn insert_new(&mut self, probe: &Probe, key: &[u64; W], value: FlowValue) -> Inserted {
        self.begin(probe, value, |_, entry| entry.begin(key, value))
    }

    /// Has a flow begin that is not here, where this probe leads.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        probe: &Probe,
        value: FlowValue,
        change: impl FnOnce(&TailCell, &FlowEntry<W>),
    ) -> Inserted {
        let free = self.free_slot(probe.home).or_else(|| self.make_room(probe));
        let slot = free.unwrap_or_else(|| self.least_recently_seen(probe, value));
        let (cell, stay) = (self.tail_cell(slot), Stay::new(probe.home, slot));
        self.leave(slot);
        self.parts.write(slot, stay.tag(), |entry| change(cell, entry));
        self.note(stay, true);
        self.len += usize::from(free.is_some());
        Inserted { slot: FlowSlot(slot), evicted: free.is_none(), replaced: false }
    }

    /// Gives the flow in a slot a new value; its counts go on.
    pub fn update(&mut self, slot: FlowSlot, value: FlowValue) {
        if self.parts.is_occupied(slot.0) {
            self.parts.rewrite(slot.0, |entry| entry.set_value(value));
        }
    }

    /// Forgets the flow in a slot, if there is one.
    pub fn remove(&mut self, slot: FlowSlot) {
        if self.parts.is_occupied(slot.0) {
            self.vacate(slot.0);
            self.len -= 1;
        }
    }

    /// Asks for what the next [`sweep`](Self::sweep) of this budget looks at, so that it need not wait for memory.
    pub fn look_ahead(&self, cursor: u32, budget: u32) {
        self.parts.look_ahead(cursor, budget);
    }

    /// Looks at the flows in the next `budget` slots behind `cursor` and removes those that `judge` says. Returns how
    /// many. The cursor goes round; each slot is visited once at most, so that a budget of `u32::MAX` visits all.
    pub fn sweep(
        &mut self,
        cursor: &mut u32,
        budget: u32,
        mut judge: impl FnMut(FlowSlot, &FlowEntry<W>) -> Sweep,
    ) -> usize {
        let before = self.len;
        for slot in self.parts.advance(cursor, budget).map(FlowSlot) {
            if self.parts.is_occupied(slot.0) && judge(slot, self.entry(slot)) == Sweep::Remove {
                self.remove(slot);
            }
        }
        before - self.len
    }
}

#[cfg(test)]
mod tests;
