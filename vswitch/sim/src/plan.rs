//! A switch's configuration as the data path's tests need it: small, by number, and compiled to a snapshot without the
//! control room.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use datapath::{
    Cause, Guard, Member, MemberKind, Network, PORTS_MAX, Path, Paths, PortId, PortSpec, Profile, Role, Snapshot,
    Vlans, VtepKey, VtepTable, WorkerId,
};
use frame::Takes;
use table::{MemberId, NetworkId};
use wire::{Dscp, Mac, OuterParams, OuterTemplate, Vni, vlan::VlanId};

/// Everything a snapshot is made of.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By number.
    pub uplinks: BTreeMap<u16, Uplink>,
    /// By number; uplinks and access ports share one range of numbers.
    pub access: BTreeMap<u16, Access>,
    /// By number.
    pub networks: BTreeMap<u16, Bridge>,
    /// By number.
    pub tunnels: BTreeMap<u16, Tunnel>,
    /// Which member of which network has which id.
    ids: BTreeMap<Who, u32>,
}

/// A member by what it is, not by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The access port with that number.
    Port(u16),
    /// The tunnel with that number, in the network with that number.
    Tunnel(u16, u16),
}

/// An uplink.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// The node's MAC.
    pub mac: Mac,
    /// The node's addresses.
    pub addresses: Vec<IpAddr>,
    /// Longest frame.
    pub frame_max: u16,
    /// What it does by itself to packets with work left.
    pub takes: Takes,
    /// The VLAN the node's own traffic is in.
    pub vlan: Option<VlanId>,
    /// Whether packets can leave by it.
    pub link: bool,
    /// The worker that holds it.
    pub worker: u8,
}

/// An access port.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its network's number.
    pub network: u16,
    /// What it may send.
    pub guard: Guard,
    /// Longest frame.
    pub frame_max: u16,
    /// What it does by itself to packets with work left.
    pub takes: Takes,
    /// The worker that holds it.
    pub worker: u8,
}

/// A network.
#[derive(Clone, Debug)]
pub struct Bridge {
    /// Its identifier on the wire.
    pub vni: Vni,
    /// MACs it may have.
    pub macs_max: u32,
    /// After how many idle ticks a MAC goes.
    pub age_ticks: u32,
    /// Longest packet its TCP connections are told of, where they are.
    pub tcp_mtu: Option<u16>,
    /// What tells its flows apart, at least.
    pub profile: Profile,
    /// MACs the operator has placed.
    pub statics: BTreeMap<Mac, Who>,
}

/// A tunnel.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// The ways there, the preferred one first.
    pub paths: Vec<Way>,
    /// Whether flows are spread over all ways that can be used; else they take the first of these.
    pub spreads: bool,
    /// Its address.
    pub remote: IpAddr,
    /// UDP destination port.
    pub udp_port: u16,
    /// Time to live.
    pub ttl: u8,
    /// Differentiated services.
    pub dscp: Dscp,
    /// Whether to compute UDP checksums.
    pub checksum: bool,
    /// Whether packets without one are let in over IPv6.
    pub zero_checksum: bool,
    /// Numbers of the networks it carries.
    pub networks: Vec<u16>,
}

/// A way to the other end of a tunnel.
#[derive(Clone, Debug)]
pub struct Way {
    /// Its uplink's number.
    pub uplink: u16,
    /// Our address.
    pub local: IpAddr,
    /// The next hop, if it is known.
    pub next_hop: Option<Mac>,
}

impl Plan {
    /// The snapshot that says what the plan says and follows `previous`: what did not change keeps its generation.
    ///
    /// An id that becomes free is given away again at once, the nastiest thing control could do.
    ///
    /// # Panics
    /// Where the plan contradicts itself.
    pub fn compile(&mut self, previous: &Snapshot) -> Arc<Snapshot> {
        self.assign_ids();
        let mut new = Snapshot { generation: previous.generation + 1, ..Snapshot::default() };
        let stamp = new.generation;
        for (&number, uplink) in &self.uplinks {
            let role = Role::Uplink { mac: uplink.mac, addresses: uplink.addresses.clone(), vlan: uplink.vlan };
            let spec = port_spec(stamp, role, Vlans::default(), uplink.frame_max, uplink.worker);
            put(&mut new.ports, number.into(), spec);
        }
        for (&number, access) in &self.access {
            let role = Role::Access { guard: access.guard.clone() };
            let vlans = Vlans::transparent(self.id(Who::Port(number)));
            put(&mut new.ports, number.into(), port_spec(stamp, role, vlans, access.frame_max, access.worker));
        }
        for (&number, network) in &self.networks {
            put(&mut new.networks, number.into(), self.network(stamp, number, network));
        }
        for (&who, &id) in &self.ids {
            put(&mut new.members, id as usize, self.member(stamp, who));
        }
        new.vteps = self.vteps();
        keep_generations(&mut new, previous);
        Arc::new(new)
    }

    /// The id of a member, after [`Plan::compile`].
    ///
    /// # Panics
    /// Where no such member is planned.
    pub fn id(&self, who: Who) -> MemberId {
        MemberId(self.ids[&who])
    }

    /// All members of a network.
    pub fn members_of(&self, network: u16) -> Vec<Who> {
        self.everybody().into_iter().filter(|&who| self.network_of(who) == network).collect()
    }

    /// All ports and the workers that hold them.
    pub fn ports(&self) -> BTreeMap<PortId, WorkerId> {
        let uplinks = self.uplinks.iter().map(|(&number, uplink)| (PortId(number), WorkerId(uplink.worker)));
        uplinks.chain(self.access.iter().map(|(&number, access)| (PortId(number), WorkerId(access.worker)))).collect()
    }

    /// What all ports take.
    pub fn takes(&self) -> BTreeMap<PortId, Takes> {
        let uplinks = self.uplinks.iter().map(|(&number, uplink)| (PortId(number), uplink.takes));
        uplinks.chain(self.access.iter().map(|(&number, access)| (PortId(number), access.takes))).collect()
    }

    /// A number no port has.
    pub fn free_port(&self) -> u16 {
        let taken = |n: &u16| self.uplinks.contains_key(n) || self.access.contains_key(n);
        (0..PORTS_MAX as u16).find(|n| !taken(n)).unwrap_or(0)
    }

    /// Takes a member out of all lists of static entries.
    pub fn forget_statics_of(&mut self, gone: impl Fn(Who) -> bool) {
        for network in self.networks.values_mut() {
            network.statics.retain(|_, who| !gone(*who));
        }
    }

    fn everybody(&self) -> Vec<Who> {
        let pairs =
            self.tunnels.iter().flat_map(|(&t, tunnel)| tunnel.networks.iter().map(move |&n| Who::Tunnel(t, n)));
        self.access.keys().map(|&port| Who::Port(port)).chain(pairs).collect()
    }

    fn network_of(&self, who: Who) -> u16 {
        match who {
            Who::Port(port) => self.access[&port].network,
            Who::Tunnel(_, network) => network,
        }
    }

    fn assign_ids(&mut self) {
        let everybody = self.everybody();
        self.ids.retain(|who, _| everybody.contains(who));
        for who in everybody {
            let free = (0..).find(|id| !self.ids.values().any(|taken| taken == id)).unwrap_or(0);
            self.ids.entry(who).or_insert(free);
        }
    }

    fn network(&self, stamp: u64, number: u16, network: &Bridge) -> Network {
        let mut members: Vec<_> = self.members_of(number).into_iter().map(|who| self.id(who)).collect();
        members.sort_unstable();
        Network {
            generation: stamp,
            vni: network.vni,
            macs_max: network.macs_max,
            age_ticks: network.age_ticks,
            tcp_mtu: network.tcp_mtu,
            profile: network.profile,
            members,
            statics: network.statics.iter().map(|(&mac, &who)| (mac, self.id(who))).collect(),
        }
    }

    fn member(&self, stamp: u64, who: Who) -> Member {
        let kind = match who {
            Who::Port(port) => MemberKind::Local { port: PortId(port), vlan: None },
            Who::Tunnel(tunnel, network) => {
                MemberKind::Vtep { paths: self.paths(&self.tunnels[&tunnel], self.networks[&network].vni) }
            }
        };
        Member { generation: stamp, network: NetworkId(self.network_of(who)), kind }
    }

    fn paths(&self, tunnel: &Tunnel, vni: Vni) -> Paths {
        let (dead, linked): (Vec<&Way>, _) = tunnel.paths.iter().partition(|way| !self.uplinks[&way.uplink].link);
        let without = if dead.len() == tunnel.paths.len() { Cause::NoUplink } else { Cause::NextHopUnresolved };
        let usable = linked.into_iter().filter_map(|way| self.path(tunnel, way, vni));
        Paths::spread(usable.take(if tunnel.spreads { usize::MAX } else { 1 }).collect(), without)
    }

    fn path(&self, tunnel: &Tunnel, way: &Way, vni: Vni) -> Option<Path> {
        let params = OuterParams {
            dst_mac: way.next_hop?,
            src_mac: self.uplinks[&way.uplink].mac,
            src: way.local,
            dst: tunnel.remote,
            udp_dst: tunnel.udp_port,
            ttl: tunnel.ttl,
            dscp: tunnel.dscp,
            df: true,
            checksum: tunnel.checksum,
            vni,
        };
        let outer = OuterTemplate::new(&params).expect("plans do not mix address families");
        Some(Path { uplink: PortId(way.uplink), outer, frame_max: self.uplinks[&way.uplink].frame_max })
    }

    fn vteps(&self) -> VtepTable {
        let mut vteps = VtepTable::default();
        let ways =
            self.tunnels.iter().flat_map(|(number, tunnel)| tunnel.paths.iter().map(move |way| (number, tunnel, way)));
        for (&number, tunnel, &Way { uplink, local, .. }) in ways {
            let Tunnel { remote, udp_port, .. } = *tunnel;
            let sender = VtepKey { uplink: PortId(uplink), local, remote, udp_port };
            if tunnel.zero_checksum {
                vteps.allow_zero_checksum(sender);
            }
            for &network in &tunnel.networks {
                vteps.insert(sender, self.networks[&network].vni, self.id(Who::Tunnel(number, network)));
            }
        }
        vteps
    }
}

fn port_spec(generation: u64, role: Role, vlans: Vlans, frame_max: u16, worker: u8) -> PortSpec {
    PortSpec { generation, role, vlans, frame_max, storm_max: None, workers: vec![WorkerId(worker)] }
}

fn put<T>(list: &mut Vec<Option<T>>, index: usize, item: T) {
    if list.len() <= index {
        list.resize_with(index + 1, || None);
    }
    list[index] = Some(item);
}

/// Gives every object that says what it said before the generation it had.
fn keep_generations(new: &mut Snapshot, old: &Snapshot) {
    keep(&mut new.ports, &old.ports, |port| &mut port.generation);
    keep(&mut new.networks, &old.networks, |network| &mut network.generation);
    keep(&mut new.members, &old.members, |member| &mut member.generation);
}

fn keep<T: Clone + std::fmt::Debug>(new: &mut [Option<T>], old: &[Option<T>], generation: impl Fn(&mut T) -> &mut u64) {
    for (new, old) in new.iter_mut().zip(old) {
        let (Some(new), Some(old)) = (new, old) else { continue };
        let (mut a, mut b) = (new.clone(), old.clone());
        let stamp = *generation(&mut b);
        *generation(&mut a) = stamp;
        if format!("{a:?}") == format!("{b:?}") {
            *new = a;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_port() -> Plan {
        let vni = Vni::new(4096).unwrap();
        let bridge =
            Bridge { vni, macs_max: 8, age_ticks: 100, tcp_mtu: None, profile: Profile::L2, statics: BTreeMap::new() };
        let access =
            Access { network: 0, guard: Guard::default(), frame_max: 1514, takes: Takes::default(), worker: 0 };
        Plan { access: [(3, access)].into(), networks: [(0, bridge)].into(), ..Plan::default() }
    }

    #[test]
    fn what_does_not_change_keeps_its_generation() {
        let mut plan = one_port();
        let first = plan.compile(&Snapshot::default());
        plan.networks.get_mut(&0).unwrap().age_ticks = 200;
        let second = plan.compile(&first);
        assert_eq!(second.generation, 2);
        assert_eq!(second.port(PortId(3)).unwrap().generation, 1);
        assert_eq!(second.network(NetworkId(0)).unwrap().generation, 2);
        assert_eq!(second.member(MemberId(0)).unwrap().generation, 1);
    }
}
