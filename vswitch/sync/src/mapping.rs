//! Memory behind a descriptor, mapped: the system calls of a region, and nothing else.

use std::{
    any::TypeId,
    ffi::CString,
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr::{NonNull, null_mut},
    sync::{Mutex, PoisonError},
};

/// Bytes of an ordinary page.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Bytes of the hugepages asked for.
pub(crate) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// What keeps memory from changing its size under those who map it.
const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// A kernel's refusal: the call, and its answer.
pub(crate) type Refusal = (&'static str, io::Error);

/// The outcome of a call that says -1 where it failed.
fn checked(call: &'static str, outcome: libc::c_int) -> Result<libc::c_int, Refusal> {
    if outcome < 0 { Err((call, io::Error::last_os_error())) } else { Ok(outcome) }
}

/// One mapping of `bytes` bytes, unmapped when it goes, and the descriptor it came from.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) base: NonNull<u8>,
    pub(crate) bytes: usize,
    pub(crate) fd: OwnedFd,
    pub(crate) writable: bool,
    /// Ranges handed out as slabs, and their types: one byte is never seen as two types.
    pieces: Mutex<Vec<(usize, usize, TypeId)>>,
}

// SAFETY: the pointer is to shared memory that lives as long as the mapping; it is dereferenced only through slabs,
// whose items are `Sync`, and when the header's generation, an atomic, is touched.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `bytes` bytes behind `fd`, all pages present.
    pub(crate) fn new(fd: OwnedFd, bytes: usize, writable: bool) -> Result<Mapping, Refusal> {
        let access = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: the kernel picks an address nobody uses; no memory of ours is replaced.
        let base = unsafe { libc::mmap(null_mut(), bytes, access, flags, fd.as_raw_fd(), 0) };
        match NonNull::new(base).filter(|base| base.as_ptr() != libc::MAP_FAILED) {
            Some(base) => Ok(Mapping { base: base.cast(), bytes, fd, writable, pieces: Mutex::default() }),
            None => Err(("mmap", io::Error::last_os_error())),
        }
    }

    /// Notes that `start..end` is used as items of type `item`, `size` bytes each; `false` where a byte of it is in use
    /// as something else.
    pub(crate) fn claim(&self, start: usize, end: usize, item: TypeId, size: usize) -> bool {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.contains(&(start, end, item)) {
            return true;
        }
        let same_items = |s: usize, i: TypeId| i == item && start.abs_diff(s).checked_rem(size) == Some(0);
        let fits = pieces.iter().all(|&(s, e, i)| end <= s || e <= start || same_items(s, i));
        if fits {
            pieces.push((start, end, item));
        }
        fits
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped; slabs hold an `Arc` of this, so none is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// New anonymous memory of `bytes` bytes (a multiple of the page), all of it allocated, zero, and of that size forever.
pub(crate) fn allocate(name: &str, bytes: usize, huge: bool) -> Result<OwnedFd, Refusal> {
    let length = libc::off_t::try_from(bytes).map_err(|_| ("ftruncate", io::ErrorKind::FileTooLarge.into()))?;
    let path = CString::new(name).map_err(|e| ("memfd_create", e.into()))?;
    let pages = if huge { libc::MFD_HUGETLB | libc::MFD_HUGE_2MB } else { 0 };
    // SAFETY: the name is a C string; the call touches nothing else of ours.
    let fd = unsafe { libc::memfd_create(path.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | pages) };
    // SAFETY: a descriptor the kernel just made for us.
    let fd = unsafe { OwnedFd::from_raw_fd(checked("memfd_create", fd)?) };
    // SAFETY: plain calls on our own descriptor.
    unsafe {
        checked("ftruncate", libc::ftruncate(fd.as_raw_fd(), length))?;
        checked("fallocate", libc::fallocate(fd.as_raw_fd(), 0, 0, length))?;
        checked("fcntl(F_ADD_SEALS)", libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, SEALS))?;
    }
    Ok(fd)
}

/// The seals on a descriptor; 0 where it cannot have any, as a file or a socket cannot.
pub(crate) fn seals(fd: &OwnedFd) -> i32 {
    // SAFETY: a plain call on a live descriptor.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) }.max(0)
}

/// Whether memory with these seals keeps at least its size.
pub(crate) fn cannot_shrink(seals: i32) -> bool {
    seals & libc::F_SEAL_SHRINK != 0
}

/// Size of the memory behind a descriptor, bytes, and whether it is made of hugepages.
pub(crate) fn extent(fd: &OwnedFd) -> Result<(usize, bool), Refusal> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the buffer is a stat's; it is read only where the call says that it filled it.
    let stat = unsafe {
        checked("fstat", libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()))?;
        stat.assume_init()
    };
    // hugetlbfs says its page size here, and tmpfs says 4096: neither can be asked more directly with less.
    Ok((usize::try_from(stat.st_size).unwrap_or(0), stat.st_blksize > PAGE_BYTES as libc::blksize_t))
}

/// A second descriptor of the same memory, through which nobody can write.
pub(crate) fn reopen_read_only(fd: &OwnedFd) -> io::Result<OwnedFd> {
    std::fs::File::open(format!("/proc/self/fd/{}", fd.as_raw_fd())).map(OwnedFd::from)
}

/// Whether a descriptor may write.
pub(crate) fn may_write(fd: &OwnedFd) -> bool {
    // SAFETY: a plain call on a live descriptor.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags >= 0 && flags & libc::O_ACCMODE == libc::O_RDWR
}
