//! The driver's side of a split ring, written from the specification and not from ours.

use super::{
    driver::{Buffer, Driver, InOrder},
    guest::{self, Ram},
};
use crate::{Features, RingAddresses};

pub(crate) const DESCRIPTORS: u64 = 0;
pub(crate) const AVAILABLE: u64 = 0x8_0000;
pub(crate) const USED: u64 = 0x9_0000;

#[derive(Clone)]
pub(crate) struct SplitDriver {
    size: u16,
    event_index: bool,
    free: Vec<u16>,
    /// The descriptors of each chain, by head.
    chains: Vec<Vec<u16>>,
    available: u16,
    seen: u16,
    in_order: InOrder,
}

/// Writes one descriptor of a table at `table`.
pub(crate) fn describe(ram: &Ram, table: u64, index: u16, buffer: Buffer, flags: u16, next: u16) {
    let at = table + 16 * u64::from(index);
    ram.put(at, &buffer.address.to_le_bytes());
    ram.put(at + 8, &buffer.len.to_le_bytes());
    ram.put16(at + 12, flags);
    ram.put16(at + 14, next);
}

impl SplitDriver {
    /// Puts a head into the available ring, whatever it is.
    pub(crate) fn make_available(&mut self, ram: &Ram, head: u16) {
        ram.put16(AVAILABLE + 4 + 2 * u64::from(self.available % self.size), head);
        self.available = self.available.wrapping_add(1);
        ram.put16(AVAILABLE + 2, self.available);
    }

    /// Moves both indexes on, as if the ring had been used for a while.
    pub(crate) fn start_at(mut self, ram: &Ram, index: u16) -> SplitDriver {
        (self.available, self.seen) = (index, index);
        ram.put16(AVAILABLE + 2, index);
        ram.put16(USED + 2, index);
        self
    }
}

impl Driver for SplitDriver {
    fn new(size: u16, features: Features) -> SplitDriver {
        let event_index = features.has(Features::EVENT_IDX);
        let chains = vec![Vec::new(); usize::from(size)];
        let (free, in_order) = ((0..size).rev().collect(), InOrder::new(features));
        SplitDriver { size, event_index, free, chains, available: 0, seen: 0, in_order }
    }

    fn addresses(&self) -> RingAddresses {
        guest::addresses(DESCRIPTORS, AVAILABLE, USED)
    }

    fn offer(&mut self, ram: &Ram, buffers: &[Buffer], write: bool, table: Option<u64>) -> Option<u16> {
        let needed = if table.is_some() { 1 } else { buffers.len() };
        if self.free.len() < needed {
            return None;
        }
        let slots: Vec<u16> = (0..needed).filter_map(|_| self.free.pop()).collect();
        let direction = if write { 2 } else { 0 };
        let names: Vec<u16> = if table.is_some() { (0..buffers.len() as u16).collect() } else { slots.clone() };
        for (at, &buffer) in buffers.iter().enumerate() {
            let next = names.get(at + 1).copied();
            let flags = direction | u16::from(next.is_some());
            describe(ram, table.unwrap_or(DESCRIPTORS), names[at], buffer, flags, next.unwrap_or(0xdead));
        }
        let head = slots[0];
        if let Some(address) = table {
            describe(ram, DESCRIPTORS, head, Buffer { address, len: 16 * buffers.len() as u32 }, 4, 0xdead);
        }
        self.chains[usize::from(head)] = slots;
        self.make_available(ram, head);
        self.in_order.offered(head);
        Some(head)
    }

    fn collect(&mut self, ram: &Ram) -> Option<(u16, u32)> {
        if ram.get16(USED + 2) == self.seen {
            return None;
        }
        let at = USED + 4 + 8 * u64::from(self.seen % self.size);
        self.seen = self.seen.wrapping_add(1);
        let word = |offset| u32::from_le_bytes(ram.get(at + offset, 4).try_into().unwrap());
        let (id, len) = match self.in_order.skipped() {
            Some(id) => (id, 0),
            None => (self.in_order.used(word(0) as u16), word(4)),
        };
        self.free.append(&mut self.chains[usize::from(id)]);
        Some((id, len))
    }

    fn wake_at(&mut self, ram: &Ram, ahead: u16) {
        assert!(self.event_index);
        ram.put16(AVAILABLE + 4 + 2 * u64::from(self.size), self.seen.wrapping_add(ahead));
    }

    fn wake(&mut self, ram: &Ram, always: bool) {
        assert!(!self.event_index);
        ram.put16(AVAILABLE, u16::from(!always));
    }
}
