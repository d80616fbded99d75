//! What both kinds of rings have in common: descriptors, and chains of them.

use virtio_bindings::virtio_ring::{VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};

use super::{fault::RingFault, pieces::Pieces};
use crate::{GuestAddress, GuestMemory, GuestSlice};

/// Descriptors of a chain at most. Linux sends a frame in at most 47 pieces, DPDK in as many as it has segments.
pub(super) const DESCRIPTORS_MAX: u16 = 256;

/// Octets of a descriptor.
pub(super) const DESCRIPTOR_LEN: u32 = 16;

/// Another descriptor follows.
pub(super) const NEXT: u16 = VRING_DESC_F_NEXT as u16;
/// The device writes; otherwise it reads.
pub(super) const WRITE: u16 = VRING_DESC_F_WRITE as u16;
/// The buffer is a table of descriptors.
pub(super) const INDIRECT: u16 = VRING_DESC_F_INDIRECT as u16;

/// A copy of one descriptor. The last two fields of a split one are its flags and the next one's number, of a packed one
/// its id and its flags; [`Descriptor::split`] and [`Descriptor::packed`] know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) address: GuestAddress,
    pub(super) len: u32,
    pub(super) flags: u16,
    /// The next one's number (split), or the buffer's id (packed).
    pub(super) link: u16,
}

impl Descriptor {
    /// From its two words, as a split ring has them (virtio 1.2, section 2.7.5).
    #[inline]
    pub(super) fn split(address: u64, rest: u64) -> Descriptor {
        let rest = u64::from_le(rest);
        let address = GuestAddress(u64::from_le(address));
        Descriptor { address, len: rest as u32, flags: (rest >> 32) as u16, link: (rest >> 48) as u16 }
    }

    /// From its two words, as a packed ring has them (virtio 1.2, section 2.8.6).
    #[inline]
    pub(super) fn packed(address: u64, rest: u64) -> Descriptor {
        let rest = u64::from_le(rest);
        let address = GuestAddress(u64::from_le(address));
        Descriptor { address, len: rest as u32, flags: (rest >> 48) as u16, link: (rest >> 32) as u16 }
    }

    #[inline]
    pub(super) fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// Who writes to the buffers of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The guest: these are frames it sends.
    FromGuest,
    /// We: these are buffers for frames it receives.
    ToGuest,
}

/// A chain taken from a ring. Its pieces are in a [`Pieces`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    /// What the driver knows it by: the head's number, or the buffer's id.
    pub(super) id: u16,
    /// Descriptors it takes up in the ring (packed), or 1.
    pub(super) slots: u16,
    /// Its first piece.
    pub(super) first: u16,
    /// Its pieces.
    pub(super) pieces: u16,
    /// Octets in all.
    pub(super) len: u32,
}

/// A chain in the making.
pub(super) struct Walk<'w, 'm> {
    pub(super) memory: &'m GuestMemory,
    pub(super) direction: Direction,
    pub(super) pieces: &'w mut Pieces<'m>,
    pub(super) descriptors: u16,
    pub(super) len: u32,
}

impl<'m> Walk<'_, 'm> {
    /// Takes the buffer of one descriptor.
    #[inline]
    pub(super) fn buffer(&mut self, descriptor: &Descriptor) -> Result<(), RingFault> {
        if descriptor.len == 0 {
            return Err(RingFault::EmptyBuffer);
        }
        if descriptor.is(WRITE) != (self.direction == Direction::ToGuest) {
            return Err(RingFault::Direction);
        }
        self.descriptors += 1;
        if self.descriptors > DESCRIPTORS_MAX {
            return Err(RingFault::ChainLength(DESCRIPTORS_MAX));
        }
        self.len = self.len.saturating_add(descriptor.len);
        self.pieces.add(self.memory, descriptor.address, descriptor.len)
    }

    /// The table behind an indirect descriptor: whole descriptors, at least one.
    pub(super) fn table(&self, descriptor: &Descriptor, agreed: bool) -> Result<GuestSlice<'m>, RingFault> {
        let (address, len) = (descriptor.address, descriptor.len);
        // The direction of the table itself is to be ignored (virtio 1.2, section 2.7.5.3.2).
        if !agreed || descriptor.is(NEXT) || len == 0 || !len.is_multiple_of(DESCRIPTOR_LEN) {
            return Err(RingFault::Indirect(len));
        }
        self.memory.whole(address, len).ok_or(RingFault::BufferOutside { address, len })
    }
}

/// The two words of descriptor `index` of a table; zeroes, an empty buffer, where it has no such one.
#[inline]
pub(super) fn table_entry(table: &GuestSlice<'_>, index: u16) -> (u64, u64) {
    let mut octets = [0; DESCRIPTOR_LEN as usize];
    if let Some(entry) = table.skip(usize::from(index) * DESCRIPTOR_LEN as usize) {
        entry.read(&mut octets);
    }
    let [a, b] = [0, 8].map(|at| octets[at..at + 8].try_into().map_or(0, u64::from_ne_bytes));
    (a, b)
}

/// A ring as the burst loops see it. Chains taken are used up, or given back, before anything is published.
pub(super) trait Ring {
    /// Looks how far the driver has come, once a burst.
    fn refresh(&mut self) -> Result<(), RingFault>;

    /// Takes the next available chain and adds its pieces.
    fn take<'m>(
        &mut self,
        memory: &'m GuestMemory,
        direction: Direction,
        pieces: &mut Pieces<'m>,
    ) -> Result<Option<Chain>, RingFault>;

    /// Takes back the last chains taken: so many, with so many slots in all.
    fn give_back(&mut self, chains: u16, slots: u16);

    /// Notes a chain as used, `written` octets of it by us. The driver does not see it before [`Ring::publish`].
    fn use_up(&mut self, chain: &Chain, written: u32);

    /// Shows the driver what was used up, in one go; whether it wants to be woken for that.
    fn publish(&mut self) -> bool;
}
