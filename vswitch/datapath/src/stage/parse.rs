//! parse: one pass over the headers of each frame, the key of its flow and the key's hash.

use frame::Frame;
use table::{FlowTable, MemberId};
use wire::L3;

use crate::{
    Cause, DropReason, PortId, PortSpec, Role,
    batch::{Batch, Class, Meta, Run},
    brain::Brain,
    feature::{ecn, gso, senders::Senders, vlan, vxlan},
    flow::{FlowKey, KEY_WORDS, Profile},
    stage::admit::{self, Admitted, Own},
};

/// The first loop.
#[inline(never)]
pub(crate) fn batch<const TUPLES: bool>(batch: &mut Batch, brain: &Brain) {
    let Batch { frames: Some(frames), runs, meta, senders, .. } = batch else { return };
    senders.hold_for(brain.snapshot.generation);
    let (mut frames, mut meta) = (frames.as_mut_slice(), &mut meta[..]);
    for Run { port, frames: count, octets } in runs.iter_mut() {
        let (run, run_meta);
        (run, frames) = frames.split_at_mut(usize::from(*count));
        (run_meta, meta) = meta.split_at_mut(usize::from(*count));
        let at = At { port: *port, spec: brain.snapshot.port(*port), brain };
        // A loop of its own for each kind of port.
        *octets = match at.spec.map_or(Door::Any, |spec| Door::of::<TUPLES>(spec, brain)) {
            Door::Bare(member) => {
                each(run, run_meta, at, senders, |data, meta, brain, _| bare(member, data, meta, brain))
            }
            Door::BareTuple(member) if TUPLES => {
                each(run, run_meta, at, senders, |data, meta, brain, _| bare_tuple(member, data, meta, brain))
            }
            Door::Tunnel => each(run, run_meta, at, senders, tunnelled::<TUPLES>),
            Door::BareTuple(_) | Door::Any => each(run, run_meta, at, senders, |_, _, _, _| false),
        };
    }
}

/// Where frames have come in.
#[derive(Clone, Copy)]
struct At<'b> {
    port: PortId,
    spec: Option<&'b PortSpec>,
    brain: &'b Brain,
}

/// Frames of one port, of which `pass` lets in those that are as nearly all are: plain, and what the port is for. Where it
/// answers `false`, `meta` says nothing. What has work left is never plain, and senders leave it of all packets or of none:
/// so that is asked once of all. The octets of all.
#[inline(always)]
fn each(
    frames: &mut [Frame],
    metas: &mut [Meta],
    at: At<'_>,
    senders: &mut Senders,
    pass: impl Fn(&[u8], &mut Meta, &Brain, &Senders) -> bool,
) -> u32 {
    let (is_any_unfinished, octets) = Frame::prefetch_all(frames);
    if is_any_unfinished {
        each_any(frames, metas, at, senders);
        return octets as u32;
    }
    for (frame, meta) in frames.iter_mut().zip(metas) {
        meta.port = at.port;
        if !pass(frame.data(), meta, at.brain, senders) {
            any(frame, meta, at, senders);
        }
    }
    octets as u32
}

/// Frames of one port, some of which have work left.
#[inline(never)]
fn each_any(frames: &mut [Frame], metas: &mut [Meta], at: At<'_>, senders: &mut Senders) {
    for (frame, meta) in frames.iter_mut().zip(metas) {
        meta.port = at.port;
        any(frame, meta, at, senders);
    }
}

/// Any frame, looked at closely.
#[inline(never)]
fn any(frame: &mut Frame, meta: &mut Meta, at: At<'_>, senders: &mut Senders) {
    meta.class = match class_of(frame, meta, at, senders) {
        Err(reason) | Ok(Class::Drop(reason)) => Class::Drop(reason),
        Ok(class) => gso::admit(frame, meta).map_or_else(|cause| Class::Drop(cause.into()), |()| class),
    };
    if let Class::Flow = meta.class {
        meta.probe = at.brain.flows.probe(meta.key.hash(&meta.tail, &at.brain.flows));
    }
}

/// Writes the headers of a plain packet, for whoever looks closer at it than the loops do.
pub(crate) fn describe(frame: &Frame, meta: &mut Meta) {
    if meta.class.is_plain() {
        let inner = frame.data().get(usize::from(meta.outer_len)..).and_then(|data| data.get(..meta.inner_len.into()));
        let is_parsed = wire::parse_into(inner.unwrap_or_default(), &mut meta.headers).is_ok();
        debug_assert!(is_parsed, "it was found to be plain");
        meta.class = Class::Flow;
    }
}

/// What may come in by a port without a close look.
#[derive(Clone, Copy)]
enum Door {
    /// Untagged plain packets, all from this member, keyed by their MACs.
    Bare(MemberId),
    /// The same, keyed by their five-tuples.
    BareTuple(MemberId),
    /// Untagged packets of known VXLAN senders.
    Tunnel,
    /// Nothing.
    Any,
}

impl Door {
    fn of<const TUPLES: bool>(spec: &PortSpec, brain: &Brain) -> Door {
        match (&spec.role, spec.vlans.untagged) {
            (Role::Access { guard }, Some(member)) if guard.addresses.is_none() => {
                match TUPLES && brain.keys.is_by_tuple(member) {
                    true => Door::BareTuple(member),
                    false => Door::Bare(member),
                }
            }
            (Role::Uplink { vlan: None, .. }, _) => Door::Tunnel,
            _ => Door::Any,
        }
    }
}

/// Lets an untagged plain packet in that comes from `member`.
#[inline(always)]
fn bare(member: MemberId, data: &[u8], meta: &mut Meta, brain: &Brain) -> bool {
    // Plain packets are TCP or UDP over IP: neither ARP nor neighbour discovery.
    let Some(link) = data.first_chunk().filter(|_| wire::is_plain(data)) else { return false };
    (meta.outer_len, meta.inner_len, meta.ecn_mark) = (0, data.len() as u16, 0);
    meta.ingress = member;
    key_by_macs(link, meta, &brain.flows);
    true
}

/// The same by its five-tuple.
#[inline(always)]
fn bare_tuple(member: MemberId, data: &[u8], meta: &mut Meta, brain: &Brain) -> bool {
    let Some(link) = data.first_chunk().filter(|_| wire::is_plain(data)) else { return false };
    (meta.outer_len, meta.inner_len, meta.ecn_mark) = (0, data.len() as u16, 0);
    meta.ingress = member;
    key_by_tuple(link, data, meta, &brain.flows);
    true
}

/// Lets a plain packet in out of a tunnel; `TUPLES`: where some network tells its flows apart by their five-tuples.
#[inline(always)]
fn tunnelled<const TUPLES: bool>(data: &[u8], meta: &mut Meta, brain: &Brain, senders: &Senders) -> bool {
    let Some((inner, outer_tos)) = vxlan::recognise(data, meta, senders) else { return false };
    let Some(link) = inner.first_chunk().filter(|_| wire::is_plain(inner)) else { return false };
    meta.inner_len = inner.len() as u16;
    meta.ecn_mark = 0;
    if outer_tos & wire::ecn::MASK != 0 {
        let Ok(mark) = ecn::mark_of(outer_tos, Some(wire::plain_hash_and_tos(inner).1)) else { return false };
        meta.ecn_mark = mark;
    }
    match TUPLES && brain.keys.is_by_tuple(meta.ingress) {
        true => key_by_tuple(link, inner, meta, &brain.flows),
        false => key_by_macs(link, meta, &brain.flows),
    }
    true
}

/// Gives a plain packet from `meta.ingress` its key, and asks where that can be.
#[inline(always)]
fn key_by_macs(link: &[u8; 14], meta: &mut Meta, flows: &FlowTable<KEY_WORDS>) {
    meta.key = FlowKey::l2(meta.ingress, link);
    meta.class = Class::Plain;
    meta.probe = flows.probe(flows.hash(&meta.key.front()));
}

/// The same with its five-tuple.
#[inline(always)]
fn key_by_tuple(link: &[u8; 14], data: &[u8], meta: &mut Meta, flows: &FlowTable<KEY_WORDS>) {
    (meta.key, meta.tail) = FlowKey::plain_tuple(meta.ingress, link, data);
    meta.class = Class::PlainTuple;
    meta.probe = flows.probe(meta.key.tuple_hash(&meta.tail, flows));
}

fn class_of(frame: &mut Frame, meta: &mut Meta, at: At<'_>, senders: &mut Senders) -> Result<Class, DropReason> {
    let At { spec, brain, .. } = at;
    if let Some(Door::Tunnel) = spec.map(|spec| Door::of::<false>(spec, brain))
        && let Some((inner, outer_tos)) = vxlan::recognise(frame.data(), meta, senders)
    {
        vxlan::decap(inner, meta.outer_len, outer_tos, meta)?;
        return Ok(overlay(brain.snapshot.profile(meta.ingress, None), inner, meta));
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
            Ok(overlay(brain.snapshot.profile(meta.ingress, Some(guard)), data, meta))
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
        Admitted::Overlay => {
            let profile = brain.snapshot.profile(meta.ingress, None);
            Ok(overlay(profile, &data[usize::from(meta.outer_len)..], meta))
        }
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
    (meta.key, meta.tail) = FlowKey::new(profile, meta.ingress, &meta.headers, data);
    Class::Flow
}
