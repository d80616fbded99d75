//! The books: what every worker and port did with every frame, in a shared-memory region.
//!
//! A worker accumulates privately and publishes at the end of a turn under a sequence word, so whoever sees the word even and
//! unchanged sees books that balance: at the end of every turn of many frames, or of none, and of every few others. One
//! [`WorkerBlock`] and [`PORTS_MAX`] [`PortBlock`]s belong to each worker.

use sync::{Counter, Region, RegionError, Sequence, Slab};

use crate::{PORTS_MAX, PortId, REASONS, WORKERS_MAX, WorkerId};

/// Counters by reason, padded so that new reasons rarely change the layout.
pub const REASONS_MAX: usize = 96;

const _: () = assert!(REASONS <= REASONS_MAX);

macro_rules! block {
    ($(#[$meta:meta])* $block:ident, $reading:ident { $($(#[doc = $doc:literal])+ $field:ident,)+ } $($array:ident : $len:expr => $adoc:literal,)*) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(zerocopy::FromBytes)]
        pub struct $block {
            $($(#[doc = $doc])+ pub $field: Counter,)+
            $(#[doc = $adoc] pub $array: [Counter; $len],)*
        }

        /// A copy of the counters of the same name, as plain numbers.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $reading {
            $($(#[doc = $doc])+ pub $field: u64,)+
            $(#[doc = $adoc] pub $array: [u64; $len],)*
        }

        impl Default for $reading {
            fn default() -> Self {
                $reading { $($field: 0,)+ $($array: [0; $len],)* }
            }
        }

        impl $block {
            /// Copies all counters; balanced only under the worker's sequence word.
            pub fn read(&self) -> $reading {
                $reading { $($field: self.$field.get(),)+ $($array: std::array::from_fn(|i| self.$array[i].get()),)* }
            }
        }

        impl $block {
            /// Writes all single counters, and the first `reasons` and `workers` of those by reason and by worker.
            pub(crate) fn write(&self, reading: &$reading, reasons: usize, workers: usize) {
                $(self.$field.set(reading.$field);)+
                $(
                    let len = if $len == REASONS_MAX { reasons } else { workers }.min($len);
                    for (counter, value) in self.$array[..len].iter().zip(&reading.$array[..len]) {
                        counter.set(*value);
                    }
                )*
            }
        }

        impl std::ops::AddAssign<&$reading> for $reading {
            fn add_assign(&mut self, other: &$reading) {
                $(self.$field += other.$field;)+
                $(for (a, b) in self.$array.iter_mut().zip(other.$array) { *a += b; })*
            }
        }
    };
}

block! {
    /// One worker's counters, frames unless said otherwise.
    WorkerBlock, WorkerReading {
        /// Received from ports.
        rx,
        /// Taken from the host stack, and answers of the worker itself to what was too big.
        injected,
        /// Made by flooding: one for every member beyond the first.
        copied,
        /// Made by cutting super-frames: one for every segment beyond the first.
        split,
        /// Taken from other workers' handoff rings.
        taken,
        /// Taken by devices.
        tx,
        /// Given to the host stack.
        punted,
        /// Merged into super-frames: one for every segment beyond the first.
        merged,
        /// Put on handoff rings.
        handed,
        /// In the worker's own hands: they wait for the copies of a flood, or for others to the same container.
        held,
        /// Turns of the worker's loop that have ended.
        turns,
        /// Turns that have begun: one more than have ended while the worker is in one. Written when the turn begins, not
        /// under the sequence word.
        turns_begun,
        /// Turns in which nothing was there to do.
        idle_turns,
        /// Frames that found their cached decision.
        flow_hits,
        /// Frames that had to be decided about and are cached now.
        flow_misses,
        /// Cached decisions that gave way to newer ones, because both their buckets were full and nobody there could move.
        flow_evicted,
        /// Cached decisions made anew, because something they rest on had changed.
        flow_redecided,
        /// Cached decisions that had rested long enough to go.
        flow_aged,
        /// MACs learned.
        mac_learned,
        /// MACs seen behind another member than before.
        mac_moved,
        /// MACs forgotten after their idle time.
        mac_aged,
        /// MACs not learned, because their network's limit was reached.
        mac_refused_network,
        /// MACs not learned, because the table was full.
        mac_refused_table,
        /// FDB deltas other workers could not be told at once (told again later).
        mac_deltas_deferred,
        /// Openings of TCP connections whose maximum segment size was lowered.
        mss_clamped,
        /// Senders told that a frame was too big for its way.
        too_big_answered,
        /// Senders not told, because so many were told already.
        too_big_limited,
        /// Of the last frame that was too big for its way: the port it came in by.
        too_big_port,
        /// Of the same: octets of its packet; 0 where there was no such frame yet.
        too_big_octets,
        /// Of the same: octets that would have fitted.
        too_big_mtu,
        /// Frames that went out of scope instead of ending somewhere: a defect.
        lost,
    }
    handed_to: WORKERS_MAX => "Of `handed`, by the worker they went to.",
    taken_from: WORKERS_MAX => "Of `taken`, by the worker they came from.",
    waiting_to: WORKERS_MAX => "In the handoff ring to each worker when the turn ended; `handed_to` less this had been taken then.",
    waiting_from: WORKERS_MAX => "In the handoff ring from each worker when the turn ended; `taken_from` and this had been handed then.",
    dropped: REASONS_MAX => "Dropped, by [`crate::DropReason::index`].",
}

block! {
    /// One port's counters on one worker, frames unless said otherwise.
    PortBlock, PortReading {
        /// Received.
        rx,
        /// Received, octets.
        rx_bytes,
        /// Copies made of frames received here.
        copied,
        /// Of frames received here and their copies: passed on towards a port.
        forwarded,
        /// Of frames received here: given to the host stack.
        punted,
        /// Of frames received here: waiting for the copies of a flood.
        held,
        /// Offered to the device; `offered = tx + refused`.
        offered,
        /// Taken by the device.
        tx,
        /// Taken by the device, octets.
        tx_bytes,
        /// Refused by the device.
        refused,
        /// Lost by the device before the switch saw them: its queue overflowed.
        rx_missed,
        /// Lost by the device before the switch saw them: no buffer.
        rx_no_buffer,
        /// Lost by the device before the switch saw them: damaged or too long.
        rx_errors,
        /// Of `tx`: lost by the device, which took them and could not send them after all.
        tx_errors,
    }
    dropped: REASONS_MAX => "Of frames received here and their copies: dropped before they were offered, by reason.",
}

impl WorkerReading {
    /// Frames dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Frames that came into the worker's hands.
    pub fn credit(&self) -> u64 {
        self.rx + self.injected + self.copied + self.split + self.taken
    }

    /// Frames that left them, and those still there.
    pub fn debit(&self) -> u64 {
        self.tx + self.dropped_total() + self.punted + self.merged + self.handed + self.held
    }

    /// Whether nothing disappeared.
    pub fn balanced(&self) -> bool {
        self.credit() == self.debit() && self.lost == 0
    }
}

impl PortReading {
    /// Frames received here and dropped before they were offered to a port.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Whether every frame received has a fate and every frame offered was taken or refused.
    pub fn balanced(&self) -> bool {
        self.rx + self.copied == self.forwarded + self.punted + self.dropped_total() + self.held
            && self.offered == self.tx + self.refused
    }
}

/// The region that holds the books of all workers.
#[derive(Clone)]
pub struct Books {
    region: Region,
    sequences: Slab<Sequence>,
    workers: Slab<WorkerBlock>,
    ports: Slab<PortBlock>,
    /// By worker: not 0 while somebody reads its books and would like them to stand still.
    readers: Slab<Counter>,
}

const FINGERPRINT: u64 = {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let parts = [size_of::<WorkerBlock>(), size_of::<PortBlock>(), PORTS_MAX, WORKERS_MAX, REASONS];
    let mut i = 0;
    while i < parts.len() {
        sum = (sum ^ parts[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    sum
};

impl Books {
    /// New books, all zero, for `workers` workers.
    pub fn create(name: &str, workers: usize) -> Result<Books, RegionError> {
        let [sequences, worker_blocks, ports, _] = Books::parts(workers);
        let region = Region::create(name, "books", FINGERPRINT, Books::payload_bytes(workers), false)?;
        Ok(Books {
            sequences: region.slab(0, workers)?,
            workers: region.slab(sequences, workers)?,
            ports: region.slab(sequences + worker_blocks, workers * PORTS_MAX)?,
            readers: region.slab(sequences + worker_blocks + ports, workers)?,
            region,
        })
    }

    /// Octets of the sequence words, the workers' pages, the ports' pages and the readers' counts.
    fn parts(workers: usize) -> [usize; 4] {
        let sequences = (size_of::<Sequence>() * workers).next_multiple_of(64);
        let worker_blocks = (size_of::<WorkerBlock>() * workers).next_multiple_of(64);
        [sequences, worker_blocks, size_of::<PortBlock>() * workers * PORTS_MAX, size_of::<Counter>() * workers]
    }

    /// Octets of the books of `workers` workers.
    pub(crate) fn payload_bytes(workers: usize) -> usize {
        Books::parts(workers).iter().sum()
    }

    /// The region, for readers in other processes.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// How many workers the books have pages for.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Turns that a worker has begun, without waiting for the end of one: moves as long as the worker does.
    pub fn turns_begun(&self, worker: WorkerId) -> u64 {
        self.worker(worker).turns_begun.get()
    }

    /// Frames that a worker had received when it last published, without waiting for books that balance.
    pub fn frames_received(&self, worker: WorkerId) -> u64 {
        self.worker(worker).rx.get()
    }

    /// Whether somebody reads this worker's books. A busy worker publishes faster than many ports can be read.
    pub(crate) fn are_read(&self, worker: WorkerId) -> bool {
        self.readers[worker.index()].get() != 0
    }

    pub(crate) fn sequence(&self, worker: WorkerId) -> &Sequence {
        &self.sequences[worker.index()]
    }

    pub(crate) fn worker(&self, worker: WorkerId) -> &WorkerBlock {
        &self.workers[worker.index()]
    }

    pub(crate) fn port(&self, worker: WorkerId, port: PortId) -> &PortBlock {
        &self.ports[worker.index() * PORTS_MAX + port.index()]
    }

    /// One worker's books and those of its `ports`, as of the end of one turn: they balance. `None` where the worker
    /// published on every one of many attempts, or no such worker exists.
    pub fn read(&self, worker: WorkerId, ports: &[PortId]) -> Option<(WorkerReading, Vec<PortReading>)> {
        if worker.index() >= self.workers() {
            return None;
        }
        self.readers[worker.index()].set(1);
        let reading = (0..READINGS_MAX).find_map(|attempt| {
            let reading = self.sequence(worker).read(|| {
                let ports = ports.iter().map(|&p| self.port(worker, p).read()).collect();
                (self.worker(worker).read(), ports)
            });
            if reading.is_none() {
                stand_back(attempt);
            }
            reading
        });
        self.readers[worker.index()].set(0);
        reading
    }
}

/// Attempts to read a worker's books.
const READINGS_MAX: u32 = 1100;
/// Those of them that follow each other at once: a worker that runs writes for less than a microsecond.
const READINGS_AT_ONCE: u32 = 1000;

/// Lets a worker write on. One that has lost its CPU while it writes gets it back some milliseconds later.
fn stand_back(attempt: u32) {
    if attempt < READINGS_AT_ONCE {
        std::thread::yield_now();
    } else {
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}
