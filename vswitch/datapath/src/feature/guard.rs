//! Anti-spoofing: what an access port may claim to be, in Ethernet, IP, ARP and neighbour discovery.

use std::net::IpAddr;

use wire::{
    L3, Mac, Parsed,
    icmpv6::{self, Neighbour},
};

use crate::{
    Cause, Guard,
    flow::{asks_for_address, hides_network},
};

/// Whether a port with this guard may send this frame.
pub(crate) fn check(guard: &Guard, frame: &[u8], headers: &Parsed) -> Result<(), Cause> {
    if !may_be(guard, headers.src) {
        return Err(Cause::SpoofedMac);
    }
    let Some(allowed) = &guard.addresses else {
        return claims(guard, frame, headers, |_| true);
    };
    match headers.addresses(frame).map(|(source, _)| source) {
        Some(address) if !address.is_unspecified() && !allowed.contains(&address) => Err(Cause::SpoofedAddress),
        // Of 0.0.0.0, a DHCP client is all there is; :: is how duplicate address detection asks (RFC 4862 5.4.2).
        Some(IpAddr::V4(address)) if address.is_unspecified() && !asks_for_address(headers, frame) => {
            Err(Cause::SpoofedAddress)
        }
        None if hides_network(headers) => Err(Cause::SpoofUnverifiable),
        _ => claims(guard, frame, headers, |address| allowed.contains(&address)),
    }
}

/// Whether a port with this guard may be `mac`.
pub(crate) fn may_be(guard: &Guard, mac: Mac) -> bool {
    guard.macs.as_ref().is_none_or(|macs| macs.contains(&mac))
}

/// What ARP and ND messages say about their sender.
fn claims(guard: &Guard, frame: &[u8], headers: &Parsed, allowed: impl Fn(IpAddr) -> bool) -> Result<(), Cause> {
    let honest = match headers.l3_kind {
        // A probe asks with sender 0.0.0.0 (RFC 5227 section 2.1.1).
        L3::Arp => headers.arp(frame).is_some_and(|arp| {
            may_be(guard, arp.sender_mac) && (arp.sender_ip.is_unspecified() || allowed(arp.sender_ip.into()))
        }),
        L3::Ipv6 => match icmpv6::neighbour(frame, headers) {
            Ok(Some(message)) => neighbour_is_honest(guard, &message, allowed),
            Ok(None) => true,
            Err(_) => false,
        },
        _ => true,
    };
    if honest { Ok(()) } else { Err(Cause::SpoofedNeighbour) }
}

/// An advertisement claims its target (RFC 4861 section 4.4); link-layer options claim a MAC. A solicitation's target is
/// whom it asks for, and its source address was checked with every other.
fn neighbour_is_honest(guard: &Guard, message: &Neighbour, allowed: impl Fn(IpAddr) -> bool) -> bool {
    let target = message.target.filter(|_| message.kind == icmpv6::NEIGHBOUR_ADVERTISEMENT);
    let mut macs = [message.source_link_layer, message.target_link_layer].into_iter().flatten();
    target.is_none_or(|address| allowed(address.into())) && macs.all(|mac| may_be(guard, mac))
}
