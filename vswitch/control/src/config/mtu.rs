//! MTUs: every port gets what its networks leave, and what cannot be is refused with its chain.

use std::collections::HashMap;

use toml::Spanned;

use super::{
    Name, Network, Port, Tunnel,
    error::Errors,
    file, keys,
    port::Draft,
    room::{Room, Rooms},
    section::Section,
};

/// Smallest MTU: what every IPv4 host must take (RFC 1122 section 3.3.2).
pub const MTU_MIN: u16 = 576;

/// Largest MTU: the jumbo frames that NICs agree on.
pub const MTU_MAX: u16 = 9600;

/// Smallest MTU of an interface with an IPv6 address (RFC 8200 section 5).
const MTU_MIN_IPV6: u16 = 1280;

/// Ethernet's own.
pub(super) const MTU_DEFAULT: u16 = 1500;

/// Gives every port its MTU: uplinks first, then what they, and what networks say, leave to access ports.
pub(super) fn settle(
    drafts: &mut [Draft],
    networks: &[Network],
    said: &[Spanned<file::Network>],
    tunnels: &[Tunnel],
    errors: &mut Errors,
) {
    for draft in drafts.iter_mut() {
        let said = draft.said.get_ref();
        let mut check = Section::named(errors, "port", &said.name, draft.said);
        draft.port.mtu = check.counted_or(&keys::MTU, &said.mtu, MTU_DEFAULT);
    }
    let ports: Vec<_> = drafts.iter().map(|draft| draft.port.clone()).collect();
    let ways = Rooms::ways(networks, tunnels, &ports.iter().collect::<Vec<_>>());
    for (network, said) in pairs(networks, said) {
        network_fits(network, said, &ways, errors);
    }
    let rooms = ways.with_said(networks);
    for draft in drafts.iter_mut().filter(|draft| !draft.port.is_uplink()) {
        if let Some(room) = rooms.port(&draft.port) {
            fit(draft, room, errors);
        }
    }
    warn_of_unlike(networks, said, drafts, errors);
    for draft in drafts.iter() {
        ipv6_fits(draft, errors);
    }
}

/// Each network with what the file says of it.
fn pairs<'f>(
    networks: &'f [Network],
    said: &'f [Spanned<file::Network>],
) -> impl Iterator<Item = (&'f Network, &'f Spanned<file::Network>)> {
    let said: HashMap<&str, _> = said.iter().map(|said| (said.get_ref().name.get_ref().as_str(), said)).collect();
    networks.iter().filter_map(move |network| Some((network, *said.get(network.name.as_str())?)))
}

/// What a network says must go through its ways out.
fn network_fits(network: &Network, said: &Spanned<file::Network>, ways: &Rooms, errors: &mut Errors) {
    let (Some(mtu), Some(int), Some(room)) = (network.mtu, &said.get_ref().mtu, ways.network(&network.name)) else {
        return;
    };
    if mtu > room.mtu {
        let mut check = Section::named(errors, "network", &said.get_ref().name, said);
        check.refuse("mtu", &int.span(), format!("does not fit: {}", room.chain), remedy(mtu, room));
    }
}

/// Packets between ports of unlike MTUs pass one way only. That is allowed, and worth a word.
fn warn_of_unlike(networks: &[Network], said: &[Spanned<file::Network>], drafts: &[Draft], errors: &mut Errors) {
    let mut ends: HashMap<&Name, (&Port, &Port)> = HashMap::new();
    for port in drafts.iter().map(|draft| &draft.port).filter(|port| !port.is_uplink()) {
        for (_, network) in port.vlans.networks() {
            let (least, most) = ends.entry(network).or_insert((port, port));
            *least = if port.mtu < least.mtu { port } else { *least };
            *most = if port.mtu > most.mtu { port } else { *most };
        }
    }
    for (network, said) in pairs(networks, said) {
        let Some((least, most)) = ends.get(&network.name).filter(|(least, most)| least.mtu < most.mtu) else {
            continue;
        };
        let mut check = Section::named(errors, "network", &said.get_ref().name, said);
        let problem = format!("has ports of unlike MTUs: `{}` {}, `{}` {}", least.name, least.mtu, most.name, most.mtu);
        let hint = format!("what is too big for the smaller does not reach it; `mtu = {}` here is for all", least.mtu);
        check.misses(problem, hint);
    }
}

/// What makes an MTU beyond its room possible.
fn remedy(mtu: u16, room: &Room) -> String {
    let wider = u32::from(mtu) + u32::from(room.chain.overhead());
    match room.chain.uplink() {
        Some(uplink) if wider <= MTU_MAX.into() => format!("at most {}, or mtu {wider} on `{uplink}`", room.mtu),
        _ => format!("at most {}", room.mtu),
    }
}

/// Fits an access port into the room that its networks have.
fn fit(draft: &mut Draft, room: &Room, errors: &mut Errors) {
    let said = draft.said.get_ref();
    let mut check = Section::named(errors, "port", &said.name, draft.said);
    match &said.mtu {
        None if room.mtu < MTU_MIN => {
            let hint = format!("at least {}, so that {MTU_MIN} are left", MTU_MIN + room.chain.overhead());
            check.lacks(format!("gets an mtu below {MTU_MIN}: {}", room.chain), format!("uplink mtu {hint}"));
        }
        None => draft.port.mtu = room.mtu,
        Some(int) if draft.port.mtu > room.mtu && *int.get_ref() == i64::from(draft.port.mtu) => {
            let problem = format!("is more than its network leaves: {}", room.chain);
            check.refuse("mtu", &int.span(), problem, remedy(draft.port.mtu, room));
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
