//! The addresses the node has on an uplink.

use std::net::IpAddr;

use wire::{Mac, ipv6::link_local};

use crate::config::Port;

/// Length of the link-local prefix, in bits (RFC 4291 section 2.5.6).
const LINK_LOCAL_BITS: u8 = 64;

/// The configured addresses with their prefix lengths. Where there is IPv6, a link-local address is among them, for
/// every IPv6 interface has one (RFC 4291 section 2.1) and routers speak to it: the one made of the MAC, unless the file
/// gives another.
pub(crate) fn own_addresses(port: &Port, mac: Mac) -> Vec<(IpAddr, u8)> {
    let mut own: Vec<(IpAddr, u8)> = port.addresses.iter().map(|own| (own.address(), own.prefix_bits())).collect();
    let is_link_local = |address: IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let has_ipv6 = own.iter().any(|(address, _)| address.is_ipv6());
    if has_ipv6 && !own.iter().any(|&(address, _)| is_link_local(address)) {
        own.push((link_local(mac).into(), LINK_LOCAL_BITS));
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn an_uplink_with_ipv6_has_a_link_local_address_and_one_without_has_not() {
        let own = |addresses: &str| -> String {
            let text = format!(
                "[switch]\nname = \"n\"\n[[port]]\nname = \"up0\"\nkind = \"eth\"\ndevice = \"net_null0\"\n\
                 role = \"uplink\"\naddresses = [{addresses}]\n"
            );
            let config = load(&text, "f").unwrap_or_else(|errors| panic!("{errors:?}"));
            let own = own_addresses(&config.ports[0], "02:00:00:00:0a:01".parse().unwrap());
            own.iter().map(|(address, bits)| format!("{address}/{bits} ")).collect()
        };
        assert_eq!(own("\"192.0.2.1/24\""), "192.0.2.1/24 ");
        assert_eq!(own("\"2001:db8::1/48\""), "2001:db8::1/48 fe80::ff:fe00:a01/64 ");
        assert_eq!(own("\"fe80::7/64\", \"2001:db8::1/48\""), "fe80::7/64 2001:db8::1/48 ");
    }
}
