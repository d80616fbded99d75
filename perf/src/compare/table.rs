//! The rows as a table.

use super::{Figures, Peer, Row, Span};

/// The table: ns per packet, ns over the floor, best and worst round, and how many times as long OVS takes.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<11} {:>7} {:>6} | {:>6} {:>6} {:>13} | {:>6} {:>6} {:>13} {:>6} | {:>7} {:>7}\n",
        "work", "flows", "floor", "ours", "over", "min-max", "ovs", "over", "min-max", "ratio", "kernel", "over"
    );
    let number = |ns: Option<f64>| ns.map_or("-".to_owned(), |ns| format!("{ns:.1}"));
    let span = |span: Option<Span>| span.map_or("-".to_owned(), |Span { min, max }| format!("{min:.1}-{max:.1}"));
    for row in rows {
        let (ovs, kernel) = (row.peers.get(&Peer::Ovs), row.peers.get(&Peer::Kernel));
        let (ns, over) = (|f: Option<&Figures>| f.map(|f| f.ns), |f: Option<&Figures>| f.and_then(|f| f.over_floor_ns));
        text += &format!(
            "{:<11} {:>7} {:>6} | {:>6} {:>6} {:>13} | {:>6} {:>6} {:>13} {:>6} | {:>7} {:>7}\n",
            row.work,
            row.flows,
            number(row.floor_ns),
            number(row.ours_ns),
            number(row.ours_over_floor_ns),
            span(row.ours_span),
            number(ns(ovs)),
            number(over(ovs)),
            span(ovs.map(|f| f.span)),
            row.ratio_ovs.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x")),
            number(ns(kernel)),
            number(over(kernel)),
        );
        for why in &row.refused {
            text += &format!("    not compared: {why}\n");
        }
    }
    text
}
