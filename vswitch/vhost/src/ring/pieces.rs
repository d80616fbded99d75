//! Pieces of guest memory gathered from chains, before anything is copied.

use std::mem::MaybeUninit;

use crate::{GuestAddress, GuestMemory, GuestSlice, ring::fault::RingFault};

/// Pieces held at most: twice what a chain can have, so that a chain begun in the lower half always fits.
pub(crate) const PIECES_MAX: usize = 512;

/// One piece, and where the guest has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'m> {
    pub(super) slice: GuestSlice<'m>,
    pub(super) address: GuestAddress,
}

/// Up to [`PIECES_MAX`] pieces, without allocation.
pub(super) struct Pieces<'m> {
    pieces: [MaybeUninit<Piece<'m>>; PIECES_MAX],
    len: usize,
}

impl<'m> Pieces<'m> {
    pub(super) fn new() -> Pieces<'m> {
        Pieces { pieces: [const { MaybeUninit::uninit() }; PIECES_MAX], len: 0 }
    }

    /// Pieces held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether another chain may be begun.
    pub(super) fn has_room(&self) -> bool {
        self.len <= PIECES_MAX / 2
    }

    /// Gives up all but the first `len` pieces.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The pieces from `first` on.
    #[inline]
    pub(super) fn from(&self, first: usize) -> &[Piece<'m>] {
        // SAFETY: the first `len` are initialised.
        let all = unsafe { std::slice::from_raw_parts(self.pieces.as_ptr().cast::<Piece<'m>>(), self.len) };
        &all[first.min(self.len)..]
    }

    /// Adds a buffer of the guest: `len` octets (not 0) at `address`, all of which must be guest memory.
    #[inline]
    pub(super) fn add(&mut self, memory: &'m GuestMemory, address: GuestAddress, len: u32) -> Result<(), RingFault> {
        let outside = RingFault::BufferOutside { address, len };
        let (mut at, mut left) = (address, len);
        // More than once only where a buffer crosses from one region into the next.
        while left > 0 {
            let slice = memory.slice(at, left).ok_or(outside)?;
            let slot = self.pieces.get_mut(self.len).ok_or(RingFault::ChainLength(PIECES_MAX as u16))?;
            slot.write(Piece { slice, address: at });
            self.len += 1;
            left -= slice.len() as u32;
            at = GuestAddress(at.0.wrapping_add(slice.len() as u64));
        }
        Ok(())
    }
}
