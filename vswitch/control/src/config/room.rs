//! What goes through a network: the one place where MTUs are reckoned.
//!
//! An MTU bounds the packet behind an Ethernet header. A way out of a network leaves of its uplink's MTU what is not
//! spent on the way:
//!
//! | Spent on | Octets | Because |
//! |---|---|---|
//! | VXLAN over IPv4 | 50 | the outer packet holds IPv4 20, UDP 8, VXLAN 8 and the inner Ethernet header 14 |
//! | VXLAN over IPv6 | 70 | the same with IPv6 40 |
//! | a VLAN that the switch puts on (`vlan`, `trunk`) | 0 | the tag is in front of the packet, and Ethernet lets a tagged frame be 4 octets longer (IEEE 802.3 3.2.7), as does Linux |
//! | a tag that a guest put on, in a tunnel | 4 | it passes unseen and is then *inside* the outer packet, whose MTU does count it |

use std::{collections::HashMap, fmt, net::IpAddr};

use super::{Config, Name, Network, Port, Tunnel};

/// Octets of a VLAN tag.
const TAG: u16 = 4;

/// What a tunnel adds to a packet within the uplink's MTU: inner Ethernet 14, VXLAN 8, UDP 8, and IPv4 20 or IPv6 40.
pub const fn overhead(remote: IpAddr) -> u16 {
    match remote {
        IpAddr::V4(_) => 50,
        IpAddr::V6(_) => 70,
    }
}

/// What bounds the packets of a network, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Longest packet in octets.
    pub mtu: u16,
    /// Longest packet behind a tag that a guest has put on itself.
    pub tagged: u16,
    /// Where `mtu` comes from.
    pub chain: Chain,
}

/// How a bound comes about, for the operator to check the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// A tunnel by an uplink.
    Tunnel {
        /// The uplink with the smallest MTU of those it may take.
        uplink: Name,
        /// The uplink's MTU.
        mtu: u16,
        /// The tunnel.
        tunnel: Name,
        /// The VTEP it leads to.
        remote: IpAddr,
    },
    /// The network is bridged to an uplink, untagged or in a VLAN.
    Bridge {
        /// The uplink.
        uplink: Name,
        /// The uplink's MTU.
        mtu: u16,
        /// The network.
        network: Name,
    },
    /// The network says so itself.
    Said {
        /// The network.
        network: Name,
        /// What it says.
        mtu: u16,
    },
}

impl Room {
    fn of_tunnel(tunnel: &Tunnel, uplinks: &HashMap<&Name, &Port>) -> Option<Room> {
        let by_mtu = |uplink: &&&Port| (uplink.mtu, uplink.name.clone());
        let uplink = tunnel.paths.iter().filter_map(|path| uplinks.get(&path.uplink)).min_by_key(by_mtu)?;
        let mtu = uplink.mtu.saturating_sub(overhead(tunnel.remote));
        let (name, remote) = (tunnel.name.clone(), tunnel.remote);
        let chain = Chain::Tunnel { uplink: uplink.name.clone(), mtu: uplink.mtu, tunnel: name, remote };
        Some(Room { mtu, tagged: mtu.saturating_sub(TAG), chain })
    }

    fn of_bridge(network: &Name, uplink: &Port) -> Room {
        let chain = Chain::Bridge { uplink: uplink.name.clone(), mtu: uplink.mtu, network: network.clone() };
        Room { mtu: uplink.mtu, tagged: uplink.mtu, chain }
    }

    fn said(network: &Network) -> Option<Room> {
        let mtu = network.mtu?;
        Some(Room { mtu, tagged: mtu, chain: Chain::Said { network: network.name.clone(), mtu } })
    }

    /// What goes through both. Of two that are alike the network's own word is named, then the uplink that comes first.
    fn and(self, other: Room) -> Room {
        let rank = |room: &Room| (room.mtu, room.chain.uplink().cloned());
        let tagged = self.tagged.min(other.tagged);
        let narrower = if rank(&other) < rank(&self) { other } else { self };
        Room { tagged, ..narrower }
    }
}

impl Chain {
    /// The uplink whose MTU decides, where one does.
    pub fn uplink(&self) -> Option<&Name> {
        match self {
            Chain::Tunnel { uplink, .. } | Chain::Bridge { uplink, .. } => Some(uplink),
            Chain::Said { .. } => None,
        }
    }

    /// What is spent between the uplink's MTU and the packet.
    pub fn overhead(&self) -> u16 {
        match self {
            Chain::Tunnel { remote, .. } => overhead(*remote),
            Chain::Bridge { .. } | Chain::Said { .. } => 0,
        }
    }
}

/// The sum: "uplink `up0` 1500 - 50 (VXLAN over IPv4, tunnel `to-b`) = 1450".
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Chain::Bridge { uplink, mtu, network } => {
                write!(f, "uplink `{uplink}` {mtu} (network `{network}` is bridged to it)")
            }
            Chain::Said { network, mtu } => write!(f, "network `{network}` says mtu {mtu}"),
            Chain::Tunnel { uplink, mtu, tunnel, remote } => {
                let family = if remote.is_ipv4() { "IPv4" } else { "IPv6" };
                let overhead = overhead(*remote);
                let left = mtu.saturating_sub(overhead);
                write!(f, "uplink `{uplink}` {mtu} - {overhead} (VXLAN over {family}, tunnel `{tunnel}`) = {left}")
            }
        }
    }
}

/// What bounds each network: its ways out, and what it says itself. A network without either is not in it.
pub(crate) struct Rooms<'c>(HashMap<&'c Name, Room>);

impl<'c> Rooms<'c> {
    pub(crate) fn of(config: &'c Config) -> Rooms<'c> {
        let ways = Rooms::ways(&config.networks, &config.tunnels, &config.ports.iter().collect::<Vec<_>>());
        ways.with_said(&config.networks)
    }

    /// What the ways out leave, whatever the networks say.
    pub(super) fn ways(networks: &'c [Network], tunnels: &'c [Tunnel], ports: &[&'c Port]) -> Rooms<'c> {
        let uplinks: HashMap<&Name, &Port> =
            ports.iter().filter(|port| port.is_uplink()).map(|&port| (&port.name, port)).collect();
        let tunnels: HashMap<&Name, &Tunnel> = tunnels.iter().map(|tunnel| (&tunnel.name, tunnel)).collect();
        let mut rooms = Rooms(HashMap::new());
        for network in networks {
            let ways = network.tunnels.iter().filter_map(|name| Room::of_tunnel(tunnels.get(name)?, &uplinks));
            ways.for_each(|room| rooms.narrow(&network.name, room));
        }
        for uplink in uplinks.values() {
            uplink.vlans.networks().for_each(|(_, network)| rooms.narrow(network, Room::of_bridge(network, uplink)));
        }
        rooms
    }

    /// The same, with what the networks say.
    pub(super) fn with_said(mut self, networks: &'c [Network]) -> Rooms<'c> {
        for network in networks {
            Room::said(network).into_iter().for_each(|room| self.narrow(&network.name, room));
        }
        self
    }

    fn narrow(&mut self, network: &'c Name, room: Room) {
        let room = match self.0.remove(network) {
            Some(other) => other.and(room),
            None => room,
        };
        self.0.insert(network, room);
    }

    /// What bounds a network.
    pub(crate) fn network(&self, name: &Name) -> Option<&Room> {
        self.0.get(name)
    }

    /// What passes between any two members of a network: what bounds it, or less where an access port of it takes no more.
    /// That port is told, where it is one.
    pub(crate) fn between<'p>(&self, network: &Network, ports: &'p [Port]) -> Option<(u16, Option<&'p Port>)> {
        let ports = ports.iter().filter(|port| !port.is_uplink() && port.vlans.carries(network.name.as_str()));
        match (self.network(&network.name), ports.min_by_key(|port| port.mtu)) {
            (Some(room), Some(port)) if port.mtu < room.mtu => Some((port.mtu, Some(port))),
            (Some(room), _) => Some((room.mtu, None)),
            (None, port) => port.map(|port| (port.mtu, Some(port))),
        }
    }

    /// What bounds an access port: the narrowest of its networks, in their order.
    pub(crate) fn port(&self, port: &Port) -> Option<&Room> {
        port.vlans.networks().filter_map(|(_, network)| self.network(network)).min_by_key(|room| room.mtu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn a_tunnel_costs_what_its_headers_have() {
        assert_eq!(overhead("192.0.2.1".parse().unwrap()), 14 + 8 + 8 + 20);
        assert_eq!(overhead("2001:db8::1".parse().unwrap()), 14 + 8 + 8 + 40);
    }

    /// A switch with uplinks of MTU 1500 (bridged to `red`) and 9000, and a network made of `keys`.
    fn blue(keys: &str) -> String {
        format!(
            r#"
[switch]
name = "n"
[[port]]
name = "up0"
kind = "eth"
device = "net_null0"
role = "uplink"
vlan = 7
trunk = [{{ vlan = 8, network = "red" }}]
addresses = ["192.0.2.1/24", "2001:db8::1/64"]
[[port]]
name = "up1"
kind = "eth"
device = "net_null1"
role = "uplink"
mtu = 9000
addresses = ["198.51.100.1/24"]
[[port]]
name = "a"
kind = "tap"
network = "blue"
[[network]]
name = "red"
vni = 2
[[network]]
name = "blue"
vni = 1
{keys}
[[tunnel]]
name = "four"
uplink = "up0"
remote = "192.0.2.2"
[[tunnel]]
name = "six"
uplink = "up0"
remote = "2001:db8::2"
[[tunnel]]
name = "jumbo"
uplink = "up1"
remote = "198.51.100.2"
[[tunnel]]
name = "both"
uplinks = ["up1", "up0"]
remote = "203.0.113.2"
"#
        )
        .replace("addresses = [\"198.51.100.1/24\"]", "addresses = [\"198.51.100.1/24\"]\ngateway = \"198.51.100.9\"")
        .replace("\"2001:db8::1/64\"]", "\"2001:db8::1/64\"]\ngateway = \"192.0.2.9\"")
    }

    #[test]
    fn every_way_out_leaves_what_its_row_says() {
        for (keys, mtu, tagged, chain) in [
            ("tunnels = [\"four\"]", 1450, 1446, "uplink `up0` 1500 - 50 (VXLAN over IPv4, tunnel `four`) = 1450"),
            ("tunnels = [\"six\"]", 1430, 1426, "uplink `up0` 1500 - 70 (VXLAN over IPv6, tunnel `six`) = 1430"),
            ("tunnels = [\"jumbo\"]", 8950, 8946, "uplink `up1` 9000 - 50 (VXLAN over IPv4, tunnel `jumbo`) = 8950"),
            ("tunnels = [\"both\"]", 1450, 1446, "uplink `up0` 1500 - 50 (VXLAN over IPv4, tunnel `both`) = 1450"),
            (
                "tunnels = [\"jumbo\", \"four\", \"six\"]",
                1430,
                1426,
                "uplink `up0` 1500 - 70 (VXLAN over IPv6, tunnel `six`) = 1430",
            ),
            ("mtu = 9600", 9600, 9600, "network `blue` says mtu 9600"),
            ("tunnels = [\"four\"]\nmtu = 1449", 1449, 1446, "network `blue` says mtu 1449"),
            ("tunnels = [\"four\"]\nmtu = 1450", 1450, 1446, "network `blue` says mtu 1450"),
            ("tunnels = [\"four\"]\nmtu = 1400", 1400, 1400, "network `blue` says mtu 1400"),
        ] {
            let text = blue(keys);
            let config = load(&text, "f").unwrap_or_else(|errors| panic!("{errors:#?}"));
            let rooms = Rooms::of(&config);
            let room = rooms.network(&config.network("blue").unwrap().name).unwrap();
            assert_eq!((room.mtu, room.tagged, room.chain.to_string().as_str()), (mtu, tagged, chain), "{keys}");
            assert_eq!(config.port("a").unwrap().mtu, mtu, "its port gets it: {keys}");
            assert_eq!(rooms.port(config.port("a").unwrap()), Some(room));
        }
    }

    #[test]
    fn a_bridged_uplink_costs_nothing_and_no_way_out_bounds_nothing() {
        let text = blue("");
        let config = load(&text, "f").unwrap();
        let rooms = Rooms::of(&config);
        let red = rooms.network(&config.network("red").unwrap().name).unwrap();
        assert_eq!((red.mtu, red.tagged), (1500, 1500));
        assert_eq!(red.chain.to_string(), "uplink `up0` 1500 (network `red` is bridged to it)");
        assert_eq!(rooms.network(&config.network("blue").unwrap().name), None);
        assert_eq!(config.port("a").unwrap().mtu, 1500);
    }
}
