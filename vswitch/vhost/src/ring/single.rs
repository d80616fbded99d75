//! Chains that are one buffer in one region: what drivers send and post nearly always. A burst that meets no others takes a
//! way of its own, which does no more than it has to; everything else is a [`Chain`](super::chain::Chain).

use arrayvec::ArrayVec;
use frame::BURST_MAX;

use super::{
    chain::{Descriptor, Direction, INDIRECT, NEXT, WRITE},
    net_header::HEADER_MAX,
    used::Used,
};
use crate::{GuestMemory, GuestSlice};

/// What says of a descriptor that it is more, or something else, than a buffer in the direction wanted.
pub(super) const KIND: u16 = NEXT | INDIRECT | WRITE;

/// A buffer that is a whole chain, of one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Single<'m> {
    pub(super) slice: GuestSlice<'m>,
    /// What the driver knows it by.
    pub(super) id: u16,
}

/// Those of one burst.
pub(super) type Singles<'m> = ArrayVec<Single<'m>, BURST_MAX>;

impl Direction {
    /// The flags, of [`KIND`], of a single buffer.
    #[inline(always)]
    pub(super) fn kind(self) -> u16 {
        match self {
            Direction::FromGuest => 0,
            Direction::ToGuest => WRITE,
        }
    }
}

impl<'m> Single<'m> {
    /// The buffer of a descriptor whose flags are right; `None` where it does not hold a header, or is not all in one
    /// region.
    #[inline(always)]
    pub(super) fn new(memory: &'m GuestMemory, descriptor: &Descriptor, id: u16) -> Option<Single<'m>> {
        if (descriptor.len as usize) < HEADER_MAX {
            return None;
        }
        memory.whole(descriptor.address, descriptor.len).map(|slice| Single { slice, id })
    }

    /// Asks for its first octets, for what is going to be done with them.
    #[inline(always)]
    pub(super) fn prefetch(&self, direction: Direction) {
        match direction {
            Direction::FromGuest => self.slice.prefetch(),
            Direction::ToGuest => self.slice.prefetch_to_write(),
        }
    }

    /// The header.
    #[inline(always)]
    pub(super) fn header(&self) -> [u8; HEADER_MAX] {
        self.slice.start().unwrap_or_default()
    }

    /// Its first octets alone, which say that it says nothing, as that of nearly all frames does. Who finds that it does reads
    /// all of it, and believes that: the guest may have changed it meanwhile.
    #[inline(always)]
    pub(super) fn header_start(&self) -> [u8; 2] {
        self.slice.start().unwrap_or_default()
    }

    /// The frame behind the header, where there is one.
    #[inline(always)]
    pub(super) fn body(&self) -> Option<GuestSlice<'m>> {
        self.slice.skip(HEADER_MAX)
    }

    /// That it is used up, `written` octets of it by us.
    #[inline(always)]
    pub(super) fn used(&self, written: usize) -> Used {
        Used { id: self.id, slots: 1, written: written as u32 }
    }
}
