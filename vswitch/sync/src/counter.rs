//! A number that one thread writes and anybody reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use zerocopy::FromBytes;

/// A 64-bit counter with a single writer, usually in a region. Relaxed, and no locked instruction: adding is a load, an
/// add and a store. With two writers counts would get lost (nothing worse). It wraps; nobody lives to see it.
#[repr(transparent)]
#[derive(Debug, Default, FromBytes)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at `value`.
    pub const fn new(value: u64) -> Self {
        Counter(AtomicU64::new(value))
    }

    /// Adds `n`. For the one writer.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Sets the value: for gauges, and for publishing a sum kept elsewhere. For the one writer.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_adds_sets_and_wraps() {
        let counter = Counter::new(40);
        counter.add(2);
        assert_eq!(counter.get(), 42);
        counter.set(u64::MAX);
        counter.add(3);
        assert_eq!(counter.get(), 2);
        assert_eq!(size_of::<Counter>(), 8);
    }
}
