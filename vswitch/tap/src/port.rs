//! The packet path of a TAP: one read or write a frame, nothing allocated on the heap.

use std::{
    fmt,
    fs::File,
    io::{ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd},
};

use frame::{Burst, DeviceStats, Frame, Pool, Port, Sent};

use crate::{TapControl, TapDevice, TapError, config::check_buffer};

/// A TAP as the switch sees it: what the container sends is received here, what is sent here the container receives.
///
/// Holds one frame of the pool while it lives, so that looking into an empty queue costs one system call and nothing
/// else.
pub struct TapPort<M: Pool> {
    queue: File,
    control: TapControl,
    pool: M,
    /// The frame the next packet will be read into; empty.
    spare: Option<Frame>,
    stats: DeviceStats,
    gone: bool,
}

/// What one read did.
enum Fetched {
    /// A whole packet is in the frame.
    Packet,
    /// The packet did not fit, or was empty; it is gone, the frame is as before.
    Unusable,
    /// Nothing there now.
    Nothing,
}

impl<M: Pool> TapPort<M> {
    /// A port on `device` whose frames come from `pool`. Refuses a device whose MTU does not fit the pool's buffers.
    pub fn new(device: TapDevice, mut pool: M) -> Result<TapPort<M>, TapError> {
        let TapDevice { queue, mut control, mtu } = device;
        let mut spare = pool.alloc();
        // An exhausted pool gives no buffer to measure; then a frame too long is found out when it comes.
        control.buffer_len = spare.as_mut().map(|frame| frame.spare_mut().len().saturating_sub(1));
        if let Some(have) = control.buffer_len
            && let Err(error) = check_buffer(control.place(), mtu, have)
        {
            spare.into_iter().for_each(|frame| pool.release_one(frame));
            return Err(error);
        }
        Ok(TapPort { queue, control, pool, spare, stats: DeviceStats::default(), gone: false })
    }

    /// The descriptor, readable when a frame waits, to sleep on with `poll`. Not to be read from.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }

    /// A handle with which control can change the interface while a worker holds the port.
    pub fn control(&self) -> TapControl {
        self.control.clone()
    }

    /// Sets the interface's MTU in octets.
    pub fn set_mtu(&mut self, mtu: u16) -> Result<(), TapError> {
        self.control.set_mtu(mtu)
    }

    /// Whether somebody deleted the interface under us; then nothing is received any more and everything is refused.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Reads the next packet straight into `frame`.
    fn fetch(&mut self, frame: &mut Frame) -> Fetched {
        let buffer = frame.spare_mut();
        match self.queue.read(buffer) {
            // The kernel cuts a packet off at the buffer's end without a word: a full buffer is taken for a cut.
            Ok(len) if len == 0 || len >= buffer.len() => Fetched::Unusable,
            Ok(len) if frame.set_len(len) => Fetched::Packet,
            Ok(_) => Fetched::Unusable,
            Err(error) => {
                // EAGAIN: empty. EINTR: next turn. EBADFD, the one lasting error: the interface was deleted.
                self.gone |= error.raw_os_error() == Some(libc::EBADFD);
                Fetched::Nothing
            }
        }
    }

    /// Writes one packet; `false` where the kernel does not take it (interface down: EIO; shorter than an Ethernet
    /// header: EINVAL; out of memory).
    fn offer(&mut self, packet: &[u8]) -> bool {
        if self.gone {
            return false;
        }
        loop {
            match self.queue.write(packet) {
                Ok(_) => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {} // a signal a time: this ends
                Err(error) => {
                    self.gone |= error.raw_os_error() == Some(libc::EBADFD);
                    return false;
                }
            }
        }
    }
}

impl<M: Pool> Port for TapPort<M> {
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let mut received = 0;
        for _ in 0..max.min(burst.room()) {
            if self.gone {
                break;
            }
            let Some(mut frame) = self.spare.take().or_else(|| self.pool.alloc()) else {
                self.stats.rx_no_buffer += 1; // a look that could not be taken; the packet, if any, stays in the queue
                break;
            };
            match self.fetch(&mut frame) {
                Fetched::Packet => match burst.push(frame) {
                    Ok(()) => received += 1,
                    Err(frame) => self.pool.release_one(frame), // cannot be: the loop is bounded by the room
                },
                Fetched::Unusable => {
                    self.stats.rx_errors += 1;
                    self.spare = Some(frame);
                }
                Fetched::Nothing => {
                    self.spare = Some(frame);
                    break;
                }
            }
        }
        received
    }

    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        let mut sent = Sent::default();
        for frame in burst.as_slice() {
            if self.offer(frame.data()) {
                sent.frames += 1;
                sent.bytes += frame.len() as u64;
            } else {
                sent.refused += 1;
            }
        }
        self.pool.release(burst);
        sent
    }

    fn device_stats(&mut self) -> DeviceStats {
        std::mem::take(&mut self.stats)
    }
}

impl<M: Pool> Drop for TapPort<M> {
    fn drop(&mut self) {
        if let Some(frame) = self.spare.take() {
            self.pool.release_one(frame);
        }
    }
}

impl<M: Pool> fmt::Debug for TapPort<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapPort").field("control", &self.control).field("gone", &self.gone).finish_non_exhaustive()
    }
}
