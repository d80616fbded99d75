//! IPv6 headers and the walk over their extension headers (RFC 8200).

mod address;

use std::net::Ipv6Addr;

pub use address::{ALL_NODES, link_local, multicast_mac, solicited_node};

use crate::{
    Malformed,
    field::{array_at, put, u16_at, u32_at, view},
    protocol,
};

mod field {
    pub(super) const VERSION_CLASS_LABEL: usize = 0;
    pub(super) const PAYLOAD_LEN: usize = 4;
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const HOP_LIMIT: usize = 7;
    pub(super) const SRC: usize = 8;
    pub(super) const DST: usize = 24;
}

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;

/// Extension headers looked through before a packet counts as malformed: more than any use of them needs, few enough
/// that nobody makes us walk for long.
pub const EXTENSION_HEADERS_MAX: usize = 8;

/// Every extension header here has its length in units of 8 octets, and at least one of them.
const EXTENSION_UNIT: usize = 8;

view! {
    /// A packet, possibly with Ethernet padding behind it.
    Packet
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Whether the version is 6 and the payload fits the buffer, which may be longer than the packet.
    ///
    /// A payload length of 0 before a hop-by-hop header announces a jumbogram (RFC 2675), longer than any frame: it
    /// counts as a wrong length. Before any other header it is an empty payload.
    ///
    /// # Errors
    /// [`Malformed::Ipv6Truncated`], [`Malformed::Ipv6Version`], [`Malformed::Ipv6PayloadLength`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        let len = self.bytes().len();
        if len < HEADER_LEN {
            return Err(Malformed::Ipv6Truncated);
        }
        if self.version() != 6 {
            return Err(Malformed::Ipv6Version);
        }
        let jumbogram = self.payload_len() == 0 && self.next_header() == protocol::HOP_BY_HOP;
        if jumbogram || HEADER_LEN + usize::from(self.payload_len()) > len {
            return Err(Malformed::Ipv6PayloadLength);
        }
        Ok(())
    }

    /// Version field, 6.
    #[inline]
    pub fn version(&self) -> u8 {
        self.bytes()[field::VERSION_CLASS_LABEL] >> 4
    }

    /// Traffic class: DSCP (6 bits) and ECN (2 bits).
    #[inline]
    pub fn traffic_class(&self) -> u8 {
        (u16_at(self.bytes(), field::VERSION_CLASS_LABEL) >> 4) as u8
    }

    /// Flow label, 20 bits.
    #[inline]
    pub fn flow_label(&self) -> u32 {
        u32_at(self.bytes(), field::VERSION_CLASS_LABEL) & 0xf_ffff
    }

    /// Octets behind the fixed header, extension headers included.
    #[inline]
    pub fn payload_len(&self) -> u16 {
        u16_at(self.bytes(), field::PAYLOAD_LEN)
    }

    /// Protocol of what follows the fixed header, see [`crate::protocol`].
    #[inline]
    pub fn next_header(&self) -> u8 {
        self.bytes()[field::NEXT_HEADER]
    }

    /// Hop limit.
    #[inline]
    pub fn hop_limit(&self) -> u8 {
        self.bytes()[field::HOP_LIMIT]
    }

    /// Source address.
    #[inline]
    pub fn src(&self) -> Ipv6Addr {
        array_at::<16>(self.bytes(), field::SRC).into()
    }

    /// Destination address.
    #[inline]
    pub fn dst(&self) -> Ipv6Addr {
        array_at::<16>(self.bytes(), field::DST).into()
    }

    /// What follows the fixed header, without Ethernet padding.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[HEADER_LEN..HEADER_LEN + usize::from(self.payload_len())]
    }

    /// Walks over the extension headers to what the packet carries.
    ///
    /// # Errors
    /// [`Malformed::Ipv6ExtensionTruncated`], [`Malformed::Ipv6ExtensionHeaders`], [`Malformed::Ipv6HopByHop`].
    #[inline]
    pub fn upper_layer(&self) -> Result<UpperLayer, Malformed> {
        walk(self.payload(), self.next_header())
    }
}

/// Where the extension headers of a packet end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpperLayer {
    /// Protocol of what the packet carries; of a later fragment, of what its first fragment begins with (RFC 8200
    /// section 4.5), which may be an extension header.
    pub protocol: u8,
    /// Where it begins, in octets from the end of the fixed header; at most the payload length.
    pub offset: usize,
    /// Where this fragment lies in its packet's fragmentable part, in octets.
    pub fragment_offset: usize,
    /// Whether this is not a whole packet. A fragment header that says offset 0 and no more fragments is none (RFC
    /// 6946).
    pub is_fragment: bool,
}

#[inline]
fn walk(payload: &[u8], next_header: u8) -> Result<UpperLayer, Malformed> {
    let mut at = UpperLayer { protocol: next_header, offset: 0, fragment_offset: 0, is_fragment: false };
    for passed in 0..=EXTENSION_HEADERS_MAX {
        if !is_extension(at.protocol) {
            return Ok(at);
        }
        if passed == EXTENSION_HEADERS_MAX {
            break;
        }
        if at.protocol == protocol::HOP_BY_HOP && passed > 0 {
            return Err(Malformed::Ipv6HopByHop);
        }
        step(payload, &mut at)?;
        if at.fragment_offset > 0 {
            return Ok(at);
        }
    }
    Err(Malformed::Ipv6ExtensionHeaders)
}

#[inline]
fn is_extension(next_header: u8) -> bool {
    use protocol::{AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ROUTING};
    matches!(next_header, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// Passes over the one extension header that `at` stands on.
fn step(payload: &[u8], at: &mut UpperLayer) -> Result<(), Malformed> {
    let header = payload.get(at.offset..).and_then(|rest| rest.first_chunk::<EXTENSION_UNIT>());
    let [next_header, length, high, low, ..] = *header.ok_or(Malformed::Ipv6ExtensionTruncated)?;
    let length = match at.protocol {
        protocol::FRAGMENT => {
            let word = u16::from_be_bytes([high, low]);
            at.fragment_offset = usize::from(word & 0xfff8);
            at.is_fragment |= word & 0xfff9 != 0;
            EXTENSION_UNIT
        }
        // In units of 4 octets, not counting the first two (RFC 4302 section 2.2); all others in units of 8, not
        // counting the first (RFC 8200 section 4).
        protocol::AUTHENTICATION => (usize::from(length) + 2) * 4,
        _ => (usize::from(length) + 1) * EXTENSION_UNIT,
    };
    at.offset += length;
    at.protocol = next_header;
    if at.offset > payload.len() { Err(Malformed::Ipv6ExtensionTruncated) } else { Ok(()) }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Sets the traffic class; no checksum covers it.
    #[inline]
    pub fn set_traffic_class(&mut self, traffic_class: u8) {
        let others = u16_at(self.bytes(), field::VERSION_CLASS_LABEL) & 0xf00f;
        let word = others | u16::from(traffic_class) << 4;
        put(self.buffer.as_mut(), field::VERSION_CLASS_LABEL, word.to_be_bytes());
    }

    /// Sets the hop limit; no checksum covers it.
    #[inline]
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        self.buffer.as_mut()[field::HOP_LIMIT] = hop_limit;
    }
}

/// What a fixed header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// Protocol of what follows.
    pub next_header: u8,
    /// Octets that follow.
    pub payload_len: u16,
    /// Traffic class: DSCP and ECN.
    pub traffic_class: u8,
    /// Flow label, of which the low 20 bits count.
    pub flow_label: u32,
    /// Hop limit.
    pub hop_limit: u8,
}

impl Repr {
    /// Octets that [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Reads a header.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Repr {
        Repr {
            src: packet.src(),
            dst: packet.dst(),
            next_header: packet.next_header(),
            payload_len: packet.payload_len(),
            traffic_class: packet.traffic_class(),
            flow_label: packet.flow_label(),
            hop_limit: packet.hop_limit(),
        }
    }

    /// Writes the header.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, packet: &mut Packet<T>) {
        let bytes = packet.buffer.as_mut();
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
        put(bytes, field::VERSION_CLASS_LABEL, first.to_be_bytes());
        put(bytes, field::PAYLOAD_LEN, self.payload_len.to_be_bytes());
        put(bytes, field::NEXT_HEADER, [self.next_header, self.hop_limit]);
        put(bytes, field::SRC, self.src.octets());
        put(bytes, field::DST, self.dst.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet of `payload` behind the fixed header, from fe80::1 to fe80::2.
    fn packet(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let [src, dst] = [1, 2].map(|n| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n));
        let payload_len = payload.len() as u16;
        let repr = Repr { src, dst, next_header, payload_len, traffic_class: 0xb8, flow_label: 0xabcde, hop_limit: 64 };
        let mut bytes = vec![0; HEADER_LEN];
        repr.emit(&mut Packet::new_unchecked(&mut bytes));
        bytes.extend_from_slice(payload);
        bytes
    }

    fn upper(next_header: u8, payload: &[u8]) -> Result<UpperLayer, Malformed> {
        Packet::new_checked(packet(next_header, payload))?.upper_layer()
    }

    #[test]
    fn a_literal_packet_reads_field_by_field() {
        let bytes = packet(17, &[1, 2, 3]);
        assert_eq!(bytes[..8], [0x6b, 0x8a, 0xbc, 0xde, 0, 3, 17, 64]);
        let packet = Packet::new_checked(&bytes).unwrap();
        assert_eq!((packet.traffic_class(), packet.flow_label(), packet.hop_limit()), (0xb8, 0xabcde, 64));
        assert_eq!((packet.src().to_string(), packet.dst().to_string()), ("fe80::1".into(), "fe80::2".into()));
        assert_eq!(packet.payload(), [1, 2, 3]);
        let mut packet = Packet::new_checked(bytes).unwrap();
        packet.set_traffic_class(0x03);
        assert_eq!(packet.into_inner()[..8], [0x60, 0x3a, 0xbc, 0xde, 0, 3, 17, 64]);
    }

    #[test]
    fn each_wrong_length_has_its_own_reason() {
        let good = packet(17, &[0; 8]);
        assert_eq!(Packet::new_checked(&good[..39]).unwrap_err(), Malformed::Ipv6Truncated);
        assert_eq!(Packet::new_checked(&good[..47]).unwrap_err(), Malformed::Ipv6PayloadLength);
        let mut version = good.clone();
        version[0] = 0x40;
        assert_eq!(Packet::new_checked(&version).unwrap_err(), Malformed::Ipv6Version);
        assert_eq!(Packet::new_checked(packet(0, &[])).unwrap_err(), Malformed::Ipv6PayloadLength, "a jumbogram");
        assert!(Packet::new_checked(packet(protocol::NO_NEXT_HEADER, &[])).is_ok(), "nothing follows, and says so");
    }

    #[test]
    fn the_walk_passes_over_each_kind_of_extension_header() {
        let at = |protocol, offset| UpperLayer { protocol, offset, fragment_offset: 0, is_fragment: false };
        assert_eq!(upper(17, &[0; 8]), Ok(at(17, 0)));
        assert_eq!(upper(0, &[6, 0, 1, 4, 0, 0, 0, 0]), Ok(at(6, 8)));
        assert_eq!(upper(43, &[[6, 1, 0, 0, 0, 0, 0, 0], [0; 8]].concat()), Ok(at(6, 16)));
        assert_eq!(upper(60, &[60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]), Ok(at(17, 16)));
        assert_eq!(
            upper(51, &[[17, 4, 0, 0, 0, 0, 0, 1], [0; 8], [0; 8]].concat()),
            Ok(at(17, 24)),
            "AH, 4-octet units"
        );
        assert_eq!(upper(44, &[17, 0, 0, 0, 0, 0, 0, 1]), Ok(at(17, 8)), "an atomic fragment is whole");
    }

    #[test]
    fn fragments_are_told_and_the_walk_ends_in_later_ones() {
        let first = upper(44, &[17, 0, 0, 1, 0, 0, 0, 1]).unwrap();
        assert!(first.is_fragment && first.fragment_offset == 0 && first.protocol == 17);
        let atomic_inside = upper(44, &[44, 0, 0, 1, 0, 0, 0, 1, 17, 0, 0, 0, 0, 0, 0, 2]).unwrap();
        assert!(atomic_inside.is_fragment && atomic_inside.offset == 16, "a second fragment header takes nothing back");
        // A later fragment whose payload looks like a truncated destination options header.
        let later = upper(44, &[60, 0, 0x05, 0xa8, 0, 0, 0, 1, 17, 255]).unwrap();
        assert_eq!(later, UpperLayer { protocol: 60, offset: 8, fragment_offset: 1448, is_fragment: true });
    }

    #[test]
    fn long_truncated_and_misplaced_extension_headers_are_refused() {
        let options = [60, 0, 1, 4, 0, 0, 0, 0];
        let last = [17, 0, 1, 4, 0, 0, 0, 0];
        let chain = |n: usize| [options.repeat(n - 1), last.to_vec()].concat();
        assert_eq!(upper(60, &chain(8)).unwrap().offset, 64);
        assert_eq!(upper(60, &chain(9)), Err(Malformed::Ipv6ExtensionHeaders));
        assert_eq!(upper(60, &options.repeat(1000)), Err(Malformed::Ipv6ExtensionHeaders));
        assert_eq!(upper(60, &options[..7]), Err(Malformed::Ipv6ExtensionTruncated));
        assert_eq!(upper(60, &[17, 1, 1, 4, 0, 0, 0, 0]), Err(Malformed::Ipv6ExtensionTruncated));
        assert_eq!(upper(60, &[0, 0, 1, 4, 0, 0, 0, 0]), Err(Malformed::Ipv6HopByHop));
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed(addresses: [[u8; 16]; 2], payload_len: u16, octets: [u8; 3],
                                     flow_label in 0u32..1 << 20) {
            let [src, dst] = addresses.map(Ipv6Addr::from);
            let [next_header, traffic_class, hop_limit] = octets;
            let repr = Repr { src, dst, next_header, payload_len, traffic_class, flow_label, hop_limit };
            let mut packet = Packet::new_unchecked([0; HEADER_LEN]);
            repr.emit(&mut packet);
            prop_assert_eq!(Repr::parse(&packet), repr);
        }
    }
}
