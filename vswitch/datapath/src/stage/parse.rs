//! parse: one pass over the headers of each frame, the key of its flow and the key's hash.

use frame::Frame;
use table::{MemberId, prefetch};
use wire::L3;

use crate::{
    Cause, DropReason, PortId, PortSpec, Role,
    batch::{Batch, Class, Meta},
    brain::Brain,
    feature::{ecn, senders::Senders, vlan, vxlan},
    flow::{FlowKey, Profile},
    stage::admit::{self, Admitted, Own},
};

/// The first loop.
#[inline(never)]
pub(crate) fn batch(batch: &mut Batch, brain: &Brain) {
    let Batch { frames, meta, senders, .. } = batch;
    let frames = frames.as_mut_slice();
    senders.hold_for(brain.snapshot.generation);
    for frame in frames.iter() {
        frame.data().first().into_iter().for_each(prefetch);
    }
    let mut last_port = (PortId(u16::MAX), None, Door::Any);
    for (frame, meta) in frames.iter_mut().zip(meta) {
        // Frames of a port come together.
        if last_port.0 != meta.port {
            let spec = brain.snapshot.port(meta.port);
            last_port = (meta.port, spec, spec.map_or(Door::Any, Door::of));
        }
        let (_, spec, door) = last_port;
        meta.class = if pass(door, frame.data(), meta, senders) {
            Class::Flow
        } else {
            any(frame, meta, (door, spec), brain, senders).unwrap_or_else(Class::Drop)
        };
        if let Class::Flow = meta.class {
            meta.hash = meta.key.hash(&brain.flows);
            meta.probe = brain.flows.probe(meta.hash);
        }
    }
}

/// What may come in by a port without a close look.
#[derive(Clone, Copy)]
enum Door {
    /// Untagged plain packets, all from this member, keyed by their MACs.
    Bare(MemberId),
    /// Untagged packets of known VXLAN senders.
    Tunnel,
    /// Nothing.
    Any,
}

impl Door {
    fn of(spec: &PortSpec) -> Door {
        match (&spec.role, spec.vlans.untagged) {
            (Role::Access { guard }, Some(member)) if guard.addresses.is_none() => Door::Bare(member),
            (Role::Uplink { vlan: None, .. }, _) => Door::Tunnel,
            _ => Door::Any,
        }
    }
}

/// Takes in a packet that is as nearly all are: plain, and what its port is for. `false` where it must be looked at
/// closely; then `meta` says nothing.
#[inline(always)]
fn pass(door: Door, data: &[u8], meta: &mut Meta, senders: &Senders) -> bool {
    let (inner, outer_tos) = match door {
        Door::Any => return false,
        Door::Bare(member) => {
            meta.ingress = member;
            meta.outer_len = 0;
            (data, 0)
        }
        Door::Tunnel => match vxlan::recognise(data, meta, senders) {
            Some(found) => found,
            None => return false,
        },
    };
    meta.inner_len = inner.len() as u16;
    // Plain packets are TCP or UDP over IP: neither ARP nor neighbour discovery.
    if !wire::parse_plain(inner, &mut meta.headers) {
        return false;
    }
    let (Some(link), Ok(mark)) = (inner.first_chunk(), ecn::mark_of(outer_tos, inner, &meta.headers)) else {
        return false;
    };
    meta.ecn_mark = mark;
    meta.key = FlowKey::l2(meta.ingress, link);
    true
}

/// Any frame, looked at closely.
#[inline(never)]
fn any(
    frame: &mut Frame,
    meta: &mut Meta,
    (door, spec): (Door, Option<&PortSpec>),
    brain: &Brain,
    senders: &mut Senders,
) -> Result<Class, DropReason> {
    if let Door::Tunnel = door
        && let Some((inner, outer_tos)) = vxlan::recognise(frame.data(), meta, senders)
    {
        vxlan::decap(inner, meta.outer_len, outer_tos, meta)?;
        return Ok(overlay(Profile::L2, inner, meta));
    }
    (meta.outer_len, meta.ecn_mark) = (0, 0);
    wire::parse_into(frame.data(), &mut meta.headers)?;
    let spec = spec.ok_or(Cause::PortUnknown)?;
    let place = vlan::receive(frame, &mut meta.headers, &spec.vlans)?;
    let data = frame.data();
    meta.inner_len = data.len() as u16;
    match &spec.role {
        Role::Access { guard } => {
            meta.ingress = place.member.ok_or(Cause::VlanRefused)?;
            let profile = if guard.addresses.is_some() { Profile::Source } else { Profile::L2 };
            Ok(overlay(profile, data, meta))
        }
        Role::Uplink { mac, addresses, vlan } => {
            let own = (place.vlan == *vlan).then_some(Own { mac: *mac, addresses });
            let class = uplink(data, meta, own, place.member, brain, senders)?;
            if vlan.is_none() && meta.outer_len > 0 {
                senders.remember(meta.port, data, meta.ingress);
            }
            Ok(class)
        }
    }
}

/// A frame from an uplink that is not like the ones before.
#[inline(never)]
fn uplink(
    data: &[u8],
    meta: &mut Meta,
    own: Option<Own<'_>>,
    member: Option<MemberId>,
    brain: &Brain,
    senders: &mut Senders,
) -> Result<Class, DropReason> {
    match admit::uplink(data, meta, own, member, brain, senders)? {
        Admitted::Host => Ok(Class::Punt),
        Admitted::Overlay => Ok(overlay(Profile::L2, &data[usize::from(meta.outer_len)..], meta)),
    }
}

/// The key of an overlay frame. ARP and ND carry claims inside, so each is looked at.
#[inline(always)]
fn overlay(profile: Profile, data: &[u8], meta: &mut Meta) -> Class {
    match wire::icmpv6::neighbour(data, &meta.headers) {
        Ok(None) if meta.headers.l3_kind != L3::Arp => {}
        Ok(_) => return Class::Slow,
        Err(malformed) => return Class::Drop(malformed.into()),
    }
    meta.key = FlowKey::new(profile, meta.ingress, &meta.headers, data);
    Class::Flow
}
