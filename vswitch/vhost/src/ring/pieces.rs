//! Pieces of guest memory gathered from chains, before anything is copied.

use arrayvec::ArrayVec;

use crate::{GuestAddress, GuestSlice};

/// Pieces held at most: twice what a chain can have, so that a chain begun in the lower half always fits.
pub(crate) const PIECES_MAX: usize = 512;

/// One piece, and where the guest has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'m> {
    pub(super) slice: GuestSlice<'m>,
    pub(super) address: GuestAddress,
}

/// What chains have beside their first pieces, chain after chain. Most chains have nothing.
pub(super) type Pieces<'m> = ArrayVec<Piece<'m>, PIECES_MAX>;

/// Whether another chain may be begun.
pub(super) fn has_room(pieces: &Pieces<'_>) -> bool {
    pieces.len() <= PIECES_MAX / 2
}
