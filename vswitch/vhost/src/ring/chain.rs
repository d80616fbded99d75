//! What both kinds of rings have in common: descriptors, and chains of them.

use virtio_bindings::virtio_ring::{VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};

use super::{
    fault::RingFault,
    pieces::{PIECES_MAX, Piece, Pieces},
    single::Singles,
    used::{Published, Used},
};
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

/// A chain taken from a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain<'m> {
    /// Its first piece, as a rule the only one.
    pub(super) first: Piece<'m>,
    /// Octets in all.
    pub(super) len: u32,
    /// What the driver knows it by: the head's number, or the buffer's id.
    pub(super) id: u16,
    /// Descriptors it takes up in the ring (packed), or 1.
    pub(super) slots: u16,
    /// Where its further pieces begin, among the [`Pieces`], and how many there are.
    rest_at: u16,
    rest_len: u16,
}

impl<'m> Chain<'m> {
    /// That it is used up, `written` octets of it by us.
    pub(super) fn used(&self, written: usize) -> Used {
        Used { id: self.id, slots: self.slots, written: written as u32 }
    }

    /// Its pieces behind the first.
    #[inline]
    pub(super) fn rest<'p>(&self, pieces: &'p Pieces<'m>) -> &'p [Piece<'m>] {
        let at = usize::from(self.rest_at);
        pieces.get(at..at + usize::from(self.rest_len)).unwrap_or_default()
    }

    /// All its pieces.
    pub(super) fn all<'p>(&'p self, pieces: &'p Pieces<'m>) -> impl Iterator<Item = &'p Piece<'m>> {
        std::iter::once(&self.first).chain(self.rest(pieces))
    }
}

/// A chain in the making.
pub(super) struct Walk<'w, 'm> {
    memory: &'m GuestMemory,
    direction: Direction,
    first: Option<Piece<'m>>,
    pieces: &'w mut Pieces<'m>,
    rest_at: usize,
    pub(super) descriptors: u16,
    len: u32,
}

impl<'w, 'm> Walk<'w, 'm> {
    pub(super) fn new(memory: &'m GuestMemory, direction: Direction, pieces: &'w mut Pieces<'m>) -> Walk<'w, 'm> {
        let rest_at = pieces.len();
        Walk { memory, direction, first: None, pieces, rest_at, descriptors: 0, len: 0 }
    }

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
        self.add(descriptor.address, descriptor.len)
    }

    /// Adds a buffer of the guest: `len` octets (not 0) at `address`, all of which must be guest memory.
    fn add(&mut self, address: GuestAddress, len: u32) -> Result<(), RingFault> {
        let outside = RingFault::BufferOutside { address, len };
        let (mut at, mut left) = (address, len);
        // More than once only where a buffer crosses from one region into the next.
        while left > 0 {
            let slice = self.memory.slice(at, left).ok_or(outside)?;
            let piece = Piece { slice, address: at };
            match self.first {
                None => self.first = Some(piece),
                Some(_) => self.pieces.try_push(piece).map_err(|_| RingFault::ChainLength(PIECES_MAX as u16))?,
            }
            left -= slice.len() as u32;
            at = GuestAddress(at.0.wrapping_add(slice.len() as u64));
        }
        Ok(())
    }

    /// The chain that has been walked.
    pub(super) fn end(self, id: u16, slots: u16) -> Result<Chain<'m>, RingFault> {
        let first = self.first.ok_or(RingFault::EmptyBuffer)?;
        let rest_len = (self.pieces.len() - self.rest_at) as u16;
        Ok(Chain { first, len: self.len, id, slots, rest_at: self.rest_at as u16, rest_len })
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

/// A ring as the burst loops see it. Chains taken are given back or published before the burst ends, in the order in which
/// they were taken; those of one burst that are given back, before any is published.
pub(super) trait Ring {
    /// Looks how far the driver has come, once a burst.
    fn refresh(&mut self) -> Result<(), RingFault>;

    /// Takes what is available, at most `max` chains, and asks for their first octets, provided that all of them are
    /// single buffers; takes nothing where one is not, and says so by `false`.
    fn take_singles<'m>(
        &mut self,
        memory: &'m GuestMemory,
        direction: Direction,
        max: usize,
        singles: &mut Singles<'m>,
    ) -> bool;

    /// Asks for the first octets of the next `count` chains, as far as they are there already, so that they are here by the
    /// next burst. Only where looking at their descriptors early is no price to pay: a packed ring's are still being written
    /// by the driver.
    #[inline(always)]
    fn foresee(&self, _memory: &GuestMemory, _direction: Direction, _count: usize) {}

    /// Takes the next available chain, whatever its shape; what it has beside its first piece goes to `pieces`.
    fn take<'m>(
        &mut self,
        memory: &'m GuestMemory,
        direction: Direction,
        pieces: &mut Pieces<'m>,
    ) -> Result<Option<Chain<'m>>, RingFault>;

    /// Takes back the last chains taken: so many, with so many slots in all.
    fn give_back(&mut self, chains: u16, slots: u16);

    /// Shows the driver what was used up, in one go.
    fn publish(&mut self, used: impl Iterator<Item = Used> + Clone) -> Published;
}
