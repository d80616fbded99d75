//! Addresses that follow from others (RFC 4291), and the MACs that multicast ones go to (RFC 2464).

use std::net::Ipv6Addr;

use crate::Mac;

/// The link-local group of all nodes (RFC 4291 section 2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The solicited-node group of an address: ff02::1:ff and the address's last 24 bits (RFC 4291 section 2.7.1).
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | address.to_bits() & 0xff_ffff)
}

/// The MAC that packets to a multicast address are sent to: 33:33 and the address's last 32 bits (RFC 2464 section 7).
pub const fn multicast_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    Mac::new([0x33, 0x33, a, b, c, d])
}

/// The link-local address that an interface makes of its MAC (RFC 4291 appendix A, RFC 2464 section 5).
pub const fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.octets();
    let [high, low] = [[a ^ 0x02, b, c, 0xff], [0xfe, d, e, f]];
    let interface = (u32::from_be_bytes(high) as u128) << 32 | u32::from_be_bytes(low) as u128;
    Ipv6Addr::from_bits(0xfe80 << 112 | interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4291_and_rfc_2464_come_out() {
        // RFC 4291 section 2.7.1.
        let address: Ipv6Addr = "4037::01:800:200e:8c6c".parse().unwrap();
        let group = solicited_node(address);
        assert_eq!(group.to_string(), "ff02::1:ff0e:8c6c");
        assert_eq!(multicast_mac(group).to_string(), "33:33:ff:0e:8c:6c");
        assert_eq!(multicast_mac(ALL_NODES).to_string(), "33:33:00:00:00:01");
        // RFC 2464 section 4.
        assert_eq!(link_local("34:56:78:9a:bc:de".parse().unwrap()).to_string(), "fe80::3656:78ff:fe9a:bcde");
        assert_eq!(link_local("02:00:00:00:0a:01".parse().unwrap()).to_string(), "fe80::ff:fe00:a01");
    }
}
