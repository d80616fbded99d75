//! What is asked for a next hop, and from which address.

use std::net::IpAddr;

use wire::{Mac, arp, icmpv6::Solicitation};

use crate::host::Attachment;

/// The frame that asks for `target`, sent to `to` (the station believed to have it, or everybody); `None` where the
/// uplink has no address of that family.
pub(super) fn question(source: &Attachment, target: IpAddr, to: Option<Mac>) -> Option<Vec<u8>> {
    match (source_address(source, target)?, target) {
        (IpAddr::V4(src), IpAddr::V4(target)) => {
            Some(arp::Repr::request(source.mac, src, target).to_frame(to.unwrap_or(Mac::BROADCAST)).to_vec())
        }
        (IpAddr::V6(src), IpAddr::V6(target)) => {
            Some(Solicitation { src, source_mac: source.mac, target }.to_frame(to).to_vec())
        }
        _ => None,
    }
}

/// The address to ask from: one in the target's own prefix, else the uplink's first of that family.
fn source_address(source: &Attachment, target: IpAddr) -> Option<IpAddr> {
    let mut own = source.addresses.iter().filter(|(address, _)| address.is_ipv4() == target.is_ipv4());
    let first = own.clone().next()?.0;
    let shares_prefix = |&&(own, prefix): &&(IpAddr, u8)| (bits(own) ^ bits(target)).leading_zeros() >= prefix.into();
    Some(own.find(shares_prefix).map_or(first, |&(own, _)| own))
}

/// The bits of an address, left-aligned.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
