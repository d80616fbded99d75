//! admit: is an underlay packet for us, from a VTEP we know, of a network it may carry?
//!
//! What an access port may claim to be is a function of the flow's key and belongs to `decide`.

use std::net::IpAddr;

use table::MemberId;
use wire::{
    L3, Mac, Parsed,
    icmpv6::{self, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION},
    ipv6, protocol,
};

use crate::{
    Cause, DropReason,
    batch::Meta,
    brain::Brain,
    feature::{senders::Senders, vxlan},
};

/// What an admitted frame from an uplink is.
pub(crate) enum Admitted {
    /// ARP, neighbour discovery or ICMP for the node itself.
    Host,
    /// An overlay frame: decapped (the meta now describes the inner frame), or of a network bridged to the uplink.
    Overlay,
}

/// What the node itself is on an uplink.
pub(crate) struct Own<'a> {
    pub(crate) mac: Mac,
    pub(crate) addresses: &'a [IpAddr],
}

/// Admits a frame that came in by an uplink, in a VLAN where the node itself is (`own`), a network is bridged
/// (`member`), or both: then the node gets what is for it, and the network the rest.
pub(crate) fn uplink(
    data: &[u8],
    meta: &mut Meta,
    own: Option<Own<'_>>,
    member: Option<MemberId>,
    brain: &Brain,
    senders: &mut Senders,
) -> Result<Admitted, DropReason> {
    match (own, member) {
        (Some(own), None) => underlay(data, meta, &own, brain, senders),
        (Some(own), Some(_)) if is_for_node(data, meta, &own) => underlay(data, meta, &own, brain, senders),
        (_, Some(member)) => {
            meta.ingress = member;
            Ok(Admitted::Overlay)
        }
        (None, None) => Err(Cause::VlanRefused.into()),
    }
}

/// Whether a frame in a VLAN that node and network share is the node's: sent to its MAC, or asking for its address.
fn is_for_node(data: &[u8], meta: &Meta, own: &Own<'_>) -> bool {
    let asks_for_us = || meta.headers.arp(data).is_some_and(|arp| own.addresses.contains(&arp.target_ip.into()));
    meta.headers.dst == own.mac || asks_for_us() || solicits(data, &meta.headers, own.addresses)
}

/// Whether a frame is a neighbour solicitation for one of our addresses.
fn solicits(data: &[u8], headers: &Parsed, addresses: &[IpAddr]) -> bool {
    let Ok(Some(message)) = icmpv6::neighbour(data, headers) else { return false };
    message.kind == NEIGHBOUR_SOLICITATION && message.target.is_some_and(|target| addresses.contains(&target.into()))
}

fn underlay(
    data: &[u8],
    meta: &mut Meta,
    own: &Own<'_>,
    brain: &Brain,
    senders: &mut Senders,
) -> Result<Admitted, DropReason> {
    let headers = &meta.headers;
    if headers.dst != own.mac && !headers.dst.is_multicast() {
        return Err(Cause::UplinkOtherMac.into());
    }
    if headers.l3_kind == L3::Arp {
        return Ok(Admitted::Host);
    }
    let is_group = match headers.addresses(data).map(|(_, destination)| destination) {
        // "SHOULD silently discard a datagram that is received via a link-layer broadcast" and is for one host (RFC 1122
        // section 3.3.6).
        Some(address) if own.addresses.contains(&address) && headers.dst.is_multicast() => {
            return Err(Cause::UplinkOtherMac.into());
        }
        Some(address) if own.addresses.contains(&address) => false,
        Some(address) if is_own_group(address, own.addresses) => true,
        Some(_) => return Err(Cause::UplinkOtherAddress.into()),
        None => return Err(Cause::UplinkProtocol.into()),
    };
    match headers.protocol {
        protocol::UDP if !is_group => vxlan::receive(data, meta, brain, senders).map(|()| Admitted::Overlay),
        protocol::ICMP if !is_group => Ok(Admitted::Host),
        protocol::ICMPV6 => icmpv6(data, headers, is_group),
        _ => Err(Cause::UplinkProtocol.into()),
    }
}

/// Whether `address` is a group that whoever has `addresses` is in: all nodes, and the solicited-node group of each.
fn is_own_group(address: IpAddr, addresses: &[IpAddr]) -> bool {
    let IpAddr::V6(group) = address else { return false };
    group.is_multicast()
        && addresses.iter().any(|own| match own {
            IpAddr::V6(own) => group == ipv6::ALL_NODES || group == ipv6::solicited_node(*own),
            IpAddr::V4(_) => false,
        })
}

/// The node answers and asks for neighbours, and speaks ICMPv6 to whoever means it alone. It obeys no router: neither
/// advertisements nor redirects.
fn icmpv6(data: &[u8], headers: &Parsed, is_group: bool) -> Result<Admitted, DropReason> {
    match icmpv6::neighbour(data, headers)? {
        Some(message) if matches!(message.kind, NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT) => Ok(Admitted::Host),
        None if !is_group => Ok(Admitted::Host),
        _ => Err(Cause::UplinkProtocol.into()),
    }
}
