//! `show_tunnels`.

use api::{PathRow, PathState, TunnelRow, TunnelState, Tunnels};

use super::{Control, PortFactory};
use crate::config::{self, Tunnel};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_tunnels(&self) -> Tunnels {
        Tunnels { tunnels: self.config.tunnels.iter().filter_map(|tunnel| self.tunnel_row(tunnel)).collect() }
    }

    fn tunnel_row(&self, tunnel: &Tunnel) -> Option<TunnelRow> {
        let carries = |network: &&config::Network| network.tunnels.contains(&tunnel.name);
        let states = self.path_states(tunnel);
        let paths = tunnel.paths.iter().zip(&states).map(|(path, &state)| self.path_row(tunnel, path, state));
        let paths: Vec<PathRow> = paths.collect();
        let is_active = |path: &&PathRow| path.state == PathState::Active;
        // Every tunnel has a path.
        let chosen = paths.iter().find(is_active).or(paths.first())?.clone();
        let mtus = tunnel.paths.iter().filter_map(|path| Some(self.path_mtu(tunnel, path)?.0));
        let can_send = states.contains(&PathState::Active);
        Some(TunnelRow {
            name: tunnel.name.to_string(),
            uplink: chosen.uplink,
            local: chosen.local,
            remote: tunnel.remote,
            udp_port: tunnel.udp_port,
            networks: self.config.networks.iter().filter(carries).map(|network| network.name.to_string()).collect(),
            next_hop: chosen.next_hop,
            next_hop_mac: chosen.next_hop_mac,
            state: if can_send { TunnelState::Resolved } else { TunnelState::Unresolved },
            mtu: mtus.min().unwrap_or(0).saturating_sub(config::overhead(tunnel.remote)),
            multipath: (paths.len() > 1).then(|| tunnel.multipath.to_string()),
            paths,
        })
    }

    fn path_row(&self, tunnel: &Tunnel, path: &config::Path, state: PathState) -> PathRow {
        PathRow {
            uplink: path.uplink.to_string(),
            link: self.factory.link(path.uplink.as_str()),
            local: path.local,
            next_hop: self.next_hop(tunnel, path).map(|next_hop| next_hop.address),
            next_hop_mac: self.next_hop_mac(tunnel, path),
            state,
        }
    }
}
