//! From the guest's ring into frames.

use frame::{BURST_MAX, Burst, Frame, Pool};

use super::{
    chain::{Chain, Direction, Ring},
    fault::RingFault,
    net_header::{self, HEADER_MAX},
    pieces::{Piece, Pieces},
    queue::{Published, Received, Shape},
};
use crate::GuestMemory;

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
    let mut pieces = Pieces::new();
    let mut chains = [Chain::default(); BURST_MAX];
    let wanted = max.min(burst.room()).min(BURST_MAX);
    let count = gather(ring, memory, shape, &mut pieces, &mut chains[..wanted])?;
    let mut received = Received::default();
    let mut used = 0;
    for chain in &chains[..count] {
        let Some(frame) = pool.alloc() else {
            received.no_buffer = 1;
            break;
        };
        let chain_pieces = &pieces.from(usize::from(chain.first))[..usize::from(chain.pieces)];
        if let Some(frame) = copy(frame, chain_pieces, chain, memory, shape, pool)? {
            burst.push(frame).unwrap_or_else(|frame| pool.release_one(frame)); // the room was looked at above
            received.frames += 1;
        } else {
            received.errors += 1;
        }
        ring.use_up(chain, 0);
        used += 1;
    }
    let unused = &chains[used..count];
    ring.give_back(unused.len() as u16, unused.iter().map(|chain| chain.slots).sum());
    Ok((received, Published::Nothing.and(ring, used)))
}

/// Takes as many chains as there are places, and asks for their first octets; how many there were.
#[inline]
fn gather<'m, R: Ring>(
    ring: &mut R,
    memory: &'m GuestMemory,
    shape: &Shape,
    pieces: &mut Pieces<'m>,
    chains: &mut [Chain],
) -> Result<usize, RingFault> {
    ring.refresh()?;
    let mut count = 0;
    while count < chains.len() && pieces.has_room() {
        let Some(chain) = ring.take(memory, Direction::FromGuest, pieces)? else { break };
        if (chain.len as usize) < shape.header_len {
            return Err(RingFault::NoHeader(chain.len));
        }
        pieces.from(usize::from(chain.first)).iter().take(2).for_each(|piece| piece.slice.prefetch());
        chains[count] = chain;
        count += 1;
    }
    Ok(count)
}

/// Copies a chain into `frame`; gives the frame back to the pool where the chain holds none.
#[inline]
fn copy(
    mut frame: Frame,
    pieces: &[Piece<'_>],
    chain: &Chain,
    memory: &GuestMemory,
    shape: &Shape,
    pool: &mut impl Pool,
) -> Result<Option<Frame>, RingFault> {
    let len = chain.len as usize - shape.header_len;
    let whole = len > 0 && frame.set_len(len) && {
        let mut header = [0; HEADER_MAX];
        copy_out(pieces, &mut header[..shape.header_len], frame.data_mut());
        !net_header::asks_for_offload(&header)
    };
    // Of zeroes that stand for memory that is gone no frame may be made.
    let gone = memory.alarm().is_raised();
    if whole && !gone {
        return Ok(Some(frame));
    }
    pool.release_one(frame);
    if gone { Err(RingFault::MemoryGone) } else { Ok(None) }
}

/// Copies the pieces out, into `header` until that is full, then into `data`.
#[inline]
fn copy_out(pieces: &[Piece<'_>], header: &mut [u8], data: &mut [u8]) {
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
