//! Ports: what may leave by them, and what may come in.

use std::{collections::BTreeSet, net::IpAddr};

use datapath::{Guard, PortSpec, Vlans, WorkerId};
use wire::{Mac, ipv6::link_local};

use super::{Source, member, own_addresses};
use crate::config::{Name, Port, Role};

/// What a frame has in front of the packet that the MTU bounds.
pub(super) const ETHERNET_OCTETS: u16 = 14;

impl Source<'_> {
    /// The port as workers see it, without a generation.
    pub(super) fn port(&self, port: &Port, workers: Vec<WorkerId>) -> Option<PortSpec> {
        let role = match port.role {
            Role::Uplink { vlan, .. } => {
                let mac = self.mac(port)?;
                let addresses = own_addresses(port, mac).into_iter().map(|(address, _)| address).collect();
                datapath::Role::Uplink { mac, addresses, vlan }
            }
            Role::Access { .. } => datapath::Role::Access { guard: guard(port) },
        };
        let (vlans, storm_max) = (self.vlans(port), port.storm_max);
        Some(PortSpec { generation: 0, role, vlans, frame_max: port.mtu + ETHERNET_OCTETS, storm_max, workers })
    }

    /// The members behind a port. Without VLANs of its own an access port leaves tags to the guest.
    fn vlans(&self, port: &Port) -> Vlans {
        let member = |network: &Name| self.compiled.member_id(&member::local(port, network));
        let tagged = port.vlans.tagged.iter().filter_map(|tagged| Some((tagged.vlan, member(&tagged.network)?)));
        let tagged: Vec<_> = tagged.collect();
        let transparent = !port.is_uplink() && tagged.is_empty();
        Vlans { untagged: port.vlans.untagged.as_ref().and_then(member), tagged, transparent }
    }

    /// The MAC a port has: the configured one, else the device's own.
    pub(super) fn mac(&self, port: &Port) -> Option<Mac> {
        port.mac.or_else(|| self.facts.macs.get(&port.name).copied())
    }
}

/// What a port may claim to be: what is known of it, no more.
fn guard(port: &Port) -> Guard {
    let Role::Access { anti_spoof: true, allow, allow_macs, .. } = &port.role else { return Guard::default() };
    let macs: BTreeSet<Mac> = port.mac.iter().chain(allow_macs).copied().collect();
    let mut addresses: BTreeSet<IpAddr> =
        port.addresses.iter().map(|own| own.address()).chain(allow.iter().copied()).collect();
    if !addresses.is_empty() {
        // A host speaks IPv6 from its link-local address before, and beside, any other (RFC 4862 section 5.3).
        addresses.extend(macs.iter().map(|&mac| IpAddr::V6(link_local(mac))));
    }
    Guard { macs: some(macs), addresses: some(addresses) }
}

fn some<T>(set: BTreeSet<T>) -> Option<Vec<T>> {
    if set.is_empty() { None } else { Some(set.into_iter().collect()) }
}
