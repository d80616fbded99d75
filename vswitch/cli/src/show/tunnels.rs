//! `show tunnels`.

use api::Tunnels;

use super::grid::{Grid, Lean::Left, Lean::Right, joined, or_dash};

pub(super) fn table(tunnels: &Tunnels) -> Grid {
    let mut grid = Grid::new([
        ("TUNNEL", Left),
        ("STATE", Left),
        ("UPLINK", Left),
        ("PATH", Left),
        ("LINK", Left),
        ("LOCAL", Left),
        ("REMOTE", Left),
        ("UDP", Right),
        ("MTU", Right),
        ("NEXT-HOP", Left),
        ("NEXT-HOP-MAC", Left),
        ("NETWORKS", Left),
    ]);
    // A line for each path.
    for (tunnel, path) in tunnels.tunnels.iter().flat_map(|tunnel| tunnel.paths.iter().map(move |path| (tunnel, path)))
    {
        grid.row([
            tunnel.name.clone(),
            tunnel.state.name().into(),
            path.uplink.clone(),
            path.state.name().into(),
            path.link.name().into(),
            path.local.to_string(),
            tunnel.remote.to_string(),
            tunnel.udp_port.to_string(),
            tunnel.mtu.to_string(),
            or_dash(path.next_hop),
            or_dash(path.next_hop_mac),
            joined(&tunnel.networks),
        ]);
    }
    grid
}
