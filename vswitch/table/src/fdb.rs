//! The forwarding database: behind which member of a network a MAC is.

use std::os::fd::OwnedFd;

use sync::{Access, Region, RegionError};
use wire::{HashKey, Mac, fold};

use crate::{
    FdbEntry, FdbReader, FdbSlot, MemberId, NetworkId, Probe, Sweep, Tick,
    fdb_entry::{Arrival, FdbCell, pack},
    layout::{Parts, fingerprint},
};

/// The kind of region an FDB lies in.
pub(crate) const KIND: &str = "fdb";
/// The layout of an FDB.
pub(crate) const LAYOUT: u64 = fingerprint::<FdbCell>(2);

/// What came of a source address seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learn {
    /// Nothing new, but perhaps that it is alive, or that this worker sees it itself.
    Known,
    /// Learned.
    New(FdbSlot),
    /// Learned behind another member than before.
    Moved {
        /// Its place, as before.
        slot: FdbSlot,
        /// The member behind which it was.
        from: MemberId,
    },
    /// Not learned: the operator said that it is behind another member.
    Static,
    /// Not learned: its network has as many MACs as it may have.
    NetworkFull,
    /// Not learned: both its buckets are full.
    TableFull,
}

/// Both buckets of a MAC are full of static entries: it cannot be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the FDB has no room left for this MAC")]
pub struct TableFull;

/// Epochs are compared on a clock that wraps, so none that counts may fall half a turn behind. [`Fdb::sweep`] brings those
/// of entries forward that are older than this; whoever keeps epochs elsewhere does the same.
pub const EPOCHS_KEPT: u32 = 1 << 30;

/// MACs by network, one replica a worker. Full means full: a MAC that finds no room is refused and its frames flood, for
/// an attacker's MACs must not push out those that are in use. Only the operator's static entries find room always.
///
/// Flows rest on entries by slot: whenever a slot's MAC comes, moves or goes, its `changed_at` becomes the epoch given,
/// and a verdict found true before that epoch is to be made anew.
#[derive(Debug)]
pub struct Fdb {
    parts: Parts<FdbCell>,
    /// MACs by network; private, as it follows from the entries.
    counts: Box<[u32]>,
    len: usize,
}

fn slots_for(macs_max: usize) -> usize {
    macs_max.saturating_add(macs_max.div_ceil(2))
}

impl Fdb {
    /// An empty FDB with room for `macs_max` MACs, hashed under `seed`; `huge` asks for hugepages. Slots are more by
    /// half at least, so that the buckets of hardly any MAC are full before that many are held.
    pub fn create(name: &str, macs_max: usize, seed: HashKey, huge: bool) -> Result<Self, RegionError> {
        let parts = Parts::create((name, KIND, LAYOUT), slots_for(macs_max), seed, huge)?;
        Ok(Self::around(parts))
    }

    /// Octets of an FDB with room for `macs_max` MACs, without the region's own.
    pub fn payload_bytes(macs_max: usize) -> usize {
        Parts::<FdbCell>::payload_bytes(slots_for(macs_max))
    }

    /// Takes up the FDB of a writer that is gone. The MACs of a bucket it left half written are forgotten as of `epoch`,
    /// which must be later than any of the writer's.
    pub fn attach(fd: OwnedFd, epoch: u32) -> Result<Self, RegionError> {
        let parts = Parts::<FdbCell>::attach(fd, KIND, LAYOUT, Access::ReadWrite)?;
        parts.heal(|cell| cell.set_changed_at(epoch));
        let mut fdb = Self::around(parts);
        for slot in fdb.parts.occupied() {
            fdb.counts[fdb.parts.entry(slot).network().index()] += 1;
            fdb.len += 1;
        }
        Ok(fdb)
    }

    fn around(parts: Parts<FdbCell>) -> Self {
        Fdb { parts, counts: vec![0; usize::from(u16::MAX) + 1].into_boxed_slice(), len: 0 }
    }

    /// The memory, to give its descriptor to readers and successors.
    pub fn region(&self) -> &Region {
        &self.parts.region
    }

    /// A reader for another thread.
    pub fn reader(&self) -> FdbReader {
        FdbReader::new(self.parts.clone())
    }

    /// MACs held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no MAC is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// MACs there are slots for; some buckets fill up before all slots are taken.
    pub fn capacity(&self) -> usize {
        self.parts.entries.len()
    }

    /// The same, as a bound of [`Fdb::slot_at`].
    pub fn slots(&self) -> u32 {
        self.parts.slots()
    }

    /// The slot of a number below [`Fdb::slots`]; larger ones go round.
    pub fn slot_at(&self, number: u32) -> FdbSlot {
        FdbSlot(number & (self.slots() - 1))
    }

    /// MACs held of one network, static ones included.
    pub fn count(&self, network: NetworkId) -> u32 {
        self.counts[network.index()]
    }

    #[inline]
    fn probe(&self, key: u64) -> Probe {
        self.parts.probe(fold(&[key], self.parts.seed))
    }

    #[inline]
    fn find(&self, key: u64) -> Option<u32> {
        let mut probe = self.probe(key);
        self.parts.candidates(&mut probe);
        self.parts.find(&probe, |cell| cell.key() == key).map(|(slot, _)| slot)
    }

    /// Where a MAC is kept, if it is known.
    #[inline]
    pub fn lookup(&self, network: NetworkId, mac: Mac) -> Option<FdbSlot> {
        self.find(pack(network, mac)).map(FdbSlot)
    }

    /// A copy of the entry in a slot, whether a MAC is still there or not.
    #[inline]
    pub fn entry(&self, slot: FdbSlot) -> FdbEntry {
        self.parts.entry(slot.0).copy()
    }

    /// A copy of the entry in a slot, if a MAC is there.
    pub fn get(&self, slot: FdbSlot) -> Option<FdbEntry> {
        self.parts.is_occupied(slot.0).then(|| self.entry(slot))
    }

    /// The member behind which the MAC in a slot is.
    #[inline]
    pub fn member(&self, slot: FdbSlot) -> MemberId {
        self.parts.entry(slot.0).member()
    }

    /// The epoch in which a slot's MAC last came, moved or went.
    #[inline]
    pub fn changed_at(&self, slot: FdbSlot) -> u32 {
        self.parts.entry(slot.0).changed_at()
    }

    /// Notes that `mac` was alive at `seen`, provided it is known to be behind `member`; learns nothing.
    pub fn touch(&mut self, network: NetworkId, mac: Mac, member: MemberId, seen: Tick) {
        if let Some(slot) = self.find(pack(network, mac)) {
            let cell = self.parts.entry(slot);
            if cell.member() == member {
                cell.refresh(false, seen);
            }
        }
    }

    /// Takes in that the MAC in a slot was seen where it is known to be: by this worker (`local`), or as another one tells.
    #[inline]
    pub fn refresh(&mut self, slot: FdbSlot, local: bool, seen: Tick) {
        self.parts.entry(slot.0).refresh(local, seen);
    }

    /// Takes in that `mac` was seen behind `member`: by this worker (`local`), or as another worker tells. `limit` is
    /// how many MACs the network may have. Whether `mac` is a possible source at all is for the caller to check.
    #[expect(clippy::too_many_arguments, reason = "one sighting, in words; a struct would be built for each frame")]
    pub fn learn(
        &mut self,
        network: NetworkId,
        mac: Mac,
        member: MemberId,
        local: bool,
        now: Tick,
        epoch: u32,
        limit: u32,
    ) -> Learn {
        let key = pack(network, mac);
        let arrival = Arrival { member, is_static: false, is_local: local, now, epoch };
        let Some(slot) = self.find(key) else { return self.learn_new(key, arrival, limit) };
        let cell = self.parts.entry(slot);
        let from = cell.member();
        if from == member {
            cell.refresh(local, now);
            return Learn::Known;
        }
        if cell.is_static() {
            return Learn::Static;
        }
        self.parts.rewrite(slot, |cell| cell.move_to(arrival));
        Learn::Moved { slot: FdbSlot(slot), from }
    }

    fn learn_new(&mut self, key: u64, arrival: Arrival, limit: u32) -> Learn {
        if self.counts[(key >> 48) as usize] >= limit {
            return Learn::NetworkFull;
        }
        self.add(key, arrival).map_or(Learn::TableFull, Learn::New)
    }

    /// Puts a MAC that is not held into a free slot.
    fn add(&mut self, key: u64, arrival: Arrival) -> Option<FdbSlot> {
        let probe = self.probe(key);
        let slot = self.parts.free_slot(&probe)?;
        self.parts.write(slot, probe.tag, |cell| cell.begin(key, arrival));
        self.counts[(key >> 48) as usize] += 1;
        self.len += 1;
        Some(FdbSlot(slot))
    }

    /// Says, for the operator, that `mac` is behind `member`: learning does not move it and no limit refuses it. An
    /// entry that says so already is left alone; a learned one is taken over.
    pub fn set_static(
        &mut self,
        network: NetworkId,
        mac: Mac,
        member: MemberId,
        epoch: u32,
    ) -> Result<FdbSlot, TableFull> {
        let key = pack(network, mac);
        let arrival = Arrival { member, is_static: true, is_local: false, now: Tick::default(), epoch };
        let Some(slot) = self.find(key) else { return self.add_static(key, arrival).ok_or(TableFull) };
        let cell = self.parts.entry(slot);
        if !cell.is_static() || cell.member() != member {
            let arrival = Arrival { now: cell.last_seen(), ..arrival };
            self.parts.rewrite(slot, |cell| cell.place(arrival));
        }
        Ok(FdbSlot(slot))
    }

    /// Puts a static MAC into a free slot, or else in place of the learned one that was silent for longest.
    fn add_static(&mut self, key: u64, arrival: Arrival) -> Option<FdbSlot> {
        self.add(key, arrival).or_else(|| {
            let probe = self.probe(key);
            let learned = self.parts.slots_of(&probe).filter(|&slot| !self.parts.entry(slot).is_static());
            let victim = learned.min_by_key(|&slot| self.parts.entry(slot).last_seen().0)?;
            self.remove(FdbSlot(victim), arrival.epoch);
            self.add(key, arrival)
        })
    }

    /// Forgets the MAC in a slot, static or not; `false` where there is none.
    pub fn remove(&mut self, slot: FdbSlot, epoch: u32) -> bool {
        if !self.parts.is_occupied(slot.0) {
            return false;
        }
        let network = self.parts.entry(slot.0).network();
        self.parts.write(slot.0, 0, |cell| cell.set_changed_at(epoch));
        self.counts[network.index()] -= 1;
        self.len -= 1;
        true
    }

    /// Asks for what the next [`sweep`](Self::sweep) of this budget looks at, so that it need not wait for memory.
    pub fn look_ahead(&self, cursor: u32, budget: u32) {
        self.parts.look_ahead(cursor, budget);
    }

    /// Looks at the MACs in the next `budget` slots behind `cursor`, static ones too, and removes those that `judge`
    /// says. Returns how many. The cursor goes round; each slot is visited once at most, so that a budget of `u32::MAX`
    /// visits all.
    pub fn sweep(
        &mut self,
        cursor: &mut u32,
        budget: u32,
        epoch: u32,
        mut judge: impl FnMut(FdbSlot, FdbEntry) -> Sweep,
    ) -> usize {
        let before = self.len;
        for slot in self.parts.advance(cursor, budget).map(FdbSlot) {
            let Some(entry) = self.get(slot) else { continue };
            if judge(slot, entry) == Sweep::Remove {
                self.remove(slot, epoch);
            } else if epoch.wrapping_sub(entry.changed_at) > EPOCHS_KEPT {
                self.parts.entry(slot.0).set_changed_at(epoch.wrapping_sub(EPOCHS_KEPT));
            }
        }
        before - self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_successor_forgets_the_bucket_its_predecessor_died_in_and_says_when() {
        let (net, mac) = (NetworkId(1), |n: u64| Mac::from_u64(0x0200_0000_0000 + n));
        let mut fdb = Fdb::create("test", 40, HashKey([1, 2]), false).unwrap();
        for n in 0..40 {
            assert!(matches!(fdb.learn(net, mac(n), MemberId(1), true, Tick(1), 5, 99), Learn::New(_)));
        }
        let victim = fdb.lookup(net, mac(7)).unwrap().0;
        let died = catch_unwind(AssertUnwindSafe(|| {
            fdb.parts.rewrite(victim, |cell| {
                cell.begin(pack(net, mac(99)), cell_arrival(MemberId(2)));
                panic!("killed here");
            })
        }));
        assert!(died.is_err());
        let lost: Vec<_> = fdb.parts.occupied().filter(|slot| slot / 8 == victim / 8).collect();
        let reader = fdb.reader();
        assert_eq!(reader.iter().count(), 40 - lost.len(), "nobody sees a bucket half written");
        let fd = fdb.region().fd().try_clone_to_owned().unwrap();
        drop(fdb);
        let next = Fdb::attach(fd, 77).unwrap();
        assert_eq!((next.len(), next.count(net) as usize), (40 - lost.len(), 40 - lost.len()));
        assert_eq!(reader.iter().count(), next.len());
        for slot in (0..next.slots()).map(|n| next.slot_at(n)) {
            let expected = match next.get(slot) {
                Some(_) => 5,
                None if slot.0 / 8 == victim / 8 => 77,
                None => 0,
            };
            assert_eq!(next.changed_at(slot), expected);
        }
    }

    fn cell_arrival(member: MemberId) -> Arrival {
        Arrival { member, is_static: false, is_local: false, now: Tick(9), epoch: 6 }
    }
}
