//! Which memory regions the front end has announced: kept to refuse overlaps and what there are no slots for.

use crate::{Fault, session::action::RegionPlace};

/// The regions in force.
#[derive(Debug)]
pub(crate) struct MemoryTable {
    places: Vec<RegionPlace>,
    regions_max: usize,
}

impl MemoryTable {
    pub(crate) fn new(regions_max: usize) -> MemoryTable {
        MemoryTable { places: Vec::new(), regions_max }
    }

    /// Takes these instead of all there were; all or none.
    pub(crate) fn replace(&mut self, places: &[RegionPlace]) -> Result<(), Fault> {
        let mut table = MemoryTable::new(self.regions_max);
        places.iter().try_for_each(|&place| table.add(place))?;
        *self = table;
        Ok(())
    }

    /// Takes one more.
    pub(crate) fn add(&mut self, place: RegionPlace) -> Result<(), Fault> {
        let regions = self.places.len() + 1;
        if regions > self.regions_max {
            return Err(Fault::RegionCount { regions, max: self.regions_max });
        }
        if self.places.iter().any(|other| overlap(other, &place)) {
            return Err(Fault::RegionOverlap(place.guest));
        }
        self.places.push(place);
        Ok(())
    }

    /// Whether exactly this one is in force already.
    pub(crate) fn has(&self, place: &RegionPlace) -> bool {
        self.places.contains(place)
    }

    /// Gives one up; both addresses and the size must be those it was announced with, else there is none to give up.
    pub(crate) fn remove(&mut self, place: &RegionPlace) -> Option<RegionPlace> {
        let same = |p: &RegionPlace| (p.guest, p.user, p.size) == (place.guest, place.user, place.size);
        let at = self.places.iter().position(same)?;
        Some(self.places.remove(at))
    }
}

/// Whether two regions share an address in either counting.
fn overlap(a: &RegionPlace, b: &RegionPlace) -> bool {
    let cross = |a_start: u64, b_start: u64| a_start < b_start + b.size && b_start < a_start + a.size;
    cross(a.guest.0, b.guest.0) || cross(a.user.0, b.user.0)
}
