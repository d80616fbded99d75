//! Answer of `show_tunnels`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wire::Mac;

use crate::Link;

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
    /// The port its packets leave by: of the first active path, else of the preferred one, as all that follows here.
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
    /// Longest inner packet in octets: what the smallest MTU of its uplinks leaves, or of what the underlay says of them.
    pub mtu: u16,
    /// How several paths are used: `active-backup` or `ecmp`; none where there is one.
    #[serde(default)]
    pub multipath: Option<String>,
    /// The ways there, the preferred one first.
    #[serde(default)]
    pub paths: Vec<PathRow>,
}

/// One way to the remote VTEP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRow {
    /// The port its packets leave by.
    pub uplink: String,
    /// Whether that has a link.
    pub link: Link,
    /// Our address.
    pub local: IpAddr,
    /// Whom packets are sent to on the link: the remote, or the gateway; none where there is no way.
    pub next_hop: Option<IpAddr>,
    /// The next hop's MAC, where known.
    pub next_hop_mac: Option<Mac>,
    /// Whether packets take it, or why not.
    pub state: PathState,
}

/// Whether packets take a path, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathState {
    /// Packets take it.
    Active,
    /// It could be used; a preferred one is.
    Standby,
    /// Its uplink has no link.
    NoLink,
    /// No worker serves its uplink.
    Unserved,
    /// The MAC of its next hop is not known.
    Unresolved,
}

/// Whether a tunnel can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelState {
    /// A path is active.
    Resolved,
    /// None is, as each says; frames for it are dropped as `next-hop-unresolved` or `no-uplink`.
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

impl PathState {
    /// Its word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            PathState::Active => "active",
            PathState::Standby => "standby",
            PathState::NoLink => "no-link",
            PathState::Unserved => "unserved",
            PathState::Unresolved => "unresolved",
        }
    }
}
