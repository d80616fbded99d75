//! The node's own stack on its uplinks, sans-IO.
//!
//! Workers punt what is addressed to the node itself; [`Host`] answers ARP, neighbour discovery and ICMP echo for the
//! uplinks' addresses, [`Neighbours`] finds the MACs of the tunnels' next hops, and `PathMtus` hears how long packets of
//! tunnels may be. All are fed frames and the time (`now`, since an origin of the caller's choice) and hand back frames;
//! none knows a socket, a clock or a thread.

mod advertise;
mod device;
mod discovery;
mod neighbours;
mod path_mtu;
mod station;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use datapath::PortId;
use wire::Mac;

pub(crate) use advertise::announcement;
pub use neighbours::{Neighbours, NextHop};
pub(crate) use path_mtu::{PathMtus, Sent};

use station::Station;

/// Addresses the node can be given on one uplink: what smoltcp is built for, less the link-local one it has with IPv6.
pub const ADDRESSES_MAX: usize = smoltcp::config::IFACE_MAX_ADDR_COUNT - 1;

/// What the node is on one uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The node's MAC there.
    pub mac: Mac,
    /// IP MTU, octets.
    pub mtu: u16,
    /// The node's addresses there, each with its prefix length; at most one more than [`ADDRESSES_MAX`].
    pub addresses: Vec<(IpAddr, u8)>,
    /// The way to everything outside these prefixes, over IPv4.
    pub gateway: Option<Ipv4Addr>,
    /// The same over IPv6.
    pub gateway6: Option<Ipv6Addr>,
}

/// Why the host stack does not take a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The port is no uplink of the node.
    #[error("the port is no uplink of this node")]
    NoUplink,
    /// The frame is neither ARP nor neighbour discovery nor ICMP.
    #[error("the host stack speaks ARP, neighbour discovery and ICMP only")]
    NotSpoken,
    /// The frame is an ICMP error about a packet that the node cannot have sent.
    #[error("an ICMP error about the length of a packet that the node cannot have sent")]
    NotOurPacket,
    /// As many frames wait as may.
    #[error("too many frames wait for the host stack")]
    QueueFull,
}

/// The node's own stacks, one per uplink.
#[derive(Default)]
pub struct Host {
    stations: BTreeMap<PortId, Station>,
}

impl Host {
    /// A host without uplinks.
    pub fn new() -> Host {
        Host::default()
    }

    /// Makes `attachments` the uplinks of this node. An uplink that stays as it was keeps its state; one that changed
    /// starts afresh.
    pub fn configure(&mut self, attachments: &BTreeMap<PortId, Attachment>, now: Duration) {
        self.stations.retain(|port, station| attachments.get(port) == Some(station.attachment()));
        // A group MAC belongs to nobody; no device has one.
        for (&port, attachment) in attachments.iter().filter(|(_, attachment)| attachment.mac.is_unicast()) {
            self.stations.entry(port).or_insert_with(|| Station::new(attachment, now));
        }
    }

    /// Takes a copy of a frame that came in by `port` and is for the node itself; [`Host::poll`] answers it.
    pub fn receive(&mut self, port: PortId, frame: &[u8]) -> Result<(), Refused> {
        self.stations.get_mut(&port).ok_or(Refused::NoUplink)?.receive(frame)
    }

    /// Works through everything that waits; `send` gets each frame to be sent and the uplink it leaves by.
    pub fn poll(&mut self, now: Duration, mut send: impl FnMut(PortId, &[u8])) {
        for (&port, station) in &mut self.stations {
            station.poll(now, |frame| send(port, frame));
        }
    }

    /// When [`Host::poll`] has something to do even if no frame comes in.
    pub fn next_due(&self) -> Option<Duration> {
        self.stations.values().filter_map(Station::next_due).min()
    }
}

#[cfg(test)]
mod ipv6_tests;
#[cfg(test)]
mod tests;
