//! Memory that comes, is used, and goes, sometimes under our hands.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    os::fd::{FromRawFd, OwnedFd},
    os::unix::process::ExitStatusExt,
    process::Command,
};

use super::*;
use crate::{Fault, GuestAddress, LogArea, Region, RegionPlace, UserAddress};

/// Anonymous memory of `bytes` bytes behind a descriptor.
pub(crate) fn memfd(bytes: u64) -> File {
    // SAFETY: the name is a C string; the descriptor is new and ours.
    let fd = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"guest".as_ptr(), libc::MFD_CLOEXEC)) };
    let file = File::from(fd);
    file.set_len(bytes).unwrap();
    file
}

fn region(guest: u64, size: u64, user: u64, offset: u64, file: &File) -> Region {
    let place = RegionPlace { guest: GuestAddress(guest), user: UserAddress(user), size, offset };
    Region { place, fd: file.try_clone().unwrap().into() }
}

fn memory(regions: impl IntoIterator<Item = Region>) -> GuestMemory {
    let empty = GuestMemory::new(Alarm::default());
    regions.into_iter().fold(empty, |memory, region| memory.with(region).unwrap())
}

#[test]
fn what_the_guest_wrote_is_read_and_what_we_write_it_reads() {
    let mut file = memfd(0x3000);
    file.seek(SeekFrom::Start(0x1ffe)).unwrap();
    file.write_all(b"hello").unwrap();
    let memory = memory([region(0x10_0000, 0x1800, 0x7000_0000, 0x1800, &file)]);
    let slice = memory.slice(GuestAddress(0x10_07fe), 5).unwrap();
    let mut octets = [0; 8];
    assert_eq!((slice.read(&mut octets), &octets[..5]), (5, &b"hello"[..]));
    assert_eq!((slice.skip(2).unwrap().write(b"LL and more"), slice.skip(5).is_none()), (3, true));
    file.seek(SeekFrom::Start(0x1ffe)).unwrap();
    file.read_exact(&mut octets).unwrap();
    assert_eq!(&octets, b"heLL \0\0\0");
}

#[test]
fn a_slice_never_leaves_its_region() {
    let file = memfd(0x3000);
    let memory = memory([region(0x1000, 0x1000, 0, 0, &file), region(0x2000, 0x1000, 0x1000, 0x2000, &file)]);
    let len = |address, len| memory.slice(GuestAddress(address), len).map(|slice| slice.len());
    assert_eq!((len(0x1000, 0x1000), len(0x1fff, 2), len(0x2000, 2)), (Some(0x1000), Some(1), Some(2)));
    assert_eq!((len(0xfff, 2), len(0x3000, 1), len(u64::MAX, u32::MAX)), (None, None, None));
    assert_eq!(memory.whole(GuestAddress(0x1ff0), 32).map(|_| ()), None, "a table must lie in one region");
    let without =
        memory.without(&RegionPlace { guest: GuestAddress(0x1000), user: UserAddress(0), size: 0x1000, offset: 0 });
    assert_eq!((without.regions(), without.slice(GuestAddress(0x1000), 1).is_none()), (1, true));
    assert_eq!(len(0x1000, 1), Some(1), "the memory of before is as before");
}

#[test]
fn an_array_lies_in_one_region_and_is_aligned() {
    let mut file = memfd(0x2000);
    file.seek(SeekFrom::Start(0x1ffc)).unwrap();
    file.write_all(&[1, 2, 3, 4]).unwrap();
    let memory = memory([region(0, 0x2000, 0x7000_0000, 0, &file)]);
    let array = |at: u64, count| memory.array::<u32>(UserAddress(0x7000_0000 + at), count);
    let last = array(0x1ff8, 2).unwrap();
    assert_eq!((last.load(1), last.len()), (0x0403_0201, 2));
    last.store(0, 7);
    assert_eq!(array(0x1ff8, 1).unwrap().load(0), 7);
    assert!(array(0x1ff8, 3).is_none() && array(2, 1).is_none() && array(0, 0).is_none());
    assert!(array(0, usize::MAX).is_none() && memory.array::<u16>(UserAddress(0x6fff_fffe), 1).is_none());
}

#[test]
fn an_array_outlives_the_memory_it_came_from() {
    let memory = memory([region(0, 0x1000, 0, 0, &memfd(0x1000))]);
    let array = memory.array::<u64>(UserAddress(0), 512).unwrap();
    drop(memory);
    array.store(511, 7);
    assert_eq!(array.load(511), 7);
}

#[test]
fn files_that_are_not_memory_or_too_short_are_refused() {
    let fault = |region: Region| GuestMemory::new(Alarm::default()).with(region).map(|_| ()).unwrap_err();
    let file = memfd(0x1000);
    let short = |size, offset| Fault::FileTooShort { has: 0x1000, offset, size };
    assert_eq!(fault(region(0, 0x1001, 0, 0, &file)), short(0x1001, 0));
    assert_eq!(fault(region(0, 0x1000, 0, 1, &file)), short(0x1000, 1));
    assert_eq!(fault(region(0, u64::MAX, 0, 0x800, &file)), short(u64::MAX, 0x800));
    let (_, pipe) = std::io::pipe().unwrap();
    let pipe = Region { fd: pipe.into(), ..region(0, 0x1000, 0, 0, &file) };
    assert!(matches!(fault(pipe), Fault::NotMemory { .. }));
    for path in ["/proc/self/maps", "/proc/self/exe", "/dev/zero", "/dev"] {
        let strange = Region { fd: File::open(path).unwrap().into(), ..region(0, 0x1000, 0, 0, &file) };
        assert!(matches!(fault(strange), Fault::NotMemory { .. }), "{path} was mapped");
    }
    let read_only = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file))).unwrap();
    assert!(matches!(fault(region(0, 0x1000, 0, 0, &read_only)), Fault::Unmappable { .. }));
}

#[test]
fn memory_taken_back_reads_as_zero_and_raises_its_own_alarm_only() {
    let (mut file, other) = (memfd(0x4000), memfd(0x4000));
    file.write_all(&[7; 0x4000]).unwrap();
    let (memory, other) = (memory([region(0, 0x4000, 0, 0, &file)]), memory([region(0, 0x4000, 0, 0, &other)]));
    file.set_len(0x1000).unwrap();
    let mut octets = [1; 0x2000];
    let slice = memory.slice(GuestAddress(0x800), 0x2000).unwrap();
    assert!(!memory.alarm().is_raised());
    assert_eq!(slice.read(&mut octets), 0x2000);
    assert!(octets[..0x800] == [7; 0x800] && octets[0x800..] == [0; 0x1800]);
    assert!(memory.alarm().is_raised() && !other.alarm().is_raised());
    assert_eq!(memory.slice(GuestAddress(0x3000), 4).unwrap().write(b"lost"), 4, "a write survives too");
    drop(memory);
    assert_eq!(other.slice(GuestAddress(0), 4).unwrap().write(b"kept"), 4);
}

#[test]
fn a_page_that_is_gone_is_replaced_for_every_thread() {
    let file = memfd(0x4000);
    let memory = memory([region(0, 0x4000, 0, 0, &file)]);
    file.set_len(0).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for page in 0..4 {
                    let mut octet = [1];
                    memory.slice(GuestAddress(page << 12), 1).unwrap().read(&mut octet);
                    assert_eq!(octet, [0]);
                }
            });
        }
    });
    assert!(memory.alarm().is_raised());
}

/// Run by the test below in a process of its own, which it ends.
#[test]
fn touching_foreign_memory_that_is_gone() {
    if std::env::var_os("VHOST_TEST_DIE").is_none() {
        return;
    }
    drop(memory([region(0, 0x1000, 0, 0, &memfd(0x1000))])); // the handler is in place
    let file = memfd(0x1000);
    let mapped =
        vm_memory::MmapRegion::<()>::from_file(vm_memory::FileOffset::new(file.try_clone().unwrap(), 0), 0x1000);
    file.set_len(0).unwrap();
    // SAFETY: mapped above; the access ends this process.
    unsafe { mapped.unwrap().as_ptr().read_volatile() };
}

#[test]
fn a_sigbus_elsewhere_still_ends_the_process() {
    let test = "memory::tests::touching_foreign_memory_that_is_gone";
    let mut command = Command::new(std::env::current_exe().unwrap());
    let ended = command.args(["--exact", test]).env("VHOST_TEST_DIE", "1").output().unwrap().status;
    assert_eq!(ended.signal(), Some(libc::SIGBUS), "{ended}");
}

#[test]
fn the_dirty_log_has_a_bit_for_every_page_touched() {
    let mut file = memfd(0x1000);
    let area = LogArea { size: 4, offset: 0, fd: file.try_clone().unwrap().into() };
    let log = DirtyLog::new(area, &Alarm::default()).unwrap();
    log.mark(GuestAddress(0xfff), 2);
    log.mark(GuestAddress(0x9000), 0x1000);
    log.mark(GuestAddress(31 << 12), 0x3000);
    log.mark(GuestAddress(u64::MAX), u32::MAX);
    let mut octets = [0; 8];
    file.read_exact(&mut octets).unwrap();
    assert_eq!(octets, [0b11, 0b10, 0, 0x80, 0, 0, 0, 0]);
    assert!(!log.alarm().is_raised());
}
