//! `show drops`.

use api::{DropRow, Drops};

use super::grid::{Grid, Lean::Left, Lean::Right, joined};
use crate::quantity::{Numbers, count};

/// The table and its sum; reasons without a drop only where `all` are wanted.
pub(super) fn table(drops: &Drops, all: bool, numbers: Numbers) -> String {
    let mut rows: Vec<&DropRow> = drops.reasons.iter().filter(|row| all || row.frames > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.frames));
    let mut grid =
        Grid::new([("REASON", Left), ("FRAMES", Right), ("FROM-PORTS", Left), ("WORKERS", Left), ("MEANING", Left)]);
    for row in rows {
        grid.row([
            row.reason.clone(),
            count(row.frames, numbers),
            joined(row.ports.iter().map(|p| format!("{}:{}", p.port, count(p.frames, numbers)))),
            joined(row.workers.iter().map(|w| format!("{}:{}", w.worker, count(w.frames, numbers)))),
            row.text.clone(),
        ]);
    }
    let total = format!("total {} frames", count(drops.total, numbers));
    if grid.is_empty() { total } else { format!("{grid}\n{total}") }
}

#[cfg(test)]
mod tests {
    use api::{PortFrames, WorkerFrames};

    use super::*;

    fn drops() -> Drops {
        let row = |reason: &str, frames| DropRow {
            reason: reason.into(),
            text: format!("Text of {reason}."),
            frames,
            ports: vec![PortFrames { port: "a1".into(), frames }],
            workers: vec![WorkerFrames { worker: 0, frames }],
        };
        Drops { total: 9, reasons: vec![row("few", 2), row("none", 0), row("many", 7)] }
    }

    #[test]
    fn the_most_frequent_reason_is_first_and_unused_ones_are_left_out() {
        let text = table(&drops(), false, Numbers::Short);
        let firsts: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(firsts, ["REASON", "many", "few", "total"]);
        assert!(text.contains("a1:7") && text.contains("0:7") && text.contains("Text of many."), "{text}");
        assert!(table(&drops(), true, Numbers::Short).contains("Text of none."));
    }

    #[test]
    fn without_a_drop_only_the_sum_is_said() {
        assert_eq!(table(&Drops::default(), false, Numbers::Short), "total 0 frames");
    }
}
