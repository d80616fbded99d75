//! Ports of a switch in this process: frames of chosen flows come in, and what is sent is looked at and used again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frame::{Burst, Frame, HeapPool, Pool, Port, Sent};
use wire::Mac;

use crate::{flows::clock, load};

/// Octets of a frame, without FCS.
const FRAME_LEN: usize = 64;

/// Frames there are: more than any turn holds, few enough to stay in the first cache.
const FRAMES: usize = 256;

/// The stations of a flow. Flows are numbered so that those below a square have the square's root of stations on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Who is sent to, of [`RECEIVERS`].
    pub(crate) dst: u32,
    /// Who sends.
    pub(crate) src: u32,
}

/// Sides of a switch, as `load::mac` counts them: who sends, who receives, and who wanders.
const SENDER: u8 = 1;
const RECEIVER: u8 = 2;
const WANDERER: u8 = 3;

impl Flow {
    /// The octets that tell it from others: both MACs, destination first.
    fn macs(self) -> [u8; 12] {
        let mut octets = [0; 12];
        octets[..6].copy_from_slice(&receiver(self.dst).octets());
        octets[6..].copy_from_slice(&load::mac(SENDER, self.src).octets());
        octets
    }
}

impl Flow {
    /// The first words of its key where it comes in by the first port: what its hash is made of.
    pub(crate) fn key_words(self) -> [u64; 2] {
        let (first_member, by_macs) = (1 << 48, 8 << 56);
        [first_member | receiver(self.dst).to_u64(), by_macs | load::mac(SENDER, self.src).to_u64()]
    }
}

/// The MAC of a receiving station.
pub(crate) fn receiver(number: u32) -> Mac {
    load::mac(RECEIVER, number)
}

/// Frames nobody uses just now. Clones share it.
#[derive(Clone)]
pub(crate) struct Shelf(Arc<Mutex<Vec<Frame>>>);

impl Shelf {
    pub(crate) fn new(heap: &mut HeapPool) -> Shelf {
        let frames = (0..FRAMES).map(|_| {
            let mut frame = heap.alloc().expect("the pool holds all frames of the shelf");
            assert!(frame.write(&template()), "the pool's frames are longer than the load's");
            frame
        });
        Shelf(Arc::new(Mutex::new(frames.collect())))
    }

    pub(crate) fn heap() -> HeapPool {
        HeapPool::new(FRAMES, 256)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives all frames back.
    pub(crate) fn clear(&self, heap: &mut HeapPool) {
        self.lock().drain(..).for_each(|frame| heap.release_one(frame));
    }
}

/// A UDP packet between any two stations.
fn template() -> Vec<u8> {
    let load = load::Load { shape: load::Shape::Plain, flows: 1, mac_pairs: 1, seed: 1 };
    let packet = load.packets().next().unwrap_or_default();
    assert_eq!(packet.len(), FRAME_LEN);
    packet
}

impl Pool for Shelf {
    fn alloc(&mut self) -> Option<Frame> {
        self.lock().pop()
    }

    fn release(&mut self, burst: &mut Burst) {
        self.lock().extend(burst.drain());
    }

    fn release_one(&mut self, frame: Frame) {
        self.lock().push(frame);
    }

    fn available(&self) -> usize {
        self.lock().len()
    }

    fn capacity(&self) -> usize {
        FRAMES
    }
}

/// What comes in by a port, and when. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Feed(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    flows: Arc<[Flow]>,
    next: usize,
    /// Frames that still come; each turn takes at most a burst of them.
    left: usize,
    /// Where a wandering station is heard next.
    wanderer: Option<Mac>,
    /// When frames came in, where anybody wants to know; and how long each took to leave.
    came_ns: Option<u64>,
    stayed_ns: Vec<(u64, u32)>,
}

impl Feed {
    /// From now on the frames are of these flows, again and again.
    pub(crate) fn set(&self, flows: Arc<[Flow]>) {
        let mut plan = self.lock();
        (plan.flows, plan.next) = (flows, 0);
    }

    /// So many frames are to come, beside those that are to come already.
    pub(crate) fn let_in(&self, frames: usize) {
        self.lock().left += frames;
    }

    /// A frame of the wandering station is to come, beside the others.
    pub(crate) fn wander(&self, number: u32) {
        self.lock().wanderer = Some(load::mac(WANDERER, number));
    }

    /// Whether clocks are read for [`Feed::stayed`]. What came before is not waited for.
    pub(crate) fn stamp(&self, wanted: bool) {
        self.lock().came_ns = wanted.then_some(0);
    }

    /// How long bursts have stayed in the switch since this was last asked: nanoseconds, frames.
    pub(crate) fn stayed(&self) -> Vec<(u64, u32)> {
        std::mem::take(&mut self.lock().stayed_ns)
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One end of the switch.
pub(crate) struct Plug {
    pub(crate) shelf: Shelf,
    /// What comes in here, or, where nothing does, what is sent here and when it came.
    pub(crate) feed: Feed,
    pub(crate) is_in: bool,
}

impl Port for Plug {
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let mut plan = self.feed.lock();
        if !self.is_in || plan.left == 0 && plan.wanderer.is_none() {
            return 0;
        }
        let mut shelf = self.shelf.lock();
        let plan = &mut *plan;
        if let Some(mac) = plan.wanderer.take() {
            return give(&mut shelf, burst, &wandering(mac));
        }
        let take = max.min(plan.left).min(shelf.len());
        plan.left -= take;
        for _ in 0..take {
            plan.next = if plan.next >= plan.flows.len() { 0 } else { plan.next };
            let Some(flow) = plan.flows.get(plan.next) else { return 0 };
            plan.next += 1;
            give(&mut shelf, burst, &flow.macs());
        }
        if plan.came_ns.is_some() {
            plan.came_ns = Some(clock::wall_ns());
        }
        take
    }

    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        let mut sent = Sent { frames: burst.len() as u32, ..Sent::default() };
        sent.bytes = (burst.len() * FRAME_LEN) as u64;
        self.shelf.lock().extend(burst.drain());
        let mut plan = self.feed.lock();
        // The first burst that leaves holds what came in here; what is decided anew leaves after it.
        if let Some(came) = plan.came_ns.filter(|&came| came > 0) {
            plan.stayed_ns.push((clock::wall_ns() - came, sent.frames));
            plan.came_ns = Some(0);
        }
        sent
    }
}

/// What a station says that wants to be heard by nobody but its switch: it sends to itself.
fn wandering(mac: Mac) -> [u8; 12] {
    let mut octets = [0; 12];
    octets[..6].copy_from_slice(&mac.octets());
    octets[6..].copy_from_slice(&mac.octets());
    octets
}

fn give(shelf: &mut Vec<Frame>, burst: &mut Burst, macs: &[u8; 12]) -> usize {
    let Some(mut frame) = shelf.pop() else { return 0 };
    if let Some(front) = frame.data_mut().first_chunk_mut() {
        *front = *macs;
    }
    if let Err(frame) = burst.push(frame) {
        shelf.push(frame);
        return 0;
    }
    1
}
