//! `network` and `trunk` of a port: which network is behind each of its VLANs.

use std::{collections::HashSet, fmt};

use toml::Spanned;
use wire::vlan::VlanId;

use super::{Name, file, keys, reference::Known, section::Section};

/// Networks of one port at most, and of all ports together; each is a member with an id of its own.
const NETWORKS_MAX: usize = 2048;
pub(super) const PORT_NETWORKS_MAX: usize = 8192;

/// The networks behind a port, by the VLAN their frames are in there. A network is behind a port once at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortVlans {
    /// That of frames without a tag, and of those tagged only with a priority.
    pub untagged: Option<Name>,
    /// Those of frames in a VLAN, sorted by it.
    pub tagged: Vec<Tagged>,
}

/// A network, and the VLAN it is in at a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tagged {
    /// The VLAN.
    pub vlan: VlanId,
    /// The network.
    pub network: Name,
}

impl fmt::Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.vlan, self.network)
    }
}

impl PortVlans {
    /// All networks and the VLANs they are in, untagged first.
    pub fn networks(&self) -> impl Iterator<Item = (Option<VlanId>, &Name)> {
        let tagged = self.tagged.iter().map(|tagged| (Some(tagged.vlan), &tagged.network));
        self.untagged.iter().map(|network| (None, network)).chain(tagged)
    }

    /// Whether that network is among them.
    pub fn carries(&self, network: &str) -> bool {
        self.networks().any(|(_, name)| *name == network)
    }

    /// The network in that VLAN, or in none.
    pub fn network(&self, vlan: Option<VlanId>) -> Option<&Name> {
        self.networks().find(|&(id, _)| id == vlan).map(|(_, network)| network)
    }
}

/// The number of a VLAN, which is a port's `vlan` or that of an entry of `trunk`.
pub(super) fn vlan_id(int: &file::Int, check: &mut Section) -> Option<VlanId> {
    check.counted(&keys::VLAN, int).and_then(VlanId::new)
}

/// What a port says of its VLANs. What is wrong is left out (and reported).
pub(super) fn check(said: &file::Port, known: &Known, check: &mut Section) -> PortVlans {
    let untagged = said.network.as_ref().and_then(|text| known.networks.find(check, "network", text));
    let mut vlans = PortVlans { untagged, tagged: Vec::new() };
    let Some(trunk) = &said.trunk else { return vlans };
    let entries = trunk.get_ref();
    if !(1..=NETWORKS_MAX).contains(&entries.len()) {
        let problem = format!("has {} entries", entries.len());
        let hint = format!("1 to {NETWORKS_MAX}, as in [{{ vlan = 10, network = \"red\" }}]");
        check.refuse("trunk", &trunk.span(), problem, hint);
    }
    let mut seen_vlans = HashSet::new();
    let mut seen_networks: HashSet<Name> = vlans.untagged.iter().cloned().collect();
    for entry in entries.iter().take(NETWORKS_MAX) {
        let Some(tagged) = tagged(entry, known, check) else { continue };
        let said = entry.get_ref();
        if !seen_vlans.insert(tagged.vlan) {
            check.refuse("vlan", &said.vlan.span(), "is there twice", "one network in a VLAN of a port");
        }
        if !seen_networks.insert(tagged.network.clone()) {
            let hint = "a network is behind a port once, untagged or in one VLAN";
            check.refuse("network", &said.network.span(), "is there twice", hint);
        }
        vlans.tagged.push(tagged);
    }
    vlans.tagged.sort_unstable();
    vlans
}

fn tagged(entry: &Spanned<file::Trunk>, known: &Known, check: &mut Section) -> Option<Tagged> {
    let said = entry.get_ref();
    let vlan = vlan_id(&said.vlan, check);
    let network = known.networks.find(check, "network", &said.network);
    Some(Tagged { vlan: vlan?, network: network? })
}
