//! Counters in a table, and, where somebody watches, how fast each of them grows.

use super::grid::Lean;
use crate::quantity::Numbers;

/// One counter of a row.
pub(super) struct Counter<T> {
    /// The column.
    pub(super) title: &'static str,
    pub(super) value: fn(&T) -> u64,
    /// How it is written.
    pub(super) written: fn(u64, Numbers) -> String,
}

/// What is shown beside counters: nothing, or rates since the rows of some seconds ago.
#[derive(Debug)]
pub(super) enum Rates<'a, T> {
    /// Nothing.
    Unwatched,
    /// There is nothing to compare with yet.
    First,
    /// The rows then, and the seconds since.
    Since(&'a [T], f64),
}

impl<'a, T> Rates<'a, T> {
    /// The row then that `is_same`.
    fn then(&self, is_same: impl Fn(&T) -> bool) -> Option<(&'a T, f64)> {
        let Rates::Since(rows, seconds) = *self else { return None };
        rows.iter().find(|row| is_same(row)).map(|row| (row, seconds))
    }

    /// The columns of `counters`.
    pub(super) fn columns(&self, counters: &[Counter<T>]) -> Vec<(String, Lean)> {
        let titles = counters.iter().flat_map(|counter| {
            let rate = (!matches!(self, Rates::Unwatched)).then(|| format!("{}/S", counter.title));
            [Some(counter.title.to_owned()), rate]
        });
        titles.flatten().map(|title| (title, Lean::Right)).collect()
    }

    /// The cells of a row below them; `is_same` finds what the row was then.
    pub(super) fn cells(
        &self,
        counters: &[Counter<T>],
        now: &T,
        is_same: impl Fn(&T) -> bool,
        numbers: Numbers,
    ) -> Vec<String> {
        let then = self.then(is_same);
        let cells = counters.iter().flat_map(|counter| {
            let value = (counter.value)(now);
            let rate = then.and_then(|(then, seconds)| per_second(value, (counter.value)(then), seconds));
            let rate = rate.map_or_else(String::new, |rate| (counter.written)(rate, numbers));
            [Some((counter.written)(value, numbers)), (!matches!(self, Rates::Unwatched)).then_some(rate)]
        });
        cells.flatten().collect()
    }
}

/// Growth a second, rounded; none of a counter that began anew.
fn per_second(now: u64, then: u64, seconds: f64) -> Option<u64> {
    let grown = now.checked_sub(then)?;
    (seconds > 0.0).then(|| (grown as f64 / seconds).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::count;

    const COUNTERS: [Counter<(u8, u64)>; 1] = [Counter { title: "RX", value: |row| row.1, written: count }];

    fn cells(rates: &Rates<(u8, u64)>, now: (u8, u64)) -> Vec<String> {
        rates.cells(&COUNTERS, &now, |then| then.0 == now.0, Numbers::Short)
    }

    #[test]
    fn a_rate_stands_beside_its_counter_where_somebody_watches() {
        assert_eq!(cells(&Rates::Unwatched, (1, 500)), ["500"]);
        assert_eq!(cells(&Rates::First, (1, 500)), ["500", ""]);
        let since = Rates::Since(&[(2, 0), (1, 100)], 2.0);
        assert_eq!(cells(&since, (1, 500)), ["500", "200"]);
        assert_eq!(cells(&since, (1, 99)), ["99", ""], "a port that was opened anew counts anew");
        assert_eq!(cells(&since, (3, 99)), ["99", ""], "a port that is new");
        let titles: Vec<String> = since.columns(&COUNTERS).into_iter().map(|(title, _)| title).collect();
        assert_eq!(titles, ["RX", "RX/S"]);
        assert_eq!(Rates::Unwatched.columns(&COUNTERS).len(), 1);
    }
}
