//! What the payload of a message says: layouts from the `vhost` crate, lengths checked here.

use std::os::fd::OwnedFd;

use vhost_protocol::vhost_user::message::{VhostUserMemoryRegion, VhostUserSingleMemoryRegion};
use vm_memory::ByteValued;

use crate::{Fault, GuestAddress, Request, UserAddress, session::action::RegionPlace, session::framing::Message};

/// Octets in front of the regions of a memory table: their count and padding.
const TABLE_HEAD: usize = 8;

impl Message {
    /// The payload as a `T`, which it must fill exactly.
    pub(crate) fn read<T: ByteValued + Default>(&self) -> Result<T, Fault> {
        read(self.request, &self.payload)
    }

    /// The payload as a number.
    pub(crate) fn number(&self) -> Result<u64, Fault> {
        self.read::<u64>()
    }

    /// Refuses a payload where none belongs.
    pub(crate) fn empty(&self) -> Result<(), Fault> {
        if self.payload.is_empty() { Ok(()) } else { Err(wrong_size(self.request, &self.payload)) }
    }

    /// The one descriptor that came with it.
    pub(crate) fn fd(&mut self) -> Result<OwnedFd, Fault> {
        self.fds_exactly(1)?;
        self.fds.pop().ok_or(Fault::DescriptorCount { request: self.request, fds: 0, wanted: 1 })
    }

    /// Refuses more or fewer descriptors than `wanted`.
    pub(crate) fn fds_exactly(&self, wanted: usize) -> Result<(), Fault> {
        let (request, fds) = (self.request, self.fds.len());
        if fds == wanted { Ok(()) } else { Err(Fault::DescriptorCount { request, fds, wanted }) }
    }

    /// The regions of a memory table.
    pub(crate) fn regions(&self) -> Result<Vec<RegionPlace>, Fault> {
        let strange = || wrong_size(self.request, &self.payload);
        let (head, rest) = self.payload.split_at_checked(TABLE_HEAD).ok_or_else(strange)?;
        let count = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if rest.len() != count.saturating_mul(size_of::<VhostUserMemoryRegion>()) {
            return Err(strange());
        }
        let regions = rest.chunks_exact(size_of::<VhostUserMemoryRegion>());
        regions.map(|region| place(&read::<VhostUserMemoryRegion>(self.request, region)?)).collect()
    }

    /// The one region of ADD_MEM_REG and REM_MEM_REG.
    pub(crate) fn region(&self) -> Result<RegionPlace, Fault> {
        place(&*self.read::<VhostUserSingleMemoryRegion>()?)
    }
}

fn wrong_size(request: Request, payload: &[u8]) -> Fault {
    Fault::PayloadSize { request, octets: payload.len() as u32 }
}

fn read<T: ByteValued + Default>(request: Request, octets: &[u8]) -> Result<T, Fault> {
    let mut value = T::default();
    if octets.len() != size_of::<T>() {
        return Err(wrong_size(request, octets));
    }
    value.as_mut_slice().copy_from_slice(octets);
    Ok(value)
}

/// A region whose three ranges exist: none is empty, none wraps.
fn place(region: &VhostUserMemoryRegion) -> Result<RegionPlace, Fault> {
    let place = RegionPlace {
        guest: GuestAddress(region.guest_phys_addr),
        user: UserAddress(region.user_addr),
        size: region.memory_size,
        offset: region.mmap_offset,
    };
    let fits = |start: u64| start.checked_add(place.size).is_some_and(|end| end <= i64::MAX as u64);
    // A guest address may be anything; the other two are an offset in a file and an address of a process.
    let guest_fits = place.guest.0.checked_add(place.size).is_some();
    if place.size == 0 || !guest_fits || !fits(place.user.0) || !fits(place.offset) {
        return Err(Fault::RegionExtent { start: place.guest, size: place.size });
    }
    Ok(place)
}
