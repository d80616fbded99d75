//! A bounded queue from one thread to one other thread. Neither side ever waits.

use std::{fmt, mem::MaybeUninit, sync::atomic::Ordering::*};

use crate::primitive::{Arc, AtomicUsize, UnsafeCell};

/// Keeps what two threads write on cache lines of their own; 128 bytes, for the hardware fetches lines in pairs.
#[repr(align(128))]
struct Padded<T>(T);

/// What both ends share. `head` and `tail` run freely and wrap; `tail - head` items are held, the first at
/// `head & mask`.
struct Shared<T> {
    /// Items taken so far. Written by the consumer.
    head: Padded<AtomicUsize>,
    /// Items put in so far. Written by the producer.
    tail: Padded<AtomicUsize>,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
    mask: usize,
    capacity: usize,
}

// SAFETY: a slot is written by the one producer while it is outside `head..tail` and read by the one consumer while it
// is inside; the release stores of `head` and `tail` order the two. Items cross threads, hence `T: Send`.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above; whoever drops the last end drops the items.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    fn len(&self) -> usize {
        // Head first: the tail read later is never behind it, so the difference cannot wrap. The other side may move
        // meanwhile, hence the bound.
        let head = self.head.0.load(Acquire);
        self.tail.0.load(Acquire).wrapping_sub(head).min(self.capacity)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let tail = self.tail.0.load(Acquire);
        let mut head = self.head.0.load(Acquire);
        while head != tail {
            // SAFETY: both ends are gone, and slots inside `head..tail` hold items nobody took.
            self.slots[head & self.mask].with_mut(|slot| unsafe { (*slot).assume_init_drop() });
            head = head.wrapping_add(1);
        }
    }
}

/// The end that puts items in.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    tail: usize,
    /// The consumer's head when last looked at: reading it anew costs a cache miss, and is needed only when full.
    head_seen: usize,
}

/// The end that takes items out.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    /// The producer's tail when last looked at.
    tail_seen: usize,
}

/// A ring for at most `capacity` items (at least one), and its two ends. Storage is rounded up to a power of two and
/// allocated here; nothing allocates afterwards. Items left when both ends are gone are dropped.
///
/// # Panics
/// Where `capacity` exceeds 2^31: a ring that long is a mistake.
pub fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    assert!(capacity <= 1 << 31, "a ring of {capacity} items");
    let capacity = capacity.max(1);
    let storage = capacity.next_power_of_two();
    let shared = Arc::new(Shared {
        head: Padded(AtomicUsize::new(0)),
        tail: Padded(AtomicUsize::new(0)),
        slots: (0..storage).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
        mask: storage - 1,
        capacity,
    });
    let consumer = Consumer { shared: Arc::clone(&shared), head: 0, tail_seen: 0 };
    (Producer { shared, tail: 0, head_seen: 0 }, consumer)
}

impl<T> Producer<T> {
    /// Appends an item, or gives it back where the ring is full.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), T> {
        let shared = &*self.shared;
        if self.tail.wrapping_sub(self.head_seen) == shared.capacity {
            self.head_seen = shared.head.0.load(Acquire);
            if self.tail.wrapping_sub(self.head_seen) == shared.capacity {
                return Err(item);
            }
        }
        // SAFETY: fewer than `capacity` items are held, so this slot is outside `head..tail` and ours; the acquire load
        // of `head` says that the consumer is done with it.
        shared.slots[self.tail & shared.mask].with_mut(|slot| unsafe { (*slot).write(item) });
        self.tail = self.tail.wrapping_add(1);
        shared.tail.0.store(self.tail, Release);
        Ok(())
    }

    /// Items held; the consumer may be taking some meanwhile.
    #[inline]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no item is held.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Items the ring holds at most.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest item.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let shared = &*self.shared;
        if self.head == self.tail_seen {
            self.tail_seen = shared.tail.0.load(Acquire);
            if self.head == self.tail_seen {
                return None;
            }
        }
        // SAFETY: this slot is inside `head..tail`: the producer wrote it before the release store of the tail we saw,
        // and does not touch it again until `head` has passed it.
        let item = shared.slots[self.head & shared.mask].with_mut(|slot| unsafe { (*slot).assume_init_read() });
        self.head = self.head.wrapping_add(1);
        shared.head.0.store(self.head, Release);
        Some(item)
    }

    /// Items held; the producer may be adding some meanwhile.
    #[inline]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no item is held. One load: this is what a worker asks every turn.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.shared.tail.0.load(Acquire) == self.head
    }

    /// Items the ring holds at most.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Producer({} of {})", self.len(), self.capacity())
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({} of {})", self.len(), self.capacity())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::VecDeque, sync::Arc};

    #[test]
    fn a_full_ring_gives_the_item_back() {
        let (mut tx, mut rx) = ring(3);
        for n in 0..3 {
            assert_eq!(tx.push(n), Ok(()));
        }
        assert_eq!(tx.push(3), Err(3), "storage is 4, the bound is still 3");
        assert_eq!(rx.pop(), Some(0));
        assert_eq!(tx.push(3), Ok(()));
        assert_eq!((tx.len(), rx.len(), tx.capacity()), (3, 3, 3));
    }

    #[test]
    fn a_ring_of_no_items_holds_one() {
        let (mut tx, mut rx) = ring(0);
        assert_eq!((tx.push('a'), tx.push('b'), rx.pop(), rx.pop()), (Ok(()), Err('b'), Some('a'), None));
    }

    #[test]
    fn items_left_are_dropped_once() {
        let item = Arc::new(());
        let (mut tx, mut rx) = ring(8);
        for _ in 0..5 {
            assert!(tx.push(Arc::clone(&item)).is_ok());
        }
        drop(rx.pop());
        assert_eq!(Arc::strong_count(&item), 5);
        drop(tx);
        assert_eq!(rx.pop().map(|i| Arc::strong_count(&i)), Some(5), "the consumer may finish what is there");
        drop(rx);
        assert_eq!(Arc::strong_count(&item), 1);
    }

    #[test]
    fn two_threads_see_a_million_items_in_order() {
        let (mut tx, mut rx) = ring(64);
        let writer = std::thread::spawn(move || {
            for n in 0..1_000_000u32 {
                while tx.push(n).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < 1_000_000 {
            match rx.pop() {
                Some(n) => {
                    assert_eq!(n, expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        writer.join().unwrap();
        assert!(rx.is_empty() && rx.pop().is_none());
    }

    proptest! {
        #[test]
        fn a_ring_is_a_bounded_queue(capacity in 1usize..9, pushes in prop::collection::vec(any::<bool>(), 0..200)) {
            let (mut tx, mut rx) = ring(capacity);
            let mut model = VecDeque::new();
            for (n, push) in pushes.into_iter().enumerate() {
                if push {
                    let fits = model.len() < capacity;
                    prop_assert_eq!(tx.push(n), if fits { Ok(()) } else { Err(n) });
                    if fits {
                        model.push_back(n);
                    }
                } else {
                    prop_assert_eq!(rx.pop(), model.pop_front());
                }
                prop_assert_eq!((tx.len(), rx.len()), (model.len(), model.len()));
                prop_assert_eq!((tx.is_empty(), rx.is_empty()), (model.is_empty(), model.is_empty()));
            }
        }
    }
}
