//! What connections of TCP are told that a network has room for.

use super::Source;
use crate::config::{Network, Rooms, Tunnel, overhead};

impl Source<'_> {
    /// Longest packet in octets that connections in `network` are told of, where they are told: what passes between any two
    /// members, and less while the underlay says that a tunnel takes less.
    pub(super) fn tcp_mtu(&self, network: &Network, rooms: &Rooms) -> Option<u16> {
        let (mtu, _) = rooms.between(network, &self.config.ports).filter(|_| network.mss_clamp)?;
        let tunnels = network.tunnels.iter().filter_map(|name| self.tunnels.get(name));
        Some(tunnels.flat_map(|tunnel| self.lowered(tunnel)).min().map_or(mtu, |lowered| lowered.min(mtu)))
    }

    /// Longest inner packets of the paths whose outer ones the underlay has bounded.
    fn lowered(&self, tunnel: &Tunnel) -> impl Iterator<Item = u16> {
        let said = |path: &crate::config::Path| self.facts.path_mtus.get(&(path.local, tunnel.remote));
        tunnel.paths.iter().filter_map(said).map(|mtu| mtu.saturating_sub(overhead(tunnel.remote)))
    }
}
