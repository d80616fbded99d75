//! Answer of `show_tunnels`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wire::Mac;

/// All tunnels, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnels {
    /// One row a tunnel.
    pub tunnels: Vec<TunnelRow>,
}

/// The way to one remote VTEP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelRow {
    /// Its name in the configuration.
    pub name: String,
    /// The port its packets leave by.
    pub uplink: String,
    /// Our address.
    pub local: IpAddr,
    /// The remote VTEP's address.
    pub remote: IpAddr,
    /// UDP destination port, sent and listened on.
    pub udp_port: u16,
    /// Networks it carries.
    pub networks: Vec<String>,
    /// Whom packets are sent to on the link: the remote, or the gateway; none where there is no way.
    pub next_hop: Option<IpAddr>,
    /// The next hop's MAC, where known.
    pub next_hop_mac: Option<Mac>,
    /// Whether packets can be sent.
    pub state: TunnelState,
    /// Longest inner packet in octets: what the uplink's MTU leaves.
    pub mtu: u16,
}

/// Whether a tunnel can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelState {
    /// The next hop's MAC is known.
    Resolved,
    /// It is not; frames for it are dropped as `next-hop-unresolved`.
    Unresolved,
}

impl TunnelState {
    /// Its word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            TunnelState::Resolved => "resolved",
            TunnelState::Unresolved => "unresolved",
        }
    }
}
