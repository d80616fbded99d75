//! `show_tunnels`.

use api::{TunnelRow, TunnelState, Tunnels};

use super::{Control, PortFactory};
use crate::{
    config::{self, Tunnel},
    host::NextHop,
};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_tunnels(&self) -> Tunnels {
        Tunnels { tunnels: self.config.tunnels.iter().map(|tunnel| self.tunnel_row(tunnel)).collect() }
    }

    fn tunnel_row(&self, tunnel: &Tunnel) -> TunnelRow {
        let carries = |network: &&config::Network| network.tunnels.contains(&tunnel.name);
        let next_hop = config::next_hop(&self.config, tunnel);
        let resolved = || {
            let uplink = self.ports.get(&tunnel.uplink)?.id?;
            self.underlay.neighbours.mac(NextHop { uplink, address: next_hop? })
        };
        let next_hop_mac = tunnel.next_hop_mac.or_else(resolved);
        let uplink_mtu = self.config.port(tunnel.uplink.as_str()).map_or(0, |uplink| uplink.mtu);
        TunnelRow {
            name: tunnel.name.to_string(),
            uplink: tunnel.uplink.to_string(),
            local: tunnel.local,
            remote: tunnel.remote,
            udp_port: tunnel.udp_port,
            networks: self.config.networks.iter().filter(carries).map(|network| network.name.to_string()).collect(),
            next_hop,
            next_hop_mac,
            state: if next_hop_mac.is_some() { TunnelState::Resolved } else { TunnelState::Unresolved },
            mtu: uplink_mtu.saturating_sub(config::overhead(tunnel.remote)),
        }
    }
}
