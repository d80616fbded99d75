//! Regions: what is written is seen by whoever attaches, and nothing that is not a region is ever mapped.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    os::unix::fs::FileExt,
};

use sync::{Access, Counter, Region, RegionError, Sequence};

const LAYOUT: u64 = 0x1234;

fn region(bytes: usize) -> Region {
    Region::create("test", "books", LAYOUT, bytes, false).unwrap()
}

fn dup(region: &Region) -> OwnedFd {
    region.fd().try_clone_to_owned().unwrap()
}

/// Memory with `bytes` in it, sealed or not, that no region made.
fn foreign(bytes: &[u8], sealed: bool) -> OwnedFd {
    // SAFETY: a C string and flags; the descriptor is new and ours.
    let fd = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"foreign".as_ptr(), libc::MFD_ALLOW_SEALING)) };
    let file = File::from(fd.try_clone().unwrap());
    file.write_all_at(bytes, 0).unwrap();
    if sealed {
        // SAFETY: a plain call on our own descriptor.
        assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) }, 0);
    }
    fd
}

/// All bytes of a region's memory, header included, to be changed and offered again.
fn bytes_of(region: &Region) -> Vec<u8> {
    let file = File::from(dup(region));
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn attach(fd: OwnedFd) -> Result<Region, RegionError> {
    Region::attach(fd, "books", LAYOUT, Access::ReadOnly)
}

/// A region's bytes with one byte replaced, offered as sealed memory.
fn attach_changed(at: usize, value: u8) -> RegionError {
    let mut bytes = bytes_of(&region(64));
    bytes[at] = value;
    attach(foreign(&bytes, true)).unwrap_err()
}

#[test]
fn what_the_writer_counts_a_reader_sees() {
    let writer = region(10_000);
    let counters = writer.slab::<Counter>(8, 1000).unwrap();
    counters[999].add(5);
    let reader = attach(writer.read_only_fd().unwrap()).unwrap();
    let seen = reader.slab::<Counter>(8, 1000).unwrap();
    assert_eq!((seen[999].get(), seen[0].get(), seen.len()), (5, 0, 1000));
    counters[0].add(7);
    assert_eq!(seen[0].get(), 7, "the same memory, not a copy");
    assert_eq!((reader.name(), reader.len(), reader.is_writable(), reader.generation()), ("test", 10_000, false, 1));
}

#[test]
fn a_region_outlives_its_writer_and_counts_the_next() {
    let writer = region(4096);
    writer.slab::<Counter>(0, 1).unwrap()[0].set(42);
    let fd = dup(&writer);
    drop(writer);
    let next = Region::attach(fd, "books", LAYOUT, Access::ReadWrite).unwrap();
    let counters = next.slab::<Counter>(0, 1).unwrap();
    counters[0].add(1);
    assert_eq!((counters[0].get(), next.generation(), next.is_writable()), (43, 2, true));
}

#[test]
fn a_slab_keeps_the_memory_when_the_region_is_gone() {
    let counters = region(64).slab::<Counter>(0, 8).unwrap();
    let clone = counters.clone();
    drop(counters);
    clone[7].set(1);
    assert_eq!(clone[7].get(), 1);
}

#[test]
fn nobody_writes_through_a_read_only_descriptor() {
    let writer = region(64);
    let fd = writer.read_only_fd().unwrap();
    assert!(File::from(fd.try_clone().unwrap()).write_all_at(b"x", 0).is_err());
    let refused = Region::attach(fd, "books", LAYOUT, Access::ReadWrite).unwrap_err();
    assert!(matches!(refused, RegionError::System { call: "attach", .. }), "{refused}");
}

#[test]
fn a_regions_size_is_sealed() {
    let region = region(64);
    let file = File::from(dup(&region));
    assert!(file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
}

#[test]
fn memory_that_could_shrink_is_refused() {
    let good = bytes_of(&region(64));
    assert!(attach(foreign(&good, true)).is_ok(), "the same bytes, sealed, are a region");
    assert!(matches!(attach(foreign(&good, false)), Err(RegionError::Unsealed { seals: 0 })));
    for other in [File::open("/dev/zero").unwrap(), File::open("/proc/self/exe").unwrap()] {
        assert!(matches!(attach(other.into()), Err(RegionError::Unsealed { .. })));
    }
    let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(matches!(attach(socket.into()), Err(RegionError::Unsealed { .. })));
}

#[test]
fn short_and_foreign_memory_is_refused_by_its_value() {
    assert!(matches!(attach(foreign(b"", true)), Err(RegionError::Truncated { bytes: 0 })));
    assert!(matches!(attach(foreign(&[0; 4095], true)), Err(RegionError::Truncated { bytes: 4095 })));
    assert!(matches!(attach(foreign(&[0; 8192], true)), Err(RegionError::Magic { found: 0 })));
    assert!(matches!(attach(foreign(&[0xff; 8192], true)), Err(RegionError::Magic { found: u64::MAX })));
}

#[test]
fn every_wrong_field_of_the_header_is_named() {
    assert!(attach_changed(0, b'M').to_string().contains("no region of this switch"));
    assert!(attach_changed(8, 9).to_string().contains("format 9, this switch knows 1"));
    assert!(attach_changed(16, b'c').to_string().contains("region test is of kind cooks, not books"));
    assert!(attach_changed(24, 0x35).to_string().contains("0x0000000000001235, this switch has 0x0000000000001234"));
    assert!(attach_changed(38, 1).to_string().contains("claims 281474976710720 bytes"), "length beyond the memory");
    assert!(attach_changed(33, 0x20).to_string().contains("claims 8256 bytes, its memory has room for 4096"));
}

#[test]
fn another_kind_or_layout_is_refused() {
    let region = region(64);
    let kind = Region::attach(dup(&region), "flows", LAYOUT, Access::ReadOnly);
    assert!(matches!(kind, Err(RegionError::Kind { found, wanted, .. }) if found == "books" && wanted == "flows"));
    let layout = Region::attach(dup(&region), "books", 1, Access::ReadOnly);
    assert!(matches!(layout, Err(RegionError::Fingerprint { found: LAYOUT, wanted: 1, .. })));
}

#[test]
fn random_headers_are_refused_or_harmless() {
    let good = bytes_of(&region(64));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..4 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[seed as usize % 96] = (seed >> 32) as u8;
        }
        if let Ok(region) = attach(foreign(&bytes, true)) {
            assert!(region.len() <= 4096);
            assert_eq!(region.slab::<u8>(0, region.len()).unwrap().len(), region.len());
        }
    }
}

#[test]
fn slabs_outside_askew_or_in_disguise_are_refused() {
    let region = region(100);
    for (offset, count) in [(0, 13), (96, 1), (104, 0), (4, 1), (8, usize::MAX), (usize::MAX - 7, 1)] {
        let refused = region.slab::<Counter>(offset, count).map(|_| ());
        assert!(matches!(refused, Err(RegionError::Slab { .. })), "{offset} {count}");
    }
    assert!(region.slab::<Counter>(0, 4).is_ok());
    assert!(region.slab::<Counter>(0, 4).is_ok(), "the same slab again");
    assert!(region.slab::<Counter>(32, 4).is_ok(), "the next one");
    assert!(region.slab::<Counter>(8, 6).is_ok(), "across both, item by item");
    assert!(region.slab::<[u8; 3]>(64, 5).is_ok());
    assert!(matches!(region.slab::<[u8; 3]>(65, 5), Err(RegionError::Overlap { .. })), "the same type, askew");
    assert!(matches!(region.slab::<Sequence>(0, 4), Err(RegionError::Overlap { .. })));
    assert!(matches!(region.slab::<u8>(63, 2), Err(RegionError::Overlap { .. })));
}

#[test]
fn names_and_sizes_nobody_can_have_are_refused() {
    let create = |name: &str, kind: &str, bytes| Region::create(name, kind, 0, bytes, false).unwrap_err();
    assert!(matches!(create("", "books", 1), RegionError::Name(_)));
    assert!(matches!(create("a\0b", "books", 1), RegionError::Name(_)));
    assert!(matches!(create(&"x".repeat(49), "books", 1), RegionError::Name(_)));
    assert!(matches!(create("x", "ninechars", 1), RegionError::KindName(_)));
    assert!(matches!(create("x", "books", usize::MAX), RegionError::Memory { .. }));
    assert!(matches!(create("x", "books", 1 << 50), RegionError::Memory { .. }));
}

#[test]
fn without_free_hugepages_a_region_is_made_of_ordinary_ones_and_says_so() {
    let free = || -> io::Result<usize> {
        let path = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
        Ok(std::fs::read_to_string(path)?.trim().parse().unwrap())
    };
    let before = free().unwrap_or(0);
    let region = Region::create("test", "books", LAYOUT, 5000, true).unwrap();
    // Others may take or give hugepages meanwhile: only what they cannot change is asserted.
    if before == 0 && free().unwrap_or(0) == 0 {
        assert!(!region.is_huge());
    }
    let attached = attach(region.fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!((attached.is_huge(), attached.len()), (region.is_huge(), 5000));
    region.slab::<Counter>(0, 625).unwrap()[624].set(9);
    assert_eq!(attached.slab::<Counter>(0, 625).unwrap()[624].get(), 9);
    assert!(region.fd().as_fd().as_raw_fd() >= 0);
}
