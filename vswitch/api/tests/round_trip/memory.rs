//! Answers of `show_memory`.

use api::*;

use super::Dice;

impl Dice {
    pub(super) fn memory(&mut self) -> Memory {
        Memory { items: self.list(Dice::memory_row), hugepages_octets: self.number(), ordinary_octets: self.number() }
    }

    fn memory_row(&mut self) -> MemoryRow {
        MemoryRow {
            what: self.text(),
            worker: self.maybe(|dice| dice.number() as u8),
            octets: self.number(),
            hugepages: self.coin(),
            used: self.maybe(Dice::number),
            places: self.maybe(Dice::number),
            place_octets: self.maybe(Dice::number),
        }
    }
}
