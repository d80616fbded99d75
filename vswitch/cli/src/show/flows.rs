//! `show flows`.

use api::{FlowRow, Flows};

use super::grid::{Grid, Lean::Left, Lean::Right, or_dash};
use crate::quantity::{Numbers, count, milliseconds, octets};

pub(super) fn table(flows: &Flows, numbers: Numbers) -> Grid {
    let mut grid = Grid::new([
        ("WORKER", Right),
        ("NETWORK", Left),
        ("INGRESS", Left),
        ("SRC", Left),
        ("DST", Left),
        ("IP", Left),
        ("VERDICT", Left),
        ("PACKETS", Right),
        ("OCTETS", Right),
        ("IDLE", Right),
    ]);
    for flow in &flows.flows {
        grid.row([
            flow.worker.to_string(),
            or_dash(flow.network.as_ref()),
            flow.ingress.clone(),
            flow.src.to_string(),
            flow.dst.to_string(),
            ip(flow),
            flow.verdict.to_string(),
            count(flow.packets, numbers),
            octets(flow.octets, numbers),
            milliseconds(flow.idle_ms, numbers),
        ]);
    }
    grid
}

/// What is known of the packets' IP header.
fn ip(flow: &FlowRow) -> String {
    flow.five_tuple.as_ref().map_or_else(|| or_dash(flow.source), ToString::to_string)
}
