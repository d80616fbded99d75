//! VXLAN (RFC 7348): which member a packet from the underlay comes from, and the outer header of one that goes there.

use frame::Frame;
use table::MemberId;
use wire::{OuterTemplate, Vni, flow_hash, parse_outer, source_port};

use super::ecn;
use crate::{Cause, DropReason, NoMember, VtepKey, VtepTable, batch::Meta, brain::Brain};

/// The sender of the previous VXLAN packet of the batch, for senders talk in bursts: who it is, what it says about UDP
/// checksums over IPv6, in which network, as which member.
#[derive(Default)]
pub(crate) struct Memo(Option<(VtepKey, bool, Vni, MemberId)>);

/// Finds out which member a UDP packet to one of our addresses comes from and lets `meta` describe its inner frame.
pub(crate) fn receive(data: &[u8], meta: &mut Meta, brain: &Brain, memo: &mut Memo) -> Result<(), DropReason> {
    let vteps = &brain.snapshot.vteps;
    if let Some((_, port)) = meta.headers.ports(data)
        && !vteps.listens_on(port)
    {
        return Err(Cause::UplinkUdpPort.into());
    }
    let Some(outer) = parse_outer(data, &meta.headers)? else { return Err(Cause::UplinkProtocol.into()) };
    let sender = VtepKey { uplink: meta.port, local: outer.dst, remote: outer.src, udp_port: outer.udp_dst };
    let is_unsummed = outer.is_unsummed_ipv6;
    meta.ingress = match &memo.0 {
        Some((last, was, vni, member)) if *last == sender && *was == is_unsummed && *vni == outer.vni => *member,
        _ => {
            let member = find(vteps, sender, outer.vni, is_unsummed)?;
            memo.0 = Some((sender, is_unsummed, outer.vni, member));
            member
        }
    };
    meta.outer_len = outer.inner as u16;
    meta.inner_len = outer.inner_len as u16;
    let inner = &data[outer.inner..outer.inner + outer.inner_len];
    wire::parse_into(inner, &mut meta.headers)?;
    meta.ecn_mark = ecn::mark_of(outer.tos, inner, &meta.headers)?;
    Ok(())
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

/// Puts the outer header in front of a frame. An error leaves the frame as it was.
pub(crate) fn send(
    frame: &mut Frame,
    meta: &Meta,
    outer: &OuterTemplate,
    frame_max: u16,
    ip_id: u16,
) -> Result<(), Cause> {
    if frame.len() + outer.len() > usize::from(frame_max) {
        return Err(Cause::MtuExceededUnderlay);
    }
    let port = source_port(flow_hash(frame.data(), &meta.headers));
    let tos = meta.headers.tos(frame.data()).unwrap_or(0);
    let packet = frame.push_front(outer.len()).ok_or(Cause::NoHeadroom)?;
    if outer.write(packet, port, ip_id, tos) {
        return Ok(());
    }
    // Longer than an IP packet can be: the frame leaves as it came.
    let _ = frame.pull_front(outer.len());
    Err(Cause::MtuExceededUnderlay)
}
