//! A pool and a port that never allocate, over frames made beforehand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frame::{Burst, Frame, HEADROOM, HeapPool, Offload, Pool, Port, SUPER_MAX, Sent, Takes};

/// Frames on a shelf, and frames for super-frames on another. Clones share them.
#[derive(Clone)]
pub(crate) struct Stock {
    shelf: Arc<Mutex<Vec<Frame>>>,
    supers: Arc<Mutex<Vec<Frame>>>,
    capacity: usize,
}

/// Frames for super-frames.
const SUPERS: usize = 32;

impl Stock {
    /// A shelf of that many frames; the heap pool gets them back by [`Stock::clear`].
    pub(crate) fn new(frames: usize, heap: &mut HeapPool) -> Stock {
        let shelf = (0..frames).map(|_| heap.alloc().unwrap()).collect();
        let supers = (0..SUPERS).map(|_| heap.alloc_super().unwrap()).collect();
        let [shelf, supers] = [shelf, supers].map(|frames| Arc::new(Mutex::new(frames)));
        Stock { shelf, supers, capacity: frames }
    }

    fn shelf(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn supers(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.supers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives all frames back to the heap.
    pub(crate) fn clear(&self, heap: &mut HeapPool) {
        self.shelf().drain(..).for_each(|frame| heap.release_one(frame));
        assert_eq!(self.supers().len(), SUPERS, "all super-frames are back");
        self.supers().drain(..).for_each(|frame| heap.release_one(frame));
    }
}

impl Pool for Stock {
    fn alloc(&mut self) -> Option<Frame> {
        let mut frame = self.shelf().pop()?;
        frame.reset();
        Some(frame)
    }

    fn alloc_super(&mut self) -> Option<Frame> {
        let mut frame = self.supers().pop()?;
        frame.reset();
        Some(frame)
    }

    fn release(&mut self, burst: &mut Burst) {
        burst.drain().for_each(|frame| self.release_one(frame));
    }

    fn release_one(&mut self, frame: Frame) {
        let is_long = frame.headroom() + frame.len() + frame.tailroom() > SUPER_MAX;
        if is_long { self.supers() } else { self.shelf() }.push(frame);
    }

    fn available(&self) -> usize {
        self.shelf().len()
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

/// A port that receives the packets of a list again and again, as many a turn as it is told, and takes all it is given.
pub(crate) struct ScriptPort {
    packets: Arc<Vec<Vec<u8>>>,
    next: usize,
    stock: Stock,
    a_burst: usize,
    /// Octets free in front of a packet, where fewer than usual.
    headroom: usize,
    /// What is left to be done to its packets.
    offload: Option<Offload>,
    takes: Takes,
}

impl ScriptPort {
    /// A port that receives `packets`, `a_burst` in each burst.
    pub(crate) fn new(packets: Vec<Vec<u8>>, a_burst: usize, stock: Stock) -> ScriptPort {
        let headroom = usize::from(HEADROOM);
        let (offload, takes) = (None, Takes::default());
        ScriptPort { packets: Arc::new(packets), next: 0, stock, a_burst, headroom, offload, takes }
    }

    /// The same where that is left to be done to its packets.
    pub(crate) fn unfinished(self, offload: Option<Offload>) -> ScriptPort {
        ScriptPort { offload, ..self }
    }

    /// The same that does so much by itself.
    pub(crate) fn taking(self, takes: Takes) -> ScriptPort {
        ScriptPort { takes, ..self }
    }

    /// The same with only `headroom` octets in front of each packet.
    pub(crate) fn crowded(self, headroom: usize) -> ScriptPort {
        ScriptPort { headroom, ..self }
    }

    /// Puts a packet into a fresh frame.
    fn fill(&self, frame: &mut Frame, packet: &[u8]) -> bool {
        let fits = frame.push_front(usize::from(HEADROOM) - self.headroom).is_some() && frame.set_len(packet.len());
        if fits {
            frame.data_mut().copy_from_slice(packet);
        }
        fits
    }
}

impl Port for ScriptPort {
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let mut received = 0;
        while received < max.min(self.a_burst) && !self.packets.is_empty() {
            let packet = &self.packets[self.next % self.packets.len()];
            let frame = if packet.len() > 2048 { self.stock.alloc_super() } else { self.stock.alloc() };
            let Some(mut frame) = frame else { break };
            if !self.fill(&mut frame, packet) {
                self.stock.release_one(frame);
                break;
            }
            frame.set_offload(self.offload);
            if let Err(frame) = burst.push(frame) {
                self.stock.release_one(frame);
                break;
            }
            self.next += 1;
            received += 1;
        }
        received
    }

    fn takes(&self) -> Takes {
        self.takes
    }

    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        let mut sent = Sent::default();
        for frame in burst.drain() {
            sent.frames += 1;
            sent.bytes += frame.len() as u64;
            self.stock.release_one(frame);
        }
        sent
    }
}
