//! What a hostile driver writes into its rings: from nearly right to anything.

use vhost::Features;

use super::{
    choices::Choices,
    estate::{AVAILABLE, BUFFERS, DESCRIPTORS, END, Estate, ISLAND, SEAM, TABLES, USED},
};

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const PACKED_AVAILABLE: u16 = 1 << 7;
const PACKED_USED: u16 = 1 << 15;

/// A ring as its driver sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) size: u16,
    pub(crate) features: Features,
    /// The switch writes to its buffers.
    pub(crate) to_guest: bool,
    /// How far behind the usual place each of its parts lies, in octets.
    pub(crate) behind: u64,
    /// Once in so many times something is wrong.
    pub(crate) spite: usize,
}

impl Layout {
    fn descriptors(&self) -> u64 {
        DESCRIPTORS + self.behind
    }

    fn available(&self) -> u64 {
        AVAILABLE + self.behind
    }

    fn is_packed(&self) -> bool {
        self.features.has(Features::RING_PACKED)
    }
}

/// One word into the ring's pages, the tables, or the header of a buffer.
pub(crate) fn word(choices: &mut Choices<'_>, estate: &Estate, layout: Layout) {
    let descriptors = 8 * usize::from(layout.size) - 1;
    let ring = usize::from(layout.size) + 3;
    let address = match choices.up_to(9) {
        0..=4 => layout.descriptors() + 2 * choices.up_to(descriptors) as u64,
        5 => layout.available() + 2 * choices.up_to(ring) as u64,
        6 => layout.available() + 2,
        7 => USED + layout.behind + 2 * choices.up_to(4 * ring) as u64,
        8 => TABLES + 2 * choices.up_to(0x7ff) as u64,
        _ => BUFFERS + 2 * choices.up_to(0x200) as u64,
    };
    estate.put16(address, value(choices, layout.size));
}

/// A value that may mean something: small, about the ring's size, or all bits.
fn value(choices: &mut Choices<'_>, size: u16) -> u16 {
    match choices.up_to(5) {
        0 => choices.up_to(16) as u16,
        1 => choices.up_to(usize::from(size) + 1) as u16,
        2 => choices.of(&[NEXT, WRITE, INDIRECT, NEXT | WRITE, INDIRECT | NEXT, 7]),
        3 => choices.of(&[PACKED_AVAILABLE, PACKED_USED, PACKED_AVAILABLE | NEXT, PACKED_USED | WRITE, 0x8080]),
        4 => choices.of(&[0xffff, 0x7fff, 0x8000, 0xfffe]),
        _ => choices.any() as u16,
    }
}

/// Chains that the switch would take, most of them; `base` is where it stands.
pub(crate) fn chains(choices: &mut Choices<'_>, estate: &Estate, layout: Layout, base: u32) {
    let count = choices.up_to(usize::from(layout.size).min(80));
    if layout.is_packed() {
        return packed_chains(choices, estate, layout, base, count);
    }
    for _ in 0..=count {
        let head = choices.up_to(usize::from(layout.size) - 1) as u16;
        chain(choices, estate, layout, head);
        let available = estate.get16(layout.available() + 2);
        estate.put16(layout.available() + 4 + 2 * u64::from(available & (layout.size - 1)), head);
        // Not more than the ring has, unless somebody wants to see what happens.
        let waiting = available.wrapping_sub(base as u16);
        if waiting < layout.size || choices.once_in(layout.spite) {
            estate.put16(layout.available() + 2, available.wrapping_add(1));
        }
    }
    if choices.once_in(layout.spite) {
        estate.put16(layout.available() + 2, value(choices, layout.size));
    } else if choices.once_in(3) {
        // A driver that was at fault starts anew where the switch stands.
        estate
            .put16(layout.available() + 2, (base as u16).wrapping_add(choices.up_to(usize::from(layout.size)) as u16));
    }
}

/// A chain of a split ring from `head` on, of up to four descriptors, or in a table.
fn chain(choices: &mut Choices<'_>, estate: &Estate, layout: Layout, head: u16) {
    if choices.once_in(4) {
        let (address, len) = table(choices, estate, layout);
        return describe(estate, layout, head, address, len, INDIRECT, 0);
    }
    let more = choices.up_to(3);
    let mut index = head;
    for left in (0..=more).rev() {
        let (address, len) = buffer(choices, layout.spite);
        let next = (index + 1) % layout.size;
        describe(estate, layout, index, address, len, flags(choices, layout, left > 0), next);
        index = next;
    }
}

fn packed_chains(choices: &mut Choices<'_>, estate: &Estate, layout: Layout, base: u32, count: usize) {
    let (mut index, mut wrap) = (base as u16 & 0x7fff, base & 0x8000 != 0);
    for number in 0..=count {
        let turn = if wrap { PACKED_AVAILABLE } else { PACKED_USED };
        let (address, len, kind) = if choices.once_in(4) {
            let (address, len) = table(choices, estate, layout);
            (address, len, INDIRECT)
        } else {
            let (address, len) = buffer(choices, layout.spite);
            let more = choices.once_in(3) && number < count;
            (address, len, flags(choices, layout, more))
        };
        // In a packed ring the last two words change places: the id first, then the flags.
        describe(estate, layout, index, address, len, number as u16, kind | turn);
        index += 1;
        if index >= layout.size {
            (index, wrap) = (0, !wrap);
        }
    }
}

fn describe(estate: &Estate, layout: Layout, index: u16, address: u64, len: u32, third: u16, fourth: u16) {
    put_descriptor(estate, layout.descriptors() + 16 * u64::from(index), address, len, third, fourth);
}

fn put_descriptor(estate: &Estate, at: u64, address: u64, len: u32, third: u16, fourth: u16) {
    estate.put(at, &address.to_le_bytes());
    estate.put(at + 8, &len.to_le_bytes());
    estate.put16(at + 12, third);
    estate.put16(at + 14, fourth);
}

fn flags(choices: &mut Choices<'_>, layout: Layout, more: bool) -> u16 {
    let right = if layout.to_guest { WRITE } else { 0 } | if more { NEXT } else { 0 };
    if choices.once_in(layout.spite) { right ^ choices.of(&[NEXT, WRITE, INDIRECT, 0x40]) } else { right }
}

/// A table of descriptors somewhere: its address and what is said of its length.
fn table(choices: &mut Choices<'_>, estate: &Estate, layout: Layout) -> (u64, u32) {
    let (at, count) = (TABLES + 16 * choices.up_to(200) as u64, 1 + choices.up_to(8));
    for index in 0..count {
        let (address, len) = buffer(choices, layout.spite);
        let flags = flags(choices, layout, index + 1 < count);
        let (third, fourth) = if layout.is_packed() { (0, flags & !NEXT) } else { (flags, index as u16 + 1) };
        put_descriptor(estate, at + 16 * index as u64, address, len, third, fourth);
    }
    let len = 16 * count as u32;
    let lie = choices.once_in(layout.spite);
    (at, if lie { choices.of(&[0, 15, 16, 17, 0xfff0, 0x10_0000, !15, u32::MAX]) } else { len })
}

/// A buffer; once in `spite` times one that cannot be.
fn buffer(choices: &mut Choices<'_>, spite: usize) -> (u64, u32) {
    let len = match choices.up_to(11) {
        _ if choices.once_in(spite) => choices.of(&[0, 1, 10, 11, 12, 0x10_0000, u32::MAX, 1 << 31]),
        0 => choices.of(&[13, 14, 61]),
        1 => choices.of(&[2048, 2060, 4096]),
        _ => 60 + choices.up_to(1500) as u32,
    };
    let address = match choices.up_to(29) {
        _ if choices.once_in(spite) => choices.of(&[u64::MAX, u64::MAX - 11, 1 << 63, END, ISLAND - 1, ISLAND + 0xfdf]),
        // On the ring itself, and on tables.
        0 if choices.once_in(spite) => choices.of(&[DESCRIPTORS, AVAILABLE, USED, USED - 7, TABLES]),
        1 => ISLAND + choices.up_to(0x200) as u64,
        // Across the seam of two regions.
        2..=6 => SEAM - choices.up_to(2000) as u64,
        _ => BUFFERS + choices.up_to((END - BUFFERS) as usize - 4096) as u64,
    };
    (address, len.min(if address >= ISLAND { 0x400 } else { u32::MAX }))
}
