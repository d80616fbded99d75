//! The driver's side of a packed ring, written from the specification and not from ours.

use super::{
    driver::{Buffer, Driver, InOrder},
    guest::{self, Ram},
};
use crate::{Features, RingAddresses};

pub(crate) const DESCRIPTORS: u64 = 0;
pub(crate) const DRIVER_EVENT: u64 = 0x8_0000;
pub(crate) const DEVICE_EVENT: u64 = 0x9_0000;

#[derive(Clone)]
pub(crate) struct PackedDriver {
    size: u16,
    free: u16,
    ids: Vec<u16>,
    /// Slots of each chain, by id.
    slots: Vec<u16>,
    next: (u16, bool),
    used: (u16, bool),
    in_order: InOrder,
}

/// Writes one descriptor; its flags come last.
pub(crate) fn describe(ram: &Ram, table: u64, index: u16, buffer: Buffer, id: u16, flags: u16) {
    let at = table + 16 * u64::from(index);
    ram.put(at, &buffer.address.to_le_bytes());
    ram.put(at + 8, &buffer.len.to_le_bytes());
    ram.put16(at + 12, id);
    ram.put16(at + 14, flags);
}

/// The flags that make a descriptor available in this turn of the ring.
pub(crate) fn available(wrap: bool) -> u16 {
    if wrap { 1 << 7 } else { 1 << 15 }
}

impl PackedDriver {
    fn step(&self, (index, wrap): (u16, bool)) -> (u16, bool) {
        if index + 1 == self.size { (0, !wrap) } else { (index + 1, wrap) }
    }
}

impl Driver for PackedDriver {
    fn new(size: u16, features: Features) -> PackedDriver {
        let slots = vec![0; usize::from(size)];
        let in_order = InOrder::new(features);
        PackedDriver {
            size,
            free: size,
            ids: (0..size).rev().collect(),
            slots,
            next: (0, true),
            used: (0, true),
            in_order,
        }
    }

    fn addresses(&self) -> RingAddresses {
        guest::addresses(DESCRIPTORS, DRIVER_EVENT, DEVICE_EVENT)
    }

    fn offer(&mut self, ram: &Ram, buffers: &[Buffer], write: bool, table: Option<u64>) -> Option<u16> {
        let needed = if table.is_some() { 1 } else { buffers.len() as u16 };
        if self.free < needed {
            return None;
        }
        let id = self.ids.pop()?;
        let direction = if write { 2 } else { 0 };
        if let Some(table) = table {
            let entries = buffers.iter().enumerate();
            entries.for_each(|(at, &buffer)| describe(ram, table, at as u16, buffer, 0xdead, direction));
        }
        let of_table = table.map(|address| Buffer { address, len: 16 * buffers.len() as u32 });
        let chain: Vec<Buffer> = of_table.map_or(buffers.to_vec(), |table| vec![table]);
        let kind = if table.is_some() { 4 } else { direction };
        let head = self.next;
        let mut first_flags = 0;
        for (at, &buffer) in chain.iter().enumerate() {
            let flags = available(self.next.1) | kind | u16::from(at + 1 < chain.len());
            // The head becomes available last, and the id is with the last.
            let shown = if at == 0 { !available(self.next.1) & 0x8080 } else { flags };
            first_flags = if at == 0 { flags } else { first_flags };
            describe(ram, DESCRIPTORS, self.next.0, buffer, if at + 1 == chain.len() { id } else { 0xdead }, shown);
            self.next = self.step(self.next);
        }
        ram.put16(DESCRIPTORS + 16 * u64::from(head.0) + 14, first_flags);
        self.free -= needed;
        self.slots[usize::from(id)] = needed;
        self.in_order.offered(id);
        Some(id)
    }

    fn collect(&mut self, ram: &Ram) -> Option<(u16, u32)> {
        let (id, len) = match self.in_order.skipped() {
            Some(id) => (id, 0),
            None => {
                let at = DESCRIPTORS + 16 * u64::from(self.used.0);
                let flags = ram.get16(at + 14);
                if (flags & 1 << 7 != 0) != self.used.1 || (flags & 1 << 15 != 0) != self.used.1 {
                    return None;
                }
                let len = u32::from_le_bytes(ram.get(at + 8, 4).try_into().unwrap());
                assert_eq!(flags & 2 != 0, len > 0, "the flag that says that something was written");
                (self.in_order.used(ram.get16(at + 12)), len)
            }
        };
        let slots = std::mem::take(&mut self.slots[usize::from(id)]);
        (0..slots).for_each(|_| self.used = self.step(self.used));
        self.free += slots;
        self.ids.push(id);
        Some((id, len))
    }

    fn wake_at(&mut self, ram: &Ram, ahead: u16) {
        let (mut index, mut wrap) = self.used;
        (0..ahead).for_each(|_| (index, wrap) = self.step((index, wrap)));
        ram.put16(DRIVER_EVENT, index | if wrap { 1 << 15 } else { 0 });
        ram.put16(DRIVER_EVENT + 2, 2);
    }

    fn wake(&mut self, ram: &Ram, always: bool) {
        ram.put16(DRIVER_EVENT + 2, u16::from(!always));
    }
}
