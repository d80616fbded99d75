//! The dirty log: where live migration learns which pages of guest memory we have written.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use super::{Alarm, mapping::Mapping};
use crate::{Fault, GuestAddress, LogArea};

/// Octets of guest memory that one bit stands for (vhost-user, "Migration").
const PAGE: u64 = 4096;

/// One bit for each page, page 0 in the lowest bit of the first octet.
#[derive(Clone, Debug)]
pub struct DirtyLog {
    mapping: Arc<Mapping>,
}

impl DirtyLog {
    /// Maps the log.
    pub fn new(area: LogArea, alarm: &Alarm) -> Result<DirtyLog, Fault> {
        Mapping::new(area.fd, area.offset, area.size, alarm).map(|mapping| DirtyLog { mapping: Arc::new(mapping) })
    }

    /// Notes that `len` octets from `address` on were written. Pages beyond the log are the front end's loss.
    #[inline]
    pub fn mark(&self, address: GuestAddress, len: u32) {
        let last = address.0.saturating_add(u64::from(len).saturating_sub(1)) / PAGE;
        (address.0 / PAGE..=last).for_each(|page| self.mark_page(page));
    }

    fn mark_page(&self, page: u64) {
        let (octet, bit) = (page / 8, 1 << (page % 8));
        if octet >= self.mapping.len() as u64 {
            return;
        }
        // SAFETY: within the mapping, which lives as long as we do, and only ever accessed in atomic octets.
        let octet = unsafe { AtomicU8::from_ptr(self.mapping.first().add(octet as usize).as_ptr()) };
        if octet.load(Relaxed) & bit == 0 {
            octet.fetch_or(bit, Relaxed);
        }
    }

    /// The word that says whether any of it is gone.
    pub fn alarm(&self) -> &Alarm {
        self.mapping.alarm()
    }
}
