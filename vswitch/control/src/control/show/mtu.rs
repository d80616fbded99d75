//! `show_mtu`.

use api::{Mtus, NetworkMtu, PortMtu, PortRole};

use super::{Control, PortFactory};
use crate::config::{Config, Name, Network, Port, Rooms};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_mtu(&self) -> Mtus {
        let rooms = Rooms::of(&self.config);
        let networks = self.config.networks.iter().map(|network| network_mtu(network, &self.config, &rooms));
        let ports = self
            .config
            .ports
            .iter()
            .map(|port| PortMtu { guest: self.factory.guest_mtu(port.name.as_str()), ..port_mtu(port, &rooms) });
        Mtus { networks: networks.collect(), ports: ports.collect() }
    }
}

/// What passes between any two members: what the ways out leave, or what the smallest port takes.
fn network_mtu(network: &Network, config: &Config, rooms: &Rooms) -> NetworkMtu {
    let ports = config.ports.iter().filter(|port| !port.is_uplink() && port.vlans.carries(network.name.as_str()));
    let least = ports.min_by_key(|port| port.mtu);
    let room = rooms.network(&network.name);
    let (mtu, chain) = match (room, least) {
        (Some(room), Some(port)) if port.mtu < room.mtu => (Some(port.mtu), of_port(port)),
        (Some(room), _) => (Some(room.mtu), room.chain.to_string()),
        (None, Some(port)) => (Some(port.mtu), of_port(port)),
        (None, None) => (None, "no port and no way out".to_owned()),
    };
    let tagged = mtu.map(|mtu| room.map_or(mtu, |room| room.tagged.min(mtu)));
    NetworkMtu { name: network.name.to_string(), mtu, tagged, chain }
}

fn of_port(port: &Port) -> String {
    format!("port `{}` {}", port.name, port.mtu)
}

fn port_mtu(port: &Port, rooms: &Rooms) -> PortMtu {
    let chain = match rooms.port(port).filter(|_| !port.is_uplink()) {
        Some(room) if room.mtu == port.mtu => room.chain.to_string(),
        Some(room) => format!("its own {}, of {}", port.mtu, room.chain),
        None => "its own".to_owned(),
    };
    let networks = port.vlans.networks().map(|(_, network): (_, &Name)| network.to_string()).collect();
    let role = if port.is_uplink() { PortRole::Uplink } else { PortRole::Access };
    PortMtu { name: port.name.to_string(), role, mtu: port.mtu, networks, chain, guest: None }
}
