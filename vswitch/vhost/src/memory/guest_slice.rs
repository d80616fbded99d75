//! Octets of guest memory that were found to lie in it.

use std::{marker::PhantomData, ptr::NonNull};

/// `len` octets of guest memory. Made only by translating an address, so having one means that the octets are there
/// (or were, and read as zero now), for as long as the memory it came from is borrowed.
#[derive(Clone, Copy, Debug)]
pub struct GuestSlice<'m> {
    first: NonNull<u8>,
    len: usize,
    memory: PhantomData<&'m super::GuestMemory>,
}

impl<'m> GuestSlice<'m> {
    /// # Safety
    /// `len` octets from `first` on belong to guest memory mapped for `'m`.
    #[inline]
    pub(super) unsafe fn new(first: NonNull<u8>, len: usize) -> GuestSlice<'m> {
        GuestSlice { first, len, memory: PhantomData }
    }

    /// Octets in it.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "an empty one is nothing anybody asks for")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Without its first `octets`, or `None` where it has no more than those.
    #[inline]
    pub fn skip(self, octets: usize) -> Option<GuestSlice<'m>> {
        if octets >= self.len {
            return None;
        }
        // SAFETY: `octets` lies within the slice, and so does what follows.
        Some(unsafe { GuestSlice::new(self.first.add(octets), self.len - octets) })
    }

    /// Copies as many octets out as both hold; says how many.
    #[inline]
    pub fn read(&self, into: &mut [u8]) -> usize {
        let octets = self.len.min(into.len());
        // SAFETY: both sides hold `octets`; guest memory and ours do not overlap. The guest may write meanwhile: then
        // the copy is a mixture, which is looked at as octets only.
        unsafe { copy(self.first.as_ptr(), into.as_mut_ptr(), octets) };
        octets
    }

    /// Copies as many octets in as both hold; says how many.
    #[inline]
    pub fn write(&self, from: &[u8]) -> usize {
        let octets = self.len.min(from.len());
        // SAFETY: as in `read`; nobody holds a reference to guest memory.
        unsafe { copy(from.as_ptr(), self.first.as_ptr(), octets) };
        octets
    }

    /// A copy of its first `N` octets; `None` where it has fewer.
    #[inline]
    pub fn start<const N: usize>(&self) -> Option<[u8; N]> {
        // SAFETY: as in `read`; an array of octets needs no alignment.
        (N <= self.len).then(|| unsafe { self.first.cast::<[u8; N]>().read_unaligned() })
    }

    /// Writes its first `N` octets; `false` (and nothing written) where it has fewer.
    #[inline]
    pub fn set_start<const N: usize>(&self, octets: [u8; N]) -> bool {
        if N > self.len {
            return false;
        }
        // SAFETY: as in `write`; an array of octets needs no alignment.
        unsafe { self.first.cast::<[u8; N]>().write_unaligned(octets) };
        true
    }

    /// Asks the processor to fetch its first two cache lines: as a rule the header and the first octets of a frame.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.first.as_ptr());
        prefetch(self.first.as_ptr().wrapping_add(LINE));
    }

    /// The same, to write them: the guest's processor gives them up at once, not when the first octet is written.
    #[inline]
    pub fn prefetch_to_write(&self) {
        prefetch_to_write(self.first.as_ptr());
        prefetch_to_write(self.first.as_ptr().wrapping_add(LINE));
    }
}

/// Octets of a cache line.
const LINE: usize = 64;

/// Copies `octets`: up to 256 in a few moves of a fixed size from both ends, which meet or overlap in the middle. A call
/// of `memcpy` takes as long as copying a small frame.
///
/// # Safety
/// As `std::ptr::copy_nonoverlapping`.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, octets: usize) {
    // SAFETY: each length is within what its arm moves.
    unsafe {
        match octets {
            33..=64 => ends::<32>(from, to, octets),
            65..=128 => ends::<64>(from, to, octets),
            129..=256 => ends::<128>(from, to, octets),
            17..=32 => ends::<16>(from, to, octets),
            8..=16 => ends::<8>(from, to, octets),
            _ => std::ptr::copy_nonoverlapping(from, to, octets),
        }
    }
}

/// Copies the first `N` and the last `N` of `octets`.
///
/// # Safety
/// As `std::ptr::copy_nonoverlapping`; `octets` is `N` to `2 * N`.
#[inline(always)]
unsafe fn ends<const N: usize>(from: *const u8, to: *mut u8, octets: usize) {
    let last = octets - N;
    // SAFETY: both parts lie within `octets`; arrays of octets need no alignment.
    unsafe {
        to.cast::<[u8; N]>().write_unaligned(from.cast::<[u8; N]>().read_unaligned());
        to.add(last).cast::<[u8; N]>().write_unaligned(from.add(last).cast::<[u8; N]>().read_unaligned());
    }
}

/// Asks the processor to fetch the cache line at `address`, which may be anything.
#[inline(always)]
pub(super) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch touches no memory and never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast())
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Asks the processor to fetch the cache line at `address`, which may be anything, and that no other one keeps it.
#[inline(always)]
pub(super) fn prefetch_to_write(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch touches no memory and never faults; processors that do not know this one take it for nothing
    // (Intel 64 and AMD64 manuals, PREFETCHW). The intrinsic would become another prefetch in a build for all processors.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
