//! Answer of `show_mtu`.

use serde::{Deserialize, Serialize};

use crate::PortRole;

/// What bounds packets, network by network and port by port, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mtus {
    /// One row a network.
    pub networks: Vec<NetworkMtu>,
    /// One row a port.
    pub ports: Vec<PortMtu>,
}

/// What goes through a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMtu {
    /// Its name in the configuration.
    pub name: String,
    /// Longest packet in octets that passes between any two of its members; none where it has no member that bounds it.
    pub mtu: Option<u16>,
    /// The same behind a VLAN tag that a guest has put on itself: such a tag counts in a tunnel.
    pub tagged: Option<u16>,
    /// Where `mtu` comes from, as a sum.
    pub chain: String,
}

/// What goes through a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMtu {
    /// Its name in the configuration.
    pub name: String,
    /// What it is for.
    pub role: PortRole,
    /// Longest packet in octets that is sent to it.
    pub mtu: u16,
    /// Networks it is in.
    pub networks: Vec<String>,
    /// Where `mtu` comes from, as a sum.
    pub chain: String,
    /// What the guest of a vhost-user port goes by; none without a guest, and on other ports.
    pub guest: Option<GuestMtu>,
}

/// What a connected guest goes by. It keeps that until it connects again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestMtu {
    /// The port's MTU in octets when the guest connected: its front end may tell it no more.
    pub offered: u16,
    /// What its front end says it has told it (VIRTIO_NET_F_MTU); none where it has said nothing: then the guest's own
    /// setting counts.
    pub told: Option<u16>,
}
