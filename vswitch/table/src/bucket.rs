//! The tags in front of a table's entries: eight 16-bit tags a bucket, compared all at once, two buckets a key.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use zerocopy::FromBytes;

/// Slots of a bucket.
pub(crate) const SLOTS: u32 = 8;

/// Four 16-bit lanes to a word.
const EACH_LANE: u64 = 0x0001_0001_0001_0001;
const LANE_TOP: u64 = EACH_LANE << 15;
const LANE_REST: u64 = !LANE_TOP;

/// The eight tags of one bucket; 0 is a free slot. 16 bytes, so a group never straddles two cache lines.
#[repr(C, align(16))]
#[derive(Debug, FromBytes)]
pub(crate) struct TagGroup([AtomicU64; 2]);

/// The lanes of a word that are zero, by their top bits. Exact: no carry leaves a lane, for 0x7fff + 0x7fff fits one.
#[inline]
fn zero_lanes(word: u64) -> u64 {
    !(((word & LANE_REST) + LANE_REST) | word) & LANE_TOP
}

/// A set of slots of two buckets. Bit `16 * lane + 2 * choice + half` is slot `4 * half + lane` of the key's bucket
/// number `choice`: what falls out of comparing four words and shifting them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotSet(u64);

impl SlotSet {
    /// Both choices' sets as one.
    #[inline]
    pub(crate) fn pair(first: SlotSet, second: SlotSet) -> SlotSet {
        SlotSet(first.0 | second.0 << 2)
    }

    #[inline]
    pub(crate) fn len(self) -> u32 {
        self.0.count_ones()
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
        Some(((bit as usize >> 1) & 1, (bit & 1) * 4 + (bit >> 4)))
    }
}

impl TagGroup {
    /// The slots that hold `tag`.
    #[inline]
    pub(crate) fn matching(&self, tag: u16) -> SlotSet {
        let wanted = u64::from(tag) * EACH_LANE;
        let [low, high] = [&self.0[0], &self.0[1]].map(|word| zero_lanes(word.load(Relaxed) ^ wanted));
        SlotSet(low >> 15 | high >> 14)
    }

    /// The slots that hold anything.
    #[inline]
    pub(crate) fn occupied(&self) -> SlotSet {
        let [low, high] = [&self.0[0], &self.0[1]].map(|word| zero_lanes(word.load(Relaxed)) ^ LANE_TOP);
        SlotSet(low >> 15 | high >> 14)
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

/// Where a key can be: what a lookup carries from one of its steps to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Probe {
    pub(crate) buckets: [u32; 2],
    pub(crate) tag: u16,
    pub(crate) candidates: SlotSet,
}

impl Probe {
    /// A probe that finds nothing, to fill arrays with.
    pub const EMPTY: Probe = Probe { buckets: [0, 1], tag: 0, candidates: SlotSet(0) };

    /// The two buckets and the tag of a hash in a table of `mask + 1` buckets. The second bucket is the first xor an odd
    /// number made of the tag, so it is another one, and either can be told from the other.
    #[inline]
    pub(crate) fn new(hash: u64, mask: u32) -> Probe {
        let tag = ((hash >> 48) as u16).max(1);
        let first = hash as u32 & mask;
        let step = (u32::from(tag).wrapping_mul(0x9e37_79b1) | 1) & mask;
        Probe { buckets: [first, first ^ step], tag, candidates: SlotSet::default() }
    }

    /// The slots, counted through the whole table, of a set in this probe's two buckets.
    #[inline]
    pub(crate) fn slots(self, set: SlotSet) -> impl Iterator<Item = u32> {
        set.map(move |(choice, slot)| self.buckets[choice] * SLOTS + slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_keys_buckets_differ_and_stay_within_the_table() {
        for hash in (0..100_000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            for mask in [1, 3, 0xff, 0xf_ffff] {
                let probe = Probe::new(hash, mask);
                let [first, second] = probe.buckets;
                assert!(first != second && first <= mask && second <= mask && probe.tag != 0);
            }
        }
    }

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
            let pair = SlotSet::pair(free, occupied);
            prop_assert_eq!(pair.filter(|(choice, _)| *choice == 0).count() as u32, free.len());
        }
    }
}
