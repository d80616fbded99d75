//! An address of an interface together with the length of its prefix, as in `192.0.2.1/24`.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Serialize, Serializer};

/// An interface address and the prefix it is on-link in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix_bits: u8,
}

/// Why a text is no interface address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACidr {
    /// No `/`.
    #[error("has no prefix length")]
    NoPrefix,
    /// What stands before the `/` is no IP address.
    #[error("is not an IP address with a prefix length")]
    Address,
    /// The prefix length is no number, or too large for the family.
    #[error("has a prefix length that its family does not have")]
    Prefix,
    /// Unspecified, loopback, multicast or broadcast.
    #[error("is not an address that a host can have")]
    NotAHost,
    /// All host bits are zero, or (IPv4) all are one.
    #[error("names the whole prefix, not a host in it")]
    NotInPrefix,
}

impl Cidr {
    /// The address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// The length of the prefix in bits.
    pub fn prefix_bits(self) -> u8 {
        self.prefix_bits
    }

    /// Whether `other` is in the same prefix (and of the same family).
    pub fn contains(self, other: IpAddr) -> bool {
        width(self.address) == width(other) && self.network_of(self.address) == self.network_of(other)
    }

    /// An IPv4 broadcast address is no neighbour, although the prefix contains it.
    pub fn is_broadcast(self, other: IpAddr) -> bool {
        let IpAddr::V4(other) = other else { return false };
        self.prefix_bits < 31 && self.contains(other.into()) && u32::from(other) | self.v4_mask() == u32::MAX
    }

    fn v4_mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix_bits.min(32))).unwrap_or(0)
    }

    /// The prefix bits of an address of this family, at the low end.
    fn network_of(self, address: IpAddr) -> u128 {
        bits(address).checked_shr(u32::from(width(self.address) - self.prefix_bits)).unwrap_or(0)
    }

    fn host_bits(self) -> u128 {
        let host_width = width(self.address) - self.prefix_bits;
        bits(self.address) & 1u128.checked_shl(u32::from(host_width)).map_or(u128::MAX, |above| above - 1)
    }
}

/// Whether a host can have this address and be spoken to under it.
pub(super) fn is_host(address: IpAddr) -> bool {
    let is_impossible = match address {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0,
        // ::ffff:192.0.2.1 stands for an IPv4 address inside a program and has no business on a wire (RFC 4291 2.5.5.2).
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || is_impossible)
}

/// Whether an address is of IPv6's link-local scope: on-link wherever there is IPv6.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Bits in an address of that family.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let Some((address, prefix)) = text.split_once('/') else {
            return Err(if text.parse::<IpAddr>().is_ok() { NotACidr::NoPrefix } else { NotACidr::Address });
        };
        let address: IpAddr = address.parse().map_err(|_| NotACidr::Address)?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|octet| octet.is_ascii_digit());
        let prefix_bits = prefix.parse::<u8>().ok().filter(|&n| digits && (1..=width(address)).contains(&n));
        let cidr = Cidr { address, prefix_bits: prefix_bits.ok_or(NotACidr::Prefix)? };
        if !is_host(address) {
            return Err(NotACidr::NotAHost);
        }
        // Prefixes of one or two addresses (RFC 3021, RFC 6164) have no address that means the whole prefix.
        let is_pair = width(address) - cidr.prefix_bits <= 1;
        if !is_pair && (cidr.host_bits() == 0 || cidr.is_broadcast(address)) {
            return Err(NotACidr::NotInPrefix);
        }
        Ok(cidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_read_and_printed() {
        for text in ["192.0.2.1/24", "10.0.0.0/31", "10.0.0.0/32", "10.0.0.1/1", "2001:db8::1/64", "fe80::1/128"] {
            assert_eq!(cidr(text).to_string(), text);
        }
    }

    #[test]
    fn what_no_host_can_have_is_refused() {
        for (text, why) in [
            ("192.0.2.1", NotACidr::NoPrefix),
            ("192.0.2/24", NotACidr::Address),
            ("x", NotACidr::Address),
            ("192.0.2.1/33", NotACidr::Prefix),
            ("192.0.2.1/0", NotACidr::Prefix),
            ("192.0.2.1/+8", NotACidr::Prefix),
            ("2001:db8::1/129", NotACidr::Prefix),
            ("127.0.0.1/8", NotACidr::NotAHost),
            ("224.0.0.1/24", NotACidr::NotAHost),
            ("0.0.0.0/8", NotACidr::NotAHost),
            ("::ffff:192.0.2.1/96", NotACidr::NotAHost),
            ("192.0.2.0/24", NotACidr::NotInPrefix),
            ("192.0.2.255/24", NotACidr::NotInPrefix),
            ("2001:db8::/64", NotACidr::NotInPrefix),
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_prefix_contains_its_own_family_only() {
        assert!(cidr("192.0.2.1/24").contains("192.0.2.254".parse().unwrap()));
        assert!(!cidr("192.0.2.1/24").contains("192.0.3.1".parse().unwrap()));
        assert!(!cidr("192.0.2.1/24").contains("2001:db8::1".parse().unwrap()));
        assert!(cidr("2001:db8::1/64").contains("2001:db8::2".parse().unwrap()));
        assert!(!cidr("2001:db8::1/64").contains("2001:db8:0:1::2".parse().unwrap()));
    }
}
