//! From frames into the guest's ring.

use frame::{BURST_MAX, Frame, Sent};

use super::{
    chain::{Chain, Direction, Ring},
    fault::RingFault,
    net_header,
    pieces::{PIECES_MAX, Piece, Pieces},
    queue::{Published, Shape},
};
use crate::{DirtyLog, GuestMemory};

/// Chains one frame may take: the largest frame in buffers of a KiB. A driver that posts smaller ones is up to no good.
const CHAINS_A_FRAME: u16 = 64;

/// Chains a batch holds at most: twice what a frame may take, so that one begun in the lower half always fits.
const CHAINS_A_BATCH: usize = 2 * CHAINS_A_FRAME as usize;

/// Pieces looked at for one burst; frames beyond are refused. 64 frames of 1,500 octets in buffers of 256 need 384.
const PIECES_A_BURST: usize = 2 * PIECES_MAX;

/// One frame's place in the guest's buffers.
#[derive(Clone, Copy, Debug, Default)]
struct Placed {
    /// Its chains, among those of the batch.
    first: u16,
    chains: u16,
}

/// What one batch works on.
struct Batch<'m> {
    pieces: Pieces<'m>,
    chains: [Chain; CHAINS_A_BATCH],
    chains_len: usize,
    /// One for each frame of the batch; a frame without chains is refused.
    placed: [Placed; BURST_MAX],
    placed_len: usize,
}

/// How the search for a place ended.
enum Search {
    Found(Placed),
    /// The next chain is too short for this frame; a shorter one may fit.
    TooLong,
    /// No more chains.
    Full,
}

/// Sends the frames in batches: first places for as many as can be looked at in one go, then the copies.
#[inline]
pub(super) fn send<R: Ring>(
    ring: &mut R,
    memory: &GuestMemory,
    shape: &Shape,
    frames: &[Frame],
) -> Result<(Sent, Published), RingFault> {
    let (mut sent, mut published, mut looked_at) = (Sent::default(), Published::Nothing, 0);
    let mut left = frames;
    ring.refresh()?;
    while !left.is_empty() && looked_at < PIECES_A_BURST {
        let mut batch = Batch::new();
        let full = batch.gather(ring, memory, shape, left)?;
        let (now, later) = left.split_at(batch.placed_len);
        for (frame, placed) in now.iter().zip(&batch.placed) {
            let chains = batch.chains_of(placed);
            if let Some(first) = chains.first() {
                write(ring, batch.pieces.from(usize::from(first.first)), chains, shape, frame.data());
                sent.frames += 1;
                sent.bytes += frame.len() as u64;
            }
        }
        if memory.alarm().is_raised() {
            return Err(RingFault::MemoryGone);
        }
        published = published.and(ring, batch.chains_len);
        looked_at += batch.pieces.len();
        left = later;
        if full {
            break;
        }
    }
    sent.refused = frames.len() as u32 - sent.frames;
    Ok((sent, published))
}

impl<'m> Batch<'m> {
    fn new() -> Batch<'m> {
        Batch {
            pieces: Pieces::new(),
            chains: [Chain::default(); CHAINS_A_BATCH],
            chains_len: 0,
            placed: [Placed::default(); BURST_MAX],
            placed_len: 0,
        }
    }

    fn chains_of(&self, placed: &Placed) -> &[Chain] {
        &self.chains[usize::from(placed.first)..][..usize::from(placed.chains)]
    }

    /// Finds places for as many of `frames` as fit the batch; whether the ring has no more.
    #[inline]
    fn gather<R: Ring>(
        &mut self,
        ring: &mut R,
        memory: &'m GuestMemory,
        shape: &Shape,
        frames: &[Frame],
    ) -> Result<bool, RingFault> {
        for frame in frames.iter().take(BURST_MAX) {
            if !self.pieces.has_room() || self.chains_len > CHAINS_A_BATCH / 2 {
                return Ok(false);
            }
            let placed = match self.place(ring, memory, shape, shape.header_len + frame.len())? {
                Search::Found(placed) => placed,
                Search::TooLong => Placed::default(),
                Search::Full => return Ok(true),
            };
            self.placed[self.placed_len] = placed;
            self.placed_len += 1;
        }
        Ok(false)
    }

    /// Takes chains until `need` octets fit; takes none where they do not.
    #[inline]
    fn place<R: Ring>(
        &mut self,
        ring: &mut R,
        memory: &'m GuestMemory,
        shape: &Shape,
        need: usize,
    ) -> Result<Search, RingFault> {
        let (first, first_piece) = (self.chains_len, self.pieces.len());
        let mut room = 0;
        loop {
            let Some(chain) = self.next(ring, memory)? else {
                self.undo(ring, first, first_piece);
                return Ok(Search::Full);
            };
            if room == 0 && (chain.len as usize) < shape.header_len {
                return Err(RingFault::NoHeader(chain.len));
            }
            room += chain.len as usize;
            let chains = (self.chains_len - first) as u16;
            if room >= need {
                return Ok(Search::Found(Placed { first: first as u16, chains }));
            }
            if !shape.mergeable {
                self.undo(ring, first, first_piece);
                return Ok(Search::TooLong);
            }
            if chains == CHAINS_A_FRAME {
                return Err(RingFault::BuffersTooSmall(CHAINS_A_FRAME));
            }
        }
    }

    /// Takes the next chain and asks for its first octets. `None` also where the batch cannot hold another one: then the
    /// frame is one of a burst that asks for too much.
    #[inline]
    fn next<R: Ring>(&mut self, ring: &mut R, memory: &'m GuestMemory) -> Result<Option<Chain>, RingFault> {
        if !self.pieces.has_room() {
            return Ok(None);
        }
        let Some(chain) = ring.take(memory, Direction::ToGuest, &mut self.pieces)? else { return Ok(None) };
        if let Some(piece) = self.pieces.from(usize::from(chain.first)).first() {
            piece.slice.prefetch();
        }
        self.chains[self.chains_len] = chain;
        self.chains_len += 1;
        Ok(Some(chain))
    }

    fn undo<R: Ring>(&mut self, ring: &mut R, chains: usize, pieces: usize) {
        let unused = &self.chains[chains..self.chains_len];
        ring.give_back(unused.len() as u16, unused.iter().map(|chain| chain.slots).sum());
        self.chains_len = chains;
        self.pieces.truncate(pieces);
    }
}

/// Writes one frame into its chains, and uses them up. `pieces` begins with theirs.
#[inline]
fn write<R: Ring>(ring: &mut R, pieces: &[Piece<'_>], chains: &[Chain], shape: &Shape, data: &[u8]) {
    let header = net_header::whole_frame(chains.len() as u16);
    let mut source = Source { header: &header[..shape.header_len], data };
    let mut pieces = pieces.iter();
    for chain in chains {
        let mut written = 0;
        for piece in pieces.by_ref().take(usize::from(chain.pieces)) {
            let octets = source.fill(piece);
            written += octets;
            if let Some(log) = &shape.log {
                mark(log, piece, octets);
            }
        }
        ring.use_up(chain, written as u32);
    }
}

fn mark(log: &DirtyLog, piece: &Piece<'_>, octets: usize) {
    if octets > 0 {
        log.mark(piece.address, octets as u32);
    }
}

/// What is left of a frame and the header in front of it.
struct Source<'f> {
    header: &'f [u8],
    data: &'f [u8],
}

impl Source<'_> {
    /// Writes as much as fits into `piece`; how many octets that is.
    #[inline]
    fn fill(&mut self, piece: &Piece<'_>) -> usize {
        let head = piece.slice.write(self.header);
        self.header = &self.header[head..];
        let body = piece.slice.skip(head).map_or(0, |rest| rest.write(self.data));
        self.data = &self.data[body..];
        head + body
    }
}
