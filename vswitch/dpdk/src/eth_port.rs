//! One queue pair of an Ethernet device.

use std::{mem::MaybeUninit, ptr::NonNull, sync::Arc};

use dpdk_sys::rte_mbuf;
use frame::{BURST_MAX, Burst, DeviceStats, Frame, Port, Sent, Takes};

use crate::{
    Pool,
    device::{EthStats, Shared},
    mbuf::{self, Refusal},
    memif::Passage,
    pool,
    setup::L2_LEN,
    work::Work,
};

/// The shortest thing that is a frame at all: an Ethernet header.
const FRAME_MIN: usize = 14;

/// One queue pair. Frames it sends go back to the pools they came from, so only frames of DPDK pools may be sent.
///
/// It refuses what the device would silently cut or drop: frames longer than the MTU allows and shorter than an Ethernet
/// header.
#[derive(Debug)]
pub struct EthPort {
    /// A memif's way into its driver. In front, for it has to go before the device does.
    passage: Option<Passage>,
    device: Arc<Shared>,
    queue: u16,
    /// Octets of the longest frame the device carries, tags included.
    frame_max: usize,
    nic: Nic,
    pool: Pool,
    /// Lost here and not told yet.
    lost: DeviceStats,
    /// What the device had counted when it was last asked.
    told: EthStats,
}

/// What a device does by itself to what it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nic {
    pub(crate) takes: Takes,
    /// It writes the checksums of IPv4 headers where it cuts.
    pub(crate) sums_ipv4: bool,
}

pub(crate) fn new(device: &Arc<Shared>, queue: u16, mtu: u16, nic: Nic, pool: &Pool) -> EthPort {
    let frame_max = usize::from(mtu) + usize::from(L2_LEN);
    let (lost, told) = (DeviceStats::default(), EthStats::default());
    let (device, pool) = (Arc::clone(device), pool.clone());
    EthPort { passage: None, device, queue, frame_max, nic, pool, lost, told }
}

impl Port for EthPort {
    #[inline]
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let spare = burst.spare_mut();
        let want = max.min(spare.len());
        if self.is_shut() || want == 0 {
            return 0;
        }
        // SAFETY: this is the only user of the queue, and `want` slots are free.
        let got = usize::from(unsafe {
            dpdk_sys::millrace_rx_burst(self.device.port, self.queue, spare.as_mut_ptr().cast(), want as u16)
        });
        // SAFETY: the driver filled the first `got` slots with buffers that are ours now.
        let plain =
            spare[..got].iter().fold(true, |plain, slot| plain & unsafe { mbuf::is_plain(mbuf::received(slot)) });
        let kept = if plain { got } else { self.make_plain(&mut spare[..got]) };
        // SAFETY: the first `kept` slots hold plain buffers of ours.
        unsafe { burst.grow(kept) }
        kept
    }

    #[inline]
    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        let mut bytes = 0;
        let mut plain = true;
        for frame in burst.as_slice() {
            bytes += frame.len();
            plain &= (FRAME_MIN..=self.frame_max).contains(&frame.len()) & !frame.is_unfinished();
        }
        if !plain {
            return self.send_what_fits(burst);
        }
        self.send(burst, bytes)
    }

    fn takes(&self) -> Takes {
        self.nic.takes
    }

    /// The device counts for all its queues together, so its counters are in the first port's; every port adds what it
    /// could not make a frame of.
    fn device_stats(&mut self) -> DeviceStats {
        let mut stats = std::mem::take(&mut self.lost);
        if self.queue == 0 {
            let now = self.device.stats();
            let told = std::mem::replace(&mut self.told, now);
            stats.rx_missed += now.rx_missed.saturating_sub(told.rx_missed);
            stats.rx_no_buffer += now.rx_no_buffer.saturating_sub(told.rx_no_buffer);
            stats.rx_errors += now.rx_errors.saturating_sub(told.rx_errors);
            stats.tx_errors += now.tx_errors.saturating_sub(told.tx_errors);
        }
        stats
    }
}

impl EthPort {
    /// The queue's number within its device.
    pub fn queue(&self) -> u16 {
        self.queue
    }

    /// Looks at this before each burst, from now on.
    pub(crate) fn entered_by(self, passage: impl Fn(u16) -> Option<Passage>) -> EthPort {
        EthPort { passage: passage(self.queue), ..self }
    }

    /// Whether the driver must not be entered now.
    #[inline]
    fn is_shut(&mut self) -> bool {
        self.passage.as_mut().is_some_and(|passage| !passage.is_open())
    }

    /// Offers frames of `bytes` octets in all, and releases what the device does not take.
    #[inline]
    fn send(&mut self, burst: &mut Burst, bytes: usize) -> Sent {
        let offered = burst.len();
        if self.is_shut() {
            pool::release_all(burst);
            return Sent { refused: offered as u32, ..Sent::default() };
        }
        // SAFETY: this is the only user of the queue; frames are plain buffers of DPDK pools.
        let taken = usize::from(unsafe {
            let frames = mbuf::pointers(burst.as_mut_slice());
            dpdk_sys::millrace_tx_burst(self.device.port, self.queue, frames, offered as u16)
        });
        let refused: usize = burst.as_slice()[taken..].iter().map(Frame::len).sum();
        // SAFETY: the driver owns the first `taken` frames now.
        unsafe { burst.forget_front(taken) }
        if !burst.is_empty() {
            pool::release_all(burst);
        }
        Sent { frames: taken as u32, refused: (offered - taken) as u32, bytes: (bytes - refused) as u64 }
    }

    /// Refuses frames that are too long or too short, or not to be finished by the device, tells it of those that are, and
    /// sends the rest.
    #[inline(never)]
    fn send_what_fits(&mut self, burst: &mut Burst) -> Sent {
        let (mut fitting, mut unfit) = (Burst::new(), Burst::new());
        let mut bytes = 0;
        for mut frame in burst.drain() {
            let fits = if frame.is_unfinished() { self.prepare(&mut frame) } else { self.fits(frame.len()) };
            bytes += if fits { frame.len() } else { 0 };
            let to = if fits { &mut fitting } else { &mut unfit };
            to.push(frame).expect("a burst has room for what came out of a burst");
        }
        let refused = unfit.len() as u32;
        pool::release_all(&mut unfit);
        let mut sent = self.send(&mut fitting, bytes);
        sent.refused += refused;
        sent
    }

    fn fits(&self, octets: usize) -> bool {
        (FRAME_MIN..=self.frame_max).contains(&octets)
    }

    /// Tells the device what is left of a frame; `false` where it is nothing that it does.
    pub(crate) fn prepare(&self, frame: &mut Frame) -> bool {
        let Some(work) = Work::of(frame, self.nic.sums_ipv4).filter(|work| self.fits(work.longest)) else {
            return false;
        };
        mbuf::tell(frame, work);
        // SAFETY: a plain buffer of ours, whose headers are within it as `work` says; we are the only user of the queue.
        unsafe { dpdk_sys::millrace_tx_prepare(self.device.port, self.queue, frame.as_raw().as_ptr().cast()) == 1 }
    }

    /// Replaces buffers that cannot be frames by plain copies, drops and counts what cannot be copied, and moves the rest
    /// to the front. Returns how many are left.
    #[cold]
    fn make_plain(&mut self, slots: &mut [MaybeUninit<Frame>]) -> usize {
        let mut kept = 0;
        for from in 0..slots.len() {
            // SAFETY: the driver filled all slots; each is taken once.
            let received = unsafe { mbuf::received(&slots[from]) };
            if let Some(frame) = self.admit(received) {
                slots[kept].write(frame);
                kept += 1;
            }
        }
        kept
    }

    fn admit(&mut self, received: NonNull<rte_mbuf>) -> Option<Frame> {
        // SAFETY: a live buffer that only we have; a plain one keeps Frame's contract.
        if unsafe { mbuf::is_plain(received) } {
            // SAFETY: as above.
            return Some(unsafe { Frame::from_raw(received.cast()) });
        }
        // SAFETY: as above.
        let copy = unsafe { mbuf::copy_out(received, &mut self.pool) };
        // SAFETY: as above, and nobody uses it after this.
        unsafe { pool::free_any(received) }
        match copy {
            Ok(frame) => return Some(frame),
            Err(Refusal::Unfit) => self.lost.rx_errors += 1,
            Err(Refusal::NoBuffer) => self.lost.rx_no_buffer += 1,
        }
        None
    }
}

/// Frees what waits in the first rx queue of a net_ring that is about to be closed: its close forgets them. Bounded by
/// the largest ring such a device makes.
pub(crate) fn drain(port: u16) {
    const RING_MAX: usize = 1024;
    let mut waiting = [std::ptr::null_mut(); BURST_MAX];
    for _ in 0..RING_MAX.div_ceil(BURST_MAX) {
        // SAFETY: nobody else uses the port any more; the array has as many slots as we say.
        let got = unsafe { dpdk_sys::millrace_rx_burst(port, 0, waiting.as_mut_ptr(), BURST_MAX as u16) };
        for mbuf in waiting[..usize::from(got)].iter().filter_map(|&mbuf| NonNull::new(mbuf)) {
            // SAFETY: received just now, and forgotten.
            unsafe { pool::free_any(mbuf) }
        }
    }
}
