//! A typed piece of a region.

use std::{fmt, ops::Deref, ptr::NonNull, slice, sync::Arc};

use crate::mapping::Mapping;

/// What may lie in shared memory: valid whatever its bytes are (no pointers, no enums), and shared between threads. What
/// changes while others look is an atomic, so a slab is a `&[T]` and never a `&mut [T]`.
pub trait Plain: zerocopy::FromBytes + Sync + 'static {}

impl<T: zerocopy::FromBytes + Sync + 'static> Plain for T {}

/// Items in a [`crate::Region`], as a slice. Keeps the mapping alive; clones are the same items.
pub struct Slab<T> {
    mapping: Arc<Mapping>,
    first: NonNull<T>,
    count: usize,
}

// SAFETY: a slab is a shared reference to items that any thread may look at.
unsafe impl<T: Sync> Send for Slab<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Slab<T> {}

impl<T> Slab<T> {
    /// The `count` items from `first` on.
    ///
    /// # Safety
    /// They lie within `mapping`, aligned, valid for `T`, and are never accessed as another type.
    pub(crate) unsafe fn new(mapping: Arc<Mapping>, first: NonNull<T>, count: usize) -> Self {
        Slab { mapping, first, count }
    }
}

impl<T> Deref for Slab<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `new` was promised it, and the mapping lives as long as we do.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl<T> Clone for Slab<T> {
    fn clone(&self) -> Self {
        Slab { mapping: Arc::clone(&self.mapping), ..*self }
    }
}

impl<T> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slab({} of {} bytes)", self.count, size_of::<T>())
    }
}
