//! Random configurations and random frames, biased so that they hit something.

mod overlay;
mod underlay;
mod unfinished;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use datapath::{Guard, PortId, Profile};
use frame::Offload;
use wire::{Dscp, Mac, Vni, vlan::VlanId};

use crate::{
    Dice,
    plan::{Access, Bridge, Plan, Tunnel, Uplink, Way, Who},
};

/// Hosts there are, at home somewhere or nowhere.
const HOSTS: u8 = 12;
/// VNIs that have been trouble in one switch or another.
const VNIS: [u32; 5] = [0, 4096, (1 << 24) - 1, 1, 77];
/// Networks at most.
const NETWORKS_MAX: usize = 3;
/// The frame length of an MTU of 1500.
const FRAME_MAX: u16 = 1514;

/// A host: who it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its MAC.
    pub mac: Mac,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
}

impl Host {
    /// The host with that number.
    pub const fn new(number: u8) -> Host {
        Host {
            mac: Mac::new([2, 0, 0, 0, 1, number]),
            ipv4: Ipv4Addr::new(10, 0, 0, number),
            ipv6: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number as u16),
        }
    }
}

/// A packet for a port.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The port.
    pub port: PortId,
    /// Its octets.
    pub bytes: Vec<u8>,
    /// What its sender left to be done.
    pub offload: Option<Offload>,
}

/// A random world: a plan that changes, and the hosts that live in it.
#[derive(Clone, Debug)]
pub struct World {
    /// The configuration.
    pub plan: Plan,
    /// Where each host is at home.
    homes: BTreeMap<u8, Who>,
    workers: u8,
    dice: Dice,
}

impl World {
    /// A world for a switch of that many workers.
    pub fn new(seed: u64, workers: u8) -> World {
        let mut world = World { plan: Plan::default(), homes: BTreeMap::new(), workers, dice: Dice::new(seed) };
        for number in 0..world.dice.between(1, 3) as u16 {
            world.add_uplink(number);
        }
        for number in 0..world.dice.between(1, NETWORKS_MAX) as u16 {
            world.add_network(number);
        }
        for number in 0..world.dice.below(5) as u16 {
            world.add_tunnel(number);
        }
        for _ in 0..world.dice.between(2, 6) {
            world.add_access();
        }
        world.settle_hosts();
        world
    }

    /// A frame for one of the ports.
    pub fn frame(&mut self) -> Packet {
        let access: Vec<u16> = self.plan.access.keys().copied().collect();
        let uplinks: Vec<u16> = self.plan.uplinks.keys().copied().collect();
        let from_access = self.dice.chance(60) || uplinks.is_empty();
        let (port, (mut bytes, offload)) = match self.dice.pick_any(if from_access { &access } else { &uplinks }) {
            Some(port) if from_access && self.dice.chance(15) => (port, self.unfinished_frame(Who::Port(port))),
            Some(port) if from_access => (port, (self.overlay_frame(Who::Port(port)), None)),
            Some(port) => (port, (self.underlay_frame(port), None)),
            None => (0, (self.overlay_frame(Who::Port(0)), None)),
        };
        if self.dice.chance(8) {
            mutate(&mut bytes, &mut self.dice);
        }
        bytes.truncate(if offload.is_some() { frame::SUPER_MAX } else { 2000 });
        Packet { port: PortId(port), bytes, offload }
    }

    /// Changes the configuration a little, keeping it valid.
    pub fn change(&mut self) {
        for _ in 0..self.dice.between(1, 3) {
            match self.dice.below(13) {
                0 => self.add_access(),
                1 => self.remove_access(),
                2 => self.move_access(),
                3 => self.reguard(),
                4 => self.resize(),
                5 => self.add_tunnel(self.plan.tunnels.keys().max().map_or(0, |last| last + 1)),
                6 => self.remove_tunnel(),
                7 => self.turn_tunnel(),
                8 => self.toggle_static(),
                9 => self.remove_network(),
                10 => self.add_network((0..).find(|n| !self.plan.networks.contains_key(n)).unwrap_or(0)),
                11 => self.turn_link(),
                _ => self.limit(),
            }
        }
        self.settle_hosts();
    }

    fn worker(&mut self) -> u8 {
        self.dice.below(usize::from(self.workers)) as u8
    }

    fn add_uplink(&mut self, number: u16) {
        let mut addresses = vec![IpAddr::from([192, 0, 2 + number as u8, 1])];
        if self.dice.chance(50) {
            addresses.push(IpAddr::from([0x2001, 0xdb8, number, 0, 0, 0, 0, 1]));
        }
        let frame_max = *self.dice.pick(&[FRAME_MAX, FRAME_MAX + 50, 1300]);
        let mac = Mac::new([2, 0xee, 0, 0, 0, number as u8]);
        let vlan = if self.dice.chance(30) { VlanId::new(100 + number) } else { None };
        let (link, worker, takes) = (self.dice.chance(90), self.worker(), self.takes());
        self.plan.uplinks.insert(number, Uplink { mac, addresses, frame_max, takes, vlan, link, worker });
    }

    fn add_network(&mut self, number: u16) {
        let taken: Vec<u32> = self.plan.networks.values().map(|n| n.vni.get()).collect();
        let vni = VNIS.into_iter().filter(|vni| !taken.contains(vni)).collect::<Vec<_>>();
        if self.plan.networks.len() == NETWORKS_MAX {
            return;
        }
        let Some(vni) = self.dice.pick_any(&vni).and_then(Vni::new) else { return };
        let macs_max = *self.dice.pick(&[4096, 4096, 6, 2]);
        let age_ticks = *self.dice.pick(&[3000, 100, 300]);
        let tcp_mtu = *self.dice.pick(&[None, Some(1450), Some(600)]);
        let profile = *self.dice.pick(&[Profile::L2, Profile::FiveTuple]);
        let statics = BTreeMap::new();
        self.plan.networks.insert(number, Bridge { vni, macs_max, age_ticks, tcp_mtu, profile, statics });
    }

    fn add_access(&mut self) {
        let networks: Vec<u16> = self.plan.networks.keys().copied().collect();
        let Some(network) = self.dice.pick_any(&networks) else { return };
        if self.plan.access.len() < 8 {
            let (number, worker, takes) = (self.plan.free_port(), self.worker(), self.takes());
            let frame_max = *self.dice.pick(&[FRAME_MAX, FRAME_MAX - 50, 700]);
            self.plan.access.insert(number, Access { network, guard: Guard::default(), frame_max, takes, worker });
            self.reguard();
        }
    }

    fn add_tunnel(&mut self, number: u16) {
        let uplinks: Vec<u16> = self.plan.uplinks.keys().copied().collect();
        let Some(uplink) = self.dice.pick_any(&uplinks) else { return };
        let local = self.dice.pick(&self.plan.uplinks[&uplink].addresses).to_owned();
        let mut ends = vec![(uplink, local)];
        for &other in uplinks.iter().filter(|&&other| other != uplink) {
            let own = self.plan.uplinks[&other].addresses.iter().find(|own| own.is_ipv4() == local.is_ipv4());
            ends.extend(own.filter(|_| self.dice.chance(50)).map(|&own| (other, own)));
        }
        let remote = match local {
            IpAddr::V4(_) => IpAddr::from([198, 51, 100, 1 + self.dice.below(4) as u8]),
            IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 1 + self.dice.below(3) as u16]),
        };
        let udp_port = *self.dice.pick(&[4789, 8472]);
        let shares = |t: &Tunnel| t.paths.iter().any(|way| ends.contains(&(way.uplink, way.local)));
        let taken = |t: &Tunnel| shares(t) && (t.remote, t.udp_port) == (remote, udp_port);
        if self.plan.tunnels.values().any(taken) {
            return;
        }
        let networks = self.plan.networks.keys().copied().filter(|_| self.dice.chance(70)).collect();
        let (checksum, zero_checksum) = (self.dice.chance(50), self.dice.chance(50));
        let way = |(uplink, local)| {
            let next_hop = self.dice.chance(85).then_some(Mac::new([2, 0xdd, 0, 0, uplink as u8, number as u8]));
            Way { uplink, local, next_hop }
        };
        let paths = ends.into_iter().map(way).collect();
        let (ttl, spreads) = (64, self.dice.chance(50));
        let dscp = *self.dice.pick(&[Dscp::Inherit, Dscp::Fixed(0), Dscp::Fixed(46)]);
        let tunnel = Tunnel { paths, spreads, remote, udp_port, ttl, dscp, checksum, zero_checksum, networks };
        self.plan.tunnels.insert(number, tunnel);
    }

    fn remove_access(&mut self) {
        if let Some(port) = self.dice.pick_any(&self.plan.access.keys().copied().collect::<Vec<_>>()) {
            self.plan.access.remove(&port);
            self.plan.forget_statics_of(|who| who == Who::Port(port));
        }
    }

    fn move_access(&mut self) {
        let networks: Vec<u16> = self.plan.networks.keys().copied().collect();
        let Some(network) = self.dice.pick_any(&networks) else { return };
        if let Some(port) = self.dice.pick_any(&self.plan.access.keys().copied().collect::<Vec<_>>()) {
            self.plan.forget_statics_of(|who| who == Who::Port(port));
            if let Some(access) = self.plan.access.get_mut(&port) {
                access.network = network;
            }
        }
    }

    /// Binds a port to the hosts that live there, or lets it go.
    fn reguard(&mut self) {
        let Some(port) = self.dice.pick_any(&self.plan.access.keys().copied().collect::<Vec<_>>()) else { return };
        let hosts: Vec<Host> = self.hosts_at(Who::Port(port)).into_iter().map(Host::new).collect();
        let addresses = hosts.iter().flat_map(|host| [IpAddr::V4(host.ipv4), IpAddr::V6(host.ipv6)]);
        let guard = Guard {
            macs: self.dice.chance(40).then(|| hosts.iter().map(|host| host.mac).collect()),
            addresses: self.dice.chance(40).then(|| addresses.collect()),
        };
        if let Some(access) = self.plan.access.get_mut(&port) {
            access.guard = guard;
        }
    }

    fn resize(&mut self) {
        let frame_max = *self.dice.pick(&[FRAME_MAX, 700, 1300, FRAME_MAX + 50]);
        if let Some(port) = self.dice.pick_any(&self.plan.access.keys().copied().collect::<Vec<_>>()) {
            let takes = self.takes();
            let change = |access: &mut Access| (access.frame_max, access.takes) = (frame_max, takes);
            self.plan.access.entry(port).and_modify(change);
        }
        if self.dice.chance(30) {
            self.plan.uplinks.entry(0).and_modify(|uplink| uplink.frame_max = frame_max);
        }
    }

    fn remove_tunnel(&mut self) {
        if let Some(number) = self.dice.pick_any(&self.plan.tunnels.keys().copied().collect::<Vec<_>>()) {
            self.plan.tunnels.remove(&number);
            self.plan.forget_statics_of(|who| matches!(who, Who::Tunnel(tunnel, _) if tunnel == number));
        }
    }

    /// Resolves or loses a next hop, or carries other networks.
    fn turn_tunnel(&mut self) {
        let Some(number) = self.dice.pick_any(&self.plan.tunnels.keys().copied().collect::<Vec<_>>()) else { return };
        let networks: Vec<u16> = self.plan.networks.keys().copied().filter(|_| self.dice.chance(60)).collect();
        let resolve = self.dice.chance(50);
        let resolved = Mac::new([2, 0xdd, 0, 0, 1, number as u8]);
        if resolve {
            let Some(tunnel) = self.plan.tunnels.get_mut(&number) else { return };
            let nth = self.dice.below(tunnel.paths.len());
            let way = &mut tunnel.paths[nth];
            way.next_hop = way.next_hop.is_none().then_some(resolved);
        } else {
            let gone = |who| matches!(who, Who::Tunnel(t, n) if t == number && !networks.contains(&n));
            self.plan.forget_statics_of(gone);
            self.plan.tunnels.entry(number).and_modify(|tunnel| tunnel.networks = networks);
        }
    }

    /// A link fails, or is back.
    fn turn_link(&mut self) {
        if let Some(number) = self.dice.pick_any(&self.plan.uplinks.keys().copied().collect::<Vec<_>>()) {
            self.plan.uplinks.entry(number).and_modify(|uplink| uplink.link = !uplink.link);
        }
    }

    fn toggle_static(&mut self) {
        let Some(number) = self.dice.pick_any(&self.plan.networks.keys().copied().collect::<Vec<_>>()) else { return };
        let mac = Host::new(self.dice.below(HOSTS.into()) as u8).mac;
        let who = self.dice.pick_any(&self.plan.members_of(number));
        let Some(network) = self.plan.networks.get_mut(&number) else { return };
        let keeps = network.statics.remove(&mac).is_none() || self.dice.chance(30);
        if let Some(who) = who.filter(|_| keeps) {
            network.statics.insert(mac, who);
        }
    }

    fn remove_network(&mut self) {
        let numbers: Vec<u16> = self.plan.networks.keys().copied().collect();
        let Some(number) = self.dice.pick_any(&numbers).filter(|_| numbers.len() > 1) else { return };
        self.plan.networks.remove(&number);
        self.plan.access.retain(|_, access| access.network != number);
        self.plan.tunnels.values_mut().for_each(|tunnel| tunnel.networks.retain(|&n| n != number));
    }

    fn limit(&mut self) {
        let Some(number) = self.dice.pick_any(&self.plan.networks.keys().copied().collect::<Vec<_>>()) else { return };
        let macs_max = *self.dice.pick(&[4096, 4, 8]);
        self.plan.networks.entry(number).and_modify(|network| network.macs_max = macs_max);
    }

    fn hosts_at(&self, who: Who) -> Vec<u8> {
        self.homes.iter().filter(|&(_, home)| *home == who).map(|(&host, _)| host).collect()
    }

    /// Gives hosts whose home has gone a new one.
    fn settle_hosts(&mut self) {
        let networks: Vec<u16> = self.plan.networks.keys().copied().collect();
        let everybody: Vec<Who> = networks.iter().flat_map(|&n| self.plan.members_of(n)).collect();
        for host in 0..HOSTS {
            if !self.homes.get(&host).is_some_and(|home| everybody.contains(home))
                && let Some(home) = self.dice.pick_any(&everybody)
            {
                self.homes.insert(host, home);
            }
        }
    }
}

/// Damages a frame: flips octets, cuts it short, or makes it longer.
pub fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    match dice.below(4) {
        0 => bytes.truncate(dice.below(bytes.len() + 1).max(1)),
        1 => bytes.extend((0..dice.between(1, 60)).map(|_| 0)),
        _ => {
            for _ in 0..dice.between(1, 4) {
                // Headers are where it hurts.
                let end = if dice.chance(70) { bytes.len().min(90) } else { bytes.len() };
                let at = dice.below(end);
                if let Some(octet) = bytes.get_mut(at) {
                    *octet = dice.any() as u8;
                }
            }
        }
    }
    if bytes.is_empty() {
        bytes.push(0);
    }
}
