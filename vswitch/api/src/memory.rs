//! Answer of `show_memory`.

use serde::{Deserialize, Serialize};

/// All that takes memory worth mentioning, item by item as `millrace check` tells it before the start, and each worker's
/// own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What there is.
    pub items: Vec<MemoryRow>,
    /// Octets of those on hugepages.
    pub hugepages_octets: u64,
    /// Octets of the others.
    pub ordinary_octets: u64,
}

/// One thing that takes memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRow {
    /// What it is: `flow tables`, `packet buffers`, ….
    pub what: String,
    /// The worker whose it is; `null` where it is everybody's.
    pub worker: Option<u8>,
    /// Octets, whole pages.
    pub octets: u64,
    /// Whether it lies on hugepages.
    pub hugepages: bool,
    /// Places that are taken now, where it has such.
    pub used: Option<u64>,
    /// Places in all: flows, MACs, frames.
    pub places: Option<u64>,
    /// Octets that a place takes, its share of everything around it included, rounded up.
    pub place_octets: Option<u64>,
}

impl Memory {
    /// Adds the items up.
    pub fn new(items: Vec<MemoryRow>) -> Memory {
        let sum = |huge| items.iter().filter(|item| item.hugepages == huge).map(|item| item.octets).sum();
        Memory { hugepages_octets: sum(true), ordinary_octets: sum(false), items }
    }
}

impl MemoryRow {
    /// The same thing with so many places, of which so many are taken.
    pub fn with_places(self, used: u64, places: u64) -> MemoryRow {
        let place_octets = Some(self.octets.div_ceil(places.max(1)));
        MemoryRow { used: Some(used), places: Some(places), place_octets, ..self }
    }
}
