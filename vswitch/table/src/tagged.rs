//! Lookups by tag, a part of the key's hash beside each slot.

use sync::Plain;

use crate::{
    bucket::{self, NO_SLOT, Probe, SLOTS, TagGroup},
    layout::Parts,
    prefetch::prefetch_at,
};

impl<E: Plain, B: Plain> Parts<E, B> {
    /// The key's buckets: the first, and the first xor an odd number made of the tag, so that it is another one, and either can
    /// be told from the other.
    #[inline]
    fn buckets(&self, probe: &Probe) -> [u32; 2] {
        let first = probe.bucket();
        [first, first ^ ((u32::from(probe.tag).wrapping_mul(0x9e37_79b1) | 1) & self.mask())]
    }

    /// All sixteen slots of the key's buckets.
    pub(crate) fn slots_of(&self, probe: &Probe) -> impl Iterator<Item = u32> + use<E, B> {
        self.buckets(probe).into_iter().flat_map(|bucket| (0..SLOTS).map(move |slot| bucket * SLOTS + slot))
    }

    /// Second step of a lookup: compares the tags, of the second bucket where none of the first is it; asks for the first
    /// candidate's entry.
    #[inline]
    pub(crate) fn candidates(&self, probe: &mut Probe) {
        let matching = |bucket: u32| self.group(bucket).matching(probe.tag).next();
        let [first, second] = self.buckets(probe);
        let found = matching(first).map(|(_, slot)| first * SLOTS + slot);
        probe.first = found.unwrap_or_else(|| matching(second).map_or(NO_SLOT, |(_, slot)| second * SLOTS + slot));
        // Of no slot it is the table's last entry, which does no harm.
        prefetch_at(&self.entries, probe.first & self.entries.mask());
    }

    /// Third step: the candidate whose entry `is_it`. The slot may have been emptied since the second: whoever empties slots
    /// sees to it that such an entry is not it.
    #[inline(always)]
    pub(crate) fn find(&self, probe: &Probe, is_it: impl Fn(&E) -> bool) -> Option<(u32, &E)> {
        if probe.first == NO_SLOT {
            return None;
        }
        // Almost always the first is it: no loop is set up for it.
        let entry = self.entry(probe.first);
        if is_it(entry) { Some((probe.first, entry)) } else { self.find_further(probe, is_it) }
    }

    #[cold]
    #[inline(never)]
    fn find_further(&self, probe: &Probe, is_it: impl Fn(&E) -> bool) -> Option<(u32, &E)> {
        let buckets = self.buckets(probe);
        let [first, second] = buckets.map(|bucket| self.group(bucket));
        let slots = bucket::slots(TagGroup::matching_pair(first, second, probe.tag), buckets);
        slots.map(|slot| (slot, self.entry(slot))).find(|&(_, entry)| is_it(entry))
    }

    /// A free slot in the key's first bucket while half of that is free, then in the emptier of both; its home, where that is
    /// among them.
    #[inline]
    pub(crate) fn free_slot(&self, probe: &Probe) -> Option<u32> {
        let buckets = self.buckets(probe);
        let choices = self.free(buckets).first_or_emptier();
        if choices.has(probe.home % SLOTS) { Some(probe.home) } else { bucket::slots(choices, buckets).next() }
    }
}

#[cfg(test)]
mod tests {
    use wire::HashKey;

    use super::*;

    #[test]
    fn a_keys_buckets_differ_and_stay_within_the_table() {
        for slots in [16, 32, 2048] {
            let parts = Parts::<sync::Counter>::create(("test", "test", 1), slots, HashKey([1, 2]), false).unwrap();
            for hash in (0..10_000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
                let probe = parts.probe(hash);
                let [first, second] = parts.buckets(&probe);
                assert!(first != second && first <= parts.mask() && second <= parts.mask() && probe.tag != 0);
            }
        }
    }
}
