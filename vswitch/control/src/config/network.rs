//! `[[network]]`: a bridge domain.

use std::{collections::HashSet, fmt};

use toml::Spanned;
use wire::Vni;

use super::{
    Name, Static, Tables,
    error::Errors,
    file::{self, Text},
    keys,
    port::Draft,
    reference::Known,
    section::Section,
    static_entry::{self, Places},
    vlans::PORT_NETWORKS_MAX,
};

/// Networks at most.
///
/// Half of the ids there are, so that an id freed by a change need not be given out again by the same change.
const NETWORKS_MAX: usize = 2048;

/// Pairs of a network and a tunnel at most; each is a member with an outer header of its own. With the networks behind
/// ports half of the member ids there are.
const REMOTES_MAX: usize = 32_768 - PORT_NETWORKS_MAX;

/// MACs a network may hold where the file does not say.
pub(super) const MACS_DEFAULT: u32 = 4096;

/// Idle time in seconds after which a MAC is forgotten where the file does not say.
pub(super) const AGE_S_DEFAULT: u32 = 300;

/// What tells one flow of a network from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowKey {
    /// Who sends it to whom, by their MACs.
    #[default]
    Mac,
    /// The same, and IP addresses, protocol and ports.
    FiveTuple,
}

/// As the file says it.
impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FlowKey::Mac => "mac",
            FlowKey::FiveTuple => "five-tuple",
        })
    }
}

/// A bridge domain, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: Name,
    /// Its VXLAN network identifier.
    pub vni: Vni,
    /// Longest packet its ports may have, in octets, where the file says; else what its ways out leave.
    pub mtu: Option<u16>,
    /// Whether connections of TCP are told what the network has room for when they are opened.
    pub mss_clamp: bool,
    /// MACs its FDB may hold.
    pub macs_max: u32,
    /// Idle time after which a learned MAC is forgotten, in seconds.
    pub age_s: u32,
    /// What tells one of its flows from another.
    pub flow_key: FlowKey,
    /// The tunnels that carry it.
    pub tunnels: Vec<Name>,
    /// MACs whose place is known beforehand.
    pub statics: Vec<Static>,
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
    let places = Places::new(ports);
    let mut networks = Vec::new();
    let (mut remotes, mut statics) = (0, 0);
    for said in sections.iter().take(NETWORKS_MAX) {
        remotes += said.get_ref().tunnels.len();
        statics += said.get_ref().statics.len();
        let mut check = Section::named(errors, "network", &said.get_ref().name, said);
        networks.extend(network(said.get_ref(), known, &places, tables, &mut check));
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
    places: &Places,
    tables: &Tables,
    check: &mut Section,
) -> Option<Network> {
    let name = check.name("name", &said.name);
    let vni = check.counted(&keys::VNI, &said.vni).and_then(Vni::new);
    let mtu = said.mtu.as_ref().and_then(|int| check.counted(&keys::NETWORK_MTU, int));
    let mss_clamp = said.mss_clamp.as_ref().is_some_and(|flag| *flag.get_ref());
    let macs_max = check.counted_or(&keys::NETWORK_MACS_MAX, &said.macs_max, MACS_DEFAULT);
    if let Some(int) = said.macs_max.as_ref().filter(|_| macs_max > tables.macs_max) {
        let hint = format!("[tables] macs_max is {} for all networks together", tables.macs_max);
        check.warn("macs_max", &int.span(), "can never be reached", hint);
    }
    let age_s = check.counted_or(&keys::AGE_S, &said.age_s, AGE_S_DEFAULT);
    let flow_key = |text| check.chosen(&keys::FLOW_KEY, text, &[FlowKey::Mac, FlowKey::FiveTuple]);
    let flow_key = said.flow_key.as_ref().and_then(flow_key).unwrap_or_default();
    let tunnels = tunnels(&said.tunnels, known, check);
    let statics = static_entry::check(said, macs_max, known, places, check);
    Some(Network { name: name?, vni: vni?, mtu, mss_clamp, macs_max, age_s, flow_key, tunnels, statics })
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
