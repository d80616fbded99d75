//! Named shared memory that outlives the process that made it.

use std::{
    any::{TypeId, type_name},
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    os::unix::fs::FileExt,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use zerocopy::{FromZeros, IntoBytes};

use crate::{
    RegionError, Slab,
    mapping::{self, HUGE_PAGE_BYTES, Mapping, PAGE_BYTES, Refusal},
    region_header::{HEADER_BYTES, RegionHeader},
    slab::Plain,
};

/// How a region is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look. A store through a slab of such a region is a defect of the program, and the MMU ends it.
    ReadOnly,
    /// To go on writing, as the one writer: the one before is gone.
    ReadWrite,
}

/// Shared memory behind a descriptor (memfd): a page of header, and a payload given out as [`Slab`]s. Clones share the
/// mapping; it ends with the last clone or slab, the memory with the last descriptor anywhere.
///
/// A region is attached only with the `kind` and layout `fingerprint` it was made with, and whoever uses one pair of
/// these uses it for one layout: same types at the same offsets.
#[derive(Clone, Debug)]
pub struct Region {
    mapping: Arc<Mapping>,
    name: Arc<str>,
    length: usize,
    huge: bool,
}

fn system(name: &str, bytes: usize) -> impl Fn(Refusal) -> RegionError {
    move |(call, source)| RegionError::System { name: name.to_owned(), call, bytes, source }
}

/// Bytes the kernel thinks it could give without swapping; `None` where it does not say.
fn available_bytes() -> Option<usize> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// New memory of at least `bytes`, mapped: on hugepages where asked for and free, else on ordinary pages.
fn new_mapping(name: &str, bytes: usize, huge: bool) -> Result<(Mapping, bool), RegionError> {
    let available = available_bytes().unwrap_or(usize::MAX);
    let refused = || RegionError::Memory { name: name.to_owned(), bytes, available };
    let round = |page| bytes.checked_next_multiple_of(page).filter(|&b| isize::try_from(b).is_ok());
    let map = |bytes, huge| mapping::allocate(name, bytes, huge).and_then(|fd| Mapping::new(fd, bytes, true));
    if huge && let Some(Ok(mapping)) = round(HUGE_PAGE_BYTES).map(|bytes| map(bytes, true)) {
        return Ok((mapping, true));
    }
    // Ordinary memory is promised freely and paid for by the OOM killer: ask before.
    let bytes = round(PAGE_BYTES).filter(|&b| b <= available).ok_or_else(refused)?;
    Ok((map(bytes, false).map_err(system(name, bytes))?, false))
}

impl Region {
    /// Bytes that a region of `bytes` takes, its header included, on hugepages or on ordinary ones.
    pub fn mapped_bytes(bytes: usize, huge: bool) -> usize {
        let page = if huge { HUGE_PAGE_BYTES } else { PAGE_BYTES };
        bytes.saturating_add(HEADER_BYTES).checked_next_multiple_of(page).unwrap_or(usize::MAX)
    }

    /// Makes a region of `bytes` zero bytes, all pages present: nothing is allocated later. `huge` asks for 2 MiB pages
    /// and is a wish: [`Region::is_huge`] says what came of it.
    pub fn create(name: &str, kind: &str, fingerprint: u64, bytes: usize, huge: bool) -> Result<Region, RegionError> {
        let header = RegionHeader::new(name, kind, fingerprint, bytes)?;
        let (mapping, huge) = new_mapping(name, bytes.saturating_add(HEADER_BYTES), huge)?;
        // SAFETY: the mapping is writable, longer than a header, and nobody else has it yet.
        unsafe { mapping.base.cast::<RegionHeader>().write(header) };
        Ok(Region { mapping: Arc::new(mapping), name: name.into(), length: bytes, huge })
    }

    /// Takes up a region that this or another process made. Trusts nothing it says: that it cannot shrink, what it is,
    /// which layout it has and how long it is are checked before it is mapped. What slabs then find in it is the
    /// business of their owners.
    pub fn attach(fd: OwnedFd, kind: &str, fingerprint: u64, access: Access) -> Result<Region, RegionError> {
        let seals = mapping::seals(&fd);
        if !mapping::cannot_shrink(seals) {
            return Err(RegionError::Unsealed { seals });
        }
        let unnamed = system("to attach", size_of::<RegionHeader>());
        let (bytes, huge) = mapping::extent(&fd).map_err(&unnamed)?;
        let room = bytes.checked_sub(HEADER_BYTES).ok_or(RegionError::Truncated { bytes })?;
        let fd = fs::File::from(fd);
        let mut header = RegionHeader::new_zeroed();
        fd.read_exact_at(header.as_mut_bytes(), 0).map_err(|source| unnamed(("pread", source)))?;
        let fd = OwnedFd::from(fd);
        let length = header.check(kind, fingerprint, room)?;
        let name = header.name();
        let writable = access == Access::ReadWrite;
        if writable && !mapping::may_write(&fd) {
            return Err(system(&name, bytes)(("attach", io::ErrorKind::PermissionDenied.into())));
        }
        let mapping = Mapping::new(fd, bytes, writable).map_err(system(&name, bytes))?;
        let region = Region { mapping: Arc::new(mapping), name: name.into(), length, huge };
        if writable {
            region.generation_word().fetch_add(1, Relaxed);
        }
        Ok(region)
    }

    fn generation_word(&self) -> &AtomicU64 {
        let offset = std::mem::offset_of!(RegionHeader, generation);
        // SAFETY: inside the header, which every mapping holds; aligned; after creation only ever used as an atomic.
        unsafe { self.mapping.base.add(offset).cast::<AtomicU64>().as_ref() }
    }

    /// How many writers the region has had: 1 from its making, one more with every attachment to write.
    pub fn generation(&self) -> u64 {
        self.generation_word().load(Relaxed)
    }

    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length of the payload, bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the payload has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether the memory is made of hugepages.
    pub fn is_huge(&self) -> bool {
        self.huge
    }

    /// Whether slabs may be written through.
    pub fn is_writable(&self) -> bool {
        self.mapping.writable
    }

    /// The descriptor, for a successor that will go on writing.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.mapping.fd.as_fd()
    }

    /// A new descriptor through which nobody can write, for readers.
    pub fn read_only_fd(&self) -> Result<OwnedFd, RegionError> {
        mapping::reopen_read_only(&self.mapping.fd).map_err(|source| system(&self.name, self.length)(("open", source)))
    }

    /// The `count` items of type `T` that begin `offset` bytes into the payload. Slabs of one type may overlap item
    /// by item; bytes in use as another type are refused.
    pub fn slab<T: Plain>(&self, offset: usize, count: usize) -> Result<Slab<T>, RegionError> {
        let size = size_of::<T>();
        let aligned = align_of::<T>() <= PAGE_BYTES && offset.is_multiple_of(align_of::<T>());
        let end = count.checked_mul(size).and_then(|bytes| bytes.checked_add(offset));
        let Some(end) = end.filter(|&end| aligned && end <= self.length) else {
            let (name, length) = (self.name.to_string(), self.length);
            return Err(RegionError::Slab { name, offset, count, size, length });
        };
        if !self.mapping.claim(offset, end, TypeId::of::<T>(), size) {
            let name = self.name.to_string();
            return Err(RegionError::Overlap { name, offset, end, wanted: type_name::<T>() });
        }
        // SAFETY: `offset` lies within the payload, and the payload within the mapping.
        let first = unsafe { self.mapping.base.add(HEADER_BYTES + offset) }.cast::<T>();
        // SAFETY: aligned, `count` items lie within the payload, which is initialised (zero or written) memory, valid
        // for any `Plain` type, and no overlapping slab has another type.
        Ok(unsafe { Slab::new(Arc::clone(&self.mapping), first, count) })
    }
}
