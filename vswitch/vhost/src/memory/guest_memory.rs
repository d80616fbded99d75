//! All regions a guest has shared, and the way from its addresses to octets.

use std::{ptr::NonNull, sync::Arc};

use super::{Alarm, GuestArray, GuestItem, GuestSlice, mapping::Mapping};
use crate::{Fault, GuestAddress, Region, RegionPlace, UserAddress};

/// One region, mapped. What translating an address needs comes first, in one cache line.
#[derive(Clone, Debug)]
struct Mapped {
    guest: u64,
    size: u64,
    /// The mapping's first octet; of `size`, as long as the mapping lives.
    first: NonNull<u8>,
    mapping: Arc<Mapping>,
    place: RegionPlace,
}

// SAFETY: the pointer is to what `mapping` holds, which may be used from any thread.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

/// The regions at one moment. Never changes: another set of regions is another `GuestMemory`, which shares the mappings
/// both have.
#[derive(Clone, Debug, Default)]
pub struct GuestMemory {
    regions: Vec<Mapped>,
    alarm: Alarm,
}

impl GuestMemory {
    /// No memory yet, of a guest that raises `alarm`.
    pub fn new(alarm: Alarm) -> GuestMemory {
        GuestMemory { regions: Vec::new(), alarm }
    }

    /// This memory and one region more. The session has made sure that it overlaps none.
    pub fn with(&self, region: Region) -> Result<GuestMemory, Fault> {
        let place = region.place;
        let mapping = Arc::new(Mapping::new(region.fd, place.offset, place.size, &self.alarm)?);
        let mut memory = self.clone();
        let (guest, size, first) = (place.guest.0, place.size, mapping.first());
        memory.regions.push(Mapped { guest, size, first, mapping, place });
        Ok(memory)
    }

    /// This memory without the region that `place` describes.
    pub fn without(&self, place: &RegionPlace) -> GuestMemory {
        let mut memory = self.clone();
        memory.regions.retain(|region| (region.place.guest, region.place.user) != (place.guest, place.user));
        memory
    }

    /// The word that says whether any of it is gone.
    pub fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Regions in it.
    pub fn regions(&self) -> usize {
        self.regions.len()
    }

    /// The octets at `address`, at most `len` (not 0) of them: fewer where the region ends before, `None` where there is
    /// no region. What follows may lie in another one.
    #[inline]
    pub fn slice(&self, address: GuestAddress, len: u32) -> Option<GuestSlice<'_>> {
        for region in &self.regions {
            let offset = address.0.wrapping_sub(region.guest);
            if offset < region.size {
                let len = u64::from(len).min(region.size - offset);
                // SAFETY: `offset + len` is at most the region's size, and all of that is mapped while `self` lives.
                return Some(unsafe { GuestSlice::new(region.first.add(offset as usize), len as usize) });
            }
        }
        None
    }

    /// `count` items at an address of the front end's process: part of a ring, which must lie in one region.
    pub fn array<T: GuestItem>(&self, address: UserAddress, count: usize) -> Option<GuestArray<T>> {
        self.regions.iter().find_map(|region| {
            let offset = address.0.checked_sub(region.place.user.0)?;
            GuestArray::new(&region.mapping, usize::try_from(offset).ok()?, count)
        })
    }

    /// Where the guest has what the front end has at `address`.
    pub fn guest_address(&self, address: UserAddress) -> Option<GuestAddress> {
        self.regions.iter().find_map(|region| {
            let offset = address.0.checked_sub(region.place.user.0).filter(|&offset| offset < region.place.size)?;
            Some(GuestAddress(region.place.guest.0 + offset))
        })
    }

    /// All `len` octets at `address`, provided they lie in one region: a table of indirect descriptors.
    #[inline]
    pub fn whole(&self, address: GuestAddress, len: u32) -> Option<GuestSlice<'_>> {
        self.slice(address, len).filter(|slice| slice.len() == len as usize)
    }
}
