//! admit: is the port in force, and is an underlay packet for us, from a VTEP we know, of a network it may carry?
//!
//! What an access port may claim to be is a function of the flow's key and belongs to `decide`.

use std::net::IpAddr;

use wire::{L3, Mac};

use crate::{Cause, DropReason, PortId, Role, batch::Meta, brain::Brain, feature::vxlan};

/// What an admitted underlay packet is.
pub(crate) enum Underlay {
    /// ARP or ICMP for the node itself.
    Host,
    /// VXLAN; the meta now describes the inner frame.
    Decap,
}

/// The role of the port, if it is in force.
pub(crate) fn port(port: PortId, brain: &Brain) -> Result<&Role, Cause> {
    brain.snapshot.port(port).map(|spec| &spec.role).ok_or(Cause::PortUnknown)
}

/// Admits a packet that came in by an uplink.
pub(crate) fn underlay(
    data: &[u8],
    meta: &mut Meta,
    mac: Mac,
    addresses: &[IpAddr],
    brain: &Brain,
    last_sender: &mut vxlan::Memo,
) -> Result<Underlay, DropReason> {
    let headers = &meta.headers;
    if headers.dst != mac && !headers.dst.is_multicast() {
        return Err(Cause::UplinkOtherMac.into());
    }
    if headers.l3_kind == L3::Arp {
        return Ok(Underlay::Host);
    }
    match headers.addresses(data).map(|(_, destination)| destination) {
        Some(address) if addresses.contains(&address) => {}
        Some(_) => return Err(Cause::UplinkOtherAddress.into()),
        None => return Err(Cause::UplinkProtocol.into()),
    }
    match headers.protocol {
        wire::protocol::UDP => vxlan::receive(data, meta, brain, last_sender).map(|()| Underlay::Decap),
        wire::protocol::ICMP | wire::protocol::ICMPV6 => Ok(Underlay::Host),
        _ => Err(Cause::UplinkProtocol.into()),
    }
}
