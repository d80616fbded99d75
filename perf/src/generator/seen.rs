//! Which numbers have come: one bit each, in pieces, so that a long run needs no large allocation at once.

use std::collections::BTreeMap;

/// Words of a piece: half a million numbers in 64 KiB.
const WORDS: usize = 8192;

/// Numbers in a piece.
const PIECE: u64 = WORDS as u64 * 64;

/// A set of sequence numbers.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pieces: BTreeMap<u64, Box<[u64; WORDS]>>,
    count: u64,
    first: Option<u64>,
    last: u64,
}

impl Seen {
    /// Notes a number; whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        let piece = self.pieces.entry(number / PIECE).or_insert_with(|| Box::new([0; WORDS]));
        let (word, bit) = (&mut piece[(number % PIECE / 64) as usize], 1 << (number % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(is_new);
        self.first = Some(self.first.map_or(number, |first| first.min(number)));
        self.last = self.last.max(number);
        is_new
    }

    /// Different numbers.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Numbers between the lowest and the highest that have not come.
    pub(crate) fn holes(&self) -> u64 {
        self.first.map_or(0, |first| self.last - first + 1 - self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once() {
        let mut seen = Seen::default();
        for number in [7, 0, 63, 64, PIECE - 1, PIECE, 40 * PIECE + 5] {
            assert!(seen.insert(number) && !seen.insert(number), "{number}");
        }
        assert_eq!((seen.count(), seen.pieces.len()), (7, 3));
    }

    #[test]
    fn holes_lie_between_the_first_and_the_last() {
        let mut seen = Seen::default();
        assert_eq!(seen.holes(), 0);
        for number in [1005, 1000, 1001, 1003] {
            seen.insert(number);
        }
        assert_eq!(seen.holes(), 2, "1002 and 1004");
    }
}
