//! The packed ring (virtio 1.2, section 2.8): one ring of descriptors, whose flags say whose turn it is.

use std::sync::atomic::{Ordering::*, fence};

use super::{
    chain::{Chain, DESCRIPTORS_MAX, Descriptor, Direction, INDIRECT, NEXT, Ring, WRITE, Walk, table_entry},
    fault::RingFault,
    pieces::Pieces,
    queue::QueueConfig,
    single::{KIND, Single, Singles},
    used::{Published, Used},
};
use crate::{Features, GuestArray, GuestMemory, Record};

/// In a descriptor's flags: the driver's wrap counter when it made it available, and its inverse; both the device's when
/// it is used.
const AVAILABLE: u16 = 1 << 7;
const USED: u16 = 1 << 15;
const MARKS: u16 = AVAILABLE | USED;

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
    #[inline(always)]
    fn forward(self, steps: u16, size: u16) -> Position {
        // At most 32,767 and 32,768.
        let index = self.index + steps;
        if index < size { Position { index, ..self } } else { self.turned(index - size) }
    }

    /// At `index` in the next turn of the ring.
    #[cold]
    fn turned(self, index: u16) -> Position {
        Position { index, wrap: !self.wrap }
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
    flags & MARKS == available_marks(wrap)
}

/// The marks of a descriptor made available in that turn.
#[inline(always)]
fn available_marks(wrap: bool) -> u16 {
    if wrap { AVAILABLE } else { USED }
}

/// A packed ring, and where we stand in it.
#[derive(Debug)]
pub(super) struct PackedRing {
    size: u16,
    descriptors: GuestArray<[u64; 2]>,
    /// When the driver wants to be woken.
    driver_event: GuestArray<u16>,
    indirect: bool,
    /// Where the next available chain begins.
    next: Position,
    /// Where the next used descriptor is to be written.
    published: Position,
    /// Slots taken and not yet shown as used: never more than the ring has, whatever its flags say.
    open: u16,
    /// Where it is written down where the ring stands.
    record: Option<Record>,
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
            descriptors: memory.array(at.descriptors, usize::from(config.size)).ok_or(outside("descriptor ring"))?,
            driver_event: memory.array(at.available, 2).ok_or(outside("driver event structure"))?,
            indirect: config.features.has(Features::INDIRECT_DESC),
            next: start,
            published: start,
            open: 0,
            record: config.record.clone(),
            fresh: true,
        })
    }

    /// Goes on where `old`, the same ring in other memory or at other addresses, stands.
    pub(super) fn resume(&mut self, old: &PackedRing) {
        (self.next, self.published, self.fresh) = (old.next, old.published, old.fresh);
        if let Some(record) = &self.record {
            record.settle(self.published.word());
        }
    }

    /// Where it stands, as GET_VRING_BASE tells it: the available position, the used one above it.
    pub(super) fn base(&self) -> u32 {
        u32::from(self.next.word()) | u32::from(self.published.word()) << 16
    }

    /// The second word of a descriptor has its flags, and the driver writes those last: who sees them sees all of it.
    #[inline]
    fn descriptor(&self, index: u16) -> Descriptor {
        let [address, rest] = self.descriptors.words_last_first(usize::from(index));
        Descriptor::packed(address, rest)
    }

    /// Walks the chain that begins with `head`; its id and how many descriptors of the ring it takes up.
    fn walk(&self, head: Descriptor, walk: &mut Walk<'_, '_>) -> Result<(u16, u16), RingFault> {
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

    /// Fetches the cache line after the next, if one begins at `index`; a ring is read in order, so this is all the reading
    /// ahead there is.
    #[inline(always)]
    fn prefetch(&self, index: u16) {
        if index.is_multiple_of(DESCRIPTORS_A_LINE) {
            let ahead = index + 2 * DESCRIPTORS_A_LINE;
            self.descriptors.prefetch_to_write(usize::from(if ahead < self.size { ahead } else { 0 }));
        }
    }

    /// Writes the second word of the descriptor that says that a chain is used up.
    #[inline(always)]
    fn show(&self, at: Position, used: &Used) {
        self.descriptors.store_last(usize::from(at.index), used_word(at.wrap, used).to_le());
    }

    /// Writes down what is about to be shown.
    fn note(&self, record: &Record, used: impl Iterator<Item = Used> + Clone) {
        let (from, size) = (self.published, self.size);
        let after = used.clone().fold(from, |at, used| at.forward(used.slots, size));
        let entries = used.scan(from, |next, used| {
            let at = std::mem::replace(next, next.forward(used.slots, size));
            Some((at.index, used_word(at.wrap, &used)))
        });
        record.open(from.word(), after.word(), entries);
    }
}

/// The second word of a used descriptor, in the turn of the ring that `wrap` stands for.
#[inline(always)]
fn used_word(wrap: bool, used: &Used) -> u64 {
    let turn = if wrap { AVAILABLE | USED } else { 0 };
    let flags = turn | if used.written > 0 { WRITE } else { 0 };
    u64::from(used.written) | u64::from(used.id) << 32 | u64::from(flags) << 48
}

impl Ring for PackedRing {
    #[inline]
    fn refresh(&mut self) -> Result<(), RingFault> {
        Ok(())
    }

    #[inline(always)]
    fn take_singles<'m>(
        &mut self,
        memory: &'m GuestMemory,
        direction: Direction,
        max: usize,
        singles: &mut Singles<'m>,
    ) -> bool {
        let (mut at, size) = (self.next, self.size);
        let left = usize::from(size.saturating_sub(self.open)).min(max);
        for _ in 0..left {
            let descriptor = self.descriptor(at.index);
            if descriptor.flags & (MARKS | KIND) != available_marks(at.wrap) | direction.kind() {
                if is_available(descriptor.flags, at.wrap) {
                    return false;
                }
                break;
            }
            let single = Single::new(memory, &descriptor, descriptor.link);
            if single.is_none_or(|single| singles.try_push(single).is_err()) {
                return false;
            }
            self.prefetch(at.index);
            at = at.forward(1, size);
        }
        singles.iter().for_each(|single| single.prefetch(direction));
        self.open += singles.len() as u16;
        self.next = at;
        true
    }

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
        self.prefetch(self.next.index);
        let mut walk = Walk::new(memory, direction, pieces);
        let (id, slots) = self.walk(head, &mut walk)?;
        let chain = walk.end(id, slots)?;
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

    #[inline(always)]
    fn publish(&mut self, used: impl Iterator<Item = Used> + Clone) -> Published {
        let mut rest = used.clone();
        let Some(first) = rest.next() else { return Published::Nothing };
        if let Some(record) = &self.record {
            self.note(record, used);
        }
        let (from, size) = (self.published, self.size);
        let mut at = from.forward(first.slots, size);
        for used in rest {
            self.show(at, &used);
            at = at.forward(used.slots, size);
        }
        // Release: the first of them shows the driver all of them, and the frames.
        fence(Release);
        self.show(from, &first);
        if let Some(record) = &self.record {
            record.settle(at.word());
        }
        (self.open, self.published) = (0, at);
        Published::something(std::mem::take(&mut self.fresh) | self.wants_wake(from))
    }
}
