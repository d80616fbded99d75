//! `show tunnels`.

use api::Tunnels;

use super::grid::{Grid, Lean::Left, Lean::Right, joined, or_dash};

pub(super) fn table(tunnels: &Tunnels) -> Grid {
    let mut grid = Grid::new([
        ("TUNNEL", Left),
        ("STATE", Left),
        ("UPLINK", Left),
        ("LOCAL", Left),
        ("REMOTE", Left),
        ("UDP", Right),
        ("MTU", Right),
        ("NEXT-HOP", Left),
        ("NEXT-HOP-MAC", Left),
        ("NETWORKS", Left),
    ]);
    for tunnel in &tunnels.tunnels {
        grid.row([
            tunnel.name.clone(),
            tunnel.state.name().into(),
            tunnel.uplink.clone(),
            tunnel.local.to_string(),
            tunnel.remote.to_string(),
            tunnel.udp_port.to_string(),
            tunnel.mtu.to_string(),
            or_dash(tunnel.next_hop),
            or_dash(tunnel.next_hop_mac),
            joined(&tunnel.networks),
        ]);
    }
    grid
}
