//! A pool on the heap, for tests and the simulator.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ptr::{NonNull, null_mut},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{Burst, Frame, HEADROOM, Header, Pool};

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

    fn layout(buf_len: u16) -> Layout {
        Layout::from_size_align(size_of::<Header>() + usize::from(buf_len), align_of::<Header>())
            .expect("a header and 64 KiB fit an isize")
    }
}

impl Pool for HeapPool {
    fn alloc(&mut self) -> Option<Frame> {
        self.used.fetch_update(Relaxed, Relaxed, |n| (n < self.capacity).then_some(n + 1)).ok()?;
        let buf_len = self.data_max + HEADROOM;
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
