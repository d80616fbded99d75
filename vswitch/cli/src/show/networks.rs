//! `show networks`.

use api::Networks;

use super::grid::{Grid, Lean::Left, Lean::Right, joined};
use crate::quantity::{Numbers, milliseconds};

pub(super) fn table(networks: &Networks, numbers: Numbers) -> Grid {
    let mut grid = Grid::new([
        ("NETWORK", Left),
        ("VNI", Right),
        ("MACS", Right),
        ("MACS-MAX", Right),
        ("AGE", Right),
        ("FLOW-KEY", Left),
        ("PORTS", Left),
        ("TUNNELS", Left),
    ]);
    for network in &networks.networks {
        grid.row([
            network.name.clone(),
            network.vni.to_string(),
            network.macs.to_string(),
            network.macs_max.to_string(),
            milliseconds(u64::from(network.age_s) * 1_000, numbers),
            network.flow_key.clone(),
            joined(&network.ports),
            joined(&network.tunnels),
        ]);
    }
    grid
}
