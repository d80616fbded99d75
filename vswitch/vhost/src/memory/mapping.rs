//! A piece of a file that a front end shares, mapped.

use std::{
    fs::File,
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    ptr::NonNull,
};

use vm_memory::{FileOffset, MmapRegion, mmap::MmapRegionBuilder};

use super::{Alarm, sigbus::Watch};
use crate::Fault;

/// Octets of an ordinary page.
const PAGE: u64 = 4096;
/// The largest page there is on x86-64.
const PAGE_MAX: u64 = 1 << 30;

/// Magic numbers of the file systems whose files are memory (statfs(2)).
const MEMORY_FILE_SYSTEMS: [i64; 2] = [libc::TMPFS_MAGIC, libc::HUGETLBFS_MAGIC];

/// `bytes` octets of a file, readable and writable by us and by the front end. Unmapped when it goes.
#[derive(Debug)]
pub(crate) struct Mapping {
    first: NonNull<u8>,
    bytes: usize,
    alarm: Alarm,
    // In this order: what is no longer watched may be unmapped.
    _watch: Watch,
    _region: MmapRegion,
}

// SAFETY: the pointer is to memory shared with another process, which only the types of this module touch, by copies
// and single loads and stores that are sound from any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `size` octets at `offset` of the file. Refuses what is not memory, so that no access waits for a disk or for
    /// a file system in user space, and what the file does not hold.
    pub(crate) fn new(fd: OwnedFd, offset: u64, size: u64, alarm: &Alarm) -> Result<Mapping, Fault> {
        let file = File::from(fd);
        let page = check(&file, offset, size)?;
        let failed = |error: io::Error| Fault::Unmappable { size, why: error.to_string() };
        // The kernel maps whole pages from a page's boundary on; the file ends on one where pages are huge.
        let start = offset & !(page - 1);
        let (lead, bytes) = ((offset - start) as usize, size as usize);
        let region = MmapRegionBuilder::new((lead + bytes).next_multiple_of(page as usize))
            .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
            .with_mmap_flags(libc::MAP_SHARED | libc::MAP_NORESERVE)
            .with_file_offset(FileOffset::new(file, start))
            .build()
            .map_err(|error| failed(io::Error::other(error)))?;
        let base = region.as_ptr();
        let watch = Watch::new(base as usize, region.size(), page as usize, alarm).map_err(failed)?;
        // SAFETY: exactly the pages just mapped; a wish that may be refused.
        unsafe { libc::madvise(base.cast(), region.size(), libc::MADV_DONTDUMP) };
        // SAFETY: `lead` lies within the mapping.
        let first = unsafe { NonNull::new_unchecked(base.add(lead)) };
        Ok(Mapping { first, bytes, alarm: alarm.clone(), _watch: watch, _region: region })
    }

    /// Its first octet; `len()` octets from here on are mapped while this lives.
    #[inline]
    pub(super) fn first(&self) -> NonNull<u8> {
        self.first
    }

    /// Octets mapped.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// The word that says whether any of it is gone.
    pub(super) fn alarm(&self) -> &Alarm {
        &self.alarm
    }
}

/// Refuses a file that cannot be mapped safely; the size of its pages in octets.
fn check(file: &File, offset: u64, size: u64) -> Result<u64, Fault> {
    let unmappable = |error: io::Error| Fault::Unmappable { size, why: error.to_string() };
    let about = file.metadata().map_err(unmappable)?;
    let system = file_system(file).map_err(unmappable)?;
    if !about.is_file() || !MEMORY_FILE_SYSTEMS.contains(&system) {
        return Err(Fault::NotMemory { file_system: system });
    }
    if offset.checked_add(size).is_none_or(|end| end > about.len()) {
        return Err(Fault::FileTooShort { has: about.len(), offset, size });
    }
    let page = if system == libc::HUGETLBFS_MAGIC { about.blksize() } else { PAGE };
    if page.is_power_of_two() && (PAGE..=PAGE_MAX).contains(&page) {
        Ok(page)
    } else {
        Err(Fault::NotMemory { file_system: system })
    }
}

/// Whether a descriptor is of a file that is memory: of tmpfs (a memfd is one) or hugetlbfs. Asked by way of its seals,
/// which only these have: any other question goes to the file system, and one in user space may take its time.
pub(crate) fn is_memory(fd: &impl AsRawFd) -> bool {
    // SAFETY: a plain call on a live descriptor.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) >= 0 }
}

/// The magic number of the file system a file is on.
fn file_system(file: &File) -> io::Result<i64> {
    let mut about = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the buffer is a statfs's; it is read only where the call says that it filled it.
    unsafe {
        match libc::fstatfs(file.as_raw_fd(), about.as_mut_ptr()) {
            0 => Ok(about.assume_init().f_type),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
