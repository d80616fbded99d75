//! MACs of devices: the node's own, which may change under us, and those each device should receive for.

use std::{collections::BTreeSet, time::Duration};

use wire::Mac;

use super::{Control, PortFactory};
use crate::config::{Behind, Config, Kind, Name, Port, Role};

/// Time between two looks at the uplinks' own MACs.
const PERIOD: Duration = Duration::from_millis(250);

impl<F: PortFactory> Control<F> {
    /// Looks whether somebody has given an uplink another MAC (a PF's administrator, `ip link set address`): outer
    /// headers and answers follow. Not while a transaction is under way; then the next look finds it.
    pub(super) fn follow_macs(&mut self) {
        let is_due = self.macs_looked_at.is_none_or(|at| self.now.saturating_sub(at) >= PERIOD);
        if !is_due || self.stopping.is_some() || !self.is_settled() {
            return;
        }
        self.macs_looked_at = Some(self.now);
        let mut has_moved = false;
        for (name, open) in self.ports.iter_mut().filter(|(_, open)| open.port.is_uplink() && open.port.mac.is_none()) {
            let Some(mac) = self.factory.mac(name.as_str()).filter(|mac| open.mac != Some(*mac)) else { continue };
            let before = open.mac.replace(mac).map_or("none".to_owned(), |mac| mac.to_string());
            log::warn!("port {name}: its device has another MAC: {before} -> {mac}");
            has_moved = true;
        }
        if has_moved {
            self.install();
        }
    }

    /// Tells each device which MACs to receive for, as far as the configuration knows them.
    pub(super) fn tell_filters(&mut self) {
        for port in self.config.ports.iter().filter(|port| matches!(port.kind, Kind::Eth { .. })) {
            self.factory.receive_for(port.name.as_str(), &receives_for(&self.config, port));
        }
    }
}

/// The unicast MACs that frames coming in by `port` may be for: those of the other members of its networks.
fn receives_for(config: &Config, port: &Port) -> Vec<Mac> {
    let networks: BTreeSet<&Name> = port.vlans.networks().map(|(_, network)| network).collect();
    let is_near = |other: &&Port| {
        other.name != port.name && other.vlans.networks().any(|(_, network)| networks.contains(network))
    };
    let own = config.ports.iter().filter(is_near).flat_map(macs_behind);
    let is_elsewhere = |behind: &Behind| !matches!(behind, Behind::Port(name) if *name == port.name);
    let here = config.networks.iter().filter(|network| networks.contains(&network.name));
    let fixed = here.flat_map(|network| &network.statics).filter(|entry| is_elsewhere(&entry.behind));
    let all: BTreeSet<Mac> = own.chain(fixed.map(|entry| entry.mac)).collect();
    all.into_iter().filter(|mac| mac.is_unicast()).collect()
}

/// MACs that the configuration knows behind a port.
fn macs_behind(port: &Port) -> Vec<Mac> {
    let allowed = match &port.role {
        Role::Access { allow_macs, .. } => allow_macs.clone(),
        Role::Uplink { .. } => Vec::new(),
    };
    port.mac.into_iter().chain(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const FILE: &str = r#"
        [switch]
        name = "node"
        [[port]]
        name = "vf"
        kind = "eth"
        device = "03:02.0"
        network = "blue"
        mac = "02:00:00:00:00:01"
        [[port]]
        name = "a1"
        kind = "tap"
        network = "blue"
        mac = "02:00:00:00:00:02"
        allow_macs = ["02:00:00:00:00:03"]
        [[port]]
        name = "a2"
        kind = "tap"
        network = "red"
        mac = "02:00:00:00:00:04"
        [[network]]
        name = "blue"
        vni = 1
        static = [
            { mac = "02:00:00:00:00:05", port = "a1" },
            { mac = "02:00:00:00:00:06", port = "vf" },
        ]
        [[network]]
        name = "red"
        vni = 2
    "#;

    #[test]
    fn a_device_receives_for_what_is_known_of_its_networks_elsewhere() {
        let config = config::load(FILE, "f").unwrap_or_else(|errors| panic!("{errors:?}"));
        let last = |name: &str| -> Vec<u8> {
            receives_for(&config, config.port(name).unwrap()).iter().map(|mac| mac.octets()[5]).collect()
        };
        assert_eq!(last("vf"), [2, 3, 5]);
        assert_eq!(last("a1"), [1, 6]);
        assert_eq!(last("a2"), [0; 0]);
    }
}
