//! Hardware addresses.

use std::{
    fmt::{self, Debug, Display, Formatter},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A 48-bit IEEE 802 address. Displayed, parsed and serialised as `02:00:00:00:00:01`; ordered as transmitted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Mac([u8; 6]);

/// The text is not six pairs of hexadecimal digits joined by colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a MAC address is six pairs of hexadecimal digits joined by colons, as in 02:00:00:00:00:01")]
pub struct MacParseError;

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`, everybody.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// `00:00:00:00:00:00`, nobody: never a valid source.
    pub const ZERO: Mac = Mac([0; 6]);

    /// The address with these octets, first on the wire first.
    #[inline]
    pub const fn new(octets: [u8; 6]) -> Mac {
        Mac(octets)
    }

    /// The octets, first on the wire first.
    #[inline]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether the group bit is set: multicast or broadcast.
    #[inline]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether the group bit is clear: one station (or [`Mac::ZERO`]).
    #[inline]
    pub const fn is_unicast(self) -> bool {
        !self.is_multicast()
    }

    /// Whether this is [`Mac::BROADCAST`].
    #[inline]
    pub const fn is_broadcast(self) -> bool {
        self.to_u64() == Self::BROADCAST.to_u64()
    }

    /// The address as a number below 2^48 whose most significant octet is the first on the wire.
    #[inline]
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The address that [`Mac::to_u64`] made `number` of; the upper 16 bits are ignored.
    #[inline]
    pub const fn from_u64(number: u64) -> Mac {
        let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
        Mac([a, b, c, d, e, f])
    }
}

impl Display for Mac {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Debug for Mac {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = MacParseError;

    fn from_str(text: &str) -> Result<Mac, MacParseError> {
        let mut octets = [0; 6];
        let mut groups = text.split(':');
        for octet in &mut octets {
            let group = groups.next().ok_or(MacParseError)?;
            // `from_str_radix` would take a sign.
            if group.len() != 2 || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(MacParseError);
            }
            *octet = u8::from_str_radix(group, 16).map_err(|_| MacParseError)?;
        }
        if groups.next().is_some() { Err(MacParseError) } else { Ok(Mac(octets)) }
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mac, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = Mac;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a MAC address such as \"02:00:00:00:00:01\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Mac, E> {
        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_reads_as_it_is_written() {
        let mac = Mac::new([0x02, 0, 0, 0xab, 0, 1]);
        assert_eq!(mac.to_string(), "02:00:00:ab:00:01");
        assert_eq!("02:00:00:AB:00:01".parse(), Ok(mac));
        assert_eq!(mac.to_u64(), 0x0200_00ab_0001);
    }

    #[test]
    fn text_that_is_no_address_is_refused() {
        for text in ["", "02", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:1", "02:00:00:00:00:+1"] {
            assert_eq!(text.parse::<Mac>(), Err(MacParseError), "{text}");
        }
        assert!("02-00-00-00-00-01".parse::<Mac>().is_err());
        assert!("02:00:00:00:00:0g".parse::<Mac>().is_err());
        assert!("02:00:00:00:00:é".parse::<Mac>().is_err());
    }

    #[test]
    fn the_group_bit_tells_multicast_and_broadcast_from_unicast() {
        assert!(Mac::BROADCAST.is_multicast() && Mac::BROADCAST.is_broadcast());
        let ipv6_all_nodes = Mac::new([0x33, 0x33, 0, 0, 0, 1]);
        assert!(ipv6_all_nodes.is_multicast() && !ipv6_all_nodes.is_broadcast());
        assert!(Mac::new([2, 0, 0, 0, 0, 1]).is_unicast());
    }

    #[test]
    fn json_holds_the_text_and_refuses_what_is_none() {
        let mac = Mac::new([2, 0, 0, 0, 0, 1]);
        assert_eq!(serde_json::to_string(&mac).unwrap(), "\"02:00:00:00:00:01\"");
        assert_eq!(serde_json::from_str::<Mac>("\"02:00:00:00:00:01\"").unwrap(), mac);
        let error = serde_json::from_str::<Mac>("\"02:00\"").unwrap_err().to_string();
        assert!(error.contains("02:00") && error.contains("MAC address"), "{error}");
        assert!(serde_json::from_str::<Mac>("7").is_err());
    }

    proptest! {
        #[test]
        fn text_and_number_both_lead_back(octets: [u8; 6]) {
            let mac = Mac::new(octets);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
            prop_assert_eq!(Mac::from_u64(mac.to_u64()), mac);
            prop_assert_eq!(mac.octets(), octets);
        }
    }
}
