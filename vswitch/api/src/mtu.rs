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
    /// Ways to VTEPs that take less than their uplink, because the underlay has said so.
    #[serde(default)]
    pub paths: Vec<PathMtu>,
    /// What was too big for its way: one row a worker that had such a frame.
    #[serde(default)]
    pub too_big: Vec<TooBig>,
    /// Openings of TCP connections whose maximum segment size was lowered.
    #[serde(default)]
    pub mss_clamped: u64,
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
    /// Largest segment in octets that TCP connections over IPv4 may begin with, 20 less over IPv6; none where `mss_clamp` is
    /// not set.
    #[serde(default)]
    pub mss: Option<u16>,
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

/// A way to a VTEP whose MTU somebody on it has lowered, by an ICMP error about a packet of the tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMtu {
    /// The tunnel.
    pub tunnel: String,
    /// The port its packets leave by.
    pub uplink: String,
    /// Networks it carries.
    pub networks: Vec<String>,
    /// Longest outer packet in octets.
    pub mtu: u16,
    /// Longest inner packet in octets.
    pub inner: u16,
    /// Seconds until that is forgotten, unless it is said again.
    pub left_s: u64,
}

/// Frames of one worker that were too big for where they should go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooBig {
    /// The worker.
    pub worker: u8,
    /// Senders that were told so (ICMP "fragmentation needed", ICMPv6 "packet too big").
    pub answered: u64,
    /// Senders that were not, because so many were told already.
    pub limited: u64,
    /// The port by which the last such frame came in.
    pub port: String,
    /// Octets of its packet.
    pub octets: u64,
    /// Octets that would have fitted.
    pub mtu: u16,
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
