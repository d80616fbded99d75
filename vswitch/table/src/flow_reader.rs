//! Looking at another's flow table.

use std::os::fd::OwnedFd;

use sync::{Access, Region, RegionError};

use crate::{
    FlowReading, FlowSlot,
    flow_table::{FlowParts, KIND, layout},
    layout::Parts,
};

/// A view of a flow table that somebody else writes, in this process or another.
#[derive(Clone, Debug)]
pub struct FlowReader<const W: usize> {
    parts: FlowParts<W>,
}

impl<const W: usize> FlowReader<W> {
    /// The table behind a descriptor ([`sync::Region::read_only_fd`] of the table's region).
    pub fn attach(fd: OwnedFd) -> Result<Self, RegionError> {
        Ok(FlowReader { parts: Parts::attach(fd, KIND, layout::<W>(), Access::ReadOnly)? })
    }

    pub(crate) fn new(parts: FlowParts<W>) -> Self {
        FlowReader { parts }
    }

    /// Slots of the table.
    pub fn capacity(&self) -> usize {
        self.parts.entries.len()
    }

    /// Flows held; those that come and go meanwhile may be missed.
    pub fn held(&self) -> usize {
        self.parts.occupied().count()
    }

    /// The memory.
    pub fn region(&self) -> &Region {
        &self.parts.region
    }

    /// Copies of all flows, each whole. Flows that come and go meanwhile may be missed, as may those of a bucket the
    /// writer is at whenever we look; one that moves meanwhile may come twice.
    pub fn iter(&self) -> impl Iterator<Item = FlowReading<W>> + '_ {
        let reading = |slot: u32| {
            let tail = self.parts.beside.get(slot as usize)?;
            self.parts.read(slot, |entry| entry.reading(FlowSlot(slot), tail.get()))
        };
        self.parts.occupied().filter_map(reading)
    }
}
