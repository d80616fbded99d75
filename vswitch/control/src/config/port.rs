//! `[[port]]`: what a port is, what it is for, and what may come from behind it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use datapath::{PORTS_MAX, WorkerId};
use toml::Spanned;
use wire::{Mac, vlan::VlanId};

use super::{
    Cidr, Kind, Name, PortVlans, Workers,
    cidr::NotACidr,
    error::{Errors, Span},
    file::{self, Text},
    gateway, keys, kind,
    memory::ETH_DESCRIPTORS,
    queues,
    reference::Known,
    section::Section,
    vhost::SocketFolder,
    vlans::{self, PORT_NETWORKS_MAX},
};

/// Entries of a port's lists at most.
const LIST_MAX: usize = 256;

/// Addresses of an uplink at most: those the host stack answers for.
const UPLINK_ADDRESSES_MAX: usize = crate::host::ADDRESSES_MAX;

/// A port, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// What it is for.
    pub role: Role,
    /// The networks behind it. An access port without any in a VLAN takes all tags for payload.
    pub vlans: PortVlans,
    /// Frames a second that may be flooded from it; `None` is no limit.
    pub storm_max: Option<u32>,
    /// Its MAC: of an uplink the node's own, of an access port the guest's. `None`: the device's own.
    pub mac: Option<Mac>,
    /// Longest packet behind an Ethernet header, in octets; where the file does not say, what tunnels leave of the
    /// uplink.
    pub mtu: u16,
    /// Addresses: of an uplink the node's own; of an access port the guest's (set on a TAP's interface).
    pub addresses: Vec<Cidr>,
    /// Queue pairs.
    pub queues: u16,
    /// Descriptors of each rx queue of an `eth` port; `None` leaves them to the device.
    pub rx_descriptors: Option<u16>,
    /// The same of each tx queue.
    pub tx_descriptors: Option<u16>,
    /// Whether it and its guest leave each other checksums and segments; of an `eth` port, whether what its driver offers of
    /// that is used.
    pub offloads: bool,
    /// The worker that holds queue `i`, where the file says; else control spreads the queues.
    pub workers: Option<Vec<WorkerId>>,
}

/// What a port is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The underlay is behind it.
    Uplink {
        /// The router for what is not on-link, over IPv4.
        gateway: Option<Ipv4Addr>,
        /// The same over IPv6.
        gateway6: Option<Ipv6Addr>,
        /// The VLAN the node's own traffic, tunnels included, is in.
        vlan: Option<VlanId>,
    },
    /// A container or VM is behind it.
    Access {
        /// Whether what it claims to be is checked.
        anti_spoof: bool,
        /// Addresses it may send from beside its own.
        allow: Vec<IpAddr>,
        /// MACs it may send from beside its own.
        allow_macs: Vec<Mac>,
    },
}

impl Port {
    /// Whether the underlay is behind it.
    pub fn is_uplink(&self) -> bool {
        matches!(self.role, Role::Uplink { .. })
    }

    /// Whether its device must take frames for other MACs than its own: an uplink of tunnels only is one station.
    pub fn is_promiscuous(&self) -> bool {
        !self.is_uplink() || self.vlans.networks().next().is_some()
    }

    /// Descriptors of one queue pair of an `eth` port, as far as buffers are to be set aside for them.
    pub fn descriptors(&self) -> u32 {
        [self.rx_descriptors, self.tx_descriptors].map(|said| u32::from(said.unwrap_or(ETH_DESCRIPTORS))).iter().sum()
    }

    /// The segments its own MAC and addresses are on; `None` is the underlay.
    pub(super) fn segments(&self) -> Vec<Option<&Name>> {
        match &self.role {
            Role::Access { .. } => self.vlans.networks().map(|(_, network)| Some(network)).collect(),
            Role::Uplink { vlan, .. } => [None].into_iter().chain(self.vlans.network(*vlan).map(Some)).collect(),
        }
    }

    /// Whether `address` is one of its own.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.address() == address)
    }
}

/// A port together with what the file says of it, while the MTU is not known yet.
pub(super) struct Draft<'f> {
    pub(super) said: &'f Spanned<file::Port>,
    pub(super) port: Port,
}

/// Checks all ports, each for itself. What has no name, kind or role is left out (and reported).
pub(super) fn check<'f>(
    sections: &'f [Spanned<file::Port>],
    known: &Known,
    workers: &Workers,
    folder: Option<&SocketFolder>,
    errors: &mut Errors,
) -> Vec<Draft<'f>> {
    if let Some(beyond) = sections.get(PORTS_MAX) {
        let message = format!("there are {} ports", sections.len());
        errors.hint(&beyond.span(), message, format!("at most {PORTS_MAX}"));
    }
    let check = |said: &'f Spanned<file::Port>| {
        let mut check = Section::named(errors, "port", &said.get_ref().name, said);
        port(said.get_ref(), known, workers, folder, &mut check).map(|port| Draft { said, port })
    };
    let drafts: Vec<Draft> = sections.iter().take(PORTS_MAX).filter_map(check).collect();
    let mut networks = 0;
    for draft in &drafts {
        networks += draft.port.vlans.networks().count();
        if networks > PORT_NETWORKS_MAX {
            let mut check = Section::named(errors, "port", &draft.said.get_ref().name, draft.said);
            let hint = format!("at most {PORT_NETWORKS_MAX} in all");
            check.lacks("is where there are too many networks behind ports", hint);
            break;
        }
    }
    drafts
}

fn port(
    said: &file::Port,
    known: &Known,
    workers: &Workers,
    folder: Option<&SocketFolder>,
    check: &mut Section,
) -> Option<Port> {
    let name = check.name("name", &said.name);
    let kind = kind::check(said, folder, check);
    let mac = said.mac.as_ref().and_then(|text| check.mac("mac", text));
    let is_access = is_access(said, check);
    let addresses = addresses(said, if is_access == Some(false) { UPLINK_ADDRESSES_MAX } else { LIST_MAX }, check);
    let queues = queues::count(said, workers, check);
    let vlans = vlans::check(said, known, check);
    let storm_max = said.storm_max.as_ref().and_then(|int| check.counted(&keys::STORM_MAX, int));
    let role = match is_access? {
        true => access(said, check),
        false => uplink(said, &addresses, check),
    };
    let holders = said.workers.as_ref().and_then(|list| queues::holders(list, queues, workers, check));
    let [rx_descriptors, tx_descriptors] = queues::descriptors(said, check);
    let (name, kind, workers) = (name?, kind?, holders);
    let offloads = said.offloads.as_ref().map_or(kind.has_offloads(), |flag| *flag.get_ref());
    Some(Port {
        name,
        kind,
        role,
        vlans,
        storm_max,
        mac,
        mtu: 0,
        addresses,
        queues,
        rx_descriptors,
        tx_descriptors,
        offloads,
        workers,
    })
}

/// Whether the port is an access port; `None` (reported) where the file does not say, or contradicts itself.
fn is_access(said: &file::Port, check: &mut Section) -> Option<bool> {
    let role = match &said.role {
        Some(text) => Some(check.chosen(&keys::ROLE, text, &[false, true])?),
        None => None,
    };
    let is_in_network = said.network.is_some() || said.trunk.is_some();
    match (role, is_in_network) {
        (None | Some(true), true) => Some(true),
        (Some(false), _) => {
            let can_be = said.kind.get_ref() != "vhost-user";
            if !can_be && let Some(role) = &said.role {
                let hint = "an uplink is of kind \"eth\", or \"tap\" where the node's kernel forwards its packets";
                check.refuse("role", &role.span(), format!("does not go with kind = {:?}", said.kind.get_ref()), hint);
            }
            can_be.then_some(false)
        }
        (Some(true), false) => {
            check.lacks("is an access port and has no `network`", "add `network = …`, or `trunk = …`");
            None
        }
        (None, false) => {
            check.lacks("has neither `network` nor `role`", "add `network = …`, or `role = \"uplink\"`");
            None
        }
    }
}

/// The port's addresses, at most `max`.
fn addresses(said: &file::Port, max: usize, check: &mut Section) -> Vec<Cidr> {
    let mut addresses: Vec<Cidr> = Vec::new();
    for text in said.addresses.iter().take(max) {
        let problem = match text.get_ref().parse::<Cidr>() {
            Ok(cidr) if addresses.iter().any(|other| other.address() == cidr.address()) => "is there twice".to_owned(),
            Ok(cidr) => {
                addresses.push(cidr);
                continue;
            }
            Err(problem) => problem.to_string(),
        };
        let hint = match text.get_ref().parse::<Cidr>() {
            Err(NotACidr::NoPrefix) => {
                format!("as in \"{}/{}\"", text.get_ref(), if text.get_ref().contains(':') { 64 } else { 24 })
            }
            Err(NotACidr::Prefix) => "1 to 32 for IPv4, 1 to 128 for IPv6".to_owned(),
            _ => "an address of the interface with its prefix length, as in \"192.0.2.1/24\"".to_owned(),
        };
        check.refuse("addresses", &text.span(), problem, hint);
    }
    if let Some(beyond) = said.addresses.get(max) {
        let hint = format!("at most {max}, and there are {}", said.addresses.len());
        check.refuse("addresses", &beyond.span(), "is one too many", hint);
    }
    addresses
}

fn uplink(said: &file::Port, addresses: &[Cidr], check: &mut Section) -> Role {
    let keys = [
        ("anti_spoof", said.anti_spoof.as_ref().map(Spanned::span)),
        ("allow", said.allow.as_ref().map(Spanned::span)),
        ("allow_macs", said.allow_macs.as_ref().map(Spanned::span)),
    ];
    check.no_place_for(&keys, "does not go with role = \"uplink\"", "only what comes from access ports is checked");
    if said.kind.get_ref() == "tap" && said.mac.is_none() {
        let hint = "add `mac = \"02:…\"`: that of its interface is the kernel's, at the other end";
        check.lacks("is an uplink of kind \"tap\" and has no `mac`", hint);
    }
    let (gateway, gateway6) = gateway::check(said, addresses, check);
    let vlan = said.vlan.as_ref().and_then(|int| vlans::vlan_id(int, check));
    Role::Uplink { gateway, gateway6, vlan }
}

fn access(said: &file::Port, check: &mut Section) -> Role {
    let problem = "does not go with an access port";
    let gateways = [("gateway", span(&said.gateway)), ("gateway6", span(&said.gateway6))];
    check.no_place_for(&gateways, problem, "it is a key of uplinks");
    let hint = "it is a key of uplinks; `trunk` says which VLANs an access port has";
    check.no_place_for(&[("vlan", span(&said.vlan))], problem, hint);
    let allow = listed(&said.allow, "allow", check, Section::address);
    let allow_macs = listed(&said.allow_macs, "allow_macs", check, Section::mac);
    let is_known =
        said.mac.is_some() || !said.addresses.is_empty() || said.allow.is_some() || said.allow_macs.is_some();
    let anti_spoof = said.anti_spoof.as_ref().map_or(is_known, |flag| *flag.get_ref());
    if let Some(flag) = &said.anti_spoof {
        if anti_spoof && !is_known {
            let hint = "add `mac` or `addresses`: what is known of the guest is enforced";
            check.refuse("anti_spoof", &flag.span(), "has nothing to go by", hint);
        }
        for (key, list) in [("allow", span(&said.allow)), ("allow_macs", span(&said.allow_macs))] {
            if let Some(at) = list.filter(|_| !anti_spoof) {
                check.warn(key, &at, "has no effect beside anti_spoof = false", "leave one of the two out");
            }
        }
    }
    Role::Access { anti_spoof, allow, allow_macs }
}

/// All entries of a list that are what they should be.
fn listed<'e, 'a, T>(
    list: &Option<Spanned<Vec<Text>>>,
    key: &str,
    check: &mut Section<'e, 'a>,
    read: impl Fn(&mut Section<'e, 'a>, &str, &Text) -> Option<T>,
) -> Vec<T> {
    let Some(list) = list else { return Vec::new() };
    if list.get_ref().len() > LIST_MAX {
        let problem = format!("has {} entries", list.get_ref().len());
        check.refuse(key, &list.span(), problem, format!("at most {LIST_MAX}"));
    }
    list.get_ref().iter().take(LIST_MAX).filter_map(|text| read(check, key, text)).collect()
}

pub(super) fn span<T>(value: &Option<Spanned<T>>) -> Option<Span> {
    value.as_ref().map(Spanned::span)
}
