//! `[[tunnel]]`: a way to another VTEP.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use toml::Spanned;
use wire::{Dscp, Mac};

use super::{
    Multipath, Name, Network, Path, Port, Role,
    error::Errors,
    file::{self, Text},
    keys, path,
    port::Draft,
    reference::{Known, Unique},
    section::Section,
};

/// Tunnels at most.
const TUNNELS_MAX: usize = 4096;

/// VXLAN's UDP port (RFC 7348 section 5).
pub(super) const VXLAN_PORT: u16 = 4789;

/// What IANA recommends for TTLs, and most hosts send.
pub(super) const TTL_DEFAULT: u8 = 64;

/// A tunnel, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Its name.
    pub name: Name,
    /// The ways to the other VTEP, the preferred one first; at least one.
    pub paths: Vec<Path>,
    /// How several are used.
    pub multipath: Multipath,
    /// The other VTEP.
    pub remote: IpAddr,
    /// UDP destination port, sent and listened on.
    pub udp_port: u16,
    /// TTL or hop limit of outer packets.
    pub ttl: u8,
    /// Whether outer packets may not be fragmented (IPv4).
    pub df: bool,
    /// Whether outer packets have a UDP checksum.
    pub checksum: bool,
    /// Whether packets over IPv6 are taken without one.
    pub udp6_zero_checksum_rx: bool,
    /// Differentiated services code point of outer packets.
    pub dscp: Dscp,
    /// The MAC of the next hop, where it is not to be asked for.
    pub next_hop_mac: Option<Mac>,
}

/// To whom packets for `remote` are given on `uplink`: the remote itself where it is on-link, else the gateway. `None`
/// only for an uplink that no tunnel to it was checked for.
pub(crate) fn next_hop_by(uplink: &Port, remote: IpAddr) -> Option<IpAddr> {
    if uplink.addresses.iter().any(|own| own.contains(remote)) {
        return Some(remote);
    }
    match uplink.role {
        Role::Uplink { gateway, .. } if remote.is_ipv4() => gateway.map(IpAddr::V4),
        Role::Uplink { gateway6, .. } => gateway6.map(IpAddr::V6),
        Role::Access { .. } => None,
    }
}

/// Checks all tunnels. What has no name, uplink or addresses is left out (and reported).
pub(super) fn check(
    sections: &[Spanned<file::Tunnel>],
    known: &Known,
    ports: &[Draft],
    networks: &[Network],
    errors: &mut Errors,
) -> Vec<Tunnel> {
    if let Some(beyond) = sections.get(TUNNELS_MAX) {
        let message = format!("there are {} tunnels", sections.len());
        errors.hint(&beyond.span(), message, format!("at most {TUNNELS_MAX}"));
    }
    let used: HashSet<&Name> = networks.iter().flat_map(|network| &network.tunnels).collect();
    let by_name: HashMap<&str, &Port> = ports.iter().map(|draft| (draft.port.name.as_str(), &draft.port)).collect();
    let mut tunnels = Vec::new();
    let mut places = Vec::new();
    for said in sections.iter().take(TUNNELS_MAX) {
        let mut check = Section::named(errors, "tunnel", &said.get_ref().name, said);
        let Some(tunnel) = tunnel(said.get_ref(), known, &by_name, &mut check) else { continue };
        if !used.contains(&tunnel.name) {
            let span = said.get_ref().name.span();
            check.warn("name", &span, "is used by no network", "name it in `tunnels` of a [[network]]");
        }
        tunnels.push(tunnel);
        places.push(said);
    }
    duplicates(&tunnels, &places, errors);
    tunnels
}

fn tunnel(said: &file::Tunnel, known: &Known, ports: &HashMap<&str, &Port>, check: &mut Section) -> Option<Tunnel> {
    let name = check.name("name", &said.name);
    let remote = remote(&said.remote, ports, check);
    let udp_port = check.counted_or(&keys::UDP_PORT, &said.port, VXLAN_PORT);
    let ttl = check.counted_or(&keys::TTL, &said.ttl, TTL_DEFAULT);
    let dscp = said.dscp.as_ref().and_then(|said| dscp(said, check)).unwrap_or(Dscp::Inherit);
    let next_hop_mac = said.next_hop_mac.as_ref().and_then(|text| check.mac("next_hop_mac", text));
    let uplinks = path::uplinks(said, known, ports, check);
    let multipath = path::multipath(said, check);
    let (remote, uplinks) = (remote?, uplinks?);
    let paths = path::paths(said, &uplinks, remote, check)?;
    let (checksum, udp6_zero_checksum_rx) = checksums(said, remote, check);
    let df = said.df.unwrap_or(true);
    Some(Tunnel {
        name: name?,
        paths,
        multipath,
        remote,
        udp_port,
        ttl,
        df,
        checksum,
        udp6_zero_checksum_rx,
        dscp,
        next_hop_mac,
    })
}

fn dscp(said: &Spanned<file::Dscp>, check: &mut Section) -> Option<Dscp> {
    match said.get_ref() {
        file::Dscp::Word(word) if word == "inherit" => return Some(Dscp::Inherit),
        file::Dscp::Number(number @ 0..=63) => return Some(Dscp::Fixed(*number as u8)),
        _ => {}
    }
    check.refuse("dscp", &said.span(), "is no code point", "0 to 63, or \"inherit\" for the inner packet's");
    None
}

/// Whether UDP checksums are sent, and whether packets over IPv6 are taken without.
///
/// Over IPv4 they are optional and off unless wanted. Over IPv6 they are mandatory (RFC 8200 section 8.1), but for
/// tunnels whose both ends agree to leave them out (RFC 6935), which only the operator can know.
fn checksums(said: &file::Tunnel, remote: IpAddr, check: &mut Section) -> (bool, bool) {
    let flag = |flag: &Option<file::Flag>| flag.as_ref().map(|flag| *flag.get_ref());
    let span = |flag: &Option<file::Flag>| flag.as_ref().map(Spanned::span);
    let (wanted, unsummed) = (flag(&said.checksum), flag(&said.udp6_zero_checksum_tx).unwrap_or(false));
    if remote.is_ipv4() {
        let rx = ("udp6_zero_checksum_rx", span(&said.udp6_zero_checksum_rx));
        let keys = [("udp6_zero_checksum_tx", span(&said.udp6_zero_checksum_tx)), rx];
        let hint = "over IPv4 `checksum` says whether one is sent, and packets without are always taken";
        check.no_place_for(&keys, "does not go with an IPv4 remote", hint);
        return (wanted.unwrap_or(false), false);
    }
    match (wanted, &said.checksum, &said.udp6_zero_checksum_tx) {
        (Some(false), Some(said), _) if !unsummed => {
            let hint = "add udp6_zero_checksum_tx = true if the other VTEP takes packets without one (RFC 6935)";
            check.refuse("checksum", &said.span(), "does not go with an IPv6 remote by itself", hint);
        }
        (Some(true), _, Some(said)) if unsummed => {
            check.refuse("udp6_zero_checksum_tx", &said.span(), "contradicts checksum = true", "one of the two");
        }
        _ => {}
    }
    (!unsummed, flag(&said.udp6_zero_checksum_rx).unwrap_or(false))
}

fn remote(text: &Text, ports: &HashMap<&str, &Port>, check: &mut Section) -> Option<IpAddr> {
    let remote = check.address("remote", text)?;
    let uplinks = || ports.values().filter(|port| port.is_uplink());
    let hint = "the address of the other VTEP";
    if let Some(own) = uplinks().find(|port| port.has_address(remote)) {
        check.refuse("remote", &text.span(), format!("is our own address, on uplink `{}`", own.name), hint);
    } else if uplinks().any(|port| port.addresses.iter().any(|own| own.is_broadcast(remote))) {
        check.refuse("remote", &text.span(), "is a broadcast address", hint);
    } else {
        return Some(remote);
    }
    None
}

/// A VXLAN packet must belong to one tunnel.
fn duplicates(tunnels: &[Tunnel], places: &[&Spanned<file::Tunnel>], errors: &mut Errors) {
    let mut ends = Unique::new();
    for (tunnel, said) in tunnels.iter().zip(places) {
        let key = |path| (path, tunnel.remote, tunnel.udp_port);
        let taken = tunnel.paths.iter().map(|path| Some((path, ends.claim(key(path), &tunnel.name)?)));
        // To the end: all of its paths are its own.
        if let Some((path, other)) = taken.fold(None, Option::or) {
            let mut check = Section::named(errors, "tunnel", &said.get_ref().name, said);
            let problem = format!("has the same ends and UDP port as tunnel `{other}`");
            let hint = format!("one tunnel between {} and {} on port {}", path.local, tunnel.remote, tunnel.udp_port);
            check.refuse("remote", &said.get_ref().remote.span(), problem, hint);
        }
    }
}
