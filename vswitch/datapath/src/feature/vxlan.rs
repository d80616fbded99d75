//! VXLAN (RFC 7348): which member a packet from the underlay comes from, and the outer header of one that goes there.

use frame::Frame;
use table::MemberId;
use wire::{
    OuterTemplate, Vni, flow_hash, outer::OUTER_IPV4_LEN, parse_outer, parse_plain_outer, plain_hash_and_tos,
    source_port,
};

use super::{ecn, senders::Senders};
use crate::{Cause, DropReason, NoMember, VtepKey, VtepTable, batch::Meta, brain::Brain};

/// The inner frame and the outer TOS of a packet whose outer headers are plain and like those of one that was found out
/// about lately, from a member of ours to us; `None` where it must be looked at closely.
#[inline(always)]
pub(crate) fn recognise<'d>(data: &'d [u8], meta: &mut Meta, senders: &Senders) -> Option<(&'d [u8], u8)> {
    let outer = parse_plain_outer(data)?;
    meta.ingress = senders.find(meta.port, outer.ends)?;
    meta.outer_len = OUTER_IPV4_LEN as u16;
    Some((data.get(OUTER_IPV4_LEN..)?.get(..usize::from(outer.inner_len))?, outer.tos))
}

/// Lets `meta` describe the inner frame.
pub(crate) fn decap(inner: &[u8], outer_len: u16, outer_tos: u8, meta: &mut Meta) -> Result<(), DropReason> {
    meta.outer_len = outer_len;
    meta.inner_len = inner.len() as u16;
    wire::parse_into(inner, &mut meta.headers)?;
    meta.ecn_mark = ecn::mark_of(outer_tos, meta.headers.tos(inner))?;
    Ok(())
}

/// Finds out which member a UDP packet to one of our addresses comes from and lets `meta` describe its inner frame.
pub(crate) fn receive(data: &[u8], meta: &mut Meta, brain: &Brain, senders: &mut Senders) -> Result<(), DropReason> {
    let vteps = &brain.snapshot.vteps;
    if let Some((_, port)) = meta.headers.ports(data)
        && !vteps.listens_on(port)
    {
        return Err(Cause::UplinkUdpPort.into());
    }
    let Some(outer) = parse_outer(data, &meta.headers)? else { return Err(Cause::UplinkProtocol.into()) };
    let sender = VtepKey { uplink: meta.port, local: outer.dst, remote: outer.src, udp_port: outer.udp_dst };
    let is_unsummed = outer.is_unsummed_ipv6;
    meta.ingress = match &senders.last {
        Some((last, was, vni, member)) if *last == sender && *was == is_unsummed && *vni == outer.vni => *member,
        _ => {
            let member = find(vteps, sender, outer.vni, is_unsummed)?;
            senders.last = Some((sender, is_unsummed, outer.vni, member));
            member
        }
    };
    let inner = &data[outer.inner..outer.inner + outer.inner_len];
    decap(inner, outer.inner as u16, outer.tos, meta)
}

/// The member that a sender is, if it may send that.
fn find(vteps: &VtepTable, sender: VtepKey, vni: Vni, is_unsummed: bool) -> Result<MemberId, Cause> {
    let member = vteps.find(sender, vni).map_err(|why| match why {
        NoMember::UnknownVtep => Cause::UnknownVtep,
        NoMember::UnknownVni => Cause::UnknownVni,
    })?;
    if is_unsummed && !vteps.allows_zero_checksum(sender) {
        return Err(Cause::OuterUdpZeroChecksum);
    }
    Ok(member)
}

/// The outer UDP source port of a stripped frame: what tells flows apart for whoever spreads packets over paths.
#[inline]
pub(crate) fn source_port_of(frame: &Frame, meta: &Meta) -> u16 {
    source_port(flow_hash(frame.data(), &meta.headers))
}

/// Puts the outer header in front of a stripped frame that is short enough for the uplink with it, with this IPv4
/// identification. An error leaves the frame as it was.
pub(crate) fn send(frame: &mut Frame, meta: &Meta, outer: &OuterTemplate, ip_id: u16) -> Result<(), Cause> {
    let tos = meta.headers.tos(frame.data()).unwrap_or(0);
    let (port, is_unfinished) = (source_port_of(frame, meta), frame.is_unfinished());
    put_in_front(frame, outer, |packet| match is_unfinished {
        true => outer.write_unsummed(packet, port, ip_id, tos),
        false => outer.write(packet, port, ip_id, tos),
    })
}

/// The same for a plain packet.
#[inline(always)]
pub(crate) fn send_plain(frame: &mut Frame, outer: &OuterTemplate, ip_id: u16) -> Result<(), Cause> {
    let (hash, tos) = plain_hash_and_tos(frame.data());
    put_in_front(frame, outer, |packet| outer.write(packet, source_port(hash), ip_id, tos))
}

#[inline(always)]
fn put_in_front(frame: &mut Frame, outer: &OuterTemplate, write: impl FnOnce(&mut [u8]) -> bool) -> Result<(), Cause> {
    let packet = frame.push_front(outer.len()).ok_or(Cause::NoHeadroom)?;
    if write(packet) {
        return Ok(());
    }
    // Longer than an IP packet can be: the frame leaves as it came.
    let _ = frame.pull_front(outer.len());
    Err(Cause::MtuExceededUnderlay)
}
