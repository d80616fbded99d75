//! From the guest's ring into frames.

use arrayvec::ArrayVec;
use frame::{BURST_MAX, Burst, Frame, Pool};

use super::{
    chain::{Chain, Direction, Ring},
    fault::RingFault,
    net_header::{self, HEADER_MAX},
    pieces::{self, Piece, Pieces},
    queue::{Published, Received, Shape},
};
use crate::GuestMemory;

/// The chains of one burst.
type Chains<'m> = ArrayVec<Chain<'m>, BURST_MAX>;

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
    let (mut chains, mut pieces) = (Chains::new(), Pieces::new());
    gather(ring, memory, shape, &mut chains, &mut pieces, max.min(burst.room()))?;
    let mut received = Received::default();
    let mut used = 0;
    for chain in &chains {
        let Some(mut frame) = pool.alloc() else {
            received.no_buffer = 1;
            break;
        };
        if copy(&mut frame, chain, &pieces, shape) {
            burst.push(frame).unwrap_or_else(|frame| pool.release_one(frame)); // the room was looked at above
            received.frames += 1;
        } else {
            pool.release_one(frame);
            received.errors += 1;
        }
        ring.use_up(chain, 0);
        used += 1;
    }
    // Of zeroes that stand for memory that is gone no frame may be made.
    if memory.alarm().is_raised() {
        (0..received.frames).filter_map(|_| burst.pop()).for_each(|frame| pool.release_one(frame));
        return Err(RingFault::MemoryGone);
    }
    let unused = &chains[used..];
    ring.give_back(unused.len() as u16, unused.iter().map(|chain| chain.slots).sum());
    Ok((received, Published::Nothing.and(ring, used)))
}

/// Takes as many chains as are wanted and there, and asks for their first octets.
#[inline(always)]
fn gather<'m, R: Ring>(
    ring: &mut R,
    memory: &'m GuestMemory,
    shape: &Shape,
    chains: &mut Chains<'m>,
    pieces: &mut Pieces<'m>,
    wanted: usize,
) -> Result<(), RingFault> {
    ring.refresh()?;
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
#[inline(always)]
fn copy(frame: &mut Frame, chain: &Chain<'_>, pieces: &Pieces<'_>, shape: &Shape) -> bool {
    let len = chain.len as usize - shape.header_len;
    if len == 0 || !frame.set_len(len) {
        return false;
    }
    let slice = &chain.first.slice;
    match (slice.start(), slice.skip(shape.header_len)) {
        (Some(header), Some(body)) if chain.is_single() => {
            body.read(frame.data_mut());
            !net_header::asks_for_offload(&header)
        }
        _ => copy_pieces(frame, chain, pieces, shape),
    }
}

/// The same, for a chain of several pieces.
#[cold]
fn copy_pieces(frame: &mut Frame, chain: &Chain<'_>, pieces: &Pieces<'_>, shape: &Shape) -> bool {
    let mut header = [0; HEADER_MAX];
    copy_out(chain.all(pieces), &mut header[..shape.header_len], frame.data_mut());
    !net_header::asks_for_offload(&header)
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
