//! One MAC of one network.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use wire::Mac;
use zerocopy::FromBytes;

use crate::{MemberId, NetworkId, Tick};

/// The place of a MAC in the FDB, remembered by the flows whose verdict rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FdbSlot(pub(crate) u32);

impl FdbSlot {
    /// As an index below the FDB's capacity.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A copy of one FDB entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdbEntry {
    /// The network it belongs to.
    pub network: NetworkId,
    /// The MAC.
    pub mac: Mac,
    /// The member behind which it is.
    pub member: MemberId,
    /// The epoch in which it came or last moved.
    pub changed_at: u32,
    /// When it was last seen as a source.
    pub last_seen: Tick,
    /// Set by the operator: never learned away and never aged.
    pub is_static: bool,
    /// Learned by this worker from its own frames, rather than told by another.
    pub is_local: bool,
    /// How often it has moved.
    pub moves: u32,
}

const STATIC: u32 = 1;
const LOCAL: u32 = 2;

/// The bytes of an entry in the region: two to a cache line. Relaxed atomics with one writer.
#[repr(C)]
#[derive(Debug, FromBytes)]
pub(crate) struct FdbCell {
    key: AtomicU64,
    member: AtomicU32,
    changed_at: AtomicU32,
    last_seen: AtomicU32,
    flags: AtomicU32,
    moves: AtomicU32,
    reserved: AtomicU32,
}

const _: () = assert!(size_of::<FdbCell>() == 32);

/// Network and MAC as one word: 16 and 48 bits.
#[inline]
pub(crate) fn pack(network: NetworkId, mac: Mac) -> u64 {
    u64::from(network.0) << 48 | mac.to_u64()
}

impl FdbCell {
    #[inline]
    pub(crate) fn key(&self) -> u64 {
        self.key.load(Relaxed)
    }

    #[inline]
    pub(crate) fn member(&self) -> MemberId {
        MemberId(self.member.load(Relaxed))
    }

    #[inline]
    pub(crate) fn changed_at(&self) -> u32 {
        self.changed_at.load(Relaxed)
    }

    pub(crate) fn set_changed_at(&self, epoch: u32) {
        self.changed_at.store(epoch, Relaxed);
    }

    #[inline]
    pub(crate) fn network(&self) -> NetworkId {
        NetworkId((self.key() >> 48) as u16)
    }

    #[inline]
    pub(crate) fn is_static(&self) -> bool {
        self.flags.load(Relaxed) & STATIC != 0
    }

    /// Takes a sighting in. Writes only what is news: many frames tell the same, and a line written for each of them
    /// would wander between cores.
    #[inline]
    pub(crate) fn refresh(&self, local: bool, seen: Tick) {
        if seen.since(self.last_seen()) > 0 {
            self.last_seen.store(seen.0, Relaxed);
        }
        let flags = self.flags.load(Relaxed);
        if local && flags & LOCAL == 0 {
            self.flags.store(flags | LOCAL, Relaxed);
        }
    }

    /// Becomes the entry of another MAC.
    pub(crate) fn begin(&self, key: u64, entry: Arrival) {
        self.key.store(key, Relaxed);
        self.moves.store(0, Relaxed);
        self.place(entry);
    }

    /// The MAC is behind another member now.
    pub(crate) fn move_to(&self, entry: Arrival) {
        self.moves.store(self.moves.load(Relaxed).wrapping_add(1), Relaxed);
        self.place(entry);
    }

    /// Puts the MAC behind a member without calling it a move.
    pub(crate) fn place(&self, Arrival { member, is_static, is_local, now, epoch }: Arrival) {
        self.member.store(member.0, Relaxed);
        self.changed_at.store(epoch, Relaxed);
        self.last_seen.store(now.0, Relaxed);
        self.flags.store((u32::from(is_static) * STATIC) | (u32::from(is_local) * LOCAL), Relaxed);
    }

    pub(crate) fn last_seen(&self) -> Tick {
        Tick(self.last_seen.load(Relaxed))
    }

    pub(crate) fn copy(&self) -> FdbEntry {
        let (key, flags) = (self.key(), self.flags.load(Relaxed));
        FdbEntry {
            network: self.network(),
            mac: Mac::from_u64(key & ((1 << 48) - 1)),
            member: self.member(),
            changed_at: self.changed_at(),
            last_seen: self.last_seen(),
            is_static: flags & STATIC != 0,
            is_local: flags & LOCAL != 0,
            moves: self.moves.load(Relaxed),
        }
    }
}

/// A MAC that came to a member.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) member: MemberId,
    pub(crate) is_static: bool,
    pub(crate) is_local: bool,
    pub(crate) now: Tick,
    pub(crate) epoch: u32,
}
