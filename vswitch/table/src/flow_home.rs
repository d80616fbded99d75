//! Where flows stay: at home, or as guests in another slot of the two buckets that their home stands for.

use crate::{
    FlowEntry, FlowTable, FlowValue, Probe,
    bucket::{self, SLOTS, SlotSet},
    prefetch::prefetch_at,
};

/// A table is nearly full when no more than one in so many slots is free.
const FULL: usize = 16;

/// How far off a key's slot is from its home, in buckets, by [`Stay`]'s number: nothing in the first bucket; the second is as far
/// off as the place of the home in the first says, so that all with one home have the same two, and oddly, so that it is
/// another one.
const STRIDES: [u32; 2 * SLOTS as usize] = {
    let (mut strides, mut lane) = ([0; 2 * SLOTS as usize], 0);
    while lane < SLOTS {
        strides[(SLOTS + lane) as usize] = (lane + 1).wrapping_mul(0x9e37_79b1) | 1;
        lane += 1;
    }
    strides
};

/// A slot and the home of the key there, each told by a number below sixteen as the other sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stay {
    /// The home, counted through the whole table.
    pub(crate) home: u32,
    /// The slot, as in a [`SlotSet`] of the home's two buckets.
    pub(crate) place: u32,
}

impl Stay {
    /// Of a key with this home in this slot, which is in one of its two buckets.
    #[inline]
    pub(crate) fn new(home: u32, slot: u32) -> Stay {
        let is_across = home / SLOTS != slot / SLOTS;
        Stay { home, place: u32::from(is_across) * SLOTS + slot % SLOTS }
    }

    /// What is written of it beside the slot, as its tag, never 0: one more than which bucket of the home the slot is in, and
    /// which slot of its bucket the home.
    #[inline]
    pub(crate) fn tag(self) -> u16 {
        (self.place & SLOTS | (self.home % SLOTS)) as u16 + 1
    }

    /// From the tag of a slot, if it is taken.
    #[inline]
    pub(crate) fn read(tag: u16, slot: u32, mask: u32) -> Option<Stay> {
        let number = u32::from(tag).checked_sub(1)?;
        let bucket = (slot / SLOTS).wrapping_sub(STRIDES[(number % (2 * SLOTS)) as usize]) & mask;
        Some(Stay { home: bucket * SLOTS + number % SLOTS, place: number & SLOTS | (slot % SLOTS) })
    }
}

impl<const W: usize> FlowTable<W> {
    /// The two buckets of keys with this home.
    #[inline]
    pub(crate) fn buckets(&self, home: u32) -> [u32; 2] {
        let first = home / SLOTS;
        [first, first.wrapping_add(STRIDES[(SLOTS + home % SLOTS) as usize]) & self.parts.mask()]
    }

    /// The slots of the flows with this home.
    #[inline]
    pub(crate) fn natives(&self, probe: &Probe) -> impl Iterator<Item = u32> + use<W> {
        bucket::slots(self.parts.entry(probe.home).natives(), self.buckets(probe.home))
    }

    /// Of these those that are not at home.
    #[inline]
    pub(crate) fn guests(&self, probe: &Probe) -> impl Iterator<Item = u32> + use<W> {
        let natives = self.parts.entry(probe.home).natives();
        bucket::slots(natives.set(probe.home % SLOTS, false), self.buckets(probe.home))
    }

    /// The home itself where that is free, else a free slot of the emptier of the two buckets.
    #[inline]
    pub(crate) fn free_slot(&self, home: u32) -> Option<u32> {
        let buckets = self.buckets(home);
        let free = self.parts.free(buckets);
        if free.has(home % SLOTS) {
            return Some(home);
        }
        bucket::slots(free.emptier(), buckets).next()
    }

    /// Four different slots of a key's buckets, two of each: those looked at when one of sixteen must give way. Home is one of
    /// them, as the lookup has looked there already. Which the others are depends on the hash, so that all slots are looked at
    /// in turn.
    #[inline]
    pub(crate) fn sample(&self, probe: &Probe) -> [u32; 4] {
        let [_, second] = self.buckets(probe.home).map(|bucket| bucket * SLOTS);
        const HALF: u32 = SLOTS / 2;
        let there = u32::from(probe.tag >> 3) % SLOTS;
        [probe.home, probe.home ^ HALF, second + there, second + (there ^ HALF)]
    }

    /// Asks for what [`FlowTable::expect`] looks at.
    #[inline]
    pub fn expect_room(&self, probe: &Probe) {
        self.parts.expect_tags(self.buckets(probe.home));
    }

    /// Asks for the lines that [`FlowTable::insert_new`] will write: those of the slot that the flow would get now, or of all of
    /// whom one would give way, and of their homes.
    #[inline]
    pub fn expect(&self, probe: &Probe) {
        let Some(slot) = self.free_slot(probe.home) else { return self.expect_sample(probe) };
        self.parts.expect_slot(slot);
    }

    /// Asks for what is looked at where one has to move or to give way.
    #[inline]
    fn expect_sample(&self, probe: &Probe) {
        for slot in self.sample(probe) {
            self.parts.expect_slot(slot);
            let Some(stay) = self.stay(slot) else { continue };
            prefetch_at(&self.parts.entries, stay.home);
            if !self.is_nearly_full() {
                self.parts.expect_tags(self.buckets(stay.home));
            }
        }
    }

    /// Has one of those who would have to give way move to the other bucket of its own, if one finds room there: its slot is free
    /// then. In a table that is nearly full nobody is asked, as it would be in vain.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_room(&self, probe: &Probe) -> Option<u32> {
        if self.is_nearly_full() {
            return None;
        }
        self.sample(probe).into_iter().find(|&slot| self.move_out(slot))
    }

    #[inline]
    fn is_nearly_full(&self) -> bool {
        self.len > self.capacity() / FULL * (FULL - 1)
    }

    /// Whether the flow in this slot has found another.
    fn move_out(&self, slot: u32) -> bool {
        let Some(stay) = self.stay(slot) else { return false };
        // Of those in the same bucket none is free.
        let Some(to) = self.free_slot(stay.home) else { return false };
        let (moved, entry) = (Stay::new(stay.home, to), self.parts.entry(slot));
        self.tail_cell(to).set(&self.tail_cell(slot).get());
        self.parts.write(to, moved.tag(), |cell| cell.move_in(entry));
        self.note(moved, true);
        self.vacate(slot);
        true
    }

    /// Empties a slot that is taken.
    pub(crate) fn vacate(&self, slot: u32) {
        self.leave(slot);
        self.parts.write(slot, 0, FlowEntry::forget_key);
    }

    /// Writes down anew at every home who is where, as a writer that died may have left a flow out; how many flows there are.
    pub(crate) fn note_all(&self) -> usize {
        (0..self.slots()).for_each(|slot| self.parts.entry(slot).set_natives(SlotSet::default()));
        self.parts.occupied().filter_map(|slot| self.stay(slot)).map(|stay| self.note(stay, true)).count()
    }

    /// Whoever is in this slot is there no more, as its home knows it.
    #[inline]
    pub(crate) fn leave(&self, slot: u32) {
        if let Some(stay) = self.stay(slot) {
            self.note(stay, false);
        }
    }

    /// Where the flow in this slot is at home, if there is one.
    #[inline]
    fn stay(&self, slot: u32) -> Option<Stay> {
        Stay::read(self.parts.tag(slot), slot, self.parts.mask())
    }

    /// Writes down at a flow's home whether it is in this place.
    #[inline]
    pub(crate) fn note(&self, stay: Stay, is_there: bool) {
        let home = self.parts.entry(stay.home);
        home.set_natives(home.natives().set(stay.place, is_there));
    }

    /// Of the flows of which one gives way, the one not seen for the longest time.
    #[cold]
    #[inline(never)]
    pub(crate) fn least_recently_seen(&self, probe: &Probe, value: FlowValue) -> u32 {
        let [first, others @ ..] = self.sample(probe);
        let age = |slot: u32| value.last_seen.since(self.parts.entry(slot).last_seen());
        others
            .into_iter()
            .fold((first, age(first)), |oldest, slot| {
                let age = age(slot);
                if age > oldest.1 { (slot, age) } else { oldest }
            })
            .0
    }
}

#[cfg(test)]
mod tests {
    use wire::HashKey;

    use super::*;

    fn table(slots: usize) -> FlowTable<4> {
        FlowTable::create("test", slots, HashKey([1, 2]), false).unwrap()
    }

    #[test]
    fn where_a_key_stays_is_told_from_its_slot_and_tag() {
        for table in [16, 32, 2048].map(table) {
            for home in 0..table.slots() {
                let [first, second] = table.buckets(home);
                assert!(first != second && first == home / SLOTS && second <= table.parts.mask());
                let all = bucket::slots(SlotSet::from_bits(u16::MAX), [first, second]);
                for (place, slot) in (0..).zip(all) {
                    let stay = Stay::new(home, slot);
                    assert_eq!((stay.place, place == home % SLOTS), (place, slot == home));
                    assert!((1..=2 * SLOTS as u16).contains(&stay.tag()));
                    assert_eq!(Stay::read(stay.tag(), slot, table.parts.mask()), Some(stay));
                    assert_eq!(Stay::read(0, slot, table.parts.mask()), None);
                }
            }
        }
    }

    #[test]
    fn four_slots_are_sampled_two_of_each_bucket_and_every_slot_now_and_then() {
        let table = table(64);
        let mut seen = std::collections::HashSet::new();
        for hash in (0..10_000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let probe = table.probe(hash);
            let (sample, buckets) = (table.sample(&probe), table.buckets(probe.home));
            assert_eq!(std::collections::HashSet::from(sample).len(), 4);
            assert_eq!(sample.map(|slot| slot / SLOTS), [0, 0, 1, 1].map(|choice| buckets[choice]));
            seen.extend(sample);
        }
        assert_eq!(seen.len(), 64);
    }
}
