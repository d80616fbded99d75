//! What a guarded port may send.

use std::net::IpAddr;

use datapath::{Cause, Guard};
use wire::{L3, Mac, Parsed, icmpv6::NEIGHBOUR_ADVERTISEMENT};

/// Ethertypes of VLAN tags.
const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// The rule a frame breaks, if it breaks one.
pub(super) fn check(guard: &Guard, data: &[u8], headers: &Parsed) -> Result<(), Cause> {
    let mac_ok = |mac: Mac| guard.macs.as_ref().is_none_or(|macs| macs.contains(&mac));
    let address_ok = |address: IpAddr| guard.addresses.as_ref().is_none_or(|all| all.contains(&address));
    let binds_addresses = guard.addresses.is_some();
    if !mac_ok(headers.src) {
        return Err(Cause::SpoofedMac);
    }
    // Behind a third tag or an 802.3 length nobody looks.
    if binds_addresses && (TAGS.contains(&headers.ethertype) || headers.ethertype < 0x600) {
        return Err(Cause::SpoofUnverifiable);
    }
    if let Some((source, _)) = headers.addresses(data) {
        // Only IPv6 lets a host speak before it has an address (RFC 4862 section 5.4.2).
        let is_nobody = source == IpAddr::from([0u16; 8]);
        let wants_one = headers.protocol == 17 && headers.ports(data) == Some((68, 67)) && !headers.fragment;
        let is_dhcp = wants_one && headers.addresses(data) == Some(([0; 4].into(), [255; 4].into()));
        if binds_addresses && !is_nobody && !is_dhcp && !address_ok(source) {
            return Err(Cause::SpoofedAddress);
        }
    }
    if let Some(arp) = headers.arp(data) {
        let address_ok = arp.sender_ip.is_unspecified() || address_ok(arp.sender_ip.into());
        return if mac_ok(arp.sender_mac) && address_ok { Ok(()) } else { Err(Cause::SpoofedNeighbour) };
    }
    match wire::icmpv6::neighbour(data, headers) {
        Ok(Some(message)) if headers.l3_kind == L3::Ipv6 => {
            let macs = [message.source_link_layer, message.target_link_layer];
            let target_ok = message.kind != NEIGHBOUR_ADVERTISEMENT
                || message.target.is_none_or(|target| address_ok(target.into()));
            let macs_ok = macs.into_iter().flatten().all(mac_ok);
            if target_ok && macs_ok { Ok(()) } else { Err(Cause::SpoofedNeighbour) }
        }
        _ => Ok(()),
    }
}
