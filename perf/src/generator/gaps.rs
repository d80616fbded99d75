//! The longest times in which nothing came.

use serde::Serialize;

/// How many are remembered.
const KEPT: usize = 8;

/// A time without packets, between two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// When the last packet before it came.
    pub(crate) from_ns: u64,
    pub(crate) ns: u64,
}

/// The longest gaps of a stream, longest first.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    longest: Vec<Gap>,
    first_ns: Option<u64>,
    last_ns: Option<u64>,
}

/// A gap as it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct GapRow {
    /// Milliseconds from the beginning of the run to that of the gap.
    pub(crate) at_ms: f64,
    pub(crate) ms: f64,
}

impl Gaps {
    /// Something came.
    #[inline]
    pub(crate) fn note(&mut self, now_ns: u64) {
        let Some(from_ns) = self.last_ns.replace(now_ns) else {
            self.first_ns = Some(now_ns);
            return;
        };
        let ns = now_ns.saturating_sub(from_ns);
        if self.longest.len() < KEPT || self.longest.last().is_some_and(|gap| gap.ns < ns) {
            self.keep(Gap { from_ns, ns });
        }
    }

    #[cold]
    fn keep(&mut self, gap: Gap) {
        let place = self.longest.partition_point(|longer| longer.ns >= gap.ns);
        self.longest.insert(place, gap);
        self.longest.truncate(KEPT);
    }

    /// What is remembered, for a run that began then.
    pub(crate) fn rows(&self, began_ns: u64) -> Vec<GapRow> {
        let row = |gap: &Gap| GapRow { at_ms: ms(gap.from_ns.saturating_sub(began_ns)), ms: ms(gap.ns) };
        self.longest.iter().map(row).collect()
    }

    /// When the first came, in milliseconds from then.
    pub(crate) fn first_ms(&self, began_ns: u64) -> Option<f64> {
        self.first_ns.map(|first_ns| ms(first_ns.saturating_sub(began_ns)))
    }

    /// When the last came, likewise.
    pub(crate) fn last_ms(&self, began_ns: u64) -> Option<f64> {
        self.last_ns.map(|last_ns| ms(last_ns.saturating_sub(began_ns)))
    }
}

/// Milliseconds with two digits.
fn ms(ns: u64) -> f64 {
    (ns as f64 / 1e4).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_are_kept_with_their_beginnings() {
        let mut gaps = Gaps::default();
        let mut now = 1_000_000;
        gaps.note(now);
        for ms in [1, 50, 2, 3, 1, 1, 1, 70, 1, 1, 1, 1] {
            now += ms * 1_000_000;
            gaps.note(now);
        }
        let rows = gaps.rows(1_000_000);
        assert_eq!(rows.len(), KEPT);
        assert_eq!(rows[0], GapRow { at_ms: 59.0, ms: 70.0 });
        assert_eq!(rows[1], GapRow { at_ms: 1.0, ms: 50.0 });
        assert!(rows.windows(2).all(|pair| pair[0].ms >= pair[1].ms));
    }

    #[test]
    fn one_packet_makes_no_gap() {
        let mut gaps = Gaps::default();
        gaps.note(9);
        assert_eq!((gaps.rows(0), gaps.first_ms(1), gaps.last_ms(1)), (vec![], Some(0.0), Some(0.0)));
    }
}
