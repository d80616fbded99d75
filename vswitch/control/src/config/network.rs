//! `[[network]]`: a bridge domain.

use std::collections::HashSet;

use toml::Spanned;
use wire::{Mac, Vni};

use super::{
    Name, Tables,
    error::Errors,
    file::{self, Text},
    port::Draft,
    reference::Known,
    section::Section,
    tables,
};

/// Networks at most.
///
/// Half of the ids there are, so that an id freed by a change need not be given out again by the same change.
const NETWORKS_MAX: usize = 2048;

/// Pairs of a network and a tunnel at most; each is a member with an outer header of its own. With the access ports half
/// of the member ids there are.
const REMOTES_MAX: usize = 32_768 - datapath::PORTS_MAX;

/// MACs a network may hold where the file does not say.
const MACS_DEFAULT: u32 = 4096;

/// A bridge domain, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: Name,
    /// Its VXLAN network identifier.
    pub vni: Vni,
    /// MACs its FDB may hold.
    pub macs_max: u32,
    /// Idle time after which a learned MAC is forgotten, in seconds.
    pub age_s: u32,
    /// The tunnels that carry it.
    pub tunnels: Vec<Name>,
    /// MACs whose place is known beforehand.
    pub statics: Vec<Static>,
}

/// A MAC whose place is known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Static {
    /// The MAC.
    pub mac: Mac,
    /// Where it is.
    pub behind: Behind,
}

/// Where a MAC is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Behind {
    /// Behind a port of this switch.
    Port(Name),
    /// Behind the VTEP at the other end of a tunnel.
    Tunnel(Name),
}

/// Checks all networks. What has no name or VNI is left out (and reported).
pub(super) fn check(
    sections: &[Spanned<file::Network>],
    known: &Known,
    ports: &[Draft],
    tables: &Tables,
    errors: &mut Errors,
) -> Vec<Network> {
    if let Some(beyond) = sections.get(NETWORKS_MAX) {
        let message = format!("there are {} networks", sections.len());
        errors.hint(&beyond.span(), message, format!("at most {NETWORKS_MAX}"));
    }
    let mut networks = Vec::new();
    let (mut remotes, mut statics) = (0, 0);
    for said in sections.iter().take(NETWORKS_MAX) {
        remotes += said.get_ref().tunnels.len();
        statics += said.get_ref().statics.len();
        let mut check = Section::named(errors, "network", &said.get_ref().name, said);
        networks.extend(network(said.get_ref(), known, ports, tables, &mut check));
        if remotes > REMOTES_MAX {
            check.lacks("is where there are too many tunnels in networks", format!("at most {REMOTES_MAX} in all"));
            break;
        }
        if statics > tables.macs_max as usize {
            let hint = format!("[tables] macs_max is {}", tables.macs_max);
            check.lacks("is where there are more static entries than the table holds", hint);
            break;
        }
    }
    networks
}

fn network(
    said: &file::Network,
    known: &Known,
    ports: &[Draft],
    tables: &Tables,
    check: &mut Section,
) -> Option<Network> {
    let name = check.name("name", &said.name);
    let vni = check.number("vni", &said.vni, 0..=i64::from(Vni::MAX.get())).and_then(Vni::new);
    let macs_max = check.number_or("macs_max", &said.macs_max, 1..=tables::MACS_MAX, MACS_DEFAULT);
    if let Some(int) = said.macs_max.as_ref().filter(|_| macs_max > tables.macs_max) {
        let hint = format!("[tables] macs_max is {} for all networks together", tables.macs_max);
        check.warn("macs_max", &int.span(), "can never be reached", hint);
    }
    let age_s = check.number_or("age_s", &said.age_s, 1..=1_000_000, 300);
    let tunnels = tunnels(&said.tunnels, known, check);
    if let Some(beyond) = said.statics.get(macs_max as usize) {
        let problem = format!("has {} static entries", said.statics.len());
        check.errors.hint(
            &beyond.span(),
            format!("[[network]] `{}` {problem}", said.name.get_ref()),
            format!("macs_max is {macs_max}"),
        );
    }
    let mut seen = HashSet::new();
    let mut statics = Vec::new();
    for entry in said.statics.iter().take(macs_max as usize) {
        let Some(entry) = static_entry(entry, said, known, ports, check) else { continue };
        statics.push(entry);
        let mac = statics[statics.len() - 1].mac;
        if !seen.insert(mac) {
            let at = said.statics[statics.len() - 1].get_ref().mac.span();
            check.refuse("mac", &at, "is there twice", "one static entry for a MAC");
        }
    }
    Some(Network { name: name?, vni: vni?, macs_max, age_s, tunnels, statics })
}

fn tunnels(list: &[Text], known: &Known, check: &mut Section) -> Vec<Name> {
    let mut seen = HashSet::new();
    let mut tunnels = Vec::new();
    for text in list {
        if !seen.insert(text.get_ref()) {
            check.refuse("tunnels", &text.span(), "is there twice", "each tunnel once");
            continue;
        }
        tunnels.extend(known.tunnels.find(check, "tunnels", text));
    }
    tunnels
}

/// One entry of `static`: a MAC, and the port or tunnel of this network it is behind.
fn static_entry(
    entry: &Spanned<file::Static>,
    network: &file::Network,
    known: &Known,
    ports: &[Draft],
    check: &mut Section,
) -> Option<Static> {
    let said = entry.get_ref();
    let mac = check.mac("mac", &said.mac);
    let behind = match (&said.port, &said.tunnel) {
        (Some(port), None) => Behind::Port(port_here(port, network, known, ports, check)?),
        (None, Some(tunnel)) => Behind::Tunnel(tunnel_here(tunnel, network, known, check)?),
        _ => {
            let title = network.name.get_ref();
            let message = format!(
                "a static entry of [[network]] `{title}` names {}",
                if said.port.is_some() { "a port and a tunnel" } else { "neither port nor tunnel" }
            );
            check.errors.hint(&entry.span(), message, "it is behind one of the two");
            return None;
        }
    };
    let mac = mac?;
    let owner = ports.iter().find(|draft| draft.port.mac == Some(mac) && in_network(draft, network));
    if let Some(owner) = owner.filter(|owner| behind != Behind::Port(owner.port.name.clone())) {
        let problem = format!("is the MAC of port `{}`", owner.port.name);
        check.refuse("mac", &said.mac.span(), problem, "it cannot be elsewhere too");
    }
    Some(Static { mac, behind })
}

fn port_here(
    text: &Text,
    network: &file::Network,
    known: &Known,
    ports: &[Draft],
    check: &mut Section,
) -> Option<Name> {
    let name = known.ports.find(check, "port", text)?;
    let draft = ports.iter().find(|draft| draft.port.name == name)?;
    if !in_network(draft, network) {
        let problem = match draft.port.network() {
            Some(other) => format!("is in network `{other}`"),
            None => "is an uplink".to_owned(),
        };
        check.refuse("port", &text.span(), problem, "a port of this network, or a tunnel of it");
        return None;
    }
    Some(name)
}

fn tunnel_here(text: &Text, network: &file::Network, known: &Known, check: &mut Section) -> Option<Name> {
    let name = known.tunnels.find(check, "tunnel", text)?;
    if !network.tunnels.iter().any(|listed| listed.get_ref() == text.get_ref()) {
        check.refuse("tunnel", &text.span(), "is none of this network's", "add it to `tunnels`");
        return None;
    }
    Some(name)
}

fn in_network(draft: &Draft, network: &file::Network) -> bool {
    draft.port.network().is_some_and(|name| name == network.name.get_ref().as_str())
}
