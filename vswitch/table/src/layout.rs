//! What all tables have in common: where the parts lie in the region, and how the one writer changes a bucket so that
//! readers see whole entries and a successor finds out what its predecessor left half done.

use std::os::fd::OwnedFd;

use sync::{Access, Counter, Plain, Region, RegionError, Round, Sequence, Slab};
use wire::HashKey;
use zerocopy::FromBytes;

use crate::{
    bucket::{Probe, SLOTS, SlotSet, TagGroup},
    prefetch::prefetch_at,
};

/// What a sweep does with the entry it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// Groups of tags in a cache line.
const GROUPS_A_LINE: usize = 64 / size_of::<TagGroup>();

/// Buckets at most: slot numbers are 32 bits wide.
const BUCKETS_MAX: usize = 1 << 28;

/// The first line of a table's region.
#[repr(C, align(64))]
#[derive(FromBytes)]
struct Head {
    buckets: Counter,
    seed: [Counter; 2],
}

/// Byte offsets of a table's parts: head, tags, sequence words, entries, and what is beside the entries.
struct Offsets {
    sequences: usize,
    entries: usize,
    beside: usize,
    end: usize,
}

impl Offsets {
    /// For a power of two of buckets, at most [`BUCKETS_MAX`]: no product here leaves an `usize`.
    fn of<E, B>(buckets: usize) -> Offsets {
        let sequences = size_of::<Head>() + buckets * size_of::<TagGroup>();
        let entries = (sequences + buckets * size_of::<Sequence>()).next_multiple_of(64);
        let slots = buckets * SLOTS as usize;
        let beside = (entries + slots * size_of::<E>()).next_multiple_of(64);
        Offsets { sequences, entries, beside, end: beside + slots * size_of::<B>() }
    }
}

/// The layout's name, so that no program attaches a table of another layout. `version` counts changes of the entry,
/// and of where a key goes, that no size shows.
pub(crate) const fn fingerprint<E>(version: u64) -> u64 {
    let parts = [version, size_of::<E>() as u64, align_of::<E>() as u64, SLOTS as u64, size_of::<TagGroup>() as u64];
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < parts.len() {
        sum = (sum ^ parts[i]).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    sum
}

/// Buckets for at least `entries` entries: a power of two, and two at least, for a key has two. `None` where slot
/// numbers would not do.
fn buckets_for(entries: usize) -> Option<usize> {
    let buckets = entries.div_ceil(SLOTS as usize).max(2);
    (buckets <= BUCKETS_MAX).then(|| buckets.next_power_of_two())
}

/// A table of entries `E`: tags, sequence words and entries, without a notion of what an entry is. Beside each entry is a
/// `B`, in memory of its own, for what few entries need.
#[derive(Debug)]
pub(crate) struct Parts<E, B = ()> {
    pub(crate) region: Region,
    pub(crate) entries: Round<E>,
    pub(crate) beside: Slab<B>,
    pub(crate) seed: HashKey,
    groups: Round<TagGroup>,
    sequences: Slab<Sequence>,
}

impl<E, B> Clone for Parts<E, B> {
    fn clone(&self) -> Self {
        Parts {
            region: self.region.clone(),
            entries: self.entries.clone(),
            beside: self.beside.clone(),
            groups: self.groups.clone(),
            sequences: self.sequences.clone(),
            ..*self
        }
    }
}

impl<E: Plain, B: Plain> Parts<E, B> {
    /// Octets of a table for at least `entries` entries; all there are where there cannot be such a table.
    pub(crate) fn payload_bytes(entries: usize) -> usize {
        buckets_for(entries).map_or(usize::MAX, |buckets| Offsets::of::<E, B>(buckets).end)
    }

    /// An empty table for at least `entries` entries.
    pub(crate) fn create(
        (name, kind, fingerprint): (&str, &str, u64),
        entries: usize,
        seed: HashKey,
        huge: bool,
    ) -> Result<Self, RegionError> {
        let Some(buckets) = buckets_for(entries) else {
            let (name, what) = (name.to_owned(), "the number of slots asked for");
            return Err(RegionError::Content { name, what, found: entries as u64 });
        };
        let region = Region::create(name, kind, fingerprint, Offsets::of::<E, B>(buckets).end, huge)?;
        let head = region.slab::<Head>(0, 1)?;
        head[0].buckets.set(buckets as u64);
        head[0].seed.iter().zip(seed.0).for_each(|(word, half)| word.set(half));
        Self::lay_out(region)
    }

    /// The table behind a descriptor that [`Parts::create`] made in this or another process. To write is to succeed the
    /// writer: the buckets it was changing when it died are emptied.
    pub(crate) fn attach(fd: OwnedFd, kind: &str, fingerprint: u64, access: Access) -> Result<Self, RegionError> {
        Self::lay_out(Region::attach(fd, kind, fingerprint, access)?)
    }

    fn lay_out(region: Region) -> Result<Self, RegionError> {
        let head = region.slab::<Head>(0, 1)?;
        let found = head[0].buckets.get();
        let refusal = || RegionError::Content { name: region.name().to_owned(), what: "the number of buckets", found };
        let buckets = usize::try_from(found).ok().filter(|n| (2..=BUCKETS_MAX).contains(n)).ok_or_else(refusal)?;
        let offsets = Offsets::of::<E, B>(buckets);
        Ok(Parts {
            groups: Round::new(region.slab(size_of::<Head>(), buckets)?).ok_or_else(refusal)?,
            sequences: region.slab(offsets.sequences, buckets)?,
            entries: Round::new(region.slab(offsets.entries, buckets * SLOTS as usize)?).ok_or_else(refusal)?,
            beside: region.slab(offsets.beside, buckets * SLOTS as usize)?,
            seed: HashKey([0, 1].map(|i: usize| head[0].seed[i].get())),
            region,
        })
    }

    /// Slots of the table, free or not.
    pub(crate) fn slots(&self) -> u32 {
        self.entries.mask() + 1
    }

    /// Buckets less one.
    #[inline]
    pub(crate) fn mask(&self) -> u32 {
        self.groups.mask()
    }

    /// The entry in a slot. The number of a slot beyond the table (which only another table can have given) goes round.
    #[inline]
    pub(crate) fn entry(&self, slot: u32) -> &E {
        self.entries.at(slot)
    }

    /// First step of a lookup: where the key can be; asks for the entry where it most likely is.
    #[inline]
    pub(crate) fn probe(&self, hash: u64) -> Probe {
        let probe = Probe::new(hash, self.entries.mask());
        prefetch_at(&self.entries, probe.home);
        probe
    }

    #[inline]
    pub(crate) fn group(&self, bucket: u32) -> &TagGroup {
        self.groups.at(bucket)
    }

    #[inline]
    pub(crate) fn tag(&self, slot: u32) -> u16 {
        self.group(slot / SLOTS).get(slot % SLOTS)
    }

    /// Whether a slot of this table holds an entry.
    pub(crate) fn is_occupied(&self, slot: u32) -> bool {
        slot < self.slots() && self.tag(slot) != 0
    }

    /// The free slots of two buckets.
    #[inline]
    pub(crate) fn free(&self, buckets: [u32; 2]) -> SlotSet {
        let [first, second] = buckets.map(|bucket| self.group(bucket));
        TagGroup::matching_pair(first, second, 0)
    }

    /// Asks for the tags of two buckets.
    #[inline]
    pub(crate) fn expect_tags(&self, buckets: [u32; 2]) {
        buckets.into_iter().for_each(|bucket| prefetch_at(&self.groups, bucket));
    }

    /// Asks for the lines of this slot that [`Parts::write`] writes.
    #[inline]
    pub(crate) fn expect_slot(&self, slot: u32) {
        prefetch_at(&self.entries, slot);
        prefetch_at(&self.sequences, slot / SLOTS);
    }

    /// Changes an entry and its tag (0 empties the slot) as one: readers see neither half.
    pub(crate) fn write(&self, slot: u32, tag: u16, change: impl FnOnce(&E)) {
        let sequence = &self.sequences[(slot / SLOTS) as usize];
        sequence.begin_write();
        change(self.entry(slot));
        self.group(slot / SLOTS).set(slot % SLOTS, tag);
        sequence.end_write();
    }

    /// Changes an entry whose slot stays occupied.
    pub(crate) fn rewrite(&self, slot: u32, change: impl FnOnce(&E)) {
        self.write(slot, self.tag(slot), change);
    }

    /// The slots that hold entries, each as of the moment it is yielded or, at worst, its bucket is reached.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = u32> + '_ {
        (0..=self.mask()).flat_map(|bucket| self.group(bucket).occupied().map(move |(_, slot)| bucket * SLOTS + slot))
    }

    /// The next `budget` slots behind `cursor`, which moves on and round; each slot once at most.
    pub(crate) fn advance(&self, cursor: &mut u32, budget: u32) -> impl Iterator<Item = u32> + use<E, B> {
        let (start, budget, mask) = (*cursor, budget.min(self.slots()), self.entries.mask());
        *cursor = start.wrapping_add(budget) & mask;
        (0..budget).map(move |step| start.wrapping_add(step) & mask)
    }

    /// Asks for the entries that the next sweep of `budget` slots behind `cursor` looks at, of which the tags were asked for
    /// the last time, and for the tags of the sweep after that.
    pub(crate) fn look_ahead(&self, cursor: u32, budget: u32) {
        let buckets = (budget / SLOTS).min(self.mask() + 1);
        let ahead = |step: u32| (cursor / SLOTS).wrapping_add(step) & self.mask();
        for bucket in (0..buckets).map(ahead) {
            self.group(bucket).occupied().for_each(|(_, slot)| prefetch_at(&self.entries, bucket * SLOTS + slot));
        }
        (buckets..2 * buckets).step_by(GROUPS_A_LINE).for_each(|step| prefetch_at(&self.groups, ahead(step)));
    }

    /// What `copy` makes of an occupied slot, whole: `None` where the slot is free or the writer is at it all the time.
    pub(crate) fn read<T>(&self, slot: u32, copy: impl Fn(&E) -> T) -> Option<T> {
        let sequence = &self.sequences[(slot / SLOTS) as usize];
        let attempt = || sequence.read(|| (self.tag(slot) != 0).then(|| copy(self.entry(slot))));
        (0..8).find_map(|_| attempt())?
    }

    /// Empties the buckets whose writer died in the middle, telling `lost` of each slot of theirs before.
    pub(crate) fn heal(&self, lost: impl Fn(&E)) {
        for (bucket, sequence) in (0..).zip(self.sequences.iter()).filter(|(_, sequence)| sequence.is_writing()) {
            sequence.begin_write();
            for slot in 0..SLOTS {
                lost(self.entry(bucket * SLOTS + slot));
                self.group(bucket).set(slot, 0);
            }
            sequence.end_write();
        }
    }
}
