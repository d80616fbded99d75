//! The exact-match table of cached verdicts, one a worker.

use std::os::fd::OwnedFd;

use sync::{Access, Region, RegionError};
use wire::{HashKey, fold};

use crate::{
    FlowEntry, FlowReader, FlowSlot, FlowValue, Probe, Sweep,
    flow_tail::TailCell,
    layout::{Parts, fingerprint},
};

/// The kind of region a flow table lies in.
pub(crate) const KIND: &str = "flows";

/// The layout of a flow table with keys of `W` words.
pub(crate) const fn layout<const W: usize>() -> u64 {
    fingerprint::<FlowEntry<W>>((W * size_of::<TailCell>()) as u64)
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

/// Flows by keys of `W` words. Never full: where both buckets of a key are, one of four of the sixteen flows there gives way,
/// the one not seen for the longest time. To look at all of them would take sixteen lines of memory, for little: who is at
/// rest is among any four soon.
///
/// A lookup is three steps, so that a batch can take each step for all its frames while memory answers: [`probe`],
/// [`candidates`], [`find`]. Each is bounded: two groups of tags, and the entries whose tags match.
///
/// [`probe`]: FlowTable::probe
/// [`candidates`]: FlowTable::candidates
/// [`find`]: FlowTable::find
///
/// A key may be longer than an entry has words for. Its front lies in the entry as if it were all, the rest ([`crate::Tail`]) beside
/// it, where only those look that have such a key. Whoever makes keys sees to it that no front of a long one is a short key.
#[derive(Debug)]
pub struct FlowTable<const W: usize> {
    pub(crate) parts: FlowParts<W>,
    len: usize,
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
        parts.heal(|_| ());
        let len = parts.occupied().count();
        Ok(FlowTable { parts, len })
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

    /// First step of a lookup: where the key of this hash can be; prefetches the tags of its first bucket.
    #[inline]
    pub fn probe(&self, hash: u64) -> Probe {
        self.parts.probe(hash)
    }

    /// Second step: compares the tags; prefetches the entry of the first that matches.
    #[inline]
    pub fn candidates(&self, probe: &mut Probe) {
        self.parts.candidates(probe);
    }

    /// Third step: compares the keys. A flow inserted since the second step may be missed; one removed is not found.
    #[inline]
    pub fn find(&self, probe: &Probe, key: &[u64; W]) -> Option<FlowSlot> {
        self.find_entry(probe, key).map(|(slot, _)| slot)
    }

    /// The same, with the entry.
    #[inline(always)]
    pub fn find_entry(&self, probe: &Probe, key: &[u64; W]) -> Option<(FlowSlot, &FlowEntry<W>)> {
        self.parts.find(probe, |_, entry| entry.has_key(key)).map(|(slot, entry)| (FlowSlot(slot), entry))
    }

    /// The same for keys that differ in their first two words wherever they differ.
    #[inline(always)]
    pub fn find_by_front(&self, probe: &Probe, key: &[u64; W]) -> Option<&FlowEntry<W>> {
        self.parts.find(probe, |_, entry| entry.has_front(key)).map(|(_, entry)| entry)
    }

    /// All three steps at once.
    #[inline]
    pub fn get(&self, hash: u64, key: &[u64; W]) -> Option<FlowSlot> {
        let mut probe = self.probe(hash);
        self.candidates(&mut probe);
        self.find(&probe, key)
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

    /// Asks for the lines that [`FlowTable::insert_new`] will write.
    #[inline]
    pub fn expect(&self, probe: &Probe) {
        self.parts.expect(probe);
    }

    /// Remembers a flow, or gives one that is here already a new value and keeps its counts.
    pub fn insert(&mut self, hash: u64, key: &[u64; W], value: FlowValue) -> Inserted {
        if let Some(slot) = self.get(hash, key) {
            self.update(slot, value);
            return Inserted { slot, evicted: false, replaced: true };
        }
        self.insert_new(&self.parts.probe(hash), key, value)
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
        let free = self.parts.free_slot(probe);
        let slot = free.unwrap_or_else(|| self.least_recently_seen(probe, value));
        let cell = self.tail_cell(slot);
        self.parts.write(slot, probe.tag, |entry| change(cell, entry));
        self.len += usize::from(free.is_some());
        Inserted { slot: FlowSlot(slot), evicted: free.is_none(), replaced: false }
    }

    #[cold]
    #[inline(never)]
    fn least_recently_seen(&self, probe: &Probe, value: FlowValue) -> u32 {
        let [first, others @ ..] = self.parts.sample(probe);
        let age = |slot: u32| value.last_seen.since(self.parts.entry(slot).last_seen());
        others
            .into_iter()
            .fold((first, age(first)), |oldest, slot| {
                let age = age(slot);
                if age > oldest.1 { (slot, age) } else { oldest }
            })
            .0
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
            self.parts.write(slot.0, 0, FlowEntry::forget_key);
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
mod tests {
    use super::*;
    use crate::Tick;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    const SEED: HashKey = HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211]);

    fn value(last_seen: u32) -> FlowValue {
        FlowValue { recipe: last_seen, dst_slot: None, checked_at: 1, last_seen: Tick(last_seen) }
    }

    fn key(n: u64) -> [u64; 4] {
        [n, !n, n.rotate_left(17), 7]
    }

    /// Inserts flows number `range`, each seen at its number; returns how many were evicted.
    fn fill(table: &mut FlowTable<4>, range: std::ops::Range<u32>) -> usize {
        range.filter(|&n| table.insert(table.hash(&key(n.into())), &key(n.into()), value(n)).evicted).count()
    }

    #[test]
    fn the_least_recently_seen_of_four_in_both_buckets_gives_way() {
        let mut table = FlowTable::<4>::create("test", 1024, SEED, false).unwrap();
        let mut evictions = 0;
        for n in 0..4000u32 {
            let key = key(n.into());
            let hash = table.hash(&key);
            let probe = table.probe(hash);
            let slots: Vec<_> = table.parts.slots_of(&probe).collect();
            let full = slots.iter().all(|&slot| table.parts.is_occupied(slot));
            let sample = table.parts.sample(&probe);
            let before = sample.map(|slot| table.parts.entry(slot).last_seen().0);
            let inserted = table.insert(hash, &key, value(n * 7919 % 5003));
            assert!(slots.contains(&inserted.slot.0), "one of the key's own slots");
            assert_eq!(inserted.evicted, full);
            if full {
                let place = sample.iter().position(|&slot| slot == inserted.slot.0).expect("one of the four");
                // Where some of them were seen after the newcomer, they count as seen just now.
                if before.iter().all(|&seen| seen <= n * 7919 % 5003) {
                    assert_eq!(Some(&before[place]), before.iter().min());
                    evictions += 1;
                }
            }
        }
        assert!(evictions > 50, "{evictions}");
        assert!(table.len() <= 1024 && table.len() == table.occupied().count());
    }

    #[test]
    fn flows_that_are_seen_every_tick_hardly_ever_give_way_to_those_that_come_and_go() {
        let mut table = FlowTable::<4>::create("test", 4096, SEED, false).unwrap();
        fill(&mut table, 0..20_000);
        let mut forgotten = 0;
        for tick in 20_000..20_200 {
            for n in 0..256 {
                let key = key(1 << 40 | n);
                forgotten += u32::from(!table.insert(table.hash(&key), &key, value(tick)).replaced);
            }
            // An eighth of the table comes anew: were those who give way drawn by lot, 6,400 would be forgotten.
            for n in 0..512 {
                let key = key(1 << 41 | u64::from(tick) << 16 | n);
                table.insert(table.hash(&key), &key, value(tick));
            }
        }
        assert!(forgotten - 256 < 256, "{forgotten} of 51,200");
    }

    #[test]
    fn a_lookup_looks_at_two_buckets_whatever_the_load() {
        let mut table = FlowTable::<4>::create("test", 4096, SEED, false).unwrap();
        fill(&mut table, 0..20_000);
        assert!(table.len() > 4090, "{}: the table is full", table.len());
        let (mut candidates, mut keys) = (0, 0);
        for n in 0..40_000 {
            let mut probe = table.probe(table.hash(&key(n)));
            table.candidates(&mut probe);
            candidates += u32::from(probe.first != crate::bucket::NO_SLOT);
            if let Some(slot) = table.find(&probe, &key(n)) {
                assert!(table.parts.slots_of(&probe).any(|own| own == slot.0));
                assert_eq!(table.entry(slot).key(), key(n));
                keys += 1;
            }
        }
        assert_eq!(keys as usize, table.len());
        assert!(candidates - keys < 40, "{candidates} candidates for {keys} keys: 16 in 65,536 tags meet by chance");
    }

    #[test]
    fn hardly_any_flow_gives_way_at_three_quarters_and_few_at_nine_tenths() {
        let mut table = FlowTable::<4>::create("test", 65_536, SEED, false).unwrap();
        assert_eq!(fill(&mut table, 0..36_864), 0, "nine sixteenths");
        let evicted = fill(&mut table, 36_864..49_152);
        assert!(evicted < 5, "{evicted}: one in ten thousand");
        let evicted = fill(&mut table, 49_152..58_982);
        assert!(evicted < 590, "{evicted}: one in a hundred");
    }

    #[test]
    fn a_flow_removed_between_two_steps_is_not_found() {
        let mut table = FlowTable::<4>::create("test", 16, SEED, false).unwrap();
        let slot = table.insert(table.hash(&key(1)), &key(1), value(1)).slot;
        let mut probe = table.probe(table.hash(&key(1)));
        table.candidates(&mut probe);
        assert_eq!(table.find(&probe, &key(1)), Some(slot));
        table.remove(slot);
        assert_eq!(table.find(&probe, &key(1)), None);
        assert_eq!(table.find(&Probe::EMPTY, &key(1)), None);
    }

    #[test]
    fn a_successor_empties_the_bucket_its_predecessor_died_in_and_no_other() {
        let mut table = FlowTable::<4>::create("test", 64, SEED, false).unwrap();
        fill(&mut table, 0..40);
        let victim = table.get(table.hash(&key(7)), &key(7)).unwrap().0;
        let died = catch_unwind(AssertUnwindSafe(|| {
            table.parts.rewrite(victim, |entry| {
                entry.begin(&key(99), value(99));
                panic!("killed here");
            })
        }));
        assert!(died.is_err());
        let lost: Vec<_> = table.occupied().filter(|slot| slot.0 / 8 == victim / 8).collect();
        let reader = table.reader();
        assert_eq!(reader.iter().count(), 40 - lost.len(), "nobody sees a bucket half written");
        let fd = table.region().fd().try_clone_to_owned().unwrap();
        drop(table);
        let mut next = FlowTable::<4>::attach(fd).unwrap();
        assert_eq!((next.len(), next.region().generation()), (40 - lost.len(), 2));
        assert!(!lost.is_empty() && lost.iter().all(|slot| !next.parts.is_occupied(slot.0)));
        let all = (0..40).filter(|&n| next.get(next.hash(&key(n)), &key(n)).is_some()).count();
        assert_eq!(all, next.len());
        fill(&mut next, 0..40);
        assert_eq!(reader.iter().count(), 40, "the bucket is whole again");
    }
}
