//! `show drops`.

use api::{DropRow, Drops};

use super::{
    counters::{Counter, Rates},
    grid::{Grid, Lean::Left, joined},
};
use crate::quantity::{Numbers, count};

const FRAMES: [Counter<DropRow>; 1] = [Counter { title: "FRAMES", value: |row| row.frames, written: count }];

/// The table and its sum; reasons without a drop only where `all` are wanted. What the host stack lost stands last.
pub(super) fn table(drops: &Drops, rates: &Rates<DropRow>, all: bool, numbers: Numbers) -> String {
    let mut rows: Vec<&DropRow> = drops.reasons.iter().filter(|row| all || row.frames > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.frames));
    let mut columns = vec![("REASON".to_owned(), Left)];
    columns.extend(rates.columns(&FRAMES));
    columns.extend(["FROM-PORTS", "WORKERS", "MEANING"].map(|title| (title.to_owned(), Left)));
    let mut grid = Grid::wide(columns);
    for row in rows {
        let frames = rates.cells(&FRAMES, row, |then| then.reason == row.reason, numbers);
        let last = [
            joined(row.ports.iter().map(|p| format!("{}:{}", p.port, count(p.frames, numbers)))),
            joined(row.workers.iter().map(|w| format!("{}:{}", w.worker, count(w.frames, numbers)))),
            row.text.clone(),
        ];
        grid.wide_row(std::iter::once(row.reason.clone()).chain(frames).chain(last));
    }
    for loss in drops.host.iter().filter(|loss| all || loss.frames > 0) {
        // These have no rates.
        let blanks = rates.columns(&FRAMES).into_iter().skip(1).map(|_| String::new());
        let first = [loss.reason.clone(), count(loss.frames, numbers)];
        grid.wide_row(first.into_iter().chain(blanks).chain([String::new(), "host".into(), loss.text.clone()]));
    }
    let mut total = format!("total {} frames", count(drops.total, numbers));
    let host = drops.host.iter().fold(0_u64, |sum, loss| sum.saturating_add(loss.frames));
    if host > 0 {
        total += &format!(", and {} by the node's own host stack", count(host, numbers));
    }
    if grid.is_empty() { total } else { format!("{grid}\n{total}") }
}

#[cfg(test)]
mod tests {
    use api::{HostLoss, PortFrames, WorkerFrames};

    use super::*;

    fn drops() -> Drops {
        let row = |reason: &str, frames| DropRow {
            reason: reason.into(),
            text: format!("Text of {reason}."),
            frames,
            ports: vec![PortFrames { port: "a1".into(), frames }],
            workers: vec![WorkerFrames { worker: 0, frames }],
        };
        Drops { total: 9, reasons: vec![row("few", 2), row("none", 0), row("many", 7)], host: Vec::new() }
    }

    #[test]
    fn the_most_frequent_reason_is_first_and_unused_ones_are_left_out() {
        let text = table(&drops(), &Rates::Unwatched, false, Numbers::Short);
        let firsts: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(firsts, ["REASON", "many", "few", "total"]);
        assert!(text.contains("a1:7") && text.contains("0:7") && text.contains("Text of many."), "{text}");
        assert!(table(&drops(), &Rates::Unwatched, true, Numbers::Short).contains("Text of none."));
    }

    #[test]
    fn what_the_host_stack_lost_stands_below_and_beside_the_sum() {
        let loss = |reason: &str, frames| HostLoss { reason: reason.into(), text: "Text.".into(), frames };
        let drops = Drops { host: vec![loss("host-a", 3), loss("host-b", 0)], ..drops() };
        let text = table(&drops, &Rates::Unwatched, false, Numbers::Short);
        assert!(text.contains("host-a") && !text.contains("host-b"), "{text}");
        assert!(text.ends_with("total 9 frames, and 3 by the node's own host stack"), "{text}");
        assert!(table(&drops, &Rates::Unwatched, true, Numbers::Short).contains("host-b"));
    }

    #[test]
    fn without_a_drop_only_the_sum_is_said() {
        assert_eq!(table(&Drops::default(), &Rates::Unwatched, false, Numbers::Short), "total 0 frames");
    }
}
