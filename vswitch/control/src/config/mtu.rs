//! MTUs: what a tunnel costs, what its uplink leaves, and what therefore goes through a network. Tags do not count.

use std::{collections::HashMap, net::IpAddr};

use super::{Name, Network, Port, Tunnel, error::Errors, keys, port::Draft, section::Section};

/// Smallest MTU: what every IPv4 host must take (RFC 1122 section 3.3.2).
pub const MTU_MIN: u16 = 576;

/// Largest MTU: the jumbo frames that NICs agree on.
pub const MTU_MAX: u16 = 9600;

/// Smallest MTU of an interface with an IPv6 address (RFC 8200 section 5).
const MTU_MIN_IPV6: u16 = 1280;

/// Ethernet's own.
pub(super) const MTU_DEFAULT: u16 = 1500;

/// What a tunnel adds to a packet within the uplink's MTU: inner Ethernet 14, VXLAN 8, UDP 8, and IPv4 20 or IPv6 40.
pub const fn overhead(remote: IpAddr) -> u16 {
    match remote {
        IpAddr::V4(_) => 50,
        IpAddr::V6(_) => 70,
    }
}

/// What the narrowest way out of a network leaves.
#[derive(Clone)]
struct Room<'c> {
    mtu: u16,
    uplink: &'c Port,
    way: Way<'c>,
}

/// How a network gets out by an uplink.
#[derive(Clone)]
enum Way<'c> {
    Tunnel(&'c Tunnel),
    /// That network is bridged to the uplink, untagged or in a VLAN.
    Bridge(&'c Name),
}

impl<'c> Room<'c> {
    fn of_tunnel(tunnel: &'c Tunnel, uplinks: &'c HashMap<Name, Port>) -> Option<Self> {
        let by_mtu = |uplink: &&Port| (uplink.mtu, uplink.name.clone());
        let uplink = tunnel.paths.iter().filter_map(|path| uplinks.get(&path.uplink)).min_by_key(by_mtu)?;
        Some(Room { mtu: uplink.mtu.saturating_sub(overhead(tunnel.remote)), uplink, way: Way::Tunnel(tunnel) })
    }

    /// What the way out costs.
    fn overhead(&self) -> u16 {
        match self.way {
            Way::Tunnel(tunnel) => overhead(tunnel.remote),
            Way::Bridge(_) => 0,
        }
    }

    /// The sum, for the operator to check.
    fn chain(&self) -> String {
        let (uplink, mtu) = (&self.uplink.name, self.uplink.mtu);
        match self.way {
            Way::Bridge(network) => format!("uplink `{uplink}` {mtu} (network `{network}` is bridged to it)"),
            Way::Tunnel(Tunnel { remote, name, .. }) => {
                let family = if remote.is_ipv4() { "IPv4" } else { "IPv6" };
                let overhead = overhead(*remote);
                format!("uplink `{uplink}` {mtu} - {overhead} (VXLAN over {family}, tunnel `{name}`) = {}", self.mtu)
            }
        }
    }
}

/// Gives every port its MTU: uplinks first, then what they leave to access ports.
pub(super) fn settle(drafts: &mut [Draft], networks: &[Network], tunnels: &[Tunnel], errors: &mut Errors) {
    for draft in drafts.iter_mut() {
        let said = draft.said.get_ref();
        let mut check = Section::named(errors, "port", &said.name, draft.said);
        draft.port.mtu = check.counted_or(&keys::MTU, &said.mtu, MTU_DEFAULT);
    }
    let uplinks: HashMap<Name, Port> = drafts
        .iter()
        .filter(|draft| draft.port.is_uplink())
        .map(|draft| (draft.port.name.clone(), draft.port.clone()))
        .collect();
    let tunnels: HashMap<&Name, &Tunnel> = tunnels.iter().map(|tunnel| (&tunnel.name, tunnel)).collect();
    let rooms = rooms(networks, &tunnels, &uplinks);
    for draft in drafts.iter_mut().filter(|draft| !draft.port.is_uplink()) {
        let all = draft.port.vlans.networks().filter_map(|(_, network)| rooms.get(network));
        if let Some(room) = all.min_by_key(|room| room.mtu).cloned() {
            fit(draft, &room, errors);
        }
    }
    for draft in drafts.iter() {
        ipv6_fits(draft, errors);
    }
}

/// The narrowest way out of each network that has any.
fn rooms<'c>(
    networks: &'c [Network],
    tunnels: &HashMap<&Name, &'c Tunnel>,
    uplinks: &'c HashMap<Name, Port>,
) -> HashMap<&'c Name, Room<'c>> {
    let by_tunnel = networks.iter().flat_map(|network| {
        let rooms = network.tunnels.iter().filter_map(|name| Room::of_tunnel(tunnels.get(name)?, uplinks));
        rooms.map(move |room| (&network.name, room))
    });
    let bridged = uplinks.values().flat_map(|uplink| {
        let room = move |network| Room { mtu: uplink.mtu, uplink, way: Way::Bridge(network) };
        uplink.vlans.networks().map(move |(_, network)| (network, room(network)))
    });
    let mut narrowest: HashMap<&Name, Room> = HashMap::new();
    for (network, room) in by_tunnel.chain(bridged) {
        let is_narrower = |other: &Room| (room.mtu, &room.uplink.name) < (other.mtu, &other.uplink.name);
        if narrowest.get(network).is_none_or(is_narrower) {
            narrowest.insert(network, room);
        }
    }
    narrowest
}

/// Fits an access port into the room that its network has.
fn fit(draft: &mut Draft, room: &Room, errors: &mut Errors) {
    let said = draft.said.get_ref();
    let mut check = Section::named(errors, "port", &said.name, draft.said);
    match &said.mtu {
        None if room.mtu < MTU_MIN => {
            let hint = format!("at least {}, so that {MTU_MIN} are left", MTU_MIN + room.overhead());
            check.lacks(format!("gets an mtu below {MTU_MIN}: {}", room.chain()), format!("uplink mtu {hint}"));
        }
        None => draft.port.mtu = room.mtu,
        Some(int) if draft.port.mtu > room.mtu && *int.get_ref() == i64::from(draft.port.mtu) => {
            let hint = match u32::from(draft.port.mtu) + u32::from(room.overhead()) {
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
