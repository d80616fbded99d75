//! Which paths of a tunnel packets take, and who must be told when an address moves from one uplink to another.

use std::collections::BTreeMap;

use api::PathState;
use wire::Mac;

use super::{Control, PortFactory};
use crate::{
    config::{self, Config, Multipath, Name, Path, Port, Tunnel},
    host::{NextHop, announcement},
};

/// By which uplink the packets of each tunnel with a backup left last.
pub(super) type Active = BTreeMap<Name, Name>;

impl<F: PortFactory> Control<F> {
    /// What each path of a tunnel is doing, as the newest snapshot has it.
    pub(super) fn path_states(&self, tunnel: &Tunnel) -> Vec<PathState> {
        let mut has_active = false;
        let state = |path: &Path| {
            if self.facts.cut_off.contains(&path.uplink) {
                let is_served = self.ports.get(&path.uplink).is_some_and(|open| open.is_served());
                return if is_served { PathState::NoLink } else { PathState::Unserved };
            }
            if self.next_hop_mac(tunnel, path).is_none() {
                return PathState::Unresolved;
            }
            let is_spare = has_active && tunnel.multipath == Multipath::ActiveBackup;
            has_active = true;
            if is_spare { PathState::Standby } else { PathState::Active }
        };
        tunnel.paths.iter().map(state).collect()
    }

    /// To whom packets are given on a path.
    pub(super) fn next_hop(&self, tunnel: &Tunnel, path: &Path) -> Option<NextHop> {
        let address = config::next_hop_by(self.config.port(path.uplink.as_str())?, tunnel.remote)?;
        let uplink = self.compiled.port_id(path.uplink.as_str())?;
        Some(NextHop { uplink, address })
    }

    /// The MAC of a path's next hop, where it is known.
    pub(super) fn next_hop_mac(&self, tunnel: &Tunnel, path: &Path) -> Option<Mac> {
        let found = || self.underlay.neighbours.mac(self.next_hop(tunnel, path)?);
        tunnel.next_hop_mac.or_else(found)
    }

    /// Announces each address that packets of a tunnel now leave from by another uplink than before, where it is on-link
    /// there: neighbours would go on sending to the uplink they know.
    pub(super) fn announce_moved(&mut self) {
        let is_active = |(_, state): &(&Path, PathState)| *state == PathState::Active;
        let mut moved: Vec<Path> = Vec::new();
        let several = self.config.tunnels.iter().filter(|tunnel| has_backup(tunnel));
        for tunnel in several {
            let Some((path, _)) = tunnel.paths.iter().zip(self.path_states(tunnel)).find(is_active) else { continue };
            let before = self.active.insert(tunnel.name.clone(), path.uplink.clone());
            if before.is_some_and(|before| before != path.uplink) {
                // The link's own line is bounded; a thousand tunnels over a link that flaps would not be.
                log::debug!("tunnel {}: packets leave by {} now", tunnel.name, path.uplink);
                if !moved.contains(path) && is_on_link(&self.config, path) {
                    moved.push(path.clone());
                }
            }
        }
        self.active.retain(|name, _| self.config.tunnel(name.as_str()).is_some_and(has_backup));
        for Path { uplink, local } in moved {
            let Some(open) = self.ports.get(&uplink) else { continue };
            if let (Some(id), Some(mac)) = (open.id, open.mac) {
                self.underlay.send(&mut self.desks, id, &announcement(mac, local));
            }
        }
    }
}

fn has_backup(tunnel: &Tunnel) -> bool {
    tunnel.paths.len() > 1 && tunnel.multipath == Multipath::ActiveBackup
}

/// Whether neighbours on the path's link look for its address there: it is in a prefix of the uplink, not a host route.
fn is_on_link(config: &Config, path: &Path) -> bool {
    let is_shared = |own: &config::Cidr| {
        let whole = if own.address().is_ipv4() { 32 } else { 128 };
        own.prefix_bits() < whole && own.contains(path.local)
    };
    let addresses = |port: &Port| port.addresses.iter().any(is_shared);
    config.port(path.uplink.as_str()).is_some_and(addresses)
}
