//! Descriptors in flight: where each ring stands, in memory that outlives the switch.
//!
//! Chains are used in the order in which they were made available, each within the burst that took it. So all there is to
//! remember of a ring is one place in it, and the question is what a kill finds at each instant between the copying of
//! frames, the showing of used chains, and the writing down of the place.
//!
//! **A split ring** needs no record. Its used index, in the guest's memory, is written in one store after everything it
//! stands for; whoever comes next goes on there. A kill before the store leaves the chains available, to be taken again
//! (no frame of theirs has left the switch: a burst is handed on after it was shown). A kill after it leaves them used.
//!
//! **A packed ring** has no such index, and its used descriptors overwrite the available ones. A burst is shown by storing
//! all its used descriptors but the first, then the first, at which the driver looks. A kill in between leaves descriptors
//! that are neither available, because their lengths are overwritten, nor used, because the driver has not come to them.
//! So the record is written ahead:
//!
//! 1. the burst's used descriptors go into the record (`entries`), where nobody looks yet;
//! 2. one store of the state says that the burst is open: it begins `at`, ends `after`, and has that many entries;
//! 3. the used descriptors go into the ring, the first one last;
//! 4. one store of the state says that the ring stands `at` the end, with nothing open.
//!
//! Killed before 2, the ring stands where the burst began and its chains are available. Killed after 2, whoever comes
//! next looks at the descriptor `at` the beginning. Still available in this turn of the ring: the driver has seen nothing
//! of the burst and cannot have come past it, so the entries are stored (again), the first one last, and every frame in
//! them is shown whole and once. Otherwise all of them had been shown, the driver may have put new chains in their places,
//! and nothing is touched. The two cannot be confused: used, the descriptor has both marks of this turn, and made
//! available anew the marks of the next, which ends only when the switch is back. A processor completes the stores of a
//! process that is killed in the order in which it made them, or so that nobody can tell, so only the compiler is kept
//! from changing it.
//!
//! In either kind of ring, what a burst holds when the switch dies dies with it if it had been taken from the guest and
//! shown as used, and reaches the guest if it was on the way there and shown. Nothing is delivered twice, or torn.
//!
//! The state counts as long as it says `running`: from a ring's start until it is stopped in the words of the protocol,
//! which tell the front end where it stands; from then on the front end's base counts. Front ends that know
//! INFLIGHT_SHMFD keep the memory and bring it back. For the others (QEMU's network front end, DPDK's virtio-user) a
//! record of our own would have to be recognised as that of the same ring, and the ring does not say enough for that: a
//! driver that was reset while the switch was away uses the same memory, file and addresses, and says the same base as
//! one that was not. In the turns of the ring in which the wrap counter is 0, a used descriptor of id 0 and no octets is
//! all zeroes as a fresh one is, and one made available anew looks as the first of a fresh ring does. A record that is
//! taken for another ring's is worse than none, since it makes the switch skip chains or take what nobody offered. So
//! without the front end's word, its base is believed.

use std::{
    fs::File,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU64, Ordering::*, compiler_fence, fence},
};

use sync::{Access, Region, RegionError, Slab};

use crate::{Fault, InflightArea, RingIndex, memory::is_memory};

/// Entries a record has room for. A chain has at least one piece of guest memory, and no more of those are looked at in
/// one go ([`crate::ring::PIECES_MAX`]).
const ENTRIES: usize = crate::ring::PIECES_MAX;

/// The memory's kind, and the number of its layout: native byte order, words of 64 bits. The first eight are the shape
/// (rings in bits 0–15, descriptors a ring in bits 16–31; the others are 0). Then, for each ring, eight words of which the
/// first is the state, and the entries: the place in the ring, and the descriptor's second word.
const KIND: &str = "inflight";
const LAYOUT: u64 = 1;
const HEAD: usize = 8;
const RECORD: usize = 8 + 2 * ENTRIES;

/// Octets of the memory for so many rings, without what every region has.
fn octets(rings: u16) -> usize {
    (HEAD + RECORD * usize::from(rings)) * size_of::<u64>()
}

/// Memory with a record for each ring of a device.
#[derive(Clone, Debug)]
pub struct InflightMemory {
    region: Region,
    rings: u16,
}

impl InflightMemory {
    /// New memory, in which no ring runs.
    ///
    /// # Errors
    /// Where the machine has no memory for it.
    pub fn create(rings: u16, ring_size: u16) -> Result<InflightMemory, RegionError> {
        let region = Region::create(KIND, KIND, LAYOUT, octets(rings), false)?;
        region.slab::<AtomicU64>(0, HEAD)?[0].store(shape(rings, ring_size), Relaxed);
        Ok(InflightMemory { region, rings })
    }

    /// Takes up memory that a front end brings back. What its records say is looked at when a ring starts.
    ///
    /// # Errors
    /// Where it is not memory that was made for as many rings as it is said to be for.
    pub fn attach(area: InflightArea) -> Result<InflightMemory, Fault> {
        let wanted = Region::mapped_bytes(octets(area.rings), false) as u64;
        let wrong = |what: &str, value: u64| Fault::NotInflight(format!("its {what} is {value:#x}"));
        if (area.size, area.offset) != (wanted, 0) {
            return Err(if area.offset == 0 { wrong("size", area.size) } else { wrong("offset", area.offset) });
        }
        // All of the file is mapped, and its pages are ours to pay for: no more than what was made.
        if !is_memory(&area.fd) {
            return Err(Fault::NotInflight("it is no memory".to_owned()));
        }
        let file = File::from(area.fd);
        let has = file.metadata().map_or(0, |about| about.len());
        if has != wanted {
            return Err(wrong("file's length", has));
        }
        let refused = |error: RegionError| Fault::NotInflight(error.to_string());
        let region = Region::attach(file.into(), KIND, LAYOUT, Access::ReadWrite).map_err(refused)?;
        let found = region.slab::<AtomicU64>(0, HEAD).map_err(refused)?[0].load(Relaxed);
        if found != shape(area.rings, area.ring_size) {
            return Err(wrong("shape", found));
        }
        Ok(InflightMemory { region, rings: area.rings })
    }

    /// Octets of it, from the file's start, and another descriptor of it.
    pub fn share(&self) -> std::io::Result<(u64, OwnedFd)> {
        let size = Region::mapped_bytes(octets(self.rings), false) as u64;
        Ok((size, self.region.fd().try_clone_to_owned()?))
    }

    /// The record of a ring; `None` where it has none.
    pub fn record(&self, ring: RingIndex) -> Option<Record> {
        let offset = (HEAD + RECORD * usize::from(ring.0)) * size_of::<u64>();
        let words = self.region.slab(offset, RECORD).ok().filter(|_| ring.0 < self.rings)?;
        Some(Record { words })
    }
}

fn shape(rings: u16, ring_size: u16) -> u64 {
    u64::from(rings) | u64::from(ring_size) << 16
}

/// What a record says: the places are a packed ring's index and wrap counter, as in GET_VRING_BASE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Where the burst that is open begins, or the ring stands.
    pub(crate) at: u16,
    /// Where that burst ends.
    pub(crate) after: u16,
    /// Entries of it; 0 where none is open.
    pub(crate) open: u16,
}

const RUNNING: u64 = 1 << 63;

/// One ring's record. The front end may write it at any time: what is read of it is checked by whoever reads.
#[derive(Clone, Debug)]
pub struct Record {
    words: Slab<AtomicU64>,
}

impl Record {
    fn say(&self, standing: Standing) {
        let Standing { at, after, open } = standing;
        let state = u64::from(at) | u64::from(after) << 16 | u64::from(open) << 32 | RUNNING;
        // Everything before it is written before, everything after it after.
        fence(Release);
        self.words[0].store(state, Relaxed);
        compiler_fence(SeqCst);
    }

    /// Before a burst is shown: where it begins and ends, and its used descriptors (place, second word).
    #[inline]
    pub(crate) fn open(&self, at: u16, after: u16, entries: impl Iterator<Item = (u16, u64)>) {
        let mut open = 0;
        for ((index, word), place) in entries.zip(self.words[8..].chunks_exact(2)) {
            place[0].store(u64::from(index), Relaxed);
            place[1].store(word, Relaxed);
            open += 1;
        }
        self.say(Standing { at, after, open });
    }

    /// The ring runs, stands here, and nothing is open.
    #[inline]
    pub(crate) fn settle(&self, at: u16) {
        self.say(Standing { at, after: at, open: 0 });
    }

    /// The ring was stopped, and the front end knows where it stands.
    pub(crate) fn stop(&self) {
        self.words[0].store(0, Relaxed);
    }

    /// Where the ring stands, if it was running and not stopped.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let state = self.words[0].load(Relaxed);
        let part = |from: u32| (state >> from) as u16;
        (state & RUNNING != 0).then(|| Standing { at: part(0), after: part(16), open: part(32) })
    }

    /// Entry number `entry`: a place and a word, as anybody may have written them.
    pub(crate) fn entry(&self, entry: u16) -> Option<(u64, u64)> {
        let at = 8 + 2 * usize::from(entry);
        Some((self.words.get(at)?.load(Relaxed), self.words.get(at + 1)?.load(Relaxed)))
    }

    /// Its first words, as they are.
    #[cfg(test)]
    pub(crate) fn words(&self, count: usize) -> Vec<u64> {
        self.words[..count].iter().map(|word| word.load(Relaxed)).collect()
    }

    /// Whether its first words are these.
    #[cfg(test)]
    pub(crate) fn is(&self, words: &[u64]) -> bool {
        words.iter().zip(self.words.iter()).all(|(&expected, word)| word.load(Relaxed) == expected)
    }

    /// Writes its first words, as a front end may.
    #[cfg(test)]
    pub(crate) fn write(&self, words: &[u64]) {
        words.iter().zip(self.words.iter()).for_each(|(&new, word)| word.store(new, Relaxed));
    }
}
