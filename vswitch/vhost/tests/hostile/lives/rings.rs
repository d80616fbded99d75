//! One ring, its hostile driver, and perhaps a second one that changes what has just been looked at.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use frame::{BURST_MAX, Burst, HeapPool, Pool};
use rustix::time::{ClockId, clock_gettime};
use vhost::{DirtyLog, Features, LogArea, Queue, QueueConfig, RingAddresses, RingFault, UserAddress};

use super::{
    choices::Choices,
    estate::{AVAILABLE, DESCRIPTORS, Estate, USED, USER, memory_file},
    scribble::{self, Layout},
};

/// Octets of a frame at most.
const FRAME_MAX: usize = 2048;
/// Frames of the pool: fewer than a burst may ask for.
const FRAMES: usize = 48;
/// Thread CPU time of one call at most. One takes microseconds; a loop that a guest could make endless takes for ever, and
/// one over a ring's 32,768 places with 256 descriptors each takes longer than this.
const WORK_MAX: Duration = Duration::from_millis(50);
/// Chains a frame for the guest may take.
const CHAINS_A_FRAME: u32 = 64;

/// What came of hostile lives.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) received: usize,
    pub(crate) sent: u32,
    /// Names of the faults that were found.
    pub(crate) faults: BTreeSet<String>,
}

/// Everything one life needs.
struct Life {
    estate: Estate,
    layout: Layout,
    config: QueueConfig,
    queue: Queue,
    pool: HeapPool,
    burst: Burst,
    tally: Tally,
}

/// Lives one life by these octets. With a rival, a second thread writes into the rings all the while.
pub(crate) fn live(octets: &[u8], packed: bool, rival: bool) -> Tally {
    let mut choices = Choices::new(octets);
    let mut life = Life::new(&mut choices, packed);
    // Against a rival there is no telling what will be found; what it throws comes from the same octets.
    let (own, its) = if rival { octets.split_at(octets.len() / 2) } else { (octets, &[][..]) };
    let mut choices = Choices::new(own);
    let (over, layout) = (AtomicBool::new(false), life.layout);
    let guest = life.estate.twin();
    std::thread::scope(|scope| {
        if rival {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let mut choices = Choices::new(its);
                    while !choices.are_over() && !over.load(Relaxed) {
                        scribble::word(&mut choices, &guest, layout);
                    }
                }
            });
        }
        let _end = End(&over);
        while !choices.are_over() {
            life.step(&mut choices);
        }
    });
    drop(guest);
    life.end()
}

/// Tells the rival that it is over, also where it ends in a panic.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Life {
    fn new(choices: &mut Choices<'_>, packed: bool) -> Life {
        let estate = Estate::new();
        let mut features = Features::VERSION_1;
        let offloads = Features::CHECKSUMS | Features::TO_GUEST | Features::FROM_GUEST;
        let layouts = [Features::MRG_RXBUF, Features::EVENT_IDX, Features::IN_ORDER, Features::INDIRECT_DESC];
        for feature in layouts.into_iter().chain([offloads]) {
            features = if choices.once_in(2) { features | feature } else { features };
        }
        let size = if packed { choices.of(&[8, 64, 3, 61, 255, 1]) } else { choices.of(&[8, 64, 256, 1, 2]) };
        let features = if packed { features | Features::RING_PACKED } else { features };
        let (to_guest, spite) = (choices.once_in(2), choices.of(&[20, 300, 3000]));
        let layout = Layout { size, features, to_guest, behind: 0, spite };
        let mut config = QueueConfig {
            size: layout.size,
            addresses: RingAddresses {
                descriptors: UserAddress(USER + DESCRIPTORS),
                available: UserAddress(USER + AVAILABLE),
                used: UserAddress(USER + USED),
                log: None,
            },
            base: if packed { 0x8000_8000 } else { 0 },
            features: layout.features,
            call: None,
            record: None,
            log: None,
        };
        if choices.once_in(3) {
            let area = LogArea { size: 8, offset: 0, fd: memory_file(8).into() };
            config.log = Some(DirtyLog::new(area, estate.shared.alarm()).unwrap());
            config.features = config.features | Features::LOG_ALL;
        }
        let queue = Queue::new(Arc::clone(&estate.shared), &config).unwrap();
        let (pool, burst) = (HeapPool::new(FRAMES, FRAME_MAX), Burst::new());
        Life { estate, layout, config, queue, pool, burst, tally: Tally::default() }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let layout = self.layout;
        match choices.up_to(7) {
            0..=2 => scribble::chains(choices, &self.estate, layout, self.queue.base()),
            3 if choices.once_in(layout.spite / 20) => {
                (0..=choices.up_to(15)).for_each(|_| scribble::word(choices, &self.estate, layout))
            }
            4 if choices.once_in(200) => self.estate.truncate(choices.of(&[0x4000, 0x1000, 0, 0x9000])),
            _ if self.layout.to_guest => self.send(choices),
            _ => self.receive(choices),
        }
    }

    fn receive(&mut self, choices: &mut Choices<'_>) {
        let max = choices.up_to(2 * BURST_MAX);
        let (before, start) = (self.queue.base(), cpu_time());
        let outcome = self.queue.receive(&mut self.burst, max, &mut self.pool);
        assert!(cpu_time() - start < WORK_MAX, "one look took {:?}", cpu_time() - start);
        assert_eq!(self.pool.used(), self.burst.len(), "a frame was lost, or made");
        assert!(self.burst.len() <= max.min(BURST_MAX));
        match outcome {
            Ok(received) => {
                assert_eq!(received.frames, self.burst.len());
                self.moved_at_most(before, max.min(BURST_MAX) as u32);
            }
            Err(fault) => self.fault(fault),
        }
        self.tally.received += self.burst.len();
        self.pool.release(&mut self.burst);
    }

    fn send(&mut self, choices: &mut Choices<'_>) {
        let count = choices.up_to(BURST_MAX);
        for number in 0..count {
            let Some(mut frame) = self.pool.alloc() else { break };
            let len = choices.of(&[60, 1500, 61, 590, FRAME_MAX]);
            assert!(frame.write(&vec![number as u8; len]) && self.burst.push(frame).is_ok());
        }
        let count = self.burst.len();
        let (before, start) = (self.queue.base(), cpu_time());
        let outcome = self.queue.send(&self.burst);
        assert!(cpu_time() - start < WORK_MAX, "one burst took {:?}", cpu_time() - start);
        assert_eq!((self.burst.len(), self.pool.used()), (count, count), "frames stay with the sender");
        match outcome {
            Ok(sent) => {
                assert_eq!((sent.frames + sent.refused) as usize, count);
                self.moved_at_most(before, count as u32 * CHAINS_A_FRAME);
                self.tally.sent += sent.frames;
            }
            Err(fault) => self.fault(fault),
        }
        self.pool.release(&mut self.burst);
    }

    /// A call takes at most `chains` chains, and never more than the ring has.
    fn moved_at_most(&self, before: u32, chains: u32) {
        let size = u32::from(self.layout.size);
        if !self.layout.features.has(Features::RING_PACKED) {
            let moved = u32::from((self.queue.base() as u16).wrapping_sub(before as u16));
            assert!(moved <= chains && moved <= size, "{moved} chains in one call");
        }
        assert!(self.queue.base() & 0x7fff < size || !self.layout.features.has(Features::RING_PACKED));
    }

    /// As in life the ring rests, and a new one is made where the old one stood.
    fn fault(&mut self, fault: RingFault) {
        let name = format!("{fault:?}");
        self.tally.faults.insert(name.split([' ', '(']).next().unwrap_or_default().to_owned());
        if fault == RingFault::MemoryGone {
            assert!(self.estate.shared.alarm().is_raised(), "memory is gone only where some is");
            self.estate = Estate::new();
        }
        self.config.base = if self.layout.features.has(Features::RING_PACKED) { self.queue.base() } else { 0 };
        self.queue = Queue::new(Arc::clone(&self.estate.shared), &self.config).unwrap();
    }

    fn end(self) -> Tally {
        assert_eq!(self.pool.used(), 0);
        self.estate.is_unspoilt();
        drop(self.queue);
        self.tally
    }
}

/// CPU time of this thread so far.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
