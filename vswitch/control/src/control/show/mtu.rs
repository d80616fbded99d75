//! `show_mtu`.

use std::time::Duration;

use api::{Mtus, NetworkMtu, PathMtu, PortMtu, PortRole, RpcError, TooBig};
use datapath::{PortId, WorkerReading};

use super::{Control, PortFactory};
use crate::config::{self, Name, Network, Path, Port, Rooms, Tunnel};

/// Octets of the headers of TCP over IPv4 without options.
const TCP_IPV4: u16 = 40;

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_mtu(&self) -> Result<Mtus, RpcError> {
        let rooms = Rooms::of(&self.config);
        let networks = self.config.networks.iter().map(|network| self.network_mtu(network, &rooms));
        let ports = self
            .config
            .ports
            .iter()
            .map(|port| PortMtu { guest: self.factory.guest_mtu(port.name.as_str()), ..port_mtu(port, &rooms) });
        let paths = self.config.tunnels.iter().flat_map(|tunnel| self.lowered(tunnel)).collect();
        let books = self.read_books()?.workers;
        let too_big = (0..).zip(&books).filter_map(|(worker, reading)| self.too_big(worker, reading));
        let mss_clamped = books.iter().map(|reading| reading.mss_clamped).sum();
        Ok(Mtus {
            networks: networks.collect(),
            ports: ports.collect(),
            paths,
            too_big: too_big.collect(),
            mss_clamped,
        })
    }

    /// What passes between any two members: what the ways out leave, or what the smallest port takes.
    fn network_mtu(&self, network: &Network, rooms: &Rooms) -> NetworkMtu {
        let room = rooms.network(&network.name);
        let (mtu, chain) = match rooms.between(network, &self.config.ports) {
            Some((mtu, Some(port))) => (Some(mtu), of_port(port)),
            Some((mtu, None)) => (Some(mtu), room.map_or_else(String::new, |room| room.chain.to_string())),
            None => (None, "no port and no way out".to_owned()),
        };
        let tagged = mtu.map(|mtu| room.map_or(mtu, |room| room.tagged.min(mtu)));
        let id = self.compiled.network_id(network.name.as_str());
        let mss = id.and_then(|id| self.compiled.snapshot.network(id)?.tcp_mtu?.checked_sub(TCP_IPV4));
        NetworkMtu { name: network.name.to_string(), mtu, tagged, chain, mss }
    }

    /// The longest outer packet on a path, and when the underlay's word for it is forgotten, where it has one.
    pub(super) fn path_mtu(&self, tunnel: &Tunnel, path: &Path) -> Option<(u16, Option<Duration>)> {
        let own = self.config.port(path.uplink.as_str())?.mtu;
        let lowered = self.underlay.path_mtus.lowered().get(&(path.local, tunnel.remote));
        Some(lowered.filter(|said| said.mtu < own).map_or((own, None), |said| (said.mtu, Some(said.until))))
    }

    /// The paths of a tunnel on which the underlay has said what is longest.
    fn lowered(&self, tunnel: &Tunnel) -> impl Iterator<Item = PathMtu> {
        let carries = |network: &&Network| network.tunnels.contains(&tunnel.name);
        let row = move |path: &Path| {
            let (mtu, until) = self.path_mtu(tunnel, path)?;
            Some(PathMtu {
                tunnel: tunnel.name.to_string(),
                uplink: path.uplink.to_string(),
                networks: self.config.networks.iter().filter(carries).map(|network| network.name.to_string()).collect(),
                mtu,
                inner: mtu.saturating_sub(config::overhead(tunnel.remote)),
                left_s: until?.saturating_sub(self.now).as_secs(),
            })
        };
        tunnel.paths.iter().filter_map(row)
    }

    /// What a worker's books have about frames that were too big.
    fn too_big(&self, worker: u8, reading: &WorkerReading) -> Option<TooBig> {
        let port = self.compiled.port_name(PortId(reading.too_big_port as u16));
        (reading.too_big_octets > 0).then(|| TooBig {
            worker,
            answered: reading.too_big_answered,
            limited: reading.too_big_limited,
            port: port.map_or_else(|| "(gone)".to_owned(), Name::to_string),
            octets: reading.too_big_octets,
            mtu: reading.too_big_mtu as u16,
        })
    }
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
