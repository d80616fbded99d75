//! From the guest's ring into frames.

use std::iter;

use arrayvec::ArrayVec;
use frame::{BURST_MAX, Burst, Frame, Pool};

use super::{
    chain::{Chain, Direction, Ring},
    fault::RingFault,
    net_header::{self, HEADER_MAX},
    pieces::{self, Piece, Pieces},
    queue::{Received, Shape},
    single::{Single, Singles},
    used::{Published, Used},
};
use crate::{GuestMemory, GuestSlice};

/// The chains of one burst.
type Chains<'m> = ArrayVec<Chain<'m>, BURST_MAX>;

/// Octets that every pool's ordinary frames hold, a header included.
const ORDINARY: usize = 2048;

/// Takes up to `max` chains, then copies them: while one is copied the next ones are on their way into the cache.
#[inline]
pub(super) fn receive<R: Ring>(
    ring: &mut R,
    memory: &GuestMemory,
    shape: &Shape,
    burst: &mut Burst,
    max: usize,
    pool: &mut impl Pool,
) -> Result<(Received, Published), RingFault> {
    let max = max.min(burst.room());
    ring.refresh()?;
    let mut singles = Singles::new();
    if shape.is_plain() && ring.take_singles(memory, Direction::FromGuest, max, &mut singles) {
        if !singles.first().is_some_and(|first| is_long(first, shape)) {
            return receive_singles(ring, memory, shape, &singles, burst, pool);
        }
        ring.give_back(singles.len() as u16, singles.len() as u16);
    }
    receive_chains(ring, memory, shape, burst, max, pool)
}

/// Whether a buffer may hold a super-frame.
#[inline]
fn is_long(single: &Single<'_>, shape: &Shape) -> bool {
    single.slice.len() > ORDINARY && shape.has_long()
}

/// Chains that are single buffers, up to the first that is long: with that one the next burst begins.
#[inline(always)]
fn receive_singles<R: Ring>(
    ring: &mut R,
    memory: &GuestMemory,
    shape: &Shape,
    singles: &[Single<'_>],
    burst: &mut Burst,
    pool: &mut impl Pool,
) -> Result<(Received, Published), RingFault> {
    let (mut received, mut used) = (Received::default(), 0);
    let before = burst.len();
    let fetched = pool.alloc_into(burst, singles.len());
    let frames = &mut burst.as_mut_slice()[before..];
    for single in singles {
        let Some(frame) = frames.get_mut(received.frames) else {
            received.no_buffer = 1;
            break;
        };
        let leaves_work = net_header::leaves_work(single.header_start());
        if copy(frame, single.body()) && (!leaves_work || net_header::settle(single.header(), shape.agreed, frame)) {
            received.frames += 1;
        } else if is_long(single, shape) {
            break;
        } else {
            received.errors += 1;
        }
        used += 1;
    }
    (received.frames..fetched).filter_map(|_| burst.pop()).for_each(|frame| pool.release_one(frame));
    whole(memory, burst, &received, pool)?;
    let (used, unused) = singles.split_at(used);
    ring.give_back(unused.len() as u16, unused.len() as u16);
    let published = match used.last() {
        Some(last) if shape.in_order => ring.publish(iter::once(Used { slots: used.len() as u16, ..last.used(0) })),
        _ => ring.publish(used.iter().map(|single| single.used(0))),
    };
    ring.foresee(memory, Direction::FromGuest, used.len());
    Ok((received, published))
}

/// Copies what is behind the header into `frame`; `false` where that is none, or is longer.
#[inline(always)]
fn copy(frame: &mut Frame, body: Option<GuestSlice<'_>>) -> bool {
    let Some(body) = body.filter(|body| frame.set_len(body.len())) else { return false };
    body.read(frame.data_mut());
    true
}

/// Appends a frame, or releases it where `fill` says that it is none.
#[inline(always)]
fn take_in(
    mut frame: Frame,
    burst: &mut Burst,
    pool: &mut impl Pool,
    received: &mut Received,
    fill: impl FnOnce(&mut Frame) -> bool,
) {
    if fill(&mut frame) {
        burst.push(frame).unwrap_or_else(|frame| pool.release_one(frame)); // there is room for as many as are asked for
        received.frames += 1;
    } else {
        pool.release_one(frame);
        received.errors += 1;
    }
}

/// Of zeroes that stand for memory that is gone no frame may be made.
#[inline(always)]
fn whole(memory: &GuestMemory, burst: &mut Burst, received: &Received, pool: &mut impl Pool) -> Result<(), RingFault> {
    if !memory.alarm().is_raised() {
        return Ok(());
    }
    (0..received.frames).filter_map(|_| burst.pop()).for_each(|frame| pool.release_one(frame));
    Err(RingFault::MemoryGone)
}

/// Chains of any shape.
#[cold]
fn receive_chains<R: Ring>(
    ring: &mut R,
    memory: &GuestMemory,
    shape: &Shape,
    burst: &mut Burst,
    max: usize,
    pool: &mut impl Pool,
) -> Result<(Received, Published), RingFault> {
    let mut received = Received::default();
    let (mut chains, mut pieces) = (Chains::new(), Pieces::new());
    gather(ring, memory, shape, &mut chains, &mut pieces, max)?;
    let mut used = 0;
    for chain in &chains {
        let Some((frame, is_long)) = frame_for(chain, shape, pool) else {
            received.no_buffer = 1;
            break;
        };
        take_in(frame, burst, pool, &mut received, |frame| {
            copy_pieces(frame, chain, &pieces, shape) && (!is_long || is_to_be_cut(frame))
        });
        used += 1;
    }
    whole(memory, burst, &received, pool)?;
    let (used, unused) = chains.split_at(used);
    ring.give_back(unused.len() as u16, unused.iter().map(|chain| chain.slots).sum());
    Ok((received, ring.publish(used.iter().map(|chain| chain.used(0)))))
}

/// An empty frame for what is in a chain, and whether it is one for super-frames; `None` where there is none now.
fn frame_for(chain: &Chain<'_>, shape: &Shape, pool: &mut impl Pool) -> Option<(Frame, bool)> {
    let frame = pool.alloc()?;
    if chain.len as usize <= shape.header_len + frame.tailroom() || !shape.has_long() {
        return Some((frame, false));
    }
    pool.release_one(frame);
    pool.alloc_super().map(|frame| (frame, true))
}

/// Whether a frame is a super-frame: nothing else may lie in the buffer of one.
fn is_to_be_cut(frame: &Frame) -> bool {
    frame.offload().is_some_and(|offload| offload.segment > 0)
}

/// Takes as many chains as are wanted and there, and asks for their first octets.
fn gather<'m, R: Ring>(
    ring: &mut R,
    memory: &'m GuestMemory,
    shape: &Shape,
    chains: &mut Chains<'m>,
    pieces: &mut Pieces<'m>,
    wanted: usize,
) -> Result<(), RingFault> {
    while chains.len() < wanted && pieces::has_room(pieces) {
        let Some(chain) = ring.take(memory, Direction::FromGuest, pieces)? else { break };
        if (chain.len as usize) < shape.header_len {
            return Err(RingFault::NoHeader(chain.len));
        }
        chain.first.slice.prefetch();
        chain.rest(pieces).iter().take(1).for_each(|piece| piece.slice.prefetch());
        if chains.try_push(chain).is_err() {
            break;
        }
    }
    Ok(())
}

/// Copies a chain into `frame`; `false` where it holds none.
fn copy_pieces(frame: &mut Frame, chain: &Chain<'_>, pieces: &Pieces<'_>, shape: &Shape) -> bool {
    let len = chain.len as usize - shape.header_len;
    if len == 0 || !frame.set_len(len) {
        return false;
    }
    let mut header = [0; HEADER_MAX];
    copy_out(chain.all(pieces), &mut header[..shape.header_len], frame.data_mut());
    let [flags, segmentation, ..] = header;
    !net_header::leaves_work([flags, segmentation]) || net_header::settle(header, shape.agreed, frame)
}

/// Copies the pieces out, into `header` until that is full, then into `data`.
fn copy_out<'p, 'm: 'p>(pieces: impl Iterator<Item = &'p Piece<'m>>, header: &mut [u8], data: &mut [u8]) {
    let (mut header, mut data) = (header, data);
    for piece in pieces {
        let read = piece.slice.read(header);
        header = &mut header[read..];
        if let Some(rest) = piece.slice.skip(read) {
            let read = rest.read(data);
            data = &mut data[read..];
        }
    }
}
