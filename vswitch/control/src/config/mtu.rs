//! MTUs: what a tunnel costs, what its uplink leaves, and what therefore goes through a network.

use std::{collections::HashMap, net::IpAddr};

use super::{Name, Network, Port, Role, Tunnel, error::Errors, port::Draft, section::Section};

/// Smallest MTU: what every IPv4 host must take (RFC 1122 section 3.3.2).
pub const MTU_MIN: u16 = 576;

/// Largest MTU: the jumbo frames that NICs agree on.
pub const MTU_MAX: u16 = 9600;

/// Smallest MTU of an interface with an IPv6 address (RFC 8200 section 5).
const MTU_MIN_IPV6: u16 = 1280;

/// Ethernet's own.
const MTU_DEFAULT: u16 = 1500;

/// What a tunnel adds to a packet within the uplink's MTU: inner Ethernet 14, VXLAN 8, UDP 8, and IPv4 20 or IPv6 40.
pub const fn overhead(remote: IpAddr) -> u16 {
    match remote {
        IpAddr::V4(_) => 50,
        IpAddr::V6(_) => 70,
    }
}

/// What the narrowest tunnel of a network leaves.
#[derive(Clone)]
struct Room<'c> {
    mtu: u16,
    tunnel: &'c Tunnel,
    uplink: &'c Port,
}

impl Room<'_> {
    /// The sum, for the operator to check.
    fn chain(&self) -> String {
        let family = if self.tunnel.remote.is_ipv4() { "IPv4" } else { "IPv6" };
        let (uplink, tunnel) = (&self.uplink.name, &self.tunnel.name);
        let (mtu, overhead) = (self.uplink.mtu, overhead(self.tunnel.remote));
        format!("uplink `{uplink}` {mtu} - {overhead} (VXLAN over {family}, tunnel `{tunnel}`) = {}", self.mtu)
    }
}

/// Gives every port its MTU: uplinks first, then what they leave to access ports.
pub(super) fn settle(drafts: &mut [Draft], networks: &[Network], tunnels: &[Tunnel], errors: &mut Errors) {
    for draft in drafts.iter_mut() {
        let said = draft.said.get_ref();
        let mut check = Section::named(errors, "port", &said.name, draft.said);
        draft.port.mtu = check.number_or("mtu", &said.mtu, MTU_MIN.into()..=MTU_MAX.into(), MTU_DEFAULT);
    }
    let uplinks: HashMap<Name, Port> = drafts
        .iter()
        .filter(|draft| draft.port.is_uplink())
        .map(|draft| (draft.port.name.clone(), draft.port.clone()))
        .collect();
    let tunnels: HashMap<&Name, &Tunnel> = tunnels.iter().map(|tunnel| (&tunnel.name, tunnel)).collect();
    let rooms: HashMap<&Name, Room> = networks
        .iter()
        .filter_map(|network| {
            let rooms = network.tunnels.iter().filter_map(|name| room(tunnels.get(name)?, &uplinks));
            Some((&network.name, rooms.min_by_key(|room| room.mtu)?))
        })
        .collect();
    for draft in drafts.iter_mut() {
        let Role::Access { network, .. } = &draft.port.role else { continue };
        if let Some(room) = rooms.get(network).cloned() {
            fit(draft, &room, errors);
        }
    }
    for draft in drafts.iter() {
        ipv6_fits(draft, errors);
    }
}

fn room<'c>(tunnel: &'c Tunnel, uplinks: &'c HashMap<Name, Port>) -> Option<Room<'c>> {
    let uplink = uplinks.get(&tunnel.uplink)?;
    Some(Room { mtu: uplink.mtu.saturating_sub(overhead(tunnel.remote)), tunnel, uplink })
}

/// Fits an access port into the room that its network has.
fn fit(draft: &mut Draft, room: &Room, errors: &mut Errors) {
    let said = draft.said.get_ref();
    let mut check = Section::named(errors, "port", &said.name, draft.said);
    match &said.mtu {
        None if room.mtu < MTU_MIN => {
            let hint = format!("at least {}, so that {MTU_MIN} are left", MTU_MIN + overhead(room.tunnel.remote));
            check.lacks(format!("gets an mtu below {MTU_MIN}: {}", room.chain()), format!("uplink mtu {hint}"));
        }
        None => draft.port.mtu = room.mtu,
        Some(int) if draft.port.mtu > room.mtu && *int.get_ref() == i64::from(draft.port.mtu) => {
            let hint = match u32::from(draft.port.mtu) + u32::from(overhead(room.tunnel.remote)) {
                wider if wider <= MTU_MAX.into() => {
                    format!("at most {}, or mtu {wider} on `{}`", room.mtu, room.uplink.name)
                }
                _ => format!("at most {}", room.mtu),
            };
            let problem = format!("is more than its network leaves: {}", room.chain());
            check.refuse("mtu", &int.span(), problem, hint);
        }
        Some(_) => {}
    }
}

fn ipv6_fits(draft: &Draft, errors: &mut Errors) {
    let port = &draft.port;
    let said = draft.said.get_ref();
    let Some(index) = port.addresses.iter().position(|own| own.address().is_ipv6()) else { return };
    if port.mtu < MTU_MIN_IPV6 {
        let own = port.addresses[index];
        let at = said.addresses.iter().find(|text| text.get_ref().parse().is_ok_and(|cidr: super::Cidr| cidr == own));
        let mut check = Section::named(errors, "port", &said.name, draft.said);
        let span = at.map_or(check.span.clone(), |text| text.span());
        let problem = format!("does not go with mtu {}", port.mtu);
        check.refuse("addresses", &span, problem, format!("IPv6 needs an mtu of {MTU_MIN_IPV6}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_costs_what_its_headers_have() {
        assert_eq!(overhead("192.0.2.1".parse().unwrap()), 14 + 8 + 8 + 20);
        assert_eq!(overhead("2001:db8::1".parse().unwrap()), 14 + 8 + 8 + 40);
    }
}
