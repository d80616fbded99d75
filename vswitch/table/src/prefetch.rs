//! The one unsafe thing this room does: asking the memory system for a line before it is needed.
#![allow(unsafe_code)]

/// Asks for the cache line at which the item at `place` begins, or would if `items` were that long; does nothing on
/// processors we have no word for.
#[inline(always)]
pub(crate) fn prefetch_at<T>(items: &[T], place: u32) {
    let address = items.as_ptr().wrapping_add(place as usize);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch changes nothing a program can see, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
