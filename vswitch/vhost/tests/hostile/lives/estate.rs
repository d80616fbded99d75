//! The guest's own memory: a file, of which three regions are shared and the rest is nobody's business.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use rustix::fs::{MemfdFlags, memfd_create};
use vhost::{Alarm, GuestAddress, GuestMemory, Region, RegionPlace, UserAddress};

/// What the front end adds to a guest address.
pub(crate) const USER: u64 = 0x7fff_0000_0000;

/// Octets of the file.
pub(crate) const FILE: u64 = 0x2_0000;

/// What the switch must never write: it lies beside the regions, much of it on their first and last pages.
const CANARY: u8 = 0xa5;

/// Where the parts of a ring are, in the first region.
pub(crate) const DESCRIPTORS: u64 = 0;
pub(crate) const AVAILABLE: u64 = 0x1000;
pub(crate) const USED: u64 = 0x2000;
/// Where tables of descriptors are.
pub(crate) const TABLES: u64 = 0x3000;
/// Where buffers are, up to the end of the second region.
pub(crate) const BUFFERS: u64 = 0x4000;
/// Where the first region ends and the second begins.
pub(crate) const SEAM: u64 = 0x8000;
pub(crate) const END: u64 = 0xf123;
/// Where the third region is, by itself.
pub(crate) const ISLAND: u64 = 0x100_0000;

/// Regions: guest address, size, offset in the file. The first two are neighbours for the guest and not in the file.
pub(crate) const REGIONS: [(u64, u64, u64); 3] = [(0, SEAM, 0), (SEAM, END - SEAM, 0x9000), (ISLAND, 0xfe0, 0x1_2010)];

/// Memory of a guest.
pub(crate) struct Estate {
    pub(crate) file: File,
    /// As the switch has it.
    pub(crate) shared: Arc<GuestMemory>,
    /// As the guest has it.
    own: GuestMemory,
}

/// Shared memory of `octets`.
pub(crate) fn memory_file(octets: u64) -> File {
    let file = File::from(memfd_create("guest", MemfdFlags::CLOEXEC).unwrap());
    file.set_len(octets).unwrap();
    file
}

fn map(file: &File) -> GuestMemory {
    REGIONS.iter().fold(GuestMemory::new(Alarm::default()), |memory, &(guest, size, offset)| {
        let place = RegionPlace { guest: GuestAddress(guest), user: UserAddress(USER + guest), size, offset };
        memory.with(Region { place, fd: file.try_clone().unwrap().into() }).unwrap()
    })
}

impl Estate {
    pub(crate) fn new() -> Estate {
        let file = memory_file(FILE);
        let (shared, own) = (Arc::new(map(&file)), map(&file));
        let estate = Estate { file, shared, own };
        for (from, to) in gaps() {
            estate.file.write_all_at(&vec![CANARY; (to - from) as usize], from).unwrap();
        }
        estate
    }

    /// The same guest once more, for another thread.
    pub(crate) fn twin(&self) -> Estate {
        let file = self.file.try_clone().unwrap();
        Estate { own: map(&file), file, shared: Arc::clone(&self.shared) }
    }

    /// Writes to an address, as far as it is one.
    pub(crate) fn put(&self, address: u64, octets: &[u8]) {
        if let Some(slice) = self.own.slice(GuestAddress(address), octets.len() as u32) {
            slice.write(octets);
        }
    }

    pub(crate) fn put16(&self, address: u64, value: u16) {
        self.put(address, &value.to_le_bytes());
    }

    pub(crate) fn get16(&self, address: u64) -> u16 {
        let mut octets = [0; 2];
        self.own.slice(GuestAddress(address), 2).unwrap().read(&mut octets);
        u16::from_le_bytes(octets)
    }

    /// Takes back what lies behind the first `octets` of the file.
    pub(crate) fn truncate(&self, octets: u64) {
        self.file.set_len(octets).unwrap();
    }

    /// Fails where something was written outside of the regions.
    pub(crate) fn is_unspoilt(&self) {
        let has = self.file.metadata().unwrap().len();
        for (from, to) in gaps() {
            let mut octets = vec![CANARY; (to.min(has).saturating_sub(from)) as usize];
            self.file.read_exact_at(&mut octets, from).unwrap();
            assert!(octets.iter().all(|&octet| octet == CANARY), "outside of all regions: {from:#x} to {to:#x}");
        }
    }
}

/// What of the file is in no region.
fn gaps() -> Vec<(u64, u64)> {
    let mut from = 0;
    let mut gaps = Vec::new();
    for (_, size, offset) in REGIONS {
        gaps.push((from, offset));
        from = offset + size;
    }
    gaps.push((from, FILE));
    gaps
}
