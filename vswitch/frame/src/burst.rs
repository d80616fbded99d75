//! A fixed array of frames: the unit in which packets move.

use std::{marker::PhantomData, mem::MaybeUninit, ptr};

use crate::Frame;

/// Frames a [`Burst`] holds at most; also the batch of one worker's turn.
pub const BURST_MAX: usize = 64;

/// Up to [`BURST_MAX`] frames, in order, without allocation. Like a frame, a burst must be empty when it goes.
pub struct Burst {
    frames: [MaybeUninit<Frame>; BURST_MAX],
    len: usize,
}

impl Default for Burst {
    fn default() -> Self {
        Self::new()
    }
}

impl Burst {
    /// An empty burst.
    pub const fn new() -> Self {
        Burst { frames: [const { MaybeUninit::uninit() }; BURST_MAX], len: 0 }
    }

    /// Frames held.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no frame is held.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more frames fit.
    #[inline]
    pub fn room(&self) -> usize {
        BURST_MAX - self.len
    }

    /// Appends a frame, or gives it back where the burst is full.
    #[inline]
    pub fn push(&mut self, frame: Frame) -> Result<(), Frame> {
        if self.len == BURST_MAX {
            return Err(frame);
        }
        self.frames[self.len].write(frame);
        self.len += 1;
        Ok(())
    }

    /// Takes the last frame.
    #[inline]
    pub fn pop(&mut self) -> Option<Frame> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: every slot below the old length was written, and the length no longer covers this one.
        Some(unsafe { self.frames[self.len].assume_init_read() })
    }

    /// The frames, in order.
    #[inline]
    pub fn as_slice(&self) -> &[Frame] {
        // SAFETY: the first `len` slots are initialised.
        unsafe { std::slice::from_raw_parts(self.frames.as_ptr().cast(), self.len) }
    }

    /// The frames, in order, to change them in place.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [Frame] {
        // SAFETY: the first `len` slots are initialised.
        unsafe { std::slice::from_raw_parts_mut(self.frames.as_mut_ptr().cast(), self.len) }
    }

    /// Takes all frames out, in order. What the iterator does not yield stays in the burst, in order.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_> {
        // The burst is empty until the iterator is dropped: one that is forgotten leaks frames, but none has two owners.
        let len = std::mem::take(&mut self.len);
        let burst: *mut Burst = self;
        // SAFETY: `burst` is live, and its first `len` slots are within the array.
        let (next, end) = unsafe {
            let first: *mut Frame = (&raw mut (*burst).frames).cast();
            (first, first.add(len))
        };
        Drain { next, end, burst, frames: PhantomData }
    }

    /// The free slots behind the frames, for a device to fill; call [`Burst::grow`] afterwards.
    #[inline]
    pub fn spare_mut(&mut self) -> &mut [MaybeUninit<Frame>] {
        &mut self.frames[self.len..]
    }

    /// Declares the first `n` free slots filled.
    ///
    /// # Safety
    /// The first `n <= room()` slots of [`Burst::spare_mut`] hold frames that nobody else owns.
    #[inline]
    pub unsafe fn grow(&mut self, n: usize) {
        debug_assert!(n <= self.room());
        self.len += n;
    }

    /// Declares the first `n` frames given away (to a driver that took their pointers) and moves the rest to the front.
    ///
    /// # Safety
    /// `n <= len()`, and the first `n` frames have a new owner.
    #[inline]
    pub unsafe fn forget_front(&mut self, n: usize) {
        debug_assert!(n <= self.len);
        let rest = self.len - n;
        let base = self.frames.as_mut_ptr();
        // SAFETY: both ranges lie within the array; the caller says the first `n` are no longer ours.
        unsafe { std::ptr::copy(base.add(n), base, rest) };
        self.len = rest;
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        while let Some(frame) = self.pop() {
            drop(frame); // loud, see Frame
        }
    }
}

/// Iterator of [`Burst::drain`].
pub struct Drain<'a> {
    /// The slot to be yielded next, and the one behind the last: from one to the other all are initialised and ours.
    next: *mut Frame,
    end: *mut Frame,
    burst: *mut Burst,
    frames: PhantomData<&'a mut Burst>,
}

impl Iterator for Drain<'_> {
    type Item = Frame;

    #[inline]
    fn next(&mut self) -> Option<Frame> {
        if self.next == self.end {
            return None;
        }
        // SAFETY: slots before `end` are initialised; `next` moves past this one, so that nobody reads it again.
        let frame = unsafe { self.next.read() };
        // SAFETY: `end` is not before the slot behind this one.
        self.next = unsafe { self.next.add(1) };
        Some(frame)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        // SAFETY: both are slots of one array, or behind its last, and `next` is not behind `end`.
        let left = unsafe { self.end.offset_from(self.next) } as usize;
        (left, Some(left))
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        let (left, _) = self.size_hint();
        // SAFETY: the burst is borrowed for as long as we live, and nobody else looks at it meanwhile. The slots from `next` to
        // `end` are initialised and within its array, the front of which has been yielded.
        unsafe {
            if left > 0 {
                ptr::copy(self.next, (&raw mut (*self.burst).frames).cast(), left);
            }
            (*self.burst).len = left;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeapPool, Pool};

    /// A pool and a burst whose frames hold the octets 0, 1, 2 …
    fn burst(frames: u8) -> (HeapPool, Burst) {
        let mut pool = HeapPool::new(BURST_MAX + 1, 16);
        let mut burst = Burst::new();
        for octet in 0..frames {
            let mut frame = pool.alloc().unwrap();
            assert!(frame.write(&[octet]) && burst.push(frame).is_ok());
        }
        (pool, burst)
    }

    fn octets(burst: &Burst) -> Vec<u8> {
        burst.as_slice().iter().map(|frame| frame.data()[0]).collect()
    }

    #[test]
    fn a_full_burst_gives_the_frame_back() {
        let (mut pool, mut full) = burst(BURST_MAX as u8);
        assert_eq!((full.len(), full.room()), (BURST_MAX, 0));
        let frame = pool.alloc().unwrap();
        let back = full.push(frame).unwrap_err();
        pool.release_one(back);
        pool.release(&mut full);
        assert_eq!((full.len(), pool.used()), (0, 0));
    }

    #[test]
    fn what_is_not_drained_stays_in_order() {
        let (mut pool, mut burst) = burst(5);
        let taken: Vec<Frame> = burst.drain().take(2).collect();
        assert_eq!(taken.iter().map(|frame| frame.data()[0]).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(octets(&burst), [2, 3, 4]);
        taken.into_iter().for_each(|frame| pool.release_one(frame));
        drop(burst.drain());
        assert_eq!(octets(&burst), [2, 3, 4]);
        pool.release(&mut burst);
        assert_eq!(pool.used(), 0);
    }

    #[test]
    fn a_forgotten_drain_leaks_frames_and_gives_none_away_twice() {
        let (mut pool, mut burst) = burst(3);
        let mut drain = burst.drain();
        let first = drain.next().unwrap();
        std::mem::forget(drain);
        assert!(burst.is_empty() && burst.pop().is_none(), "the first frame has an owner already");
        pool.release_one(first);
        assert_eq!(pool.used(), 2);
    }

    #[test]
    fn what_a_driver_took_is_forgotten_and_the_rest_moves_up() {
        let (mut pool, mut burst) = burst(4);
        let raw: Vec<_> = burst.as_slice()[..3].iter().map(Frame::as_raw).collect();
        // SAFETY: the three frames go on as `raw`.
        unsafe { burst.forget_front(3) }
        assert_eq!(octets(&burst), [3]);
        // SAFETY: they were forgotten above, and each is taken up once.
        raw.into_iter().for_each(|raw| pool.release_one(unsafe { Frame::from_raw(raw) }));
        assert_eq!(burst.pop().map(|frame| pool.release_one(frame)), Some(()));
        assert_eq!((burst.pop().is_none(), pool.used()), (true, 0));
    }
}
