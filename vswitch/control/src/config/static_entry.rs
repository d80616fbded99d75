//! `static` in `[[network]]`: MACs whose place is known beforehand.

use std::collections::{HashMap, HashSet};

use toml::Spanned;
use wire::Mac;

use super::{
    Name, Port,
    file::{self, Text},
    port::Draft,
    reference::Known,
    section::Section,
};

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

/// Where ports and their MACs are.
pub(super) struct Places<'d> {
    ports: HashMap<&'d Name, &'d Port>,
    /// By network.
    macs: HashMap<(&'d str, Mac), &'d Name>,
}

impl<'d> Places<'d> {
    pub(super) fn new(ports: &'d [Draft]) -> Self {
        let macs = ports.iter().filter_map(|draft| Some((&draft.port, draft.port.mac?)));
        let macs = macs.flat_map(|(port, mac)| {
            port.segments().into_iter().flatten().map(move |network| ((network.as_str(), mac), &port.name))
        });
        Places { ports: ports.iter().map(|draft| (&draft.port.name, &draft.port)).collect(), macs: macs.collect() }
    }
}

/// The network whose entries are checked.
struct Here<'h> {
    name: &'h str,
    tunnels: HashSet<&'h str>,
    known: &'h Known<'h>,
    places: &'h Places<'h>,
}

/// Checks the static entries of a network that may hold `macs_max` MACs.
pub(super) fn check(
    network: &file::Network,
    macs_max: u32,
    known: &Known,
    places: &Places,
    check: &mut Section,
) -> Vec<Static> {
    if let Some(beyond) = network.statics.get(macs_max as usize) {
        let message = format!("{} has {} static entries", check.title(), network.statics.len());
        check.errors.hint(&beyond.span(), message, format!("macs_max is {macs_max}"));
    }
    let tunnels = network.tunnels.iter().map(|text| text.get_ref().as_str()).collect();
    let here = Here { name: network.name.get_ref(), tunnels, known, places };
    let mut seen = HashSet::new();
    let mut statics = Vec::new();
    for entry in network.statics.iter().take(macs_max as usize) {
        let Some(made) = here.entry(entry, check) else { continue };
        if !seen.insert(made.mac) {
            check.refuse("mac", &entry.get_ref().mac.span(), "is there twice", "one static entry for a MAC");
        }
        statics.push(made);
    }
    statics
}

impl Here<'_> {
    /// One entry: a MAC, and the port or tunnel of this network it is behind.
    fn entry(&self, entry: &Spanned<file::Static>, check: &mut Section) -> Option<Static> {
        let said = entry.get_ref();
        let mac = check.mac("mac", &said.mac);
        let behind = match (&said.port, &said.tunnel) {
            (Some(port), None) => Behind::Port(self.port(port, check)?),
            (None, Some(tunnel)) => Behind::Tunnel(self.tunnel(tunnel, check)?),
            (both, _) => {
                let names = if both.is_some() { "a port and a tunnel" } else { "neither port nor tunnel" };
                let message = format!("a static entry of {} names {names}", check.title());
                check.errors.hint(&entry.span(), message, "it is behind one of the two");
                return None;
            }
        };
        let mac = mac?;
        let owner = self.places.macs.get(&(self.name, mac));
        if let Some(owner) = owner.filter(|owner| !matches!(&behind, Behind::Port(port) if port == **owner)) {
            let problem = format!("is the MAC of port `{owner}`");
            check.refuse("mac", &said.mac.span(), problem, "it cannot be elsewhere too");
        }
        Some(Static { mac, behind })
    }

    fn port(&self, text: &Text, check: &mut Section) -> Option<Name> {
        let name = self.known.ports.find(check, "port", text)?;
        let vlans = &self.places.ports.get(&name)?.vlans;
        if vlans.carries(self.name) {
            return Some(name);
        }
        let others: Vec<String> = vlans.networks().take(4).map(|(_, network)| format!("`{network}`")).collect();
        let problem = match others.len() {
            0 => "is in no network".to_owned(),
            1 => format!("is in network {}", others[0]),
            _ => format!("is in networks {}", others.join(", ")),
        };
        check.refuse("port", &text.span(), problem, "a port of this network, or a tunnel of it");
        None
    }

    fn tunnel(&self, text: &Text, check: &mut Section) -> Option<Name> {
        let name = self.known.tunnels.find(check, "tunnel", text)?;
        if !self.tunnels.contains(text.get_ref().as_str()) {
            check.refuse("tunnel", &text.span(), "is none of this network's", "add it to `tunnels`");
            return None;
        }
        Some(name)
    }
}
