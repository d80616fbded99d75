//! The tags in front of a table's entries: eight 16-bit tags a bucket, compared all at once, two buckets a key. In one table
//! they are a part of the key's hash, in another they say where the key is at home.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use zerocopy::FromBytes;

use crate::lanes;

/// Slots of a bucket.
pub(crate) const SLOTS: u32 = 8;

/// The eight tags of one bucket; 0 is a free slot. 16 bytes, so a group never straddles two cache lines.
#[repr(C, align(16))]
#[derive(Debug, FromBytes)]
pub(crate) struct TagGroup([AtomicU64; 2]);

/// A set of slots of two buckets: bit `8 * choice + slot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotSet(u32);

impl SlotSet {
    /// By bit, as [`SlotSet::bits`] tells it.
    #[inline(always)]
    pub(crate) fn from_bits(bits: u16) -> SlotSet {
        SlotSet(bits.into())
    }

    #[inline(always)]
    pub(crate) fn bits(self) -> u16 {
        self.0 as u16
    }

    #[cfg(test)]
    pub(crate) fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// With this slot, or without it.
    #[inline]
    pub(crate) fn set(self, slot: u32, is_in: bool) -> SlotSet {
        SlotSet(self.0 & !(1 << slot) | u32::from(is_in) << slot)
    }

    /// Whether this slot of the first bucket is among them.
    #[inline]
    pub(crate) fn has(self, slot: u32) -> bool {
        self.0 & 1 << slot != 0
    }

    /// Of the free slots of two buckets, those of the first while half of it is free, so that lookups that begin there rarely
    /// need the second; otherwise those of the bucket that has more of them.
    #[inline]
    pub(crate) fn first_or_emptier(self) -> SlotSet {
        let first = self.0 & 0xff;
        if first.count_ones() >= SLOTS / 2 { SlotSet(first) } else { self.emptier() }
    }

    /// Of the free slots of two buckets, those of the bucket that has more of them.
    #[inline]
    pub(crate) fn emptier(self) -> SlotSet {
        let [first, second] = [self.0 & 0xff, self.0 & 0xff00];
        SlotSet(if second.count_ones() > first.count_ones() { second } else { first })
    }
}

/// Yields (choice, slot within its bucket).
impl Iterator for SlotSet {
    type Item = (usize, u32);

    #[inline]
    fn next(&mut self) -> Option<(usize, u32)> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some((bit as usize / SLOTS as usize, bit % SLOTS))
    }
}

impl TagGroup {
    /// The slots that hold `tag`.
    #[inline]
    pub(crate) fn matching(&self, tag: u16) -> SlotSet {
        SlotSet(lanes::equal(self.words(), [0; 2], tag) & 0xff)
    }

    /// The slots of two groups that hold `tag`, at the price of one.
    #[inline]
    pub(crate) fn matching_pair(first: &TagGroup, second: &TagGroup, tag: u16) -> SlotSet {
        SlotSet(lanes::equal(first.words(), second.words(), tag))
    }

    /// The slots that hold anything.
    #[inline]
    pub(crate) fn occupied(&self) -> SlotSet {
        SlotSet(self.matching(0).0 ^ 0xff)
    }

    #[inline]
    fn words(&self) -> [u64; 2] {
        self.0.each_ref().map(|word| word.load(Relaxed))
    }

    /// The tag of a slot below [`SLOTS`].
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> u16 {
        (self.0[slot as usize / 4].load(Relaxed) >> (16 * (slot % 4))) as u16
    }

    /// Sets the tag of a slot below [`SLOTS`]. For the one writer.
    #[inline]
    pub(crate) fn set(&self, slot: u32, tag: u16) {
        let (word, shift) = (&self.0[slot as usize / 4], 16 * (slot % 4));
        word.store(word.load(Relaxed) & !(0xffff << shift) | u64::from(tag) << shift, Relaxed);
    }
}

/// Where a key can be: what a lookup carries from one of its steps to the next. The second bucket is told on demand, since
/// it is rarely asked for.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The slot where the key is unless that was taken when it came, counted through the whole table.
    pub(crate) home: u32,
    pub(crate) tag: u16,
    /// Where to look first, counted through the whole table: home, the home's first guest, or the first slot whose tag matched;
    /// [`NO_SLOT`] where there is none.
    pub(crate) first: u32,
}

/// No slot: tables are smaller.
pub(crate) const NO_SLOT: u32 = u32::MAX;

impl Probe {
    /// A probe of no key, to fill arrays with.
    pub const EMPTY: Probe = Probe { home: 0, tag: 0, first: NO_SLOT };

    /// The home and the tag of a hash in a table of so many slots less one.
    #[inline]
    pub(crate) fn new(hash: u64, slots_mask: u32) -> Probe {
        Probe { home: hash as u32 & slots_mask, tag: ((hash >> 48) as u16).max(1), ..Probe::EMPTY }
    }

    /// The first bucket: that of the home.
    #[inline]
    pub(crate) fn bucket(&self) -> u32 {
        self.home / SLOTS
    }

    /// One of 64 bits, told by the home. Keys with different ones differ; those with the same may.
    #[inline]
    pub fn bit(&self) -> u64 {
        1 << (self.home % u64::BITS)
    }

    /// Notes that the key is not where it can be.
    #[inline]
    pub fn give_up(&mut self) {
        self.first = NO_SLOT;
    }

    /// Whether there is nowhere to look: the key is not in the table.
    #[inline]
    pub fn is_vain(&self) -> bool {
        self.first == NO_SLOT
    }
}

/// The slots, counted through the whole table, of a set in these two buckets.
#[inline]
pub(crate) fn slots(set: SlotSet, buckets: [u32; 2]) -> impl Iterator<Item = u32> {
    set.map(move |(choice, slot)| buckets[choice] * SLOTS + slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tags_are_compared_as_one_by_one(tags in prop::array::uniform8(0u16..4), extreme: [bool; 8], wanted in 0u16..4) {
            let tags: Vec<u16> = tags.iter().zip(extreme).map(|(t, x)| if x { t ^ 0xffff } else { *t }).collect();
            let group = TagGroup(Default::default());
            for (slot, tag) in (0..).zip(&tags) {
                group.set(slot, 0xaaaa);
                group.set(slot, *tag);
            }
            for (slot, tag) in (0..).zip(&tags) {
                prop_assert_eq!(group.get(slot), *tag);
            }
            for wanted in [wanted, wanted ^ 0xffff, wanted ^ 0x8000] {
                let mut found: Vec<_> = group.matching(wanted).map(|(_, slot)| slot).collect();
                found.sort();
                let expected: Vec<_> = (0..8u32).filter(|&s| tags[s as usize] == wanted).collect();
                prop_assert_eq!(found, expected);
            }
            let (free, occupied) = (group.matching(0), group.occupied());
            prop_assert_eq!(free.len() + occupied.len(), 8);
            prop_assert_eq!(TagGroup::matching_pair(&group, &group, 0), SlotSet(free.0 | free.0 << SLOTS));
        }
    }
}
