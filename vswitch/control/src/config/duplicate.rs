//! What two sections may not both have: MACs and addresses on one segment, VNIs, interfaces, devices.

use std::{collections::HashMap, hash::Hash, path::Path};

use toml::Spanned;

use super::{
    Cidr, Kind, Name, Netns, Network, Port,
    error::{Errors, Span},
    file::Network as SaidNetwork,
    port::Draft,
    reference::Unique,
    section::Section,
};

/// Objects to ports that are in each other's way.
///
/// MACs and addresses may recur in different networks: these are segments of their own, often of different tenants.
pub(super) fn ports(drafts: &[Draft], errors: &mut Errors) {
    let (mut macs, mut addresses, mut places) = (Unique::new(), Unique::new(), Unique::new());
    for draft in drafts {
        let (port, said) = (&draft.port, draft.said.get_ref());
        let mut check = Section::named(errors, "port", &said.name, draft.said);
        let segments = port.segments();
        if let (Some(mac), Some(text)) = (port.mac, &said.mac)
            && let Some((segment, other)) = taken(&mut macs, &segments, mac, &port.name)
        {
            let problem = format!("is the MAC of port `{other}` too");
            check.refuse("mac", &text.span(), problem, where_unique(segment, "MAC"));
        }
        for text in &said.addresses {
            let Ok(own) = text.get_ref().parse::<Cidr>() else { continue };
            let other = taken(&mut addresses, &segments, own.address(), &port.name);
            // The same address twice on one port is reported where its list is read.
            let other = other.filter(|(_, other)| **other != port.name);
            if let Some((segment, other)) = other.filter(|(_, other)| !may_share(port, other, own, drafts)) {
                let problem = format!("is an address of port `{other}` too");
                check.refuse("addresses", &text.span(), problem, where_unique(segment, "address"));
            }
        }
        let (place, key, span) = place(draft);
        let attached = port.kind.attached_to().map(Place::Attached);
        for place in [Some(place), attached].into_iter().flatten() {
            let Some(other) = places.claim(place, &port.name) else { continue };
            let (problem, hint) = match place {
                Place::Device(_) => (format!("is taken by port `{other}`"), "a port has a device of its own"),
                Place::Interface(..) => {
                    (format!("is taken by port `{other}`"), "one interface of a name in a namespace")
                }
                Place::Socket(_) => (format!("is taken by port `{other}`"), "a socket for each port"),
                Place::Attached(_) => {
                    (format!("takes the interface that port `{other}` has"), "each would receive every frame")
                }
            };
            check.refuse(key, &span, problem, hint);
            break;
        }
    }
}

/// Whether a port may have an address that `other` has too: uplinks may share one that belongs to the node and to no
/// link, as a host route says (the loopback address of a VTEP in a routed fabric).
fn may_share(port: &Port, other: &Name, own: Cidr, drafts: &[Draft]) -> bool {
    let is_host_route = own.prefix_bits() == if own.address().is_ipv4() { 32 } else { 128 };
    let other = drafts.iter().find(|draft| draft.port.name == *other);
    let shares = |draft: &Draft| draft.port.is_uplink() && draft.port.addresses.contains(&own);
    is_host_route && port.is_uplink() && other.is_some_and(shares)
}

/// What a port occupies outside of the switch.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place<'d> {
    /// A PCI address, or the name of a virtual device.
    Device(&'d str),
    /// A namespace, and the name of an interface there.
    Interface(Option<&'d Netns>, &'d str),
    /// A socket's path.
    Socket(&'d Path),
    /// An interface that is there already, in the switch's own namespace.
    Attached(&'d str),
}

/// What a port occupies, and the key that says so.
fn place<'d>(draft: &'d Draft) -> (Place<'d>, &'static str, Span) {
    let said = draft.said.get_ref();
    match &draft.port.kind {
        Kind::Tap { netns, interface } => {
            let place = Place::Interface(netns.as_ref(), interface);
            match &said.interface {
                Some(text) => (place, "interface", text.span()),
                None => (place, "name", said.name.span()),
            }
        }
        Kind::VhostUser { socket, .. } => {
            (Place::Socket(socket), "socket", said.socket.as_ref().map_or(draft.said.span(), Spanned::span))
        }
        Kind::Eth { device } => {
            let name = device.split(',').next().unwrap_or_default();
            (Place::Device(name), "device", said.device.as_ref().map_or(draft.said.span(), Spanned::span))
        }
    }
}

/// Claims something that each of `segments` has once; where it is taken, and by whom.
fn taken<'d, T: Copy + Eq + Hash>(
    unique: &mut Unique<'d, (Option<&'d Name>, T)>,
    segments: &[Option<&'d Name>],
    thing: T,
    owner: &'d Name,
) -> Option<(Option<&'d Name>, &'d Name)> {
    let claims = segments.iter().map(|&segment| Some((segment, unique.claim((segment, thing), owner)?)));
    // To the end: a port is on all its segments.
    claims.fold(None, Option::or)
}

fn where_unique(segment: Option<&Name>, what: &str) -> String {
    match segment {
        Some(network) => format!("one {what} once in network `{network}`"),
        None => format!("one {what} on one uplink"),
    }
}

/// Objects to networks with the same VNI.
pub(super) fn vnis(networks: &[Network], said: &[Spanned<SaidNetwork>], errors: &mut Errors) {
    let sections: HashMap<&str, _> = said.iter().map(|said| (said.get_ref().name.get_ref().as_str(), said)).collect();
    let mut vnis = Unique::new();
    for network in networks {
        let Some(other) = vnis.claim(network.vni, &network.name).filter(|other| **other != network.name) else {
            continue;
        };
        let Some(section) = sections.get(network.name.as_str()) else { continue };
        let mut check = Section::named(errors, "network", &section.get_ref().name, section);
        let at = section.get_ref().vni.span();
        check.refuse("vni", &at, format!("is the VNI of network `{other}` too"), "a VNI for each network");
    }
}
