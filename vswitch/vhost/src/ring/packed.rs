//! The packed ring (virtio 1.2, section 2.8): one ring of descriptors, whose flags say whose turn it is.

use std::sync::atomic::{Ordering::*, fence};

use super::{
    chain::{Chain, DESCRIPTORS_MAX, Descriptor, Direction, INDIRECT, NEXT, Ring, WRITE, Walk, table_entry},
    fault::RingFault,
    pieces::{PIECES_MAX, Pieces},
    queue::QueueConfig,
};
use crate::{Features, GuestArray, GuestMemory, Record};

/// In a descriptor's flags: the driver's wrap counter when it made it available, and its inverse; both the device's when
/// it is used.
const AVAILABLE: u16 = 1 << 7;
const USED: u16 = 1 << 15;

/// Descriptors in a cache line.
const DESCRIPTORS_A_LINE: u16 = 4;

/// In a position: the wrap counter.
const WRAP: u16 = 1 << 15;

/// In an event structure: a position, and what it means.
const EVENT_POSITION: usize = 0;
const EVENT_FLAGS: usize = 1;
const EVENT_DISABLE: u16 = 1;
const EVENT_POSITION_ONLY: u16 = 2;

/// A place in the ring, and how often, modulo two, it was passed; starts at 0 and `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) index: u16,
    pub(super) wrap: bool,
}

impl Position {
    /// From a word as GET_VRING_BASE has them; `None` beyond the end of a ring of `size`.
    pub(super) fn of(word: u16, size: u16) -> Option<Position> {
        let position = Position { index: word & !WRAP, wrap: word & WRAP != 0 };
        (position.index < size).then_some(position)
    }

    /// `steps` further in a ring of `size`, where `steps` is at most `size`.
    #[inline]
    fn forward(self, steps: u16, size: u16) -> Position {
        let index = u32::from(self.index) + u32::from(steps);
        match index.checked_sub(u32::from(size)) {
            Some(index) => Position { index: index as u16, wrap: !self.wrap },
            None => Position { index: index as u16, ..self },
        }
    }

    /// `steps` back, likewise.
    fn back(self, steps: u16, size: u16) -> Position {
        match self.index.checked_sub(steps) {
            Some(index) => Position { index, ..self },
            None => Position { index: self.index + (size - steps), wrap: !self.wrap },
        }
    }

    pub(super) fn word(self) -> u16 {
        self.index | if self.wrap { WRAP } else { 0 }
    }
}

/// Whether flags are those of a descriptor made available in the turn of the ring that `wrap` stands for.
#[inline]
pub(super) fn is_available(flags: u16, wrap: bool) -> bool {
    (flags & AVAILABLE != 0) == wrap && (flags & USED != 0) != wrap
}

/// A chain used up and not yet shown to the driver.
#[derive(Clone, Copy, Debug)]
struct Pending {
    index: u16,
    /// The second word of the descriptor that says so.
    word: u64,
}

/// A packed ring, and where we stand in it.
#[derive(Debug)]
pub(super) struct PackedRing {
    size: u16,
    /// Two words each.
    descriptors: GuestArray<u64>,
    /// When the driver wants to be woken.
    driver_event: GuestArray<u16>,
    indirect: bool,
    /// Where the next available chain begins.
    next: Position,
    /// Where the next used descriptor is to be written, and where the driver does not see one yet.
    using: Position,
    published: Position,
    /// Slots taken and not yet shown as used: never more than the ring has, whatever its flags say.
    open: u16,
    /// Where it is written down where the ring stands.
    record: Option<Record>,
    /// Room for one burst, made once.
    pending: Vec<Pending>,
    /// Nothing was published since the start: the driver is woken once to be safe.
    fresh: bool,
}

impl PackedRing {
    /// The ring that `config` describes, from its base on. Chains are used in order and at once, so the used position,
    /// which some front ends do not tell, is the available one.
    pub(super) fn new(memory: &GuestMemory, config: &QueueConfig) -> Result<PackedRing, RingFault> {
        let at = &config.addresses;
        let outside = RingFault::Outside;
        let start = Position::of(config.base as u16, config.size).ok_or(RingFault::Base(config.base))?;
        let device_event = memory.array(at.used, 2).ok_or(outside("device event structure"))?;
        // We poll.
        device_event.store(EVENT_FLAGS, EVENT_DISABLE.to_le());
        Ok(PackedRing {
            size: config.size,
            descriptors: memory
                .array(at.descriptors, 2 * usize::from(config.size))
                .ok_or(outside("descriptor ring"))?,
            driver_event: memory.array(at.available, 2).ok_or(outside("driver event structure"))?,
            indirect: config.features.has(Features::INDIRECT_DESC),
            next: start,
            using: start,
            published: start,
            open: 0,
            record: config.record.clone(),
            pending: Vec::with_capacity(PIECES_MAX),
            fresh: true,
        })
    }

    /// Goes on where `old`, the same ring in other memory or at other addresses, stands.
    pub(super) fn resume(&mut self, old: &PackedRing) {
        (self.next, self.using, self.published, self.fresh) = (old.next, old.using, old.published, old.fresh);
        if let Some(record) = &self.record {
            record.settle(self.published.word());
        }
    }

    /// Where it stands, as GET_VRING_BASE tells it: the available position, the used one above it.
    pub(super) fn base(&self) -> u32 {
        u32::from(self.next.word()) | u32::from(self.using.word()) << 16
    }

    /// The second word of a descriptor has its flags, and the driver writes those last: who sees them sees all of it.
    #[inline]
    fn descriptor(&self, index: u16) -> Descriptor {
        let at = 2 * usize::from(index);
        let rest = self.descriptors.load(at + 1);
        fence(Acquire);
        Descriptor::packed(self.descriptors.load(at), rest)
    }

    /// Takes a chain of any shape, whose head has been read already.
    #[cold]
    fn walk<'m>(&self, head: Descriptor, mut walk: Walk<'_, 'm>) -> Result<Chain<'m>, RingFault> {
        let (id, slots) = self.walk_from(head, &mut walk)?;
        walk.end(id, slots)
    }

    /// Walks the chain that begins with `head`; its id and how many descriptors of the ring it takes up.
    fn walk_from(&self, head: Descriptor, walk: &mut Walk<'_, '_>) -> Result<(u16, u16), RingFault> {
        if head.is(INDIRECT) {
            return self.walk_table(&head, walk).map(|()| (head.link, 1));
        }
        let (mut descriptor, mut slots) = (head, 1);
        loop {
            if descriptor.is(INDIRECT) {
                return Err(RingFault::Indirect(descriptor.len));
            }
            walk.buffer(&descriptor)?;
            if !descriptor.is(NEXT) {
                return Ok((descriptor.link, slots));
            }
            if slots == self.size {
                return Err(RingFault::ChainLength(self.size));
            }
            descriptor = self.descriptor(self.next.forward(slots, self.size).index);
            slots += 1;
        }
    }

    /// Walks an indirect table: all of it, in order.
    fn walk_table(&self, indirect: &Descriptor, walk: &mut Walk<'_, '_>) -> Result<(), RingFault> {
        let table = walk.table(indirect, self.indirect)?;
        let count = u16::try_from(table.len() / 16).ok().filter(|&count| count <= DESCRIPTORS_MAX);
        for index in 0..count.ok_or(RingFault::ChainLength(DESCRIPTORS_MAX))? {
            let (address, rest) = table_entry(&table, index);
            let descriptor = Descriptor::packed(address, rest);
            if descriptor.is(INDIRECT) {
                return Err(RingFault::Indirect(descriptor.len));
            }
            walk.buffer(&descriptor)?;
        }
        Ok(())
    }

    /// Whether the driver wants to be woken for what has been published since `old`.
    fn wants_wake(&self, old: Position) -> bool {
        // The driver writes its wish, then looks at the ring; we wrote the ring, now look at the wish.
        fence(SeqCst);
        match u16::from_le(self.driver_event.load(EVENT_FLAGS)) {
            EVENT_DISABLE => false,
            EVENT_POSITION_ONLY => {
                let event = u16::from_le(self.driver_event.load(EVENT_POSITION));
                self.passed(old, Position { index: event & !WRAP, wrap: event & WRAP != 0 })
            }
            _ => true,
        }
    }

    /// Whether `event` is among the positions from `old` to the one before that published last.
    fn passed(&self, old: Position, event: Position) -> bool {
        let new = self.published;
        let distance = |from: Position| {
            let turns = if from.wrap == new.wrap { 0 } else { i32::from(self.size) };
            i32::from(new.index) + turns - i32::from(from.index)
        };
        (1..=distance(old)).contains(&distance(event))
    }

    /// Fetches the cache line after the next as one is begun; a ring is read in order, so this is all the reading ahead
    /// there is.
    #[inline(always)]
    fn prefetch(&self) {
        if self.next.index.is_multiple_of(DESCRIPTORS_A_LINE) {
            let ahead = self.next.forward((2 * DESCRIPTORS_A_LINE).min(self.size), self.size);
            self.descriptors.prefetch(2 * usize::from(ahead.index));
        }
    }
}

impl Ring for PackedRing {
    #[inline]
    fn refresh(&mut self) -> Result<(), RingFault> {
        Ok(())
    }

    #[inline(always)]
    fn take<'m>(
        &mut self,
        memory: &'m GuestMemory,
        direction: Direction,
        pieces: &mut Pieces<'m>,
    ) -> Result<Option<Chain<'m>>, RingFault> {
        let head = self.descriptor(self.next.index);
        if self.open >= self.size || !is_available(head.flags, self.next.wrap) {
            return Ok(None);
        }
        self.prefetch();
        let chain = match Chain::single(memory, direction, head.link, &head) {
            Some(chain) => chain,
            None => self.walk(head, Walk::new(memory, direction, pieces))?,
        };
        let size = self.size;
        self.open += chain.slots;
        if self.open > size {
            return Err(RingFault::AvailableIndex { available: self.open, size });
        }
        self.next = self.next.forward(chain.slots, size);
        Ok(Some(chain))
    }

    fn give_back(&mut self, _chains: u16, slots: u16) {
        self.open -= slots;
        self.next = self.next.back(slots, self.size);
    }

    #[inline]
    fn use_up(&mut self, chain: &Chain<'_>, written: u32) {
        let Position { index, wrap } = self.using;
        let turn = if wrap { AVAILABLE | USED } else { 0 };
        let flags = turn | if written > 0 { WRITE } else { 0 };
        let word = u64::from(written) | u64::from(chain.id) << 32 | u64::from(flags) << 48;
        self.pending.push(Pending { index, word });
        self.using = self.using.forward(chain.slots, self.size);
    }

    #[inline]
    fn publish(&mut self) -> bool {
        let Some((first, rest)) = self.pending.split_first() else { return false };
        if let Some(record) = &self.record {
            let entries = self.pending.iter().map(|pending| (pending.index, pending.word));
            record.open(self.published.word(), self.using.word(), entries);
        }
        let store =
            |pending: &Pending| self.descriptors.store(2 * usize::from(pending.index) + 1, pending.word.to_le());
        rest.iter().for_each(store);
        // Release: the first of them shows the driver all of them, and the frames.
        fence(Release);
        store(first);
        if let Some(record) = &self.record {
            record.settle(self.using.word());
        }
        self.pending.clear();
        self.open = 0;
        let old = std::mem::replace(&mut self.published, self.using);
        std::mem::take(&mut self.fresh) | self.wants_wake(old)
    }
}
