//! The naive reference switch: one frame at a time, no cache, no table of fixed size, written from the rules.
//!
//! It shares with the data path the snapshot it works by, the list of drop reasons, and the `wire` room's parser and
//! outer header (which have their own tests), and nothing else.

mod ecn;
mod guard;
mod mss;
mod too_big;
mod underlay;
mod vlan;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use datapath::{Cause, DropReason, Member, MemberKind, Network, Path, Paths, PortId, Role, Snapshot};
use frame::Offload;
use table::{MemberId, NetworkId, Tick};
use wire::{Mac, Parsed};

use crate::{gso, traffic::Packet};
use vlan::Untagged;

/// One end of one frame or copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It left by this port.
    Sent(PortId, Vec<u8>),
    /// It was given to the host stack.
    Punted(PortId, Vec<u8>),
    /// It was dropped.
    Dropped(DropReason),
}

/// What is known about a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    member: MemberId,
    is_static: bool,
    last_seen: Tick,
}

/// An overlay frame on its way in: where it comes from, its octets from the inner Ethernet header on, its headers.
struct Arrival<'a> {
    port: PortId,
    ingress: MemberId,
    data: &'a [u8],
    headers: Parsed,
    offload: Option<Offload>,
}

/// The reference switch.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    snapshot: Arc<Snapshot>,
    macs: HashMap<(NetworkId, Mac), Place>,
}

impl Reference {
    /// A switch without configuration.
    pub fn new() -> Reference {
        Reference::default()
    }

    /// Puts a snapshot in force: MACs behind members that are no more what they were are forgotten, static entries are
    /// what the snapshot says.
    pub fn install(&mut self, new: Arc<Snapshot>) {
        let old = std::mem::replace(&mut self.snapshot, Arc::clone(&new));
        self.macs.retain(|&(network, mac), place| {
            let is_listed = |n: &Network| n.statics.contains(&(mac, place.member));
            let same = is_same_member(old.member(place.member), new.member(place.member));
            same && new.network(network).is_some_and(|n| !place.is_static || is_listed(n))
        });
        for (index, network) in new.networks.iter().enumerate() {
            for &(mac, member) in network.iter().flat_map(|n| &n.statics) {
                let place = Place { member, is_static: true, last_seen: Tick(0) };
                self.macs.insert((NetworkId(index as u16), mac), place);
            }
        }
    }

    /// What becomes of a frame that comes in.
    pub fn frame(&mut self, now: Tick, packet: &Packet) -> Vec<Fate> {
        self.receive(now, packet).unwrap_or_else(|reason| vec![Fate::Dropped(reason)])
    }

    /// All MACs known, as (network, MAC, member, static).
    pub fn macs(&self) -> BTreeMap<(u16, Mac), (MemberId, bool)> {
        self.macs.iter().map(|(&(network, mac), p)| ((network.0, mac), (p.member, p.is_static))).collect()
    }

    /// Brings this switch's idea of which MACs have aged in line with `seen`, the MACs another switch knows. Within
    /// `slack` ticks of a network's age either is right.
    ///
    /// # Errors
    /// Where the other switch forgot a MAC too early, keeps one too long, or knows one it should not.
    pub fn agree_on_ages(
        &mut self,
        now: Tick,
        slack: u32,
        seen: &BTreeMap<(u16, Mac), (MemberId, bool)>,
    ) -> Result<(), String> {
        let mut gone = Vec::new();
        for (&(network, mac), place) in &self.macs {
            let (idle, age) = (now.since(place.last_seen), self.age_of(network));
            match seen.get(&(network.0, mac)) {
                Some(&other) if other != (place.member, place.is_static) => {
                    return Err(format!("{network} {mac}: is {place:?}, the other says {other:?}"));
                }
                Some(_) if !place.is_static && idle > age.saturating_add(slack) => {
                    return Err(format!("{network} {mac}: kept {idle} ticks after its last frame, age {age}"));
                }
                Some(_) => {}
                None if place.is_static => return Err(format!("{network} {mac}: static, and the other lacks it")),
                None if idle.saturating_add(slack) < age => {
                    return Err(format!("{network} {mac}: forgotten {idle} ticks after its last frame, age {age}"));
                }
                None => gone.push((network, mac)),
            }
        }
        for key in gone {
            self.macs.remove(&key);
        }
        match seen.keys().find(|&&(network, mac)| !self.macs.contains_key(&(NetworkId(network), mac))) {
            Some((network, mac)) => Err(format!("network {network} {mac}: the other knows it and should not")),
            None => Ok(()),
        }
    }

    fn age_of(&self, network: NetworkId) -> u32 {
        self.snapshot.network(network).map_or(0, |n| n.age_ticks)
    }

    fn receive(&mut self, now: Tick, packet: &Packet) -> Result<Vec<Fate>, DropReason> {
        let Packet { port, bytes, offload } = packet;
        let (port, offload) = (*port, *offload);
        let snapshot = Arc::clone(&self.snapshot);
        let headers = wire::parse(bytes)?;
        let spec = snapshot.port(port).ok_or(Cause::PortUnknown)?;
        let Untagged { vlan, member, data, headers } = vlan::untag(&spec.vlans, bytes, headers)?;
        let own = match &spec.role {
            Role::Uplink { mac, addresses, vlan: own_vlan } if *own_vlan == vlan => Some((*mac, &addresses[..])),
            _ => None,
        };
        match (own, member) {
            (Some(own), member) if member.is_none() || underlay::is_for_node(own, &data, &headers) => {
                match underlay::admit(&snapshot, port, own, &data, &headers)? {
                    underlay::Admitted::Host => {
                        gso::check(&data, &headers, offload)?;
                        Ok(vec![Fate::Punted(port, data)])
                    }
                    underlay::Admitted::Inner { ingress, data, headers } => {
                        self.overlay(now, &Arrival { port, ingress, data: &data, headers, offload })
                    }
                }
            }
            (_, Some(ingress)) => self.overlay(now, &Arrival { port, ingress, data: &data, headers, offload }),
            (_, None) => Err(Cause::VlanRefused.into()),
        }
    }

    fn overlay(&mut self, now: Tick, arrival: &Arrival<'_>) -> Result<Vec<Fate>, DropReason> {
        let snapshot = Arc::clone(&self.snapshot);
        // A switch that looks into neighbour discovery passes none on that it cannot read.
        wire::icmpv6::neighbour(arrival.data, &arrival.headers)?;
        gso::check(arrival.data, &arrival.headers, arrival.offload)?;
        let member = snapshot.member(arrival.ingress).ok_or(Cause::PortUnknown)?;
        let network = snapshot.network(member.network).ok_or(Cause::PortUnknown)?;
        let data = mss::clamp(arrival.data, &arrival.headers, arrival.offload, network.tcp_mtu);
        let arrival = &Arrival { data: &data, ..*arrival };
        let Parsed { src, dst, .. } = arrival.headers;
        if src.is_multicast() || src == Mac::ZERO {
            return Err(Cause::SourceMacInvalid.into());
        }
        if let Some(Role::Access { guard, .. }) = snapshot.port(arrival.port).map(|spec| &spec.role) {
            guard::check(guard, arrival.data, &arrival.headers)?;
        }
        self.learn(now, member.network, network, src, arrival.ingress);
        if is_reserved(dst) {
            return Err(Cause::ReservedMac.into());
        }
        match self.macs.get(&(member.network, dst)) {
            Some(place) if dst.is_unicast() => self.forward(arrival, member, place.member),
            _ => self.flood(arrival, member, network),
        }
    }

    fn learn(&mut self, now: Tick, id: NetworkId, network: &Network, src: Mac, member: MemberId) {
        let known = self.macs.keys().filter(|(of, _)| *of == id).count();
        let place = Place { member, is_static: false, last_seen: now };
        match self.macs.get_mut(&(id, src)) {
            Some(known) if known.is_static => {}
            Some(known) => *known = place,
            None if known >= network.macs_max as usize => {}
            None => {
                self.macs.insert((id, src), place);
            }
        }
    }

    fn forward(&self, arrival: &Arrival<'_>, from: &Member, to: MemberId) -> Result<Vec<Fate>, DropReason> {
        if to == arrival.ingress {
            return Err(Cause::SamePort.into());
        }
        let target = self.snapshot.member(to).ok_or(Cause::PortUnknown)?;
        if is_vtep(from) && is_vtep(target) {
            return Err(Cause::SplitHorizon.into());
        }
        let mut fates = self.send(arrival, target);
        if matches!(fates[..], [Fate::Dropped(reason)] if is_too_big(reason)) {
            fates.extend(self.tell(arrival, from, target));
        }
        Ok(fates)
    }

    fn flood(&self, arrival: &Arrival<'_>, from: &Member, network: &Network) -> Result<Vec<Fate>, DropReason> {
        let others = network.members.iter().filter(|&&id| id != arrival.ingress);
        let targets = others.filter_map(|&id| self.snapshot.member(id));
        let fates: Vec<Fate> =
            targets.filter(|to| !(is_vtep(from) && is_vtep(to))).flat_map(|to| self.send(arrival, to)).collect();
        if fates.is_empty() { Err(Cause::FloodNobody.into()) } else { Ok(fates) }
    }

    /// Finishes the packet first, so that each of what it becomes is a packet like any other. Where one of them cannot go,
    /// none does.
    fn send(&self, arrival: &Arrival<'_>, to: &Member) -> Vec<Fate> {
        let pieces = gso::finish(arrival.data, &arrival.headers, arrival.offload);
        let shape = |data: &Vec<u8>| {
            let headers = wire::parse(data).expect("it was well-formed before");
            self.shape(&Arrival { data, headers, offload: None, ..*arrival }, to)
        };
        let fates: Result<Vec<Fate>, Cause> = pieces.iter().map(shape).collect();
        fates.unwrap_or_else(|cause| vec![Fate::Dropped(cause.into())])
    }

    /// What the sender of a frame that is too big for a member is told, on the way the frame came.
    fn tell(&self, arrival: &Arrival<'_>, from: &Member, to: &Member) -> Vec<Fate> {
        self.answer(arrival, from, to).unwrap_or_default()
    }

    fn answer(&self, arrival: &Arrival<'_>, from: &Member, to: &Member) -> Option<Vec<Fate>> {
        let frame_max = |port| self.snapshot.port(port).map(|spec| usize::from(spec.frame_max));
        let mtu = match &to.kind {
            MemberKind::Local { port, .. } => frame_max(*port)? - 14,
            MemberKind::Vtep { paths } => {
                let entropy = wire::source_port(wire::flow_hash(arrival.data, &arrival.headers));
                let Path { outer, frame_max, .. } = path_of(paths, entropy).ok()?;
                usize::from(*frame_max) - outer.len() - usize::from(arrival.headers.l3)
            }
        };
        let data = too_big::answer(arrival.data, &arrival.headers, mtu)?;
        let headers = wire::parse(&data).expect("the answer is well-formed");
        Some(self.send(&Arrival { data: &data, headers, offload: None, ..*arrival }, from))
    }

    /// The frame as it leaves towards a member.
    fn shape(&self, arrival: &Arrival<'_>, to: &Member) -> Result<Fate, Cause> {
        let frame_max =
            |port| self.snapshot.port(port).map(|spec| usize::from(spec.frame_max)).ok_or(Cause::PortUnknown);
        match &to.kind {
            // Tags do not count towards the MTU.
            MemberKind::Local { port, .. }
                if arrival.data.len() > frame_max(*port)? + 4 * usize::from(arrival.headers.tags) =>
            {
                Err(Cause::MtuExceeded)
            }
            MemberKind::Local { port, vlan } => Ok(Fate::Sent(*port, vlan::tag(*vlan, arrival.data.to_vec()))),
            MemberKind::Vtep { paths } => {
                let entropy = wire::source_port(wire::flow_hash(arrival.data, &arrival.headers));
                let Path { uplink, outer, frame_max } = path_of(paths, entropy)?;
                if outer.len() + arrival.data.len() > usize::from(*frame_max) {
                    return Err(Cause::MtuExceededUnderlay);
                }
                let mut packet = [&vec![0; outer.len()][..], arrival.data].concat();
                let tos = ecn::tos(arrival.data, &arrival.headers).unwrap_or(0);
                assert!(outer.write(&mut packet, entropy, 0, tos), "a frame within the MTU fits its outer header");
                let vlan = self.snapshot.port(*uplink).and_then(|spec| spec.own_vlan());
                Ok(Fate::Sent(*uplink, vlan::tag(vlan, packet)))
            }
        }
    }

    /// Whether deciding about these frames in any order gives the same: none of them teaches anything, no two of them
    /// claim one source from different sides.
    pub fn is_order_free(&self, now: Tick, frames: &[Packet]) -> bool {
        let mut probe = self.clone();
        let mut sides: HashMap<Mac, PortId> = HashMap::new();
        let before = self.macs();
        frames.iter().all(|packet| {
            drop(probe.frame(now, packet));
            let src = source_of(&packet.bytes);
            let one_side = src.is_some_and(|src| *sides.entry(src).or_insert(packet.port) == packet.port);
            one_side && probe.macs() == before
        })
    }
}

/// Who sent a frame, or the frame in a tunnel packet.
fn source_of(bytes: &[u8]) -> Option<Mac> {
    let headers = wire::parse(bytes).ok()?;
    let is_tunnelled = headers.ports(bytes).is_some_and(|(_, port)| port == 4789 || port == 8472);
    match wire::parse_outer(bytes, &headers) {
        Ok(Some(outer)) if is_tunnelled => {
            wire::parse(&bytes[outer.inner..outer.inner + outer.inner_len]).ok().map(|inner| inner.src)
        }
        _ => Some(headers.src),
    }
}

fn is_too_big(reason: DropReason) -> bool {
    [Cause::MtuExceeded, Cause::MtuExceededUnderlay].map(DropReason::from).contains(&reason)
}

/// Source ports from 49152 up are dealt out to the paths in equal runs.
fn path_of(paths: &Paths, source_port: u16) -> Result<&Path, Cause> {
    let place = f64::from(source_port - 49_152) / f64::from(1 << 14);
    match paths {
        Paths::None(cause) => Err(*cause),
        _ => Ok(&paths.as_slice()[(place * paths.as_slice().len() as f64) as usize]),
    }
}

fn is_vtep(member: &Member) -> bool {
    matches!(member.kind, MemberKind::Vtep { .. })
}

/// A member is what it was while it is in the same network, behind the same port or behind a tunnel as before.
fn is_same_member(old: Option<&Member>, new: Option<&Member>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return false };
    let same_side = match (&old.kind, &new.kind) {
        (MemberKind::Local { port: old, .. }, MemberKind::Local { port: new, .. }) => old == new,
        (MemberKind::Vtep { .. }, MemberKind::Vtep { .. }) => true,
        _ => false,
    };
    old.network == new.network && same_side
}

/// Bridges keep frames to 01-80-C2-00-00-00 to -0F to themselves (IEEE 802.1Q-2018, table 8-1).
fn is_reserved(mac: Mac) -> bool {
    matches!(mac.octets(), [0x01, 0x80, 0xc2, 0, 0, 0..=0x0f])
}
