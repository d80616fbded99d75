//! From frames into the guest's ring.

use arrayvec::ArrayVec;
use frame::{BURST_MAX, Frame, Sent};

use super::{
    chain::{Chain, Direction, Ring},
    fault::RingFault,
    net_header::{self, HEADER_MAX},
    pieces::{self, PIECES_MAX, Piece, Pieces},
    queue::Shape,
    single::{Single, Singles},
    used::{Published, Used},
};
use crate::{DirtyLog, Features, GuestMemory};

/// Chains one frame may take: the largest frame in buffers of a KiB. A driver that posts smaller ones is up to no good.
const CHAINS_A_FRAME: u16 = 64;

/// Chains a batch holds at most: twice what a frame may take, so that one begun in the lower half always fits.
const CHAINS_A_BATCH: usize = 2 * CHAINS_A_FRAME as usize;

/// Chains and further pieces looked at for one burst; frames beyond are refused. 64 frames of 1,500 octets in buffers of 256 need 384.
const PIECES_A_BURST: usize = 2 * PIECES_MAX;

/// What a batch has used up.
type UsedChains = ArrayVec<Used, CHAINS_A_BATCH>;

/// What one batch works on.
struct Batch<'m> {
    chains: ArrayVec<Chain<'m>, CHAINS_A_BATCH>,
    pieces: Pieces<'m>,
    /// How many of the chains are whose, frame after frame. A frame without chains is refused.
    shares: ArrayVec<u16, BURST_MAX>,
}

/// How the search for a place ended.
enum Search {
    /// In so many chains.
    Found(u16),
    /// The next chain is too short for this frame; a shorter one may fit.
    TooLong,
    /// No more chains.
    Full,
}

/// Sends the frames, in order, until there is no place for one.
#[inline]
pub(super) fn send<R: Ring>(
    ring: &mut R,
    memory: &GuestMemory,
    shape: &Shape,
    frames: &[Frame],
) -> Result<(Sent, Published), RingFault> {
    ring.refresh()?;
    let mut singles = Singles::new();
    if shape.is_plain() && ring.take_singles(memory, Direction::ToGuest, frames.len(), &mut singles) {
        if let Some(bytes) = fill(frames, &singles, shape.agreed) {
            return send_singles(ring, memory, frames, &singles, bytes);
        }
        ring.give_back(singles.len() as u16, singles.len() as u16);
    }
    send_batches(ring, memory, shape, frames)
}

/// Writes frames, one into each buffer; their octets in all, or `None` where one does not fit, or has no header.
#[inline(always)]
fn fill(frames: &[Frame], singles: &[Single<'_>], agreed: Features) -> Option<u64> {
    let mut bytes = 0;
    for (frame, single) in frames.iter().zip(singles) {
        let data = frame.data();
        let body = single.slice.skip(HEADER_MAX).filter(|body| body.len() >= data.len())?;
        // Two stores of a header: that of nearly all frames is a constant.
        if frame.is_unfinished() {
            single.slice.set_start(net_header::of(frame, 1, agreed)?);
        } else {
            single.slice.set_start(net_header::of_whole(1));
        }
        body.write(data);
        bytes += data.len() as u64;
    }
    Some(bytes)
}

/// Shows the driver the buffers that have been filled. Frames beyond are refused: there is no place for them.
#[inline(always)]
fn send_singles<R: Ring>(
    ring: &mut R,
    memory: &GuestMemory,
    frames: &[Frame],
    singles: &[Single<'_>],
    bytes: u64,
) -> Result<(Sent, Published), RingFault> {
    if memory.alarm().is_raised() {
        return Err(RingFault::MemoryGone);
    }
    let filled = frames.iter().zip(singles);
    let published = ring.publish(filled.map(|(frame, single)| single.used(HEADER_MAX + frame.len())));
    ring.foresee(memory, Direction::ToGuest, singles.len());
    let count = singles.len() as u32;
    Ok((Sent { frames: count, refused: frames.len() as u32 - count, bytes }, published))
}

/// Sends frames into chains of any shape, in batches: first places for as many as can be looked at in one go, then the
/// copies.
#[cold]
fn send_batches<R: Ring>(
    ring: &mut R,
    memory: &GuestMemory,
    shape: &Shape,
    frames: &[Frame],
) -> Result<(Sent, Published), RingFault> {
    let (mut sent, mut published) = (Sent::default(), Published::Nothing);
    let (mut looked_at, mut left) = (0, frames);
    while !left.is_empty() && looked_at < PIECES_A_BURST {
        let mut batch = Batch::new();
        let full = batch.gather(ring, memory, shape, left)?;
        let (now, later) = left.split_at(batch.shares.len());
        let used = batch.write(shape, now, &mut sent);
        if memory.alarm().is_raised() {
            return Err(RingFault::MemoryGone);
        }
        published = published.max(ring.publish(used.iter().copied()));
        looked_at += batch.chains.len() + batch.pieces.len();
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
        Batch { chains: ArrayVec::new(), pieces: Pieces::new(), shares: ArrayVec::new() }
    }

    /// Copies the frames to their places; what is used up by that.
    fn write(&self, shape: &Shape, frames: &[Frame], sent: &mut Sent) -> UsedChains {
        let (mut used, mut chains) = (UsedChains::new(), &self.chains[..]);
        for (frame, &share) in frames.iter().zip(&self.shares) {
            let Some((own, others)) = chains.split_at_checked(usize::from(share)) else { break };
            chains = others;
            if !own.is_empty() {
                write(own, &self.pieces, shape, frame, &mut used);
                sent.frames += 1;
                sent.bytes += frame.len() as u64;
            }
        }
        used
    }

    /// Finds places for as many of `frames` as fit the batch; whether the ring has no more.
    fn gather<R: Ring>(
        &mut self,
        ring: &mut R,
        memory: &'m GuestMemory,
        shape: &Shape,
        frames: &[Frame],
    ) -> Result<bool, RingFault> {
        for frame in frames.iter().take(BURST_MAX) {
            if !pieces::has_room(&self.pieces) || self.chains.len() > CHAINS_A_BATCH / 2 {
                return Ok(false);
            }
            if net_header::of(frame, 1, shape.agreed).is_none() {
                self.shares.push(0);
                continue;
            }
            let share = match self.place(ring, memory, shape, shape.header_len + frame.len())? {
                Search::Found(chains) => chains,
                Search::TooLong => 0,
                Search::Full => return Ok(true),
            };
            self.shares.push(share);
        }
        Ok(false)
    }

    /// Takes chains until `need` octets fit; takes none where they do not.
    fn place<R: Ring>(
        &mut self,
        ring: &mut R,
        memory: &'m GuestMemory,
        shape: &Shape,
        need: usize,
    ) -> Result<Search, RingFault> {
        let (first, first_piece) = (self.chains.len(), self.pieces.len());
        let Some(len) = self.next(ring, memory)? else { return Ok(Search::Full) };
        if (len as usize) < shape.header_len {
            return Err(RingFault::NoHeader(len));
        }
        if len as usize >= need {
            return Ok(Search::Found(1));
        }
        let search = if shape.mergeable { self.merge(ring, memory, first, need)? } else { Search::TooLong };
        if !matches!(search, Search::Found(_)) {
            self.undo(ring, first, first_piece);
        }
        Ok(search)
    }

    /// Takes further chains until `need` octets fit into those from number `first` on, of which there is one.
    fn merge<R: Ring>(
        &mut self,
        ring: &mut R,
        memory: &'m GuestMemory,
        first: usize,
        need: usize,
    ) -> Result<Search, RingFault> {
        let mut room = self.chains[first].len as usize;
        loop {
            if self.chains.len() - first == usize::from(CHAINS_A_FRAME) {
                return Err(RingFault::BuffersTooSmall(CHAINS_A_FRAME));
            }
            let Some(len) = self.next(ring, memory)? else { return Ok(Search::Full) };
            room += len as usize;
            if room >= need {
                return Ok(Search::Found((self.chains.len() - first) as u16));
            }
        }
    }

    /// Takes the next chain and asks for its first octets; its length. `None` also where the batch cannot hold another
    /// one: then the frame is one of a burst that asks for too much.
    fn next<R: Ring>(&mut self, ring: &mut R, memory: &'m GuestMemory) -> Result<Option<u32>, RingFault> {
        if !pieces::has_room(&self.pieces) || self.chains.is_full() {
            return Ok(None);
        }
        let Some(chain) = ring.take(memory, Direction::ToGuest, &mut self.pieces)? else { return Ok(None) };
        chain.first.slice.prefetch();
        self.chains.push(chain);
        Ok(Some(chain.len))
    }

    fn undo<R: Ring>(&mut self, ring: &mut R, chains: usize, pieces: usize) {
        let unused = &self.chains[chains..];
        ring.give_back(unused.len() as u16, unused.iter().map(|chain| chain.slots).sum());
        self.chains.truncate(chains);
        self.pieces.truncate(pieces);
    }
}

/// Writes one frame into its chains, and notes them as used.
fn write(chains: &[Chain<'_>], pieces: &Pieces<'_>, shape: &Shape, frame: &Frame, used: &mut UsedChains) {
    let header = net_header::of(frame, chains.len() as u16, shape.agreed).unwrap_or_default(); // there is one: see gather
    let mut source = Source { header: &header[..shape.header_len], data: frame.data() };
    for chain in chains {
        let mut written = 0;
        for piece in chain.all(pieces) {
            let octets = source.fill(piece);
            written += octets;
            if let Some(log) = &shape.log {
                mark(log, piece, octets);
            }
        }
        used.push(chain.used(written));
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
