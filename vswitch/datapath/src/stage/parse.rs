//! parse: one pass over the headers of each frame, the key of its flow and the key's hash.

use frame::Frame;
use table::{MemberId, prefetch};
use wire::L3;

use crate::{
    Cause, DropReason, PortId, PortSpec, Role,
    batch::{Batch, Class, Meta},
    brain::Brain,
    feature::{senders::Senders, vlan, vxlan},
    flow::{FlowKey, Profile},
    stage::admit::{self, Admitted, Own},
};

/// How many frames ahead of the one being parsed its header is fetched into the cache.
const AHEAD: usize = 4;

/// The first loop.
#[inline(never)]
pub(crate) fn batch(batch: &mut Batch, brain: &Brain) {
    let Batch { frames, meta, senders, .. } = batch;
    let frames = frames.as_mut_slice();
    senders.hold_for(brain.snapshot.generation);
    let mut last_port = (PortId(u16::MAX), None);
    for place in 0..frames.len() {
        if let Some(later) = frames.get(place + AHEAD) {
            later.data().first().into_iter().for_each(prefetch);
        }
        let meta = &mut meta[place];
        // Frames of a port come together.
        if last_port.0 != meta.port {
            last_port = (meta.port, brain.snapshot.port(meta.port));
        }
        let class = one(&mut frames[place], meta, last_port.1, brain, senders);
        meta.class = class.unwrap_or_else(Class::Drop);
        if let Class::Flow = meta.class {
            meta.hash = meta.key.hash(&brain.flows);
            meta.probe = brain.flows.probe(meta.hash);
        }
    }
}

#[inline(always)]
fn one(
    frame: &mut Frame,
    meta: &mut Meta,
    spec: Option<&PortSpec>,
    brain: &Brain,
    senders: &mut Senders,
) -> Result<Class, DropReason> {
    meta.outer_len = 0;
    if spec.is_some_and(|spec| matches!(spec.role, Role::Uplink { vlan: None, .. }))
        && vxlan::recognise(frame.data(), meta, senders)?
    {
        return Ok(overlay(Profile::L2, &frame.data()[usize::from(meta.outer_len)..], meta));
    }
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
