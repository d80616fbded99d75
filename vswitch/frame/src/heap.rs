//! A pool on the heap, for tests and the simulator.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ptr::{NonNull, null_mut},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{Burst, Frame, HEADROOM, Header, Pool, SUPER_MAX};

/// A pool whose frames are heap blocks. Clones share one budget, so a test can ask after a run whether every frame came
/// back. Thread-safe; allocates on every call, so it never feeds the real switch.
#[derive(Clone, Debug)]
pub struct HeapPool {
    used: Arc<AtomicUsize>,
    capacity: usize,
    data_max: u16,
}

impl HeapPool {
    /// A pool of at most `capacity` frames whose packets are at most `data_max` octets (behind the headroom).
    ///
    /// # Panics
    /// Where `data_max` and the headroom together exceed a `u16`.
    pub fn new(capacity: usize, data_max: usize) -> Self {
        let data_max = u16::try_from(data_max + usize::from(HEADROOM)).expect("buffers end at 65,535 bytes") - HEADROOM;
        HeapPool { used: Arc::new(AtomicUsize::new(0)), capacity, data_max }
    }

    /// Frames that are out at this moment.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    fn alloc_of(&mut self, buf_len: u16) -> Option<Frame> {
        self.used.fetch_update(Relaxed, Relaxed, |n| (n < self.capacity).then_some(n + 1)).ok()?;
        let layout = Self::layout(buf_len);
        // SAFETY: the layout has a size above zero.
        let block = unsafe { alloc_zeroed(layout) }.cast::<Header>();
        let Some(header) = NonNull::new(block) else { handle_alloc_error(layout) };
        // SAFETY: the block is large enough for a header and `buf_len` bytes behind it, aligned, zeroed and ours alone;
        // a zeroed Header is valid (integers and null pointers).
        let mut frame = unsafe {
            (*block).buf_addr = block.add(1).cast();
            (*block).buf_len = buf_len;
            (*block).nb_segs = 1;
            (*block).refcnt = 1;
            (*block).next = null_mut();
            Frame::from_raw(header)
        };
        frame.reset();
        Some(frame)
    }

    fn layout(buf_len: u16) -> Layout {
        Layout::from_size_align(size_of::<Header>() + usize::from(buf_len), align_of::<Header>())
            .expect("a header and 64 KiB fit an isize")
    }
}

impl Pool for HeapPool {
    fn alloc(&mut self) -> Option<Frame> {
        self.alloc_of(self.data_max + HEADROOM)
    }

    /// One of the same budget.
    fn alloc_super(&mut self) -> Option<Frame> {
        self.alloc_of(SUPER_MAX as u16 + HEADROOM)
    }

    fn release(&mut self, burst: &mut Burst) {
        for frame in burst.drain() {
            self.release_one(frame);
        }
    }

    fn release_one(&mut self, frame: Frame) {
        let raw = frame.into_raw();
        // SAFETY: the frame came from `alloc` of a heap pool, whose buffers carry their length; we own it.
        unsafe { dealloc(raw.as_ptr().cast(), Self::layout(raw.as_ref().buf_len)) };
        self.used.fetch_sub(1, Relaxed);
    }

    fn available(&self) -> usize {
        self.capacity - self.used()
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Offload, Transport};

    #[test]
    fn a_super_frame_is_copied_with_what_is_left_to_be_done() {
        let mut pool = HeapPool::new(2, 100);
        let mut frame = pool.alloc_super().unwrap();
        assert!(frame.write(&[7; SUPER_MAX]) && !frame.set_len(SUPER_MAX + 1));
        let offload = Some(Offload { transport: Transport::Tcp, segment: 1448 });
        frame.set_offload(offload);
        let copy = pool.copy(&frame).unwrap();
        assert_eq!((copy.offload(), copy.len(), copy.headroom()), (offload, SUPER_MAX, usize::from(HEADROOM)));
        assert!(pool.copy(&frame).is_none() && pool.alloc_super().is_none(), "the pool is empty");
        [frame, copy].into_iter().for_each(|frame| pool.release_one(frame));
        assert_eq!(pool.used(), 0);
    }
}
