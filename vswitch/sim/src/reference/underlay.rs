//! What an uplink lets in.

use std::net::IpAddr;

use datapath::{Cause, DropReason, NoMember, PortId, Snapshot, VtepKey};
use table::MemberId;
use wire::{L3, Mac, Parsed, protocol};

/// What an underlay packet is.
pub(super) enum Admitted<'a> {
    /// For the node itself.
    Host,
    /// A tunnelled frame.
    Inner {
        /// Who sent it.
        ingress: MemberId,
        /// The inner frame.
        data: &'a [u8],
        /// Its headers.
        headers: Parsed,
    },
}

/// Says what an underlay packet is, or why it is not let in.
pub(super) fn admit<'a>(
    snapshot: &Snapshot,
    port: PortId,
    own: (Mac, &[IpAddr]),
    bytes: &'a [u8],
    headers: &Parsed,
) -> Result<Admitted<'a>, DropReason> {
    if headers.dst != own.0 && headers.dst.is_unicast() {
        return Err(Cause::UplinkOtherMac.into());
    }
    if headers.l3_kind == L3::Arp {
        return Ok(Admitted::Host);
    }
    let (_, dst) = headers.addresses(bytes).ok_or(Cause::UplinkProtocol)?;
    if !own.1.contains(&dst) {
        return Err(Cause::UplinkOtherAddress.into());
    }
    match headers.protocol {
        protocol::ICMP | protocol::ICMPV6 => Ok(Admitted::Host),
        protocol::UDP => decap(snapshot, port, bytes, headers),
        _ => Err(Cause::UplinkProtocol.into()),
    }
}

fn decap<'a>(snapshot: &Snapshot, port: PortId, bytes: &'a [u8], headers: &Parsed) -> Result<Admitted<'a>, DropReason> {
    if headers.ports(bytes).is_some_and(|(_, udp_port)| !snapshot.vteps.listens_on(udp_port)) {
        return Err(Cause::UplinkUdpPort.into());
    }
    let outer = wire::parse_outer(bytes, headers)?.ok_or(Cause::UplinkProtocol)?;
    let sender = VtepKey { uplink: port, local: outer.dst, remote: outer.src, udp_port: outer.udp_dst };
    let ingress = snapshot.vteps.find(sender, outer.vni).map_err(|why| match why {
        NoMember::UnknownVtep => Cause::UnknownVtep,
        NoMember::UnknownVni => Cause::UnknownVni,
    })?;
    let data = &bytes[outer.inner..outer.inner + outer.inner_len];
    Ok(Admitted::Inner { ingress, data, headers: wire::parse(data)? })
}
