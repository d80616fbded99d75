//! What a device and a buffer pool look like to a worker.

use std::os::fd::BorrowedFd;

use crate::{Burst, Frame, Takes};

/// What became of a burst offered to a device: `offered = frames + refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Frames the device took.
    pub frames: u32,
    /// Frames the device refused (queue full, too long, link gone); the port has released them.
    pub refused: u32,
    /// Octets of the frames the device took, without FCS.
    pub bytes: u64,
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, other: Sent) {
        self.frames += other.frames;
        self.refused += other.refused;
        self.bytes += other.bytes;
    }
}

/// What a device itself says it lost, since it was last asked: before a frame reached the switch, or after the switch
/// gave it away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceStats {
    /// Frames lost because the rx queue was not polled fast enough (`imissed`).
    pub rx_missed: u64,
    /// Frames lost, or not fetched, because the pool had no buffer (`rx_nombuf`).
    pub rx_no_buffer: u64,
    /// Frames the device received damaged, or that did not fit one buffer.
    pub rx_errors: u64,
    /// Frames the device took, counted in [`Sent::frames`], and could not send after all (`oerrors`).
    pub tx_errors: u64,
}

/// One queue pair of a device, held by exactly one worker.
pub trait Port {
    /// Receives at most `max` frames (and at most `burst.room()`) and appends them. Returns how many. Never waits.
    ///
    /// Every frame is one segment of at least one octet.
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize;

    /// Offers all frames to the device, in order, and leaves `burst` empty: what is refused is released and counted in
    /// the result, never retried. Never waits.
    fn tx_burst(&mut self, burst: &mut Burst) -> Sent;

    /// What the device does by itself to frames that are sent: others must be finished ([`Frame::offload`]) before they are
    /// offered. May change while the port is held, as when a guest comes back.
    fn takes(&self) -> Takes {
        Takes::default()
    }

    /// A descriptor that becomes readable when a frame comes, for whoever holds the port to sleep on (epoll(7)); `None` where
    /// only asking tells. The same for as long as the port is held.
    fn wakes_by(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the last [`Port::rx_burst`] found the end of what there is, so that whoever is woken by [`Port::wakes_by`] need
    /// not look again before. A device that has gone is dry.
    fn is_dry(&self) -> bool {
        false
    }

    /// Whether the device would rather have what waits for it, `waiting` frames, together with others that are likely to come soon
    /// (interrupt coalescing): asked at the end of a turn in which something waits, and again at the end of each turn until it
    /// says no. It bounds how long that goes on; nothing keeps a caller from sending sooner.
    #[inline]
    fn gathers(&mut self, waiting: usize) -> bool {
        let _ = waiting;
        false
    }

    /// What the device has lost since this was last asked, so that whoever holds the port books each loss once and no
    /// other does again. Cheap enough to be asked once a second, and may make system calls.
    fn device_stats(&mut self) -> DeviceStats {
        DeviceStats::default()
    }
}

/// Where frames come from and go to. One kind of pool in a process: a frame returns to the kind it came from.
pub trait Pool {
    /// An empty frame with [`crate::HEADROOM`] in front, or `None` when the pool is exhausted.
    fn alloc(&mut self) -> Option<Frame>;

    /// An empty frame for a super-frame: with room for [`crate::SUPER_MAX`] octets, or `None` where the pool has no such
    /// frames, or none left.
    fn alloc_super(&mut self) -> Option<Frame> {
        None
    }

    /// Appends `count` empty frames, as [`Pool::alloc`] gives them, to `burst`: fewer where it has no room for more, or the
    /// pool is exhausted. Returns how many.
    fn alloc_into(&mut self, burst: &mut Burst, count: usize) -> usize {
        let before = burst.len();
        for _ in 0..count.min(burst.room()) {
            let Some(frame) = self.alloc() else { break };
            burst.push(frame).unwrap_or_else(|frame| self.release_one(frame)); // the room was looked at above
        }
        burst.len() - before
    }

    /// Takes all frames back; leaves `burst` empty.
    fn release(&mut self, burst: &mut Burst);

    /// Takes one frame back.
    fn release_one(&mut self, frame: Frame);

    /// A new frame with the same bytes and the same work left to be done, or `None` when the pool is exhausted or its buffers
    /// are too small. A super-frame that fits no ordinary frame takes one of its kind, and nothing else does.
    fn copy(&mut self, frame: &Frame) -> Option<Frame> {
        let offload = frame.offload();
        let mut copy = self.alloc()?;
        if copy.tailroom() < frame.len() && offload.is_some_and(|offload| offload.segment > 0) {
            self.release_one(copy);
            copy = self.alloc_super()?;
        }
        if !copy.write(frame.data()) {
            self.release_one(copy);
            return None;
        }
        copy.set_offload(offload);
        Some(copy)
    }

    /// Frames not allocated at this moment, for reports.
    fn available(&self) -> usize;

    /// Frames the pool holds in all.
    fn capacity(&self) -> usize;
}
