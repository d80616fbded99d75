//! [`Config`] → [`Snapshot`]: names become ids, wishes become what workers look up.
//!
//! Ids are stable: what keeps its name keeps its id, and what is new gets one that the snapshot before did not use, so
//! that for one snapshot at least there was nothing under it. Whatever differs from the snapshot before carries the new
//! generation, whatever does not carries its old one; workers compare these to find the cached decisions a change
//! concerns. Both need the previous [`Compiled`]; nothing else is remembered.

mod ids;
mod member;
mod mss;
mod own_address;
mod placement;
mod port;
mod same;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use datapath::{Network, PortId, PortSpec, Profile, Snapshot, VtepTable};
use table::{MemberId, NetworkId, Tick};
use wire::{Mac, Vni};

use crate::config::{Behind, Config, FlowKey, Name, Port, Rooms, Tunnel};
use ids::Ids;
pub(crate) use own_address::own_addresses;

/// What only run time knows of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// MACs of open devices, by port. An uplink whose MAC neither this nor the configuration knows is left out.
    pub macs: BTreeMap<Name, Mac>,
    /// MACs of next hops, by uplink and address.
    pub next_hops: BTreeMap<(Name, IpAddr), Mac>,
    /// Longest outer packets in octets where the underlay has said so, by our address and the VTEP's.
    pub path_mtus: BTreeMap<(IpAddr, IpAddr), u16>,
    /// Uplinks that can send nothing at this moment: no link, or no worker that serves them.
    pub cut_off: BTreeSet<Name>,
}

/// A snapshot, and what its ids are called.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// What workers get.
    pub snapshot: Snapshot,
    ports: Ids<Name>,
    networks: Ids<Name>,
    members: Ids<MemberName>,
    /// Where each tunnel leads.
    remotes: BTreeMap<Name, IpAddr>,
}

/// What a member is called: the network it is in, and the port or tunnel it is behind. A port that moves to another
/// network becomes another member, so that nothing learned about the old one is believed of the new.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberName {
    /// The network.
    pub network: Name,
    /// The port or tunnel.
    pub behind: Behind,
}

impl Compiled {
    /// The id of the port of that name.
    pub fn port_id(&self, name: &str) -> Option<PortId> {
        self.ports.id(name).map(|id| PortId(id as u16))
    }

    /// The id of the network of that name.
    pub fn network_id(&self, name: &str) -> Option<NetworkId> {
        self.networks.id(name).map(|id| NetworkId(id as u16))
    }

    /// The id of that member.
    pub fn member_id(&self, name: &MemberName) -> Option<MemberId> {
        self.members.id(name).map(MemberId)
    }

    /// The name of a port.
    pub fn port_name(&self, id: PortId) -> Option<&Name> {
        self.ports.key(id.index())
    }

    /// The name of a network.
    pub fn network_name(&self, id: NetworkId) -> Option<&Name> {
        self.networks.key(id.index())
    }

    /// The members that a port or tunnel of that name is: one for each network it is in.
    pub fn members_behind(&self, name: &str) -> impl Iterator<Item = MemberId> {
        let is_meant = move |member: &&MemberName| match &member.behind {
            Behind::Port(own) | Behind::Tunnel(own) => own == name,
        };
        self.members.in_order().filter(is_meant).filter_map(|member| self.member_id(member))
    }

    /// What a member is called.
    pub fn member_name(&self, id: MemberId) -> Option<&MemberName> {
        self.members.key(id.index())
    }
}

/// Makes the snapshot that follows `previous`.
pub fn compile(config: &Config, facts: &Facts, previous: Option<&Compiled>) -> Compiled {
    let nothing = Compiled::default();
    let previous = previous.unwrap_or(&nothing);
    let remotes: BTreeMap<Name, IpAddr> = config.tunnels.iter().map(|t| (t.name.clone(), t.remote)).collect();
    // A tunnel that leads to another VTEP is another member: what was learned behind the old one is not behind the new.
    let is_same_place = |member: &MemberName| match &member.behind {
        Behind::Tunnel(tunnel) => previous.remotes.get(tunnel) == remotes.get(tunnel),
        Behind::Port(_) => true,
    };
    let members = previous.members.renew(member::names(config), MEMBER_IDS, is_same_place);
    let mut compiled = Compiled {
        ports: previous.ports.renew(config.ports.iter().map(|port| port.name.clone()), datapath::PORTS_MAX, |_| true),
        networks: previous.networks.renew(config.networks.iter().map(|net| net.name.clone()), NETWORK_IDS, |_| true),
        members,
        remotes,
        snapshot: Snapshot { generation: previous.snapshot.generation + 1, ..Snapshot::default() },
    };
    let before = Before { snapshot: &previous.snapshot, generation: compiled.snapshot.generation };
    let source = Source::new(config, facts, &compiled);
    let (ports, networks) = (source.ports(previous, &before), source.networks(&before));
    let (members, vteps) = source.members(&before);
    compiled.snapshot = Snapshot { generation: before.generation, ports, networks, members, vteps };
    compiled
}

/// Ids of networks, and of members. Workers size their tables by them; a configuration uses at most half of each, so
/// that one change never has to give out an id that it frees.
const NETWORK_IDS: usize = 1 << 12;
const MEMBER_IDS: usize = 1 << 16;

/// What a snapshot is made from.
struct Source<'a> {
    config: &'a Config,
    facts: &'a Facts,
    /// The ids, complete; the snapshot is not.
    compiled: &'a Compiled,
    ports: HashMap<&'a Name, &'a Port>,
    tunnels: HashMap<&'a Name, &'a Tunnel>,
    vnis: HashMap<&'a Name, Vni>,
}

/// What was before, to find out what changed.
struct Before<'a> {
    snapshot: &'a Snapshot,
    /// Of the snapshot being made.
    generation: u64,
}

impl Before<'_> {
    /// The generation of an object: that of its predecessor where they are the same.
    fn generation<T>(&self, new: &T, old: Option<&T>, same: fn(&T, &T) -> bool, of: fn(&T) -> u64) -> u64 {
        old.filter(|old| same(old, new)).map_or(self.generation, of)
    }
}

/// A list by id, with `None` where nothing is.
fn by_id<T>(objects: impl IntoIterator<Item = (usize, T)>) -> Vec<Option<T>> {
    let mut list: Vec<Option<T>> = Vec::new();
    for (id, object) in objects {
        if list.len() <= id {
            list.resize_with(id + 1, || None);
        }
        list[id] = Some(object);
    }
    list
}

impl<'a> Source<'a> {
    fn new(config: &'a Config, facts: &'a Facts, compiled: &'a Compiled) -> Self {
        Source {
            config,
            facts,
            compiled,
            ports: config.ports.iter().map(|port| (&port.name, port)).collect(),
            tunnels: config.tunnels.iter().map(|tunnel| (&tunnel.name, tunnel)).collect(),
            vnis: config.networks.iter().map(|network| (&network.name, network.vni)).collect(),
        }
    }

    fn ports(&self, previous: &Compiled, before: &Before) -> Vec<Option<PortSpec>> {
        let holders = placement::place(self.config, previous);
        let specs = self.config.ports.iter().zip(holders).filter_map(|(port, workers)| {
            let id = self.compiled.port_id(port.name.as_str())?;
            let mut spec = self.port(port, workers)?;
            let old = before.snapshot.port(id).filter(|_| previous.port_name(id) == Some(&port.name));
            spec.generation = before.generation(&spec, old, same::ports, |port: &PortSpec| port.generation);
            Some((id.index(), spec))
        });
        by_id(specs)
    }

    fn networks(&self, before: &Before) -> Vec<Option<Network>> {
        let mut members: HashMap<&Name, Vec<MemberId>> = HashMap::new();
        for name in self.compiled.members.in_order() {
            members.entry(&name.network).or_default().extend(self.compiled.member_id(name));
        }
        let rooms = Rooms::of(self.config);
        let networks = self.config.networks.iter().filter_map(|network| {
            let id = self.compiled.network_id(network.name.as_str())?;
            let member = |behind: &Behind| {
                let name = MemberName { network: network.name.clone(), behind: behind.clone() };
                self.compiled.member_id(&name)
            };
            let statics = network.statics.iter().filter_map(|entry| Some((entry.mac, member(&entry.behind)?)));
            let mut statics: Vec<(Mac, MemberId)> = statics.collect();
            statics.sort_unstable_by_key(|&(mac, _)| mac); // workers search the list
            let mut members = members.remove(&network.name).unwrap_or_default();
            members.sort_unstable(); // floods go on from member to member
            let mut made = Network {
                generation: 0,
                vni: network.vni,
                macs_max: network.macs_max,
                age_ticks: network.age_s.saturating_mul(Tick::PER_SECOND),
                tcp_mtu: self.tcp_mtu(network, &rooms),
                profile: profile(network.flow_key),
                members,
                statics,
            };
            made.generation =
                before.generation(&made, before.snapshot.network(id), same::networks, |network: &Network| {
                    network.generation
                });
            Some((id.index(), made))
        });
        by_id(networks)
    }

    fn members(&self, before: &Before) -> (Vec<Option<datapath::Member>>, VtepTable) {
        let mut vteps = VtepTable::default();
        let members = self.compiled.members.in_order().filter_map(|name| {
            let id = self.compiled.member_id(name)?;
            let mut made = self.member(name, id, &mut vteps)?;
            made.generation =
                before.generation(&made, before.snapshot.member(id), same::members, |member| member.generation);
            Some((id.index(), made))
        });
        (by_id(members), vteps)
    }
}

fn profile(key: FlowKey) -> Profile {
    match key {
        FlowKey::Mac => Profile::L2,
        FlowKey::FiveTuple => Profile::FiveTuple,
    }
}

#[cfg(test)]
mod tests;
