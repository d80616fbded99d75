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

/// A [`Slab`] of a power of two of items, in which places go round: whatever number is asked for, there is an item, and nothing
/// is compared to find out.
#[derive(Debug)]
pub struct Round<T> {
    items: Slab<T>,
    /// Items less one.
    mask: u32,
}

impl<T> Round<T> {
    /// The items of `slab`, or `None` where they are no power of two, or more than a place can tell.
    pub fn new(slab: Slab<T>) -> Option<Round<T>> {
        let mask = u32::try_from(slab.len().checked_sub(1)?).ok()?;
        slab.len().is_power_of_two().then_some(Round { items: slab, mask })
    }

    /// Items less one: of a number's bits those that are a place.
    #[inline(always)]
    pub fn mask(&self) -> u32 {
        self.mask
    }

    /// The item at a place, counted round.
    #[inline(always)]
    pub fn at(&self, place: u32) -> &T {
        // SAFETY: `place & mask` is at most `mask`, which is the number of the last item.
        unsafe { self.items.get_unchecked((place & self.mask) as usize) }
    }
}

impl<T> Clone for Round<T> {
    fn clone(&self) -> Self {
        Round { items: self.items.clone(), mask: self.mask }
    }
}

impl<T> Deref for Round<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counter, Region};

    #[test]
    fn places_of_a_power_of_two_of_items_go_round_and_other_numbers_are_refused() {
        let region = Region::create("round", "test", 1, 8 * 64, false).unwrap();
        let slab = |count| region.slab::<Counter>(0, count).unwrap();
        for refused in [0, 3, 7, 12] {
            assert!(Round::new(slab(refused)).is_none(), "{refused}");
        }
        for count in [1, 2, 8, 64] {
            let round = Round::new(slab(count)).unwrap();
            assert_eq!((round.mask() as usize + 1, round.len()), (count, count));
            for place in [0, 1, 5, 63, 64, 1000, u32::MAX] {
                assert!(std::ptr::eq(round.at(place), &round[place as usize % count]), "{place} of {count}");
            }
        }
    }
}
