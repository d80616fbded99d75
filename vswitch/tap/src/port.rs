//! The packet path of a TAP: one read or write a packet, nothing allocated on the heap.

use std::{
    fmt,
    fs::File,
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use frame::{Burst, DeviceStats, Frame, HEADROOM, Offload, Pool, Port, Sent, Takes, Transport};
use wire::virtio_net::{Left, TUNNEL_HEADER_LEN, TunnelHeader};

use crate::{
    Offloads, TapControl, TapDevice, TapError, coalesce::Coalesce, config::check_buffer, faults::Fault,
    offloads::Wanted,
};

/// Octets after which a burst ends: what is read should still be in the core's cache when it is written.
const OCTETS_A_BURST: usize = 256 << 10;

/// One queue of a TAP as the switch sees it: what the container sends is received here, what is sent here the container receives.
///
/// Holds one frame of the pool while it lives, so that looking into an empty queue costs one system call and nothing
/// else, and one for a super-frame beside it where those may come.
pub struct TapPort<M: Pool> {
    queue: File,
    control: TapControl,
    pool: M,
    offloads: Offloads,
    /// The frame the next packet will be in; empty.
    spare: Option<Frame>,
    /// The one it is read into where it may be too long for that one; empty.
    long: Option<Frame>,
    stats: DeviceStats,
    gone: bool,
    /// The last look found the kernel's queue empty.
    dry: bool,
    /// Packets since the queue was found empty.
    since_dry: usize,
    /// Before it was found empty the last time, one packet at most had come.
    lone: bool,
    /// Which packets wait for more.
    coalesce: Coalesce,
}

impl<M: Pool> TapPort<M> {
    /// A port on each queue of `device`, whose frames come from `pool`. Refuses a device whose MTU does not fit the pool's
    /// buffers. Without a frame for super-frames none are asked for.
    pub fn all_of(device: TapDevice, mut pool: M) -> Result<Vec<TapPort<M>>, TapError>
    where
        M: Clone,
    {
        let TapDevice { first, more, mut control, mtu, wanted, behind, coalesce } = device;
        let (buffer_len, has_supers) = measure(&mut pool);
        control.buffer_len = buffer_len;
        if let Some(have) = buffer_len {
            check_buffer(control.place(), mtu, have)?;
        }
        let wanted = match wanted {
            Wanted::All if !has_supers => {
                Wanted::Checksums("there is no buffer for super-frames: [memory] super_frames")
            }
            wanted => wanted,
        };
        // What is agreed on at one queue goes for all.
        let offloads = Offloads::agree(first.as_fd(), wanted, behind);
        control.offloads = Some(offloads);
        let port = |queue| TapPort::new(queue, control.clone(), offloads, Coalesce::new(coalesce), pool.clone());
        Ok(std::iter::once(first).chain(more).map(port).collect())
    }

    fn new(queue: File, control: TapControl, offloads: Offloads, coalesce: Coalesce, mut pool: M) -> TapPort<M> {
        let spare = pool.alloc();
        let long = if offloads.has_super_frames() { pool.alloc_super() } else { None };
        TapPort {
            queue,
            control,
            pool,
            offloads,
            spare,
            long,
            stats: DeviceStats::default(),
            gone: false,
            dry: false,
            since_dry: 0,
            lone: false,
            coalesce,
        }
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

    /// An empty frame to read into. None where there is none, or no long one though one may be needed: then nothing is read,
    /// and the packet, if any, stays in the kernel's queue.
    fn empty_frame(&mut self) -> Option<Frame> {
        if self.offloads.has_super_frames() && self.long.is_none() {
            self.long = Some(self.pool.alloc_super()?);
        }
        self.spare.take().or_else(|| self.pool.alloc())
    }

    /// Reads the next packet into `frame`, by way of the long one where that takes more: one buffer for all of it and the header
    /// costs a system call a tenth less than two do, and what is short is copied for less. `false` where there is none now.
    ///
    /// # Errors
    /// A packet that cannot be passed on; it is gone, and what the frames hold of it the next one overwrites.
    fn fetch(&mut self, frame: &mut Frame) -> Result<bool, Fault> {
        let header_len = self.offloads.header_len();
        let front_len = frame.spare_mut().len();
        let mut long = self.long.as_mut().filter(|long| long.len() + long.tailroom() > front_len);
        let into = long.as_deref_mut().unwrap_or(frame);
        let room = into.spare_mut().len();
        let mut header = [0; TUNNEL_HEADER_LEN];
        let len = match read_behind(&self.queue, &mut header[..header_len], into) {
            Ok(len) => len,
            Err(error) => {
                self.note(&error);
                self.dry = self.gone || error.kind() == ErrorKind::WouldBlock; // EINTR: next turn
                // Linux gives EINVAL for a packet that it has taken from the queue and cannot put a header to.
                return if error.kind() == ErrorKind::InvalidInput { Err(Fault::Kernel) } else { Ok(false) };
            }
        };
        match len {
            0 => Err(Fault::Empty),
            // The kernel cuts a packet off at the buffer's end without a word: a full buffer is taken for a cut.
            len if len >= room => Err(Fault::TooLong),
            len if len <= front_len => {
                if let Some(long) = long {
                    frame.spare_mut()[..len].copy_from_slice(&long.spare_mut()[..len]);
                }
                take_in(header, self.offloads, frame, len).map(|()| true)
            }
            len => self.take_in_long(header, frame, len).map(|()| true),
        }
    }

    /// Makes a packet of the long frame, which changes places with `front`. Long is what is to be cut, and nothing else: no frame
    /// that any port would take as it is lies in such a buffer.
    fn take_in_long(&mut self, header: [u8; TUNNEL_HEADER_LEN], front: &mut Frame, len: usize) -> Result<(), Fault> {
        let Some(long) = &mut self.long else { return Err(Fault::TooLong) };
        take_in(header, self.offloads, long, len)?;
        if long.offload().is_none_or(|offload| offload.segment == 0) {
            long.reset();
            return Err(Fault::TooLong);
        }
        std::mem::swap(front, long);
        self.spare = self.long.take();
        Ok(())
    }

    /// Writes one packet; `false` where the kernel does not take it (interface down: EIO; shorter than an Ethernet
    /// header: EINVAL; out of memory), or its headers are not of what is left to be done to it.
    fn offer(&mut self, frame: &mut Frame) -> bool {
        if self.gone {
            return false;
        }
        let (offload, outer) = (frame.offload(), frame.outer_len());
        let left = offload.map(|offload| TunnelHeader::of(frame.data_mut(), outer, left(offload)));
        let Some(header) = left.unwrap_or(Some(TunnelHeader::default())) else { return false };
        let header = &header.emit()[..self.offloads.header_len()];
        loop {
            match write_behind(&self.queue, header, frame) {
                Ok(_) => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {} // a signal a time: this ends
                Err(error) => {
                    self.note(&error);
                    return false;
                }
            }
        }
    }

    /// EBADFD is the one lasting error: the interface was deleted.
    fn note(&mut self, error: &io::Error) {
        self.gone |= error.raw_os_error() == Some(libc::EBADFD);
    }
}

/// Reads the next packet into the empty `frame`, and what is in front of it into `header`; tells the packet's length. What is read
/// comes to lie in the headroom, which an empty frame has all of, and behind it, so that one buffer takes it.
fn read_behind(mut queue: &File, header: &mut [u8], frame: &mut Frame) -> io::Result<usize> {
    if frame.push_front(header.len()).is_none() {
        return Err(ErrorKind::OutOfMemory.into());
    }
    let read = queue.read(frame.spare_mut());
    header.copy_from_slice(&frame.data()[..header.len()]);
    let _ = frame.pull_front(header.len()); // what was pushed
    Ok(read?.saturating_sub(header.len()))
}

const _: () = assert!(TUNNEL_HEADER_LEN <= HEADROOM as usize, "any header fits in front of an empty frame");

/// Writes a packet with `header` in front of it, from its headroom where there is enough. The frame is as it was then.
fn write_behind(mut queue: &File, header: &[u8], frame: &mut Frame) -> io::Result<usize> {
    let Some(all) = frame.push_front(header.len()) else {
        return queue.write_vectored(&[header, frame.data()].map(IoSlice::new));
    };
    all[..header.len()].copy_from_slice(header);
    let written = queue.write(all);
    let _ = frame.pull_front(header.len()); // what was pushed
    written
}

/// Bytes of the longest frame that a buffer of the pool takes, and whether there is one for super-frames beside it. An exhausted
/// pool gives no buffer to measure; then a frame too long is found out when it comes.
fn measure(pool: &mut impl Pool) -> (Option<usize>, bool) {
    let (mut frame, long) = (pool.alloc(), pool.alloc_super());
    let found = (frame.as_mut().map(|frame| frame.spare_mut().len().saturating_sub(1)), long.is_some());
    frame.into_iter().chain(long).for_each(|frame| pool.release_one(frame));
    found
}

/// Makes a packet of the `len` octets in `frame`, and notes what its sender left to be done.
#[inline]
fn take_in(header: [u8; TUNNEL_HEADER_LEN], offloads: Offloads, frame: &mut Frame, len: usize) -> Result<(), Fault> {
    if !frame.set_len(len) {
        return Err(Fault::TooLong);
    }
    let header = TunnelHeader::parse(header);
    if !header.base.is_done() {
        let packet = frame.data_mut();
        let left = if offloads.sums_at_once { header.settle(packet) } else { header.base.settle(packet) };
        let left = left.map_err(Fault::Header)?;
        frame.set_offload(left.and_then(offload));
    }
    Ok(())
}

fn offload(Left { protocol, segment }: Left) -> Option<Offload> {
    Transport::of_protocol(protocol).map(|transport| Offload { transport, segment })
}

fn left(Offload { transport, segment }: Offload) -> Left {
    Left { protocol: transport.protocol(), segment }
}

impl<M: Pool> Port for TapPort<M> {
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let (mut received, mut octets) = (0, 0);
        self.dry = self.gone;
        for _ in 0..max.min(burst.room()) {
            // A look that finds nothing takes a quarter of a microsecond and more, in which the packet that was read before it
            // waits. Where packets came one by one, the next one is taken for the only one; the look after it tells.
            if self.gone || octets >= OCTETS_A_BURST || (self.lone && received == 1) {
                break;
            }
            let Some(mut frame) = self.empty_frame() else {
                self.stats.rx_no_buffer += 1; // a look that could not be taken; the packet, if any, stays in the queue
                break;
            };
            match self.fetch(&mut frame) {
                Ok(true) => {
                    octets += frame.len();
                    received += 1;
                    burst.push(frame).unwrap_or_else(|frame| self.pool.release_one(frame)); // the room was looked at above
                }
                Ok(false) => {
                    self.spare = Some(frame);
                    break;
                }
                Err(fault) => {
                    self.spare = Some(frame);
                    self.stats.rx_errors += 1;
                    self.control.faults.count(fault);
                }
            }
        }
        self.since_dry += received;
        self.lone = self.dry && self.since_dry <= 1;
        if self.dry {
            self.since_dry = 0;
        }
        received
    }

    fn gathers(&mut self, waiting: usize) -> bool {
        !self.gone && self.coalesce.waits(waiting, Instant::now)
    }

    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        self.coalesce.sent(burst.len());
        let mut sent = Sent::default();
        for frame in burst.as_mut_slice() {
            if self.offer(frame) {
                sent.frames += 1;
                sent.bytes += frame.len() as u64;
            } else {
                sent.refused += 1;
            }
        }
        self.pool.release(burst);
        sent
    }

    fn takes(&self) -> Takes {
        self.offloads.takes()
    }

    fn wakes_by(&self) -> Option<BorrowedFd<'_>> {
        Some(self.queue.as_fd())
    }

    #[inline]
    fn is_dry(&self) -> bool {
        self.dry
    }

    fn device_stats(&mut self) -> DeviceStats {
        std::mem::take(&mut self.stats)
    }
}

impl<M: Pool> Drop for TapPort<M> {
    fn drop(&mut self) {
        for frame in [self.spare.take(), self.long.take()].into_iter().flatten() {
            self.pool.release_one(frame);
        }
    }
}

impl<M: Pool> fmt::Debug for TapPort<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapPort").field("control", &self.control).field("gone", &self.gone).finish_non_exhaustive()
    }
}
