//! `show memory`.

use api::Memory;

use super::grid::{Grid, Lean::Left, Lean::Right, or_dash};
use crate::quantity::{Numbers, count, mebioctets};

/// The items, and what they are together.
pub(super) fn table(memory: &Memory, numbers: Numbers) -> String {
    let mut grid = Grid::new([
        ("WHAT", Left),
        ("WORKER", Right),
        ("SIZE", Right),
        ("PAGES", Left),
        ("USED", Right),
        ("PLACES", Right),
        ("EACH", Right),
    ]);
    let number = |number: Option<u64>| or_dash(number.map(|number| count(number, numbers)));
    for item in &memory.items {
        grid.row([
            item.what.clone(),
            or_dash(item.worker),
            mebioctets(item.octets, numbers),
            if item.hugepages { "huge" } else { "ordinary" }.to_owned(),
            number(item.used),
            number(item.places),
            number(item.place_octets),
        ]);
    }
    let [huge, ordinary] = [memory.hugepages_octets, memory.ordinary_octets].map(|octets| mebioctets(octets, numbers));
    format!("{grid}\n\nTogether: {huge} on hugepages, {ordinary} on ordinary pages")
}

#[cfg(test)]
mod tests {
    use api::MemoryRow;

    use super::*;

    #[test]
    fn every_item_is_told_with_what_is_taken_of_it() {
        let row = |what: &str, octets| MemoryRow { what: what.into(), octets, ..MemoryRow::default() };
        let flows = MemoryRow { worker: Some(0), hugepages: true, ..row("flow tables", 6 << 20) };
        let memory = Memory::new(vec![flows.with_places(12_000, 65_536), row("books", 1 << 19)]);
        let text = table(&memory, Numbers::Short);
        let expected = "\
WHAT         WORKER     SIZE  PAGES      USED  PLACES  EACH
flow tables       0  6.0 MiB  huge      12.0k   65.5k    96
books             -  0.5 MiB  ordinary      -       -     -

Together: 6.0 MiB on hugepages, 0.5 MiB on ordinary pages";
        assert_eq!(text, expected);
    }
}
