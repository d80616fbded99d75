//! Looking at another's FDB.

use std::os::fd::OwnedFd;

use sync::{Access, Region, RegionError};

use crate::{
    FdbEntry,
    fdb::{KIND, LAYOUT},
    fdb_entry::FdbCell,
    layout::Parts,
};

/// A view of an FDB that somebody else writes, in this process or another.
#[derive(Clone, Debug)]
pub struct FdbReader {
    parts: Parts<FdbCell>,
}

impl FdbReader {
    /// The FDB behind a descriptor ([`sync::Region::read_only_fd`] of the FDB's region).
    pub fn attach(fd: OwnedFd) -> Result<Self, RegionError> {
        Ok(FdbReader { parts: Parts::attach(fd, KIND, LAYOUT, Access::ReadOnly)? })
    }

    pub(crate) fn new(parts: Parts<FdbCell>) -> Self {
        FdbReader { parts }
    }

    /// Slots of the FDB.
    pub fn capacity(&self) -> usize {
        self.parts.entries.len()
    }

    /// MACs held; those that come and go meanwhile may be missed.
    pub fn held(&self) -> usize {
        self.parts.occupied().count()
    }

    /// The memory.
    pub fn region(&self) -> &Region {
        &self.parts.region
    }

    /// Copies of all entries, each whole. Entries that come and go meanwhile may be missed.
    pub fn iter(&self) -> impl Iterator<Item = FdbEntry> + '_ {
        self.parts.occupied().filter_map(|slot| self.parts.read(slot, FdbCell::copy))
    }
}
