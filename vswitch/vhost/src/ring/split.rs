//! The split ring (virtio 1.2, section 2.7): a table of descriptors, a ring of what is available, a ring of what is used.

use std::sync::atomic::{Ordering::*, fence};

use frame::BURST_MAX;

use super::{
    chain::{Chain, Descriptor, Direction, INDIRECT, NEXT, Ring, Walk, table_entry},
    fault::RingFault,
    pieces::Pieces,
    queue::QueueConfig,
    single::{KIND, Single, Singles},
    used::{Published, Used},
};
use crate::{Features, GuestArray, GuestMemory, UserAddress};

/// In front of both rings: flags, then the index of the next entry.
const FLAGS: usize = 0;
const INDEX: usize = 1;
const HEAD: usize = 2;

/// The driver does not want to be woken; the device does not want to be kicked. Without EVENT_IDX only.
const NO_WAKE: u16 = 1;

/// A split ring, and where we stand in it.
#[derive(Debug)]
pub(super) struct SplitRing {
    size: u16,
    descriptors: GuestArray<[u64; 2]>,
    /// Flags, index, `size` heads, and the driver's event index where there are such.
    available: GuestArray<u16>,
    /// Flags and index.
    used_head: GuestArray<u16>,
    /// The number and length of each used chain, as one word.
    used: GuestArray<u32>,
    indirect: bool,
    event_index: bool,
    /// The next entry to take, and the first the driver has not filled, as last seen.
    next: u16,
    filled: u16,
    /// The next used entry to write.
    published: u16,
    /// Nothing was published since the start: the driver is woken once to be safe.
    fresh: bool,
}

impl SplitRing {
    /// The ring that `config` describes. It goes on behind the last chain the driver was told is used: chains are used in
    /// order and at once, so that is where whoever served it before us stopped, whatever the front end remembers.
    pub(super) fn new(memory: &GuestMemory, config: &QueueConfig) -> Result<SplitRing, RingFault> {
        let size = config.size;
        let (count, event_index) = (usize::from(size), config.features.has(Features::EVENT_IDX));
        if !size.is_power_of_two() {
            return Err(RingFault::Base(u32::from(size)));
        }
        let at = &config.addresses;
        let used_at = |octets: u64| UserAddress(at.used.0.wrapping_add(octets));
        let events = usize::from(event_index);
        let outside = RingFault::Outside;
        let ring = SplitRing {
            size,
            descriptors: memory.array(at.descriptors, count).ok_or(outside("descriptor table"))?,
            available: memory.array(at.available, HEAD + count + events).ok_or(outside("available ring"))?,
            used_head: memory.array(at.used, HEAD).ok_or(outside("used ring"))?,
            used: memory.array(used_at(4), 2 * count).ok_or(outside("used ring"))?,
            indirect: config.features.has(Features::INDIRECT_DESC),
            event_index,
            next: 0,
            filled: 0,
            published: 0,
            fresh: true,
        };
        Ok(ring.starting())
    }

    fn starting(mut self) -> SplitRing {
        let at = u16::from_le(self.used_head.load(INDEX));
        (self.next, self.filled, self.published) = (at, at, at);
        // We poll. With EVENT_IDX the flag must be 0, and a driver kicks when it passes the index named: left where it is,
        // that is once in 65,536 chains.
        self.used_head.store(FLAGS, if self.event_index { 0 } else { NO_WAKE.to_le() });
        self
    }

    /// Goes on where `old`, the same ring in other memory or at other addresses, stands.
    pub(super) fn resume(&mut self, old: &SplitRing) {
        (self.next, self.filled, self.published, self.fresh) = (old.next, old.filled, old.published, old.fresh);
    }

    /// Where it stands, as GET_VRING_BASE tells it.
    pub(super) fn base(&self) -> u32 {
        u32::from(self.next)
    }

    /// Chains the driver has made available and we have not taken, as last seen.
    fn waiting(&self) -> u16 {
        self.filled.wrapping_sub(self.next)
    }

    #[inline]
    fn slot(&self, entry: u16) -> usize {
        usize::from(entry & (self.size - 1))
    }

    /// The head that the driver wrote into an entry.
    #[inline(always)]
    fn head(&self, entry: u16) -> u16 {
        u16::from_le(self.available.load(HEAD + self.slot(entry)))
    }

    #[inline]
    fn descriptor(&self, index: u16) -> Result<Descriptor, RingFault> {
        if index >= self.size {
            return Err(RingFault::DescriptorIndex { index, count: self.size });
        }
        let [address, rest] = self.descriptors.words(usize::from(index));
        Ok(Descriptor::split(address, rest))
    }

    fn walk(&self, head: Descriptor, walk: &mut Walk<'_, '_>) -> Result<(), RingFault> {
        let mut descriptor = head;
        loop {
            if descriptor.is(INDIRECT) {
                return self.walk_table(&descriptor, walk);
            }
            walk.buffer(&descriptor)?;
            if !descriptor.is(NEXT) {
                return Ok(());
            }
            if walk.descriptors >= self.size {
                return Err(RingFault::ChainLength(self.size));
            }
            descriptor = self.descriptor(descriptor.link)?;
        }
    }

    /// Walks an indirect table, in which descriptors name each other by their place in it.
    fn walk_table(&self, indirect: &Descriptor, walk: &mut Walk<'_, '_>) -> Result<(), RingFault> {
        let table = walk.table(indirect, self.indirect)?;
        let count = u16::try_from(table.len() / 16).unwrap_or(u16::MAX);
        let mut index = 0;
        loop {
            let (address, rest) = table_entry(&table, index);
            let descriptor = Descriptor::split(address, rest);
            if descriptor.is(INDIRECT) {
                return Err(RingFault::Indirect(descriptor.len));
            }
            walk.buffer(&descriptor)?;
            if !descriptor.is(NEXT) {
                return Ok(());
            }
            index = descriptor.link;
            if index >= count {
                return Err(RingFault::DescriptorIndex { index, count });
            }
        }
    }

    /// Whether the driver wants to be woken for what has been published since `old`.
    fn wants_wake(&self, old: u16) -> bool {
        // The driver writes its wish, then looks at the index; we wrote the index, now look at the wish.
        fence(SeqCst);
        if !self.event_index {
            return u16::from_le(self.available.load(FLAGS)) & NO_WAKE == 0;
        }
        let event = u16::from_le(self.available.load(HEAD + usize::from(self.size)));
        // Whether `event` is among the entries just published (virtio 1.2, section 2.7.7).
        let new = self.published;
        new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
    }
}

impl Ring for SplitRing {
    #[inline]
    fn refresh(&mut self) -> Result<(), RingFault> {
        // Acquire: what the driver wrote before the index is seen after it.
        self.filled = u16::from_le(self.available.word(INDEX).load(Acquire));
        let (available, size) = (self.waiting(), self.size);
        if available > size { Err(RingFault::AvailableIndex { available, size }) } else { Ok(()) }
    }

    #[inline(always)]
    fn take_singles<'m>(
        &mut self,
        memory: &'m GuestMemory,
        direction: Direction,
        max: usize,
        singles: &mut Singles<'m>,
    ) -> bool {
        let mut heads = [0; BURST_MAX];
        let heads = &mut heads[..usize::from(self.waiting()).min(max).min(BURST_MAX)];
        // All descriptors are on their way before the first is looked at.
        for (entry, head) in (0..).zip(heads.iter_mut()) {
            *head = self.head(self.next.wrapping_add(entry));
            self.descriptors.prefetch(usize::from((*head).min(self.size - 1)));
        }
        for &id in &*heads {
            let Ok(descriptor) = self.descriptor(id) else { return false };
            if descriptor.flags & KIND != direction.kind() {
                return false;
            }
            let single = Single::new(memory, &descriptor, id);
            if single.is_none_or(|single| singles.try_push(single).is_err()) {
                return false;
            }
        }
        singles.iter().for_each(|single| single.prefetch(direction));
        self.next = self.next.wrapping_add(singles.len() as u16);
        true
    }

    #[inline(always)]
    fn foresee(&self, memory: &GuestMemory, direction: Direction, count: usize) {
        let count = (count as u16).min(self.waiting());
        for entry in 0..count {
            if let Ok(descriptor) = self.descriptor(self.head(self.next.wrapping_add(entry)))
                && let Some(single) = Single::new(memory, &descriptor, 0)
            {
                single.prefetch(direction);
            }
        }
    }

    fn take<'m>(
        &mut self,
        memory: &'m GuestMemory,
        direction: Direction,
        pieces: &mut Pieces<'m>,
    ) -> Result<Option<Chain<'m>>, RingFault> {
        if self.next == self.filled {
            return Ok(None);
        }
        let id = self.head(self.next);
        let mut walk = Walk::new(memory, direction, pieces);
        self.walk(self.descriptor(id)?, &mut walk)?;
        self.next = self.next.wrapping_add(1);
        walk.end(id, 1).map(Some)
    }

    fn give_back(&mut self, chains: u16, _slots: u16) {
        self.next = self.next.wrapping_sub(chains);
    }

    #[inline(always)]
    fn publish(&mut self, used: impl Iterator<Item = Used> + Clone) -> Published {
        let old = self.published;
        let mut new = old;
        for used in used {
            let at = 2 * self.slot(new);
            self.used.store(at, u32::from(used.id).to_le());
            self.used.store(at + 1, used.written.to_le());
            new = new.wrapping_add(used.slots);
        }
        if new == old {
            return Published::Nothing;
        }
        self.published = new;
        // Release: whoever sees the index sees the entries, and the frames.
        self.used_head.word(INDEX).store(new.to_le(), Release);
        Published::something(std::mem::take(&mut self.fresh) | self.wants_wake(old))
    }
}
