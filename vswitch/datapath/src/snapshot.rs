//! What workers know of the configuration: an immutable picture, made by control, swapped between two bursts.
//!
//! Objects sit in lists indexed by their ids, with `None` where nothing is. Each carries the generation of the
//! transaction that last changed it: a worker compares it to find out which cached decisions a new snapshot touches.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use table::{MemberId, NetworkId};
use wire::{Mac, Vni, vlan::VlanId};

use crate::{
    PortId, WorkerId,
    flow::Profile,
    path::{Path, Paths},
};

/// Everything the workers need to decide about a packet.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Grows by one with every snapshot.
    pub generation: u64,
    /// By [`PortId`].
    pub ports: Vec<Option<PortSpec>>,
    /// By [`NetworkId`].
    pub networks: Vec<Option<Network>>,
    /// By [`MemberId`].
    pub members: Vec<Option<Member>>,
    /// Who may send us VXLAN, and which member that is.
    pub vteps: VtepTable,
}

/// A port, as the workers see it.
#[derive(Clone, Debug)]
pub struct PortSpec {
    /// The snapshot that last changed this port.
    pub generation: u64,
    /// What the port is for.
    pub role: Role,
    /// Which bridge-domain members are behind it.
    pub vlans: Vlans,
    /// Longest frame that may leave here, in octets without FCS and tags (MTU + 14).
    pub frame_max: u16,
    /// Frames a second that may be flooded from here; `None` is no limit.
    pub storm_max: Option<u32>,
    /// The workers that hold the port's queue pairs; the first is its home and serves whoever holds none.
    pub workers: Vec<WorkerId>,
}

/// What a port is for.
#[derive(Clone, Debug)]
pub enum Role {
    /// A container or VM is behind it.
    Access {
        /// What it may send.
        guard: Guard,
    },
    /// The underlay is behind it.
    Uplink {
        /// The node's own MAC on this link.
        mac: Mac,
        /// The node's own addresses on this link.
        addresses: Vec<IpAddr>,
        /// The VLAN the node's own traffic, tunnels included, is tagged with.
        vlan: Option<VlanId>,
    },
}

/// Which members are behind a port, by the VLAN their frames are in there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vlans {
    /// Frames without a tag, and those tagged only with a priority.
    pub untagged: Option<MemberId>,
    /// Frames of a VLAN, sorted by it. Its tag goes on receipt and comes before sending; further tags are payload.
    pub tagged: Vec<(VlanId, MemberId)>,
    /// All tags are payload, and every frame belongs to `untagged`.
    pub transparent: bool,
}

impl Vlans {
    /// Those of a port that does not look at tags.
    pub fn transparent(member: MemberId) -> Vlans {
        Vlans { untagged: Some(member), tagged: Vec::new(), transparent: true }
    }

    /// The member whose frames are in that VLAN, or in none.
    pub fn member(&self, vlan: Option<VlanId>) -> Option<MemberId> {
        let Some(vlan) = vlan else { return self.untagged };
        self.tagged.binary_search_by_key(&vlan, |&(id, _)| id).ok().map(|place| self.tagged[place].1)
    }
}

impl PortSpec {
    /// The VLAN of the node's own traffic here.
    pub fn own_vlan(&self) -> Option<VlanId> {
        match self.role {
            Role::Uplink { vlan, .. } => vlan,
            Role::Access { .. } => None,
        }
    }
}

/// Anti-spoofing: what a port may claim to be. Ethernet source, ARP and ND sender, IP source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Allowed source MACs; `None` allows any.
    pub macs: Option<Vec<Mac>>,
    /// Allowed source addresses; `None` allows any.
    pub addresses: Option<Vec<IpAddr>>,
}

/// A bridge domain.
#[derive(Clone, Debug)]
pub struct Network {
    /// The snapshot that last changed this network (its own values, not its members).
    pub generation: u64,
    /// The VXLAN network identifier.
    pub vni: Vni,
    /// MACs the FDB may hold for this network.
    pub macs_max: u32,
    /// Idle time after which a learned MAC is forgotten, in ticks of 100 ms.
    pub age_ticks: u32,
    /// Longest packet in octets for which the ends of TCP connections are told to have room (MSS clamp); `None` leaves
    /// what they say. No cached decision rests on it.
    pub tcp_mtu: Option<u16>,
    /// What the keys of its flows hold, at least.
    pub profile: Profile,
    /// All members, the flood list, in the order of their numbers.
    pub members: Vec<MemberId>,
    /// Static FDB entries, sorted by MAC.
    pub statics: Vec<(Mac, MemberId)>,
}

/// A member of a bridge domain.
#[derive(Clone, Debug)]
pub struct Member {
    /// The snapshot that last changed this member.
    pub generation: u64,
    /// Its bridge domain.
    pub network: NetworkId,
    /// Where frames for it go.
    pub kind: MemberKind,
}

impl Member {
    /// The path of all packets to this member, where it is behind another VTEP and there is no choice.
    #[inline]
    pub(crate) fn only_path(&self) -> Option<&Path> {
        if let MemberKind::Vtep { paths } = &self.kind { paths.only() } else { None }
    }
}

/// Where a member is.
#[derive(Clone, Debug)]
pub enum MemberKind {
    /// Behind a port of this switch.
    Local {
        /// That port.
        port: PortId,
        /// The VLAN its frames are tagged with there.
        vlan: Option<VlanId>,
    },
    /// Behind another VTEP. Frames from such members never go to such members (split horizon).
    Vtep {
        /// The ways there. Cached decisions do not rest on them: every packet is given its path when it leaves.
        paths: Paths,
    },
}

/// What identifies a sender of VXLAN packets to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VtepKey {
    /// The uplink the packet came in by.
    pub uplink: PortId,
    /// Our address, the outer destination.
    pub local: IpAddr,
    /// Its address, the outer source.
    pub remote: IpAddr,
    /// The outer UDP destination port.
    pub udp_port: u16,
}

/// Who may send us VXLAN, and which member its frames come from.
#[derive(Clone, Debug, Default)]
pub struct VtepTable {
    members: HashMap<(VtepKey, Vni), MemberId>,
    senders: HashSet<VtepKey>,
    unsummed: HashSet<VtepKey>,
    udp_ports: UdpPorts,
}

/// A set of UDP ports, one bit each: asked for every packet of the underlay, which a hash would make wait.
#[derive(Clone, Debug, Default)]
struct UdpPorts(Vec<u64>);

impl UdpPorts {
    fn insert(&mut self, port: u16) {
        self.0.resize(usize::from(u16::MAX / 64) + 1, 0);
        self.0[usize::from(port / 64)] |= 1 << (port % 64);
    }

    #[inline]
    fn contains(&self, port: u16) -> bool {
        self.0.get(usize::from(port / 64)).is_some_and(|word| word >> (port % 64) & 1 == 1)
    }
}

/// Why a VXLAN packet belongs to no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMember {
    /// No tunnel is configured with that remote, local address and UDP port.
    UnknownVtep,
    /// The tunnel exists, but carries no network with that VNI.
    UnknownVni,
}

impl VtepTable {
    /// Lets `sender` send frames of `vni`; they come from `member`.
    pub fn insert(&mut self, sender: VtepKey, vni: Vni, member: MemberId) {
        self.senders.insert(sender);
        self.udp_ports.insert(sender.udp_port);
        self.members.insert((sender, vni), member);
    }

    /// Lets `sender` leave out the UDP checksum over IPv6, too (RFC 6935); over IPv4 everybody may.
    pub fn allow_zero_checksum(&mut self, sender: VtepKey) {
        self.unsummed.insert(sender);
    }

    /// Whether `sender` may leave out the UDP checksum over IPv6.
    pub fn allows_zero_checksum(&self, sender: VtepKey) -> bool {
        self.unsummed.contains(&sender)
    }

    /// The member that `sender` is in the network `vni`.
    pub fn find(&self, sender: VtepKey, vni: Vni) -> Result<MemberId, NoMember> {
        match self.members.get(&(sender, vni)) {
            Some(&member) => Ok(member),
            None if self.senders.contains(&sender) => Err(NoMember::UnknownVni),
            None => Err(NoMember::UnknownVtep),
        }
    }

    /// Whether any tunnel listens on this UDP port.
    #[inline]
    pub fn listens_on(&self, udp_port: u16) -> bool {
        self.udp_ports.contains(udp_port)
    }
}

impl Snapshot {
    /// The port with that id.
    #[inline]
    pub fn port(&self, id: PortId) -> Option<&PortSpec> {
        self.ports.get(id.index())?.as_ref()
    }

    /// The network with that id.
    #[inline]
    pub fn network(&self, id: NetworkId) -> Option<&Network> {
        self.networks.get(id.index())?.as_ref()
    }

    /// What is consulted about frames from a member behind a port with this guard, or behind none.
    #[inline]
    pub(crate) fn profile(&self, ingress: MemberId, guard: Option<&Guard>) -> Profile {
        Profile::of(self.member(ingress).and_then(|member| self.network(member.network)), guard)
    }

    /// The member with that id.
    #[inline]
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(id.index())?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_listened_on_where_it_was_put_in_and_nowhere_else() {
        let mut ports = UdpPorts::default();
        assert!(!(0..=u16::MAX).any(|port| ports.contains(port)));
        let some = [0, 63, 64, 4789, 8472, u16::MAX];
        some.into_iter().for_each(|port| ports.insert(port));
        assert!((0..=u16::MAX).all(|port| ports.contains(port) == some.contains(&port)));
    }
}
