//! `show flows`.

use api::Flows;

use super::grid::{Grid, Lean::Left, Lean::Right, or_dash};
use crate::quantity::{Numbers, count, milliseconds, octets};

pub(super) fn table(flows: &Flows, numbers: Numbers) -> Grid {
    let mut grid = Grid::new([
        ("WORKER", Right),
        ("NETWORK", Left),
        ("INGRESS", Left),
        ("SRC", Left),
        ("DST", Left),
        ("IP-SOURCE", Left),
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
            or_dash(flow.source),
            flow.verdict.to_string(),
            count(flow.packets, numbers),
            octets(flow.octets, numbers),
            milliseconds(flow.idle_ms, numbers),
        ]);
    }
    grid
}
