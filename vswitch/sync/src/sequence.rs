//! The word under which several numbers are published together.

use std::sync::atomic::Ordering::*;

use crate::primitive::{AtomicU64, fence};

/// A sequence word: even while what it guards is at rest, odd while its one writer changes it. What it guards is made of
/// relaxed atomics, so a reader who comes at the wrong moment reads a mixture and is told so, never worse.
///
/// A writer that dies between the two calls leaves the word odd and readers see nothing; the next writer's
/// [`Sequence::begin_write`] and [`Sequence::end_write`] heal it.
#[repr(transparent)]
#[derive(Debug)]
#[cfg_attr(not(loom), derive(zerocopy::FromBytes))]
pub struct Sequence(AtomicU64);

impl Default for Sequence {
    fn default() -> Self {
        Self::new()
    }
}

impl Sequence {
    /// A word at rest.
    pub fn new() -> Self {
        Sequence(AtomicU64::new(0))
    }

    /// Declares the guarded values in motion. For the one writer.
    #[inline]
    pub fn begin_write(&self) {
        self.0.store(self.0.load(Relaxed) | 1, Relaxed);
        // No guarded store may be seen before the odd word: who sees the store and then fences sees the word.
        fence(Release);
    }

    /// Declares the guarded values at rest again. For the one writer.
    #[inline]
    pub fn end_write(&self) {
        self.0.store((self.0.load(Relaxed) | 1).wrapping_add(1), Release);
    }

    /// What `read` returned, provided no write overlapped it; otherwise `None`, to be tried again or left.
    #[inline]
    pub fn read<T>(&self, read: impl FnOnce() -> T) -> Option<T> {
        let before = self.0.load(Acquire);
        if before & 1 == 1 {
            return None;
        }
        let value = read();
        // Pairs with the fence in `begin_write`: had a guarded load seen a newer store, this load sees its odd word.
        fence(Acquire);
        (self.0.load(Relaxed) == before).then_some(value)
    }

    /// Whether a write is under way, or its writer died in it.
    #[inline]
    pub fn is_writing(&self) -> bool {
        self.0.load(Relaxed) & 1 == 1
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_read_fails_while_and_after_a_write_overlaps_it() {
        let sequence = Sequence::new();
        assert_eq!(sequence.read(|| 1), Some(1));
        sequence.begin_write();
        assert_eq!(sequence.read(|| 1), None);
        assert!(sequence.is_writing());
        sequence.end_write();
        assert_eq!(sequence.read(|| 1), Some(1));
        let torn = sequence.read(|| {
            sequence.begin_write();
            sequence.end_write();
        });
        assert_eq!(torn, None);
    }

    #[test]
    fn a_word_left_odd_by_a_dead_writer_is_healed_by_the_next() {
        let sequence = Sequence::new();
        sequence.begin_write();
        sequence.begin_write();
        assert_eq!(sequence.read(|| ()), None);
        sequence.end_write();
        assert_eq!(sequence.read(|| ()), Some(()));
    }
}
