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
        unsafe { std::ptr::copy_nonoverlapping(self.first.as_ptr(), into.as_mut_ptr(), octets) };
        octets
    }

    /// Copies as many octets in as both hold; says how many.
    #[inline]
    pub fn write(&self, from: &[u8]) -> usize {
        let octets = self.len.min(from.len());
        // SAFETY: as in `read`; nobody holds a reference to guest memory.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.first.as_ptr(), octets) };
        octets
    }

    /// Asks the processor to fetch its first cache line.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.first.as_ptr());
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
