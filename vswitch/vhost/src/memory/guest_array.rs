//! A row of equal items in guest memory: descriptors, indexes, used elements.

use std::{
    fmt,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::Acquire, fence},
    },
};

use super::{
    guest_slice::{prefetch, prefetch_to_write},
    mapping::Mapping,
};

/// What a guest array is made of.
///
/// # Safety
/// Valid whatever its bytes are, without padding, and no larger than can be copied at once, or a few of such.
pub unsafe trait GuestItem: Copy + 'static {}

// SAFETY: any bytes are a number.
unsafe impl GuestItem for u16 {}
// SAFETY: as above.
unsafe impl GuestItem for u32 {}
// SAFETY: as above.
unsafe impl GuestItem for u64 {}
// SAFETY: as above, twice.
unsafe impl GuestItem for [u64; 2] {}

/// `count` items, aligned and mapped while this lives.
pub struct GuestArray<T> {
    mapping: Arc<Mapping>,
    first: NonNull<T>,
    /// At least one.
    count: usize,
}

// SAFETY: items are plain bytes shared with another process, loaded and stored one at a time.
unsafe impl<T: GuestItem> Send for GuestArray<T> {}
// SAFETY: as above.
unsafe impl<T: GuestItem> Sync for GuestArray<T> {}

impl<T: GuestItem> GuestArray<T> {
    /// `count` items from octet `offset` of `mapping` on; `None` where they are not aligned, not all in it, or none.
    pub(super) fn new(mapping: &Arc<Mapping>, offset: usize, count: usize) -> Option<GuestArray<T>> {
        let end = count.checked_mul(size_of::<T>())?.checked_add(offset)?;
        // SAFETY: `offset` lies within the mapping once the filter has been passed, and is not used before.
        let first = (end <= mapping.len() && count > 0).then(|| unsafe { mapping.first().add(offset) }.cast::<T>())?;
        first.is_aligned().then(|| GuestArray { mapping: Arc::clone(mapping), first, count })
    }

    /// The place of item `index`. Indexes come from code that keeps them in bounds; the last item stands in for others,
    /// so that a mistake there cannot leave the array.
    #[inline]
    fn place(&self, index: usize) -> NonNull<T> {
        debug_assert!(index < self.count);
        // SAFETY: at most `count - 1`, and `count` is at least one.
        unsafe { self.first.add(index.min(self.count - 1)) }
    }

    /// A copy of item `index`, read once.
    #[inline]
    pub fn load(&self, index: usize) -> T {
        // SAFETY: in bounds and aligned; volatile, because the guest may write at any time and a second look would differ.
        unsafe { self.place(index).as_ptr().read_volatile() }
    }

    /// Writes item `index`.
    #[inline]
    pub fn store(&self, index: usize, item: T) {
        // SAFETY: in bounds and aligned; nobody holds a reference to it.
        unsafe { self.place(index).as_ptr().write_volatile(item) }
    }

    /// Asks the processor to fetch item `index`.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        prefetch(self.place(index).as_ptr().cast());
    }

    /// The same, to write it.
    #[inline]
    pub fn prefetch_to_write(&self, index: usize) {
        prefetch_to_write(self.place(index).as_ptr().cast());
    }

    /// Items in it.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "it holds at least one")]
    pub fn len(&self) -> usize {
        self.count
    }
}

/// A pair is looked at word by word.
impl GuestArray<[u64; 2]> {
    /// Copies of the words of item `index`, each read once.
    #[inline(always)]
    pub fn words(&self, index: usize) -> [u64; 2] {
        let first = self.place(index).cast::<u64>().as_ptr();
        // SAFETY: as in `load`; an item is two words.
        unsafe { [first.read_volatile(), first.add(1).read_volatile()] }
    }

    /// The same, the second one first: what its writer wrote into the first one before it is seen.
    #[inline(always)]
    pub fn words_last_first(&self, index: usize) -> [u64; 2] {
        let first = self.place(index).cast::<u64>().as_ptr();
        // SAFETY: as above.
        unsafe {
            let last = first.add(1).read_volatile();
            fence(Acquire);
            [first.read_volatile(), last]
        }
    }

    /// Writes the second word of item `index`.
    #[inline(always)]
    pub fn store_last(&self, index: usize, word: u64) {
        // SAFETY: as in `store`.
        unsafe { self.place(index).cast::<u64>().add(1).as_ptr().write_volatile(word) }
    }
}

impl GuestArray<u16> {
    /// Item `index` as the word by which both sides hand things over.
    #[inline]
    pub fn word(&self, index: usize) -> &AtomicU16 {
        // SAFETY: in bounds, aligned, mapped while `self` lives, and only ever accessed in single loads and stores.
        unsafe { AtomicU16::from_ptr(self.place(index).as_ptr()) }
    }
}

impl<T> Clone for GuestArray<T> {
    fn clone(&self) -> Self {
        GuestArray { mapping: Arc::clone(&self.mapping), ..*self }
    }
}

impl<T> fmt::Debug for GuestArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuestArray({} of {} octets)", self.count, size_of::<T>())
    }
}
