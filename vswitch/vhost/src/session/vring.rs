//! One ring as the session knows it.

use std::{fmt, os::fd::OwnedFd, sync::Arc};

use vhost_protocol::vhost_user::message::VhostUserVringAddr;

use crate::{Fault, GuestAddress, UserAddress};

/// Descriptors of a ring at most (virtio 1.2, sections 2.7 and 2.8).
pub(crate) const RING_SIZE_MAX: u32 = 32_768;

/// The number of a ring: even ones carry frames to the guest, odd ones from it; two make a queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RingIndex(pub u16);

impl fmt::Display for RingIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where the parts of a ring lie. What they are called is the split ring's language; a packed ring has its two event
/// structures in place of the used (the device's) and the available ring (the driver's).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingAddresses {
    /// The descriptors; a multiple of 16.
    pub descriptors: UserAddress,
    /// The used ring; a multiple of 4.
    pub used: UserAddress,
    /// The available ring; a multiple of 2.
    pub available: UserAddress,
    /// Where the used ring lies for the dirty log; `None` where its writes are not logged.
    pub log: Option<GuestAddress>,
}

impl RingAddresses {
    pub(crate) fn new(ring: RingIndex, addr: &VhostUserVringAddr) -> Result<RingAddresses, Fault> {
        let aligned = |part, address: u64, to: u64| match address % to {
            0 => Ok(UserAddress(address)),
            _ => Err(Fault::RingAlignment { ring, part, address: UserAddress(address) }),
        };
        Ok(RingAddresses {
            descriptors: aligned("descriptor table", addr.descriptor, 16)?,
            used: aligned("used ring", addr.used, 4)?,
            available: aligned("available ring", addr.available, 2)?,
            log: (addr.flags & 1 != 0).then_some(GuestAddress(addr.log)),
        })
    }
}

/// What the front end has said of one ring.
#[derive(Clone, Debug, Default)]
pub struct Vring {
    /// Descriptors; 0 while unknown.
    pub size: u32,
    /// Where its parts lie.
    pub addresses: Option<RingAddresses>,
    /// Where to start: a split ring's next available index; a packed ring's next available index and wrap (bits 0–15),
    /// next used index and wrap (bits 16–31).
    pub base: u32,
    /// Whom to wake; `None` where the guest polls.
    pub call: Option<Arc<OwnedFd>>,
    /// Whether it was kicked to life and not stopped since.
    pub started: bool,
    /// Whether it may move frames.
    pub enabled: bool,
    /// Counts the starts: what runs with the same number was not stopped in between.
    pub run: u64,
}

impl Vring {
    /// Stops it; another kick descriptor starts it again.
    pub(crate) fn stop(&mut self) {
        self.run += u64::from(self.started);
        self.started = false;
    }

    /// Whether everything is there to move frames.
    pub(crate) fn is_ready(&self) -> bool {
        self.started && self.enabled && self.size != 0 && self.addresses.is_some()
    }
}
