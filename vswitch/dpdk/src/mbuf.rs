//! DPDK's packet buffer, read at the offsets its headers gave, and checked before it becomes a [`Frame`].
//!
//! A driver may hand over chains (memif, pcap), buffers with several owners, and buffers that borrow their bytes. The
//! switch has one plain segment per frame, so [`copy_out`] makes one of whatever comes.

use std::{mem::MaybeUninit, ptr::NonNull, slice};

use dpdk_sys::{
    MILLRACE_AT_BUF_ADDR as BUF_ADDR, MILLRACE_AT_BUF_LEN as BUF_LEN, MILLRACE_AT_DATA_LEN as DATA_LEN,
    MILLRACE_AT_DATA_OFF as DATA_OFF, MILLRACE_AT_NB_SEGS as NB_SEGS, MILLRACE_AT_NEXT as NEXT,
    MILLRACE_AT_OL_FLAGS as OL_FLAGS, MILLRACE_AT_PKT_LEN as PKT_LEN, MILLRACE_AT_REFCNT as REFCNT,
    MILLRACE_MBUF_BORROWED as BORROWED, rte_mbuf,
};
use frame::{Frame, Header, Pool};

use crate::work::Work;

// frame::Header is rte_mbuf under another name; the C compiler asserts the same in ffi/src/shim.c.
const _: () = {
    let ours = Header::OFFSETS;
    assert!(size_of::<Header>() == dpdk_sys::MILLRACE_MBUF_SIZE as usize);
    assert!(size_of::<Header>() == size_of::<rte_mbuf>());
    assert!(ours.buf_addr == BUF_ADDR as usize);
    assert!(ours.data_off == DATA_OFF as usize);
    assert!(ours.refcnt == REFCNT as usize);
    assert!(ours.nb_segs == NB_SEGS as usize);
    assert!(ours.ol_flags == OL_FLAGS as usize);
    assert!(ours.pkt_len == PKT_LEN as usize);
    assert!(ours.data_len == DATA_LEN as usize);
    assert!(ours.buf_len == BUF_LEN as usize);
    assert!(ours.pool == dpdk_sys::MILLRACE_AT_POOL as usize);
    assert!(ours.next == NEXT as usize);
    assert!(ours.tx_offload == dpdk_sys::MILLRACE_AT_TX_OFFLOAD as usize);
};

/// Why a received packet does not become a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Empty, inconsistent, or longer than a buffer of the pool.
    Unfit,
    /// The pool has no buffer to copy it into.
    NoBuffer,
}

/// A field of the mbuf.
///
/// # Safety
/// `mbuf` is a live mbuf and `T` the type of the field at `at`.
#[inline(always)]
unsafe fn field<T: Copy>(mbuf: NonNull<rte_mbuf>, at: u32) -> T {
    // SAFETY: the caller's promise; fields are aligned in C.
    unsafe { mbuf.cast::<u8>().add(at as usize).cast::<T>().read() }
}

/// Whether a received mbuf keeps the contract of [`Frame::from_raw`] as it is: one segment with one owner, its own
/// bytes, not empty, within its buffer. Reads one cache line, which the driver has just written.
///
/// # Safety
/// `mbuf` is a live mbuf that only the caller uses.
#[inline(always)]
pub(crate) unsafe fn is_plain(mbuf: NonNull<rte_mbuf>) -> bool {
    // SAFETY: types as in rte_mbuf_core.h; the caller's promise for the rest.
    unsafe {
        let len = field::<u16>(mbuf, DATA_LEN);
        let end = u32::from(field::<u16>(mbuf, DATA_OFF)) + u32::from(len);
        (field::<u16>(mbuf, REFCNT) == 1)
            & (field::<u16>(mbuf, NB_SEGS) == 1)
            & (field::<u64>(mbuf, OL_FLAGS) & BORROWED == 0)
            & (len != 0)
            & (field::<u32>(mbuf, PKT_LEN) == u32::from(len))
            & (end <= u32::from(field::<u16>(mbuf, BUF_LEN)))
    }
}

/// Tells the driver what is left of an unfinished frame.
pub(crate) fn tell(frame: &mut Frame, work: Work) {
    let mbuf: NonNull<u8> = frame.as_raw().cast();
    // SAFETY: the fields are a live frame's, which is ours; types as in rte_mbuf_core.h.
    unsafe {
        let flags = mbuf.add(OL_FLAGS as usize).cast::<u64>();
        flags.write(flags.read() | work.flags);
        mbuf.add(dpdk_sys::MILLRACE_AT_TX_OFFLOAD as usize).cast::<u64>().write(work.lengths);
    }
}

/// A plain frame with the packet of any mbuf, chained, shared or borrowed. The mbuf stays the caller's.
///
/// # Safety
/// `mbuf` is a live mbuf that only the caller uses.
#[cold]
pub(crate) unsafe fn copy_out(mbuf: NonNull<rte_mbuf>, pool: &mut impl Pool) -> Result<Frame, Refusal> {
    // SAFETY: the caller's promise.
    let len = unsafe { field::<u32>(mbuf, PKT_LEN) } as usize;
    if len == 0 {
        return Err(Refusal::Unfit);
    }
    let mut frame = pool.alloc().ok_or(Refusal::NoBuffer)?;
    // SAFETY: the caller's promise.
    if frame.set_len(len) && unsafe { gather(mbuf, frame.data_mut()) } {
        return Ok(frame);
    }
    pool.release_one(frame);
    Err(Refusal::Unfit)
}

/// Copies the bytes of all segments; `false` where they are not exactly as many as `into` holds. Ends after `nb_segs`
/// segments, whatever the chain looks like.
///
/// # Safety
/// `first` is a live mbuf that only the caller uses.
unsafe fn gather(first: NonNull<rte_mbuf>, into: &mut [u8]) -> bool {
    let mut filled = 0;
    let mut next = Some(first);
    // SAFETY: the caller's promise; every mbuf of a chain is live as its first.
    for _ in 0..unsafe { field::<u16>(first, NB_SEGS) } {
        let Some(segment) = next else { return false };
        // SAFETY: as above.
        let Some(bytes) = (unsafe { segment_bytes(segment) }) else { return false };
        let Some(space) = into.get_mut(filled..filled + bytes.len()) else { return false };
        space.copy_from_slice(bytes);
        filled += bytes.len();
        // SAFETY: as above.
        next = NonNull::new(unsafe { field::<*mut rte_mbuf>(segment, NEXT) });
    }
    filled == into.len()
}

/// The bytes of one segment; `None` where its fields contradict each other.
///
/// # Safety
/// `mbuf` is a live mbuf that only the caller uses, for as long as the bytes are.
unsafe fn segment_bytes<'a>(mbuf: NonNull<rte_mbuf>) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise; a live mbuf has `buf_len` readable bytes at `buf_addr`.
    unsafe {
        let (offset, len) = (field::<u16>(mbuf, DATA_OFF), field::<u16>(mbuf, DATA_LEN));
        if u32::from(offset) + u32::from(len) > u32::from(field::<u16>(mbuf, BUF_LEN)) {
            return None;
        }
        Some(slice::from_raw_parts(field::<*const u8>(mbuf, BUF_ADDR).add(usize::from(offset)), usize::from(len)))
    }
}

/// The pointers of frames in an array, as DPDK takes them; drivers may reorder what they do not take.
pub(crate) fn pointers(frames: &mut [Frame]) -> *mut *mut rte_mbuf {
    // A Frame is a pointer to its header (repr(transparent)), and the header is an mbuf.
    frames.as_mut_ptr().cast()
}

/// The mbuf a driver put into a slot.
///
/// # Safety
/// The driver has filled the slot.
#[inline(always)]
pub(crate) unsafe fn received(slot: &MaybeUninit<Frame>) -> NonNull<rte_mbuf> {
    // SAFETY: a filled slot holds a non-null pointer.
    unsafe { slot.as_ptr().cast::<NonNull<rte_mbuf>>().read() }
}

#[cfg(test)]
mod tests {
    use frame::HeapPool;

    use super::*;

    /// A chain of heap frames, freed at the end.
    struct Chain(HeapPool, Vec<Frame>);

    /// What is done to a chain, and what it is called.
    type Damage = (&'static str, fn(&Chain));

    impl Chain {
        fn of(parts: &[&[u8]]) -> Chain {
            let mut pool = HeapPool::new(parts.len(), 100);
            let mut frames: Vec<Frame> = parts.iter().map(|_| pool.alloc().unwrap()).collect();
            frames.iter_mut().zip(parts).for_each(|(frame, part)| assert!(frame.write(part)));
            let chain = Chain(pool, frames);
            for pair in chain.1.windows(2) {
                chain.set(&pair[0], NEXT, pair[1].as_raw().as_ptr());
            }
            chain.set(&chain.1[0], NB_SEGS, parts.len() as u16);
            chain.set(&chain.1[0], PKT_LEN, parts.iter().map(|part| part.len() as u32).sum::<u32>());
            chain
        }

        fn set<T>(&self, frame: &Frame, at: u32, value: T) {
            // SAFETY: the header is ours, and every caller names a field of type T.
            unsafe { frame.as_raw().cast::<u8>().add(at as usize).cast::<T>().write(value) }
        }

        fn set_first<T>(&self, at: u32, value: T) {
            self.set(&self.1[0], at, value);
        }

        fn mbuf(&self) -> NonNull<rte_mbuf> {
            self.1[0].as_raw().cast()
        }

        fn plain(&self) -> bool {
            // SAFETY: a live header of ours.
            unsafe { is_plain(self.mbuf()) }
        }

        fn copied(&self, data_max: usize) -> Result<Vec<u8>, Refusal> {
            let mut pool = HeapPool::new(1, data_max);
            // SAFETY: a live header of ours.
            let frame = unsafe { copy_out(self.mbuf(), &mut pool) };
            let bytes = frame.map(|frame| {
                let bytes = frame.data().to_vec();
                pool.release_one(frame);
                bytes
            });
            assert_eq!(pool.used(), 0);
            bytes
        }
    }

    impl Drop for Chain {
        fn drop(&mut self) {
            self.1.drain(..).for_each(|frame| self.0.release_one(frame));
        }
    }

    #[test]
    fn an_ordinary_packet_is_plain() {
        assert!(Chain::of(&[b"packet"]).plain());
    }

    #[test]
    fn whatever_breaks_the_frame_contract_is_not_plain() {
        assert!(!Chain::of(&[b""]).plain(), "empty");
        assert!(!Chain::of(&[b"a", b"b"]).plain(), "chained");
        let broken: [Damage; 5] = [
            ("shared", |c| c.set_first::<u16>(REFCNT, 2)),
            ("borrowed", |c| c.set_first::<u64>(OL_FLAGS, 1 << 62)),
            ("external", |c| c.set_first::<u64>(OL_FLAGS, 1 << 61)),
            ("two lengths", |c| c.set_first::<u32>(PKT_LEN, 7)),
            ("beyond its buffer", |c| c.set_first::<u16>(DATA_OFF, 65_000)),
        ];
        for (name, break_it) in broken {
            let chain = Chain::of(&[b"packet"]);
            break_it(&chain);
            assert!(!chain.plain(), "{name}");
        }
    }

    #[test]
    fn a_chain_becomes_one_segment() {
        assert_eq!(Chain::of(&[b"one", b"", b"three"]).copied(100).unwrap(), b"onethree");
    }

    #[test]
    fn a_chain_longer_than_a_buffer_is_refused_whole() {
        assert_eq!(Chain::of(&[&[1; 60], &[2; 60]]).copied(119), Err(Refusal::Unfit));
        assert_eq!(Chain::of(&[&[1; 60], &[2; 60]]).copied(120).unwrap().len(), 120);
    }

    #[test]
    fn without_a_buffer_to_copy_into_the_cause_is_said() {
        let chain = Chain::of(&[b"one", b"two"]);
        // SAFETY: a live header of ours.
        let refusal = unsafe { copy_out(chain.mbuf(), &mut HeapPool::new(0, 100)) }.map(|_| ()).unwrap_err();
        assert_eq!(refusal, Refusal::NoBuffer);
    }

    #[test]
    fn a_chain_that_lies_about_itself_is_refused() {
        let lies: [Damage; 5] = [
            ("more segments than there are", |c| c.set_first::<u16>(NB_SEGS, 9)),
            ("fewer segments than bytes", |c| c.set_first::<u16>(NB_SEGS, 1)),
            ("no bytes at all", |c| c.set_first::<u32>(PKT_LEN, 0)),
            ("more bytes than a frame holds", |c| c.set_first::<u32>(PKT_LEN, u32::MAX)),
            ("a segment beyond its buffer", |c| c.set_first::<u16>(DATA_OFF, 65_000)),
        ];
        for (name, lie) in lies {
            let chain = Chain::of(&[b"one", b"two"]);
            lie(&chain);
            assert_eq!(chain.copied(100), Err(Refusal::Unfit), "{name}");
        }
        let circle = Chain::of(&[b"one", b"two"]);
        circle.set(&circle.1[1], NEXT, circle.1[0].as_raw().as_ptr());
        circle.set_first::<u16>(NB_SEGS, u16::MAX);
        assert_eq!(circle.copied(100), Err(Refusal::Unfit), "a circle");
    }
}
