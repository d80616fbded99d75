//! What a session asks of the one who runs it, and what it wants to hear back.

use std::os::fd::OwnedFd;

use vhost_protocol::vhost_user::message::VhostUserInflight;

use crate::{GuestAddress, RingIndex, UserAddress};

/// Where a memory region lies, in all three countings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionPlace {
    /// Where the guest's driver sees it.
    pub guest: GuestAddress,
    /// Where the front end's process sees it.
    pub user: UserAddress,
    /// Its size in octets, at least 1; neither range above wraps.
    pub size: u64,
    /// Where in its file it starts, in octets.
    pub offset: u64,
}

/// A memory region to be mapped. What the descriptor is, and whether its file is long enough, nobody has checked.
#[derive(Debug)]
pub struct Region {
    /// Where it lies.
    pub place: RegionPlace,
    /// The file.
    pub fd: OwnedFd,
}

/// The dirty log to be mapped: one bit for each 4 KiB of guest memory. Unchecked like a [`Region`].
#[derive(Debug)]
pub struct LogArea {
    /// Octets of log.
    pub size: u64,
    /// Where in the file it starts, in octets.
    pub offset: u64,
    /// The file.
    pub fd: OwnedFd,
}

/// Shared memory in which descriptors in flight are tracked. Unchecked like a [`Region`].
#[derive(Debug)]
pub struct InflightArea {
    /// Octets of it.
    pub size: u64,
    /// Where in the file it starts, in octets.
    pub offset: u64,
    /// Rings it has place for.
    pub rings: u16,
    /// Descriptors a ring.
    pub ring_size: u16,
    /// The file.
    pub fd: OwnedFd,
}

/// What to do before the next message is looked at. Each wants one [`Done`].
#[derive(Debug)]
pub enum Action {
    /// Bring the rings to what [`crate::Backend`] says of them: one was set up, changed, enabled, stopped.
    Rings,
    /// Stop this ring, and say where it stands ([`Done::Base`]).
    Stop(RingIndex),
    /// These regions instead of all there were.
    Memory(Vec<Region>),
    /// One more region.
    AddRegion(Region),
    /// The region there is no more.
    RemoveRegion(RegionPlace),
    /// Log writes here from now on.
    Log(LogArea),
    /// Announce the guest of this MAC (transmission order) to the network, with a RARP broadcast.
    Announce([u8; 6]),
    /// Make shared memory to track this many rings of this many descriptors in ([`Done::Inflight`]).
    MakeInflight {
        /// Rings.
        rings: u16,
        /// Descriptors a ring.
        ring_size: u16,
    },
    /// Track descriptors in flight here, and go on from what it says.
    Inflight(InflightArea),
}

/// How an action ended.
#[derive(Debug)]
pub enum Done {
    /// It is done.
    Yes,
    /// The ring is stopped; the word that [`Action::Stop`] asks for, as SET_VRING_BASE would set it.
    Base(u32),
    /// The memory was made.
    Inflight {
        /// Octets of it, from the file's start.
        size: u64,
        /// The file.
        fd: OwnedFd,
    },
}

impl Done {
    /// The answer to GET_INFLIGHT_FD.
    pub(crate) fn inflight(size: u64, rings: u16, ring_size: u16) -> VhostUserInflight {
        VhostUserInflight::new(size, 0, rings, ring_size)
    }
}
