//! `gateway` and `gateway6` of an uplink: the routers for what is not on-link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Cidr,
    cidr::is_link_local,
    file::{self, Text},
    section::Section,
};

/// The routers of an uplink with these addresses, one for each family.
pub(super) fn check(
    said: &file::Port,
    addresses: &[Cidr],
    check: &mut Section,
) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
    let gateway = said.gateway.as_ref().and_then(|text| match router("gateway", text, addresses, check)? {
        IpAddr::V4(gateway) => Some(gateway),
        IpAddr::V6(_) => {
            check.refuse("gateway", &text.span(), "is an IPv6 address", "`gateway6` is the router for IPv6");
            None
        }
    });
    let gateway6 = said.gateway6.as_ref().and_then(|text| match router("gateway6", text, addresses, check)? {
        IpAddr::V6(gateway) => Some(gateway),
        IpAddr::V4(_) => {
            check.refuse("gateway6", &text.span(), "is an IPv4 address", "`gateway` is the router for IPv4");
            None
        }
    });
    (gateway, gateway6)
}

/// A router that the uplink can reach. IPv6 routers are often known by their link-local address alone.
fn router(key: &str, text: &Text, addresses: &[Cidr], check: &mut Section) -> Option<IpAddr> {
    let router = check.address(key, text)?;
    let is_neighbour = |own: &Cidr| own.contains(router) && !own.is_broadcast(router);
    let has_ipv6 = addresses.iter().any(|own| own.address().is_ipv6());
    let problem = if addresses.iter().any(|own| own.address() == router) {
        "is the port's own address"
    } else if addresses.iter().any(is_neighbour) || has_ipv6 && is_link_local(router) {
        return Some(router);
    } else {
        "is in no prefix of the port's addresses"
    };
    check.refuse(key, &text.span(), problem, "a router in one of the prefixes of `addresses`");
    None
}
