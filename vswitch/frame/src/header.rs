//! The buffer header and the handle that owns it.

use std::{
    ffi::c_void,
    mem::{forget, offset_of},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bytes free in front of a fresh frame's data: room for an outer Ethernet + VLAN + IPv6 + UDP + VXLAN header (74 bytes)
/// and then some; DPDK's `RTE_PKTMBUF_HEADROOM`.
pub const HEADROOM: u16 = 128;

/// The header in front of every packet buffer; field for field the layout of `rte_mbuf` in DPDK 22.11 (two cache lines).
///
/// Only the fields the switch reads have accessors on [`Frame`]; the others exist so that drivers find them.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Header {
    pub(crate) buf_addr: *mut u8,
    pub(crate) buf_iova: u64,
    pub(crate) data_off: u16,
    pub(crate) refcnt: u16,
    pub(crate) nb_segs: u16,
    pub(crate) port: u16,
    pub(crate) ol_flags: u64,
    pub(crate) packet_type: u32,
    pub(crate) pkt_len: u32,
    pub(crate) data_len: u16,
    pub(crate) vlan_tci: u16,
    pub(crate) hash: [u32; 2],
    pub(crate) vlan_tci_outer: u16,
    pub(crate) buf_len: u16,
    pub(crate) pool: *mut c_void,
    pub(crate) next: *mut Header,
    pub(crate) tx_offload: u64,
    pub(crate) shinfo: *mut c_void,
    pub(crate) priv_size: u16,
    pub(crate) timesync: u16,
    pub(crate) dynfield: [u32; 9],
}

const _: () = {
    assert!(size_of::<Header>() == 128);
    assert!(offset_of!(Header, data_off) == 16);
    assert!(offset_of!(Header, nb_segs) == 20);
    assert!(offset_of!(Header, ol_flags) == 24);
    assert!(offset_of!(Header, pkt_len) == 36);
    assert!(offset_of!(Header, data_len) == 40);
    assert!(offset_of!(Header, buf_len) == 54);
    assert!(offset_of!(Header, pool) == 56);
    assert!(offset_of!(Header, next) == 64);
};

/// Where the fields that drivers and the switch share lie in a [`Header`], in bytes; the `dpdk` room compares them with
/// `rte_mbuf` at compile time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Header")]
pub struct HeaderOffsets {
    pub buf_addr: usize,
    pub data_off: usize,
    pub refcnt: usize,
    pub nb_segs: usize,
    pub ol_flags: usize,
    pub pkt_len: usize,
    pub data_len: usize,
    pub buf_len: usize,
    pub pool: usize,
    pub next: usize,
    pub tx_offload: usize,
}

impl Header {
    /// Where the fields lie.
    pub const OFFSETS: HeaderOffsets = HeaderOffsets {
        buf_addr: offset_of!(Header, buf_addr),
        data_off: offset_of!(Header, data_off),
        refcnt: offset_of!(Header, refcnt),
        nb_segs: offset_of!(Header, nb_segs),
        ol_flags: offset_of!(Header, ol_flags),
        pkt_len: offset_of!(Header, pkt_len),
        data_len: offset_of!(Header, data_len),
        buf_len: offset_of!(Header, buf_len),
        pool: offset_of!(Header, pool),
        next: offset_of!(Header, next),
        tx_offload: offset_of!(Header, tx_offload),
    };
}

/// Frames that were dropped on the floor instead of ending in a port, a ring or a pool (release builds only).
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many frames this process has lost by letting a [`Frame`] go out of scope. Anything but 0 is a defect of the
/// switch; the ledger shows it.
pub fn lost_frames() -> u64 {
    LOST.load(Relaxed)
}

/// One packet, owned. Pointer-sized, not `Clone`, and not to be forgotten: dropping a frame instead of giving it to a
/// port, a ring or a pool panics in debug builds and is counted by [`lost_frames`] in release builds.
#[repr(transparent)]
#[derive(Debug)]
pub struct Frame(NonNull<Header>);

// SAFETY: a frame is the only handle on its buffer, so moving it moves everything; pools accept frames from any thread.
unsafe impl Send for Frame {}

const _: () = assert!(size_of::<Option<Frame>>() == size_of::<*mut Header>());

impl Drop for Frame {
    fn drop(&mut self) {
        // While a test already unwinds, the frames it held are not the news, and no other test's either.
        if std::thread::panicking() {
            return;
        }
        LOST.fetch_add(1, Relaxed);
        if cfg!(debug_assertions) {
            panic!("a frame was lost: it must end in a port, a ring or a pool");
        }
    }
}

impl Frame {
    /// Takes ownership of the buffer behind `header`.
    ///
    /// # Safety
    /// `header` points to a live header with the layout of [`Header`] that nobody else will use, whose
    /// `buf_addr .. buf_addr + buf_len` is valid for reads and writes and initialised (or plain memory from a driver),
    /// with `data_off + data_len <= buf_len`, `nb_segs == 1` and `pkt_len == data_len`, until [`Frame::into_raw`].
    pub unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Frame(header)
    }

    /// Gives the buffer up, for a pool or a driver to take.
    pub fn into_raw(self) -> NonNull<Header> {
        let raw = self.0;
        forget(self);
        raw
    }

    /// The header's address, for prefetching and for giving the frame to C while keeping ownership.
    #[inline]
    pub fn as_raw(&self) -> NonNull<Header> {
        self.0
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: from_raw promised a live header that only we use.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn header_mut(&mut self) -> &mut Header {
        // SAFETY: as above, and we hold `&mut self`.
        unsafe { self.0.as_mut() }
    }

    /// Asks for the packet's first cache line before it is needed; reads the header.
    #[inline(always)]
    pub fn prefetch(&self) {
        let h = self.header();
        let first = h.buf_addr.wrapping_add(usize::from(h.data_off));
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE is part of x86-64, and a prefetch changes nothing a program can see, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(first.cast::<i8>());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = first;
    }

    /// The packet's bytes, from the first octet of the outermost Ethernet header on.
    #[inline]
    pub fn data(&self) -> &[u8] {
        let h = self.header();
        // SAFETY: from_raw promised `data_off + data_len <= buf_len` valid bytes; every setter below keeps it.
        unsafe { std::slice::from_raw_parts(h.buf_addr.add(usize::from(h.data_off)), usize::from(h.data_len)) }
    }

    /// The packet's bytes, to change them in place.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let h = self.header_mut();
        // SAFETY: as in `data`, and we hold `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(h.buf_addr.add(usize::from(h.data_off)), usize::from(h.data_len)) }
    }

    /// Length of the packet in bytes.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "an empty packet is nothing anybody asks for")]
    pub fn len(&self) -> usize {
        usize::from(self.header().data_len)
    }

    /// Bytes free in front of the packet.
    #[inline]
    pub fn headroom(&self) -> usize {
        usize::from(self.header().data_off)
    }

    /// Bytes free behind the packet.
    #[inline]
    pub fn tailroom(&self) -> usize {
        let h = self.header();
        usize::from(h.buf_len) - usize::from(h.data_off) - usize::from(h.data_len)
    }

    /// Grows the packet by `n` bytes at the front and returns all of it, or `None` (unchanged) where the headroom is
    /// smaller. The new bytes hold whatever was there.
    #[inline]
    pub fn push_front(&mut self, n: usize) -> Option<&mut [u8]> {
        let n16 = u16::try_from(n).ok()?;
        let h = self.header_mut();
        h.data_off = h.data_off.checked_sub(n16)?;
        h.data_len += n16;
        h.pkt_len = u32::from(h.data_len);
        Some(self.data_mut())
    }

    /// Cuts `n` bytes off the front, or returns `false` (unchanged) where the packet is shorter.
    #[inline]
    #[must_use]
    pub fn pull_front(&mut self, n: usize) -> bool {
        let h = self.header_mut();
        if n > usize::from(h.data_len) {
            return false;
        }
        h.data_off += n as u16;
        h.data_len -= n as u16;
        h.pkt_len = u32::from(h.data_len);
        true
    }

    /// Cuts the packet down to the `len` bytes from `from` on, or returns `false` (unchanged) where it ends before.
    #[inline(always)]
    #[must_use]
    pub fn narrow(&mut self, from: u16, len: u16) -> bool {
        let h = self.header_mut();
        if u32::from(from) + u32::from(len) > u32::from(h.data_len) {
            return false;
        }
        h.data_off += from;
        h.data_len = len;
        h.pkt_len = u32::from(len);
        true
    }

    /// Sets the packet's length, cutting or growing it at the back; `false` (unchanged) where the buffer is too small.
    #[inline]
    #[must_use]
    pub fn set_len(&mut self, len: usize) -> bool {
        let h = self.header_mut();
        if len > usize::from(h.buf_len) - usize::from(h.data_off) {
            return false;
        }
        h.data_len = len as u16;
        h.pkt_len = len as u32;
        true
    }

    /// Makes the frame empty with `HEADROOM` bytes in front (less in a smaller buffer) and no offload flags.
    #[inline]
    pub fn reset(&mut self) {
        let h = self.header_mut();
        h.data_off = HEADROOM.min(h.buf_len);
        h.data_len = 0;
        h.pkt_len = 0;
        h.ol_flags = 0;
        h.tx_offload = 0;
    }

    /// Replaces the packet by a copy of `bytes`; `false` (then empty) where the buffer is too small.
    #[must_use]
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.reset();
        if !self.set_len(bytes.len()) {
            return false;
        }
        self.data_mut().copy_from_slice(bytes);
        true
    }

    /// The whole buffer behind the headroom, for a device that reads a packet straight into it; call
    /// [`Frame::set_len`] afterwards.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        let room = self.len() + self.tailroom();
        let h = self.header_mut();
        // SAFETY: `data_off + room == buf_len`, all of it ours and initialised by the pool or the device.
        unsafe { std::slice::from_raw_parts_mut(h.buf_addr.add(usize::from(h.data_off)), room) }
    }
}

#[cfg(test)]
mod tests {
    use crate::{HEADROOM, HeapPool, Pool};

    #[test]
    fn a_frame_grows_and_shrinks_within_its_buffer_only() {
        let mut pool = HeapPool::new(1, 100);
        let mut frame = pool.alloc().unwrap();
        assert!(frame.write(&[7; 60]));
        assert_eq!((frame.headroom(), frame.len(), frame.tailroom()), (usize::from(HEADROOM), 60, 40));
        assert!(frame.push_front(usize::from(HEADROOM) + 1).is_none() && frame.push_front(1 << 16).is_none());
        assert_eq!(frame.len(), 60, "refused is unchanged");
        assert_eq!(frame.push_front(usize::from(HEADROOM)).map(|all| all.len()), Some(188));
        assert!(!frame.pull_front(189) && !frame.pull_front((1 << 16) + 1));
        assert!(frame.pull_front(188) && frame.len() == 0 && frame.headroom() == 188);
        assert!(!frame.set_len(41) && !frame.set_len(1 << 16) && frame.set_len(40));
        assert!(!frame.narrow(1, 40) && !frame.narrow(u16::MAX, u16::MAX) && frame.len() == 40);
        assert!(frame.narrow(10, 20) && (frame.headroom(), frame.len(), frame.tailroom()) == (198, 20, 10));
        assert!(!frame.write(&[0; 101]) && frame.len() == 0);
        assert_eq!(frame.spare_mut().len(), 100);
        pool.release_one(frame);
    }

    #[test]
    #[cfg(debug_assertions)]
    fn losing_a_frame_is_loud_but_not_while_its_holder_already_panics() {
        let mut pool = HeapPool::new(2, 100);
        let (frame, held) = (pool.alloc().unwrap(), pool.alloc().unwrap());
        let before = crate::lost_frames();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(frame))).is_err());
        assert_eq!(crate::lost_frames(), before + 1);
        let another = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = held;
            panic!("something else");
        }));
        assert!(another.is_err());
        assert_eq!(crate::lost_frames(), before + 1);
    }
}
