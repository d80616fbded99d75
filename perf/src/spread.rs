//! What the dearest number of flows costs beside the cheapest: whether there is a cliff.

use serde::Serialize;

use crate::{
    compare::Row,
    report::{two_digits, two_digits_of_some},
};

/// A cost over the floor, and for how many five-tuples it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct At {
    flows: u32,
    #[serde(serialize_with = "two_digits")]
    over_floor_ns: f64,
}

/// The ends of one work's curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    work: &'static str,
    /// Of medians.
    best: At,
    worst: At,
    #[serde(serialize_with = "two_digits")]
    worst_over_best: f64,
    /// The same of the best round of each, ours and the floor: what the machine's speed has least to do with.
    #[serde(serialize_with = "two_digits_of_some")]
    worst_over_best_of_best_rounds: Option<f64>,
    /// Numbers of five-tuples that have no figure.
    missing: Vec<u32>,
}

/// The ends of the curve of each work.
pub(crate) fn of_each_work(rows: &[Row]) -> Vec<Spread> {
    let mut works: Vec<_> = rows.iter().map(|row| row.work).collect();
    works.dedup();
    works.into_iter().filter_map(|work| Spread::of(work, rows)).collect()
}

impl Spread {
    fn of(work: &'static str, rows: &[Row]) -> Option<Spread> {
        let mine = || rows.iter().filter(|row| row.work == work);
        let at = |over: fn(&Row) -> Option<f64>| {
            let all = mine().filter_map(|row| Some(At { flows: row.flows, over_floor_ns: over(row)? }));
            let mut all: Vec<_> = all.collect();
            all.sort_by(|a, b| a.over_floor_ns.total_cmp(&b.over_floor_ns));
            Some((*all.first()?, *all.last()?))
        };
        let ratio = |(best, worst): (At, At)| worst.over_floor_ns / best.over_floor_ns.max(0.1);
        let medians = at(|row| row.ours_over_floor_ns)?;
        let of_best = at(|row| Some(row.ours_span?.min - row.floor_span?.min));
        Some(Spread {
            work,
            best: medians.0,
            worst: medians.1,
            worst_over_best: ratio(medians),
            worst_over_best_of_best_rounds: of_best.map(ratio),
            missing: mine().filter(|row| row.ours_over_floor_ns.is_none()).map(|row| row.flows).collect(),
        })
    }
}

/// A line for each work.
pub(crate) fn table(spreads: &[Spread]) -> String {
    let mut text = String::new();
    for Spread { work, best, worst, worst_over_best, worst_over_best_of_best_rounds: of_best, missing } in spreads {
        let of_best = of_best.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        text += &format!(
            "{work}: worst over best {worst_over_best:.2} ({:.1} ns over the floor with {} five-tuples, {:.1} with {}); \
             of best rounds {of_best}\n",
            worst.over_floor_ns, worst.flows, best.over_floor_ns, best.flows
        );
        for flows in missing {
            text += &format!("    not counted: {flows} five-tuples, which have no figure\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Span;

    fn row(work: &'static str, flows: u32, over: Option<f64>) -> Row {
        let span = |min| Some(Span { min, max: 99.0 });
        Row {
            work,
            flows,
            floor_ns: Some(10.0),
            floor_span: span(9.0),
            ours_ns: over.map(|over| over + 10.0),
            ours_over_floor_ns: over,
            ours_span: over.and_then(|over| span(over + 8.0)),
            peers: Default::default(),
            ratio_ovs: None,
            refused: Vec::new(),
        }
    }

    #[test]
    fn the_dearest_is_beside_the_cheapest_of_its_own_work() {
        let rows = [row("a", 1, Some(21.0)), row("a", 10, Some(31.0)), row("a", 100, None), row("b", 1, Some(99.0))];
        let spreads = of_each_work(&rows);
        assert_eq!((spreads.len(), spreads[0].best.flows, spreads[0].worst.flows), (2, 1, 10));
        assert_eq!(spreads[0].worst_over_best, 31.0 / 21.0);
        assert_eq!(spreads[0].worst_over_best_of_best_rounds, Some(30.0 / 20.0));
        assert_eq!((&spreads[0].missing[..], spreads[1].worst_over_best), (&[100][..], 1.0));
        let text = table(&spreads);
        assert!(
            text.starts_with("a: worst over best 1.48 (31.0 ns over the floor with 10 five-tuples, 21.0 with 1)"),
            "{text}"
        );
        assert!(text.contains("    not counted: 100 five-tuples") && of_each_work(&[]).is_empty(), "{text}");
    }
}
