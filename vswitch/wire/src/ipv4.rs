//! IPv4 headers (RFC 791).

use std::net::Ipv4Addr;

use crate::{
    Malformed, checksum,
    field::{array_at, put, u16_at, view},
};

mod field {
    pub(super) const VERSION_IHL: usize = 0;
    pub(super) const TOS: usize = 1;
    pub(super) const TOTAL_LEN: usize = 2;
    pub(super) const ID: usize = 4;
    pub(super) const FLAGS_OFFSET: usize = 6;
    pub(super) const TTL: usize = 8;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const CHECKSUM: usize = 10;
    pub(super) const SRC: usize = 12;
    pub(super) const DST: usize = 16;
}

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;
/// Of the word at octet 6: not 0 where the packet is no whole datagram.
pub(crate) const FRAGMENT_MASK: u16 = MORE_FRAGMENTS | OFFSET_MASK;

view! {
    /// A packet, possibly with Ethernet padding behind it.
    Packet
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Whether version, header length and total length fit each other and the buffer, which may be longer than the
    /// packet (Ethernet padding). The header checksum is not looked at: see [`Packet::verify_checksum`].
    ///
    /// # Errors
    /// [`Malformed::Ipv4Truncated`], [`Malformed::Ipv4Version`], [`Malformed::Ipv4HeaderLength`],
    /// [`Malformed::Ipv4TotalLength`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        let len = self.bytes().len();
        if len < HEADER_LEN {
            return Err(Malformed::Ipv4Truncated);
        }
        if self.version() != 4 {
            return Err(Malformed::Ipv4Version);
        }
        if self.header_len() < HEADER_LEN || self.header_len() > len {
            return Err(Malformed::Ipv4HeaderLength);
        }
        let total = usize::from(self.total_len());
        if total < self.header_len() || total > len { Err(Malformed::Ipv4TotalLength) } else { Ok(()) }
    }

    /// Version field, 4.
    #[inline]
    pub fn version(&self) -> u8 {
        self.bytes()[field::VERSION_IHL] >> 4
    }

    /// Octets of the header with its options.
    #[inline]
    pub fn header_len(&self) -> usize {
        usize::from(self.bytes()[field::VERSION_IHL] & 0xf) * 4
    }

    /// Type of service: DSCP (6 bits) and ECN (2 bits).
    #[inline]
    pub fn tos(&self) -> u8 {
        self.bytes()[field::TOS]
    }

    /// Octets of header and payload.
    #[inline]
    pub fn total_len(&self) -> u16 {
        u16_at(self.bytes(), field::TOTAL_LEN)
    }

    /// Identification, which ties fragments together.
    #[inline]
    pub fn id(&self) -> u16 {
        u16_at(self.bytes(), field::ID)
    }

    /// The "don't fragment" flag.
    #[inline]
    pub fn dont_fragment(&self) -> bool {
        u16_at(self.bytes(), field::FLAGS_OFFSET) & DONT_FRAGMENT != 0
    }

    /// The "more fragments" flag.
    #[inline]
    pub fn more_fragments(&self) -> bool {
        u16_at(self.bytes(), field::FLAGS_OFFSET) & MORE_FRAGMENTS != 0
    }

    /// Where this fragment lies in its datagram, in octets.
    #[inline]
    pub fn fragment_offset(&self) -> usize {
        usize::from(u16_at(self.bytes(), field::FLAGS_OFFSET) & OFFSET_MASK) * 8
    }

    /// Whether this is not a whole datagram.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        u16_at(self.bytes(), field::FLAGS_OFFSET) & FRAGMENT_MASK != 0
    }

    /// Time to live.
    #[inline]
    pub fn ttl(&self) -> u8 {
        self.bytes()[field::TTL]
    }

    /// Protocol of the payload, see [`crate::protocol`].
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.bytes()[field::PROTOCOL]
    }

    /// Whether the header checksum is right.
    #[inline]
    pub fn verify_checksum(&self) -> bool {
        checksum::of(&self.bytes()[..self.header_len()]) == 0
    }

    /// Source address.
    #[inline]
    pub fn src(&self) -> Ipv4Addr {
        array_at::<4>(self.bytes(), field::SRC).into()
    }

    /// Destination address.
    #[inline]
    pub fn dst(&self) -> Ipv4Addr {
        array_at::<4>(self.bytes(), field::DST).into()
    }

    /// What the packet carries, without Ethernet padding.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[self.header_len()..usize::from(self.total_len())]
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Sets the type of service and updates the header checksum (RFC 1624).
    #[inline]
    pub fn set_tos(&mut self, tos: u8) {
        let [version_ihl, old] = array_at(self.bytes(), field::VERSION_IHL);
        let before = u16_at(self.bytes(), field::CHECKSUM);
        let [old, new] = [old, tos].map(|tos| u16::from_be_bytes([version_ihl, tos]));
        let bytes = self.buffer.as_mut();
        bytes[field::TOS] = tos;
        put(bytes, field::CHECKSUM, checksum::update(before, old, new).to_be_bytes());
    }

    /// Sets the time to live and updates the header checksum (RFC 1624).
    #[inline]
    pub fn set_ttl(&mut self, ttl: u8) {
        let [old, protocol] = array_at(self.bytes(), field::TTL);
        let before = u16_at(self.bytes(), field::CHECKSUM);
        let [old, new] = [old, ttl].map(|ttl| u16::from_be_bytes([ttl, protocol]));
        let bytes = self.buffer.as_mut();
        bytes[field::TTL] = ttl;
        put(bytes, field::CHECKSUM, checksum::update(before, old, new).to_be_bytes());
    }

    /// Computes and sets the header checksum.
    pub fn fill_checksum(&mut self) {
        let header_len = self.header_len();
        let bytes = self.buffer.as_mut();
        put(bytes, field::CHECKSUM, [0, 0]);
        let sum = checksum::of(&bytes[..header_len]);
        put(bytes, field::CHECKSUM, sum.to_be_bytes());
    }
}

/// What the header of a whole (not fragmented) datagram without options says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Octets of the payload, at most 65,515.
    pub payload_len: u16,
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// Time to live.
    pub ttl: u8,
    /// Identification.
    pub id: u16,
    /// The "don't fragment" flag.
    pub dont_fragment: bool,
}

impl Repr {
    /// Octets that [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Reads a header, or `None` of a fragment. Options are passed over.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Option<Repr> {
        if packet.is_fragment() {
            return None;
        }
        Some(Repr {
            src: packet.src(),
            dst: packet.dst(),
            protocol: packet.protocol(),
            payload_len: packet.total_len().checked_sub(packet.header_len() as u16)?,
            tos: packet.tos(),
            ttl: packet.ttl(),
            id: packet.id(),
            dont_fragment: packet.dont_fragment(),
        })
    }

    /// Writes the header with its checksum.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, packet: &mut Packet<T>) {
        let bytes = packet.buffer.as_mut();
        let total_len = self.payload_len.saturating_add(HEADER_LEN as u16);
        let flags = if self.dont_fragment { DONT_FRAGMENT } else { 0 };
        put(bytes, field::VERSION_IHL, [0x45, self.tos]);
        put(bytes, field::TOTAL_LEN, total_len.to_be_bytes());
        put(bytes, field::ID, self.id.to_be_bytes());
        put(bytes, field::FLAGS_OFFSET, flags.to_be_bytes());
        put(bytes, field::TTL, [self.ttl, self.protocol]);
        put(bytes, field::SRC, self.src.octets());
        put(bytes, field::DST, self.dst.octets());
        packet.fill_checksum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 192.168.0.1 to 192.168.0.199, UDP, DF, TTL 64, four octets of payload.
    const PACKET: [u8; 24] = [
        0x45, 0x00, 0x00, 0x18, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0xbc, 192, 168, 0, 1, 192, 168, 0, 199, 1, 2,
        3, 4,
    ];

    #[test]
    fn a_literal_packet_reads_field_by_field() {
        let packet = Packet::new_checked(PACKET).unwrap();
        assert!(packet.verify_checksum() && packet.dont_fragment() && !packet.is_fragment());
        assert_eq!((packet.version(), packet.header_len(), packet.total_len()), (4, 20, 24));
        assert_eq!((packet.ttl(), packet.protocol(), packet.tos(), packet.id()), (64, 17, 0, 0));
        assert_eq!((packet.src(), packet.dst()), (Ipv4Addr::new(192, 168, 0, 1), Ipv4Addr::new(192, 168, 0, 199)));
        assert_eq!(packet.payload(), [1, 2, 3, 4]);
    }

    #[test]
    fn each_wrong_length_has_its_own_reason() {
        let with = |at: usize, value: u8| {
            let mut packet = PACKET;
            packet[at] = value;
            Packet::new_checked(packet).map(|_| ())
        };
        assert_eq!(Packet::new_checked(&PACKET[..19]).unwrap_err(), Malformed::Ipv4Truncated);
        assert_eq!(with(0, 0x65), Err(Malformed::Ipv4Version));
        assert_eq!(with(0, 0x44), Err(Malformed::Ipv4HeaderLength));
        assert_eq!(with(0, 0x47), Err(Malformed::Ipv4HeaderLength));
        assert_eq!(with(3, 19), Err(Malformed::Ipv4TotalLength));
        assert_eq!(with(3, 25), Err(Malformed::Ipv4TotalLength));
        assert_eq!(with(3, 20), Ok(()), "what follows is padding");
        assert_eq!(with(0, 0x46), Ok(()), "four octets of options and no payload");
    }

    #[test]
    fn a_new_ttl_keeps_the_checksum_right() {
        let mut packet = Packet::new_checked(PACKET).unwrap();
        for ttl in (0..=255).rev() {
            packet.set_ttl(ttl);
            assert!(packet.ttl() == ttl && packet.verify_checksum(), "ttl {ttl}");
        }
    }

    proptest! {
        #[test]
        fn another_tos_leaves_the_checksum_right(addresses: [[u8; 4]; 2], id: u16, tos: [u8; 2]) {
            let [src, dst] = addresses.map(Ipv4Addr::from);
            let repr =
                Repr { src, dst, protocol: 17, payload_len: 0, tos: tos[0], ttl: 64, id, dont_fragment: false };
            let mut packet = Packet::new_unchecked([0; HEADER_LEN]);
            repr.emit(&mut packet);
            packet.set_tos(tos[1]);
            prop_assert_eq!(Repr::parse(&packet), Some(Repr { tos: tos[1], ..repr }));
            prop_assert!(packet.verify_checksum());
        }

        #[test]
        fn what_is_emitted_is_parsed(addresses: [[u8; 4]; 2], payload_len in 0u16..1000, octets: [u8; 3],
                                     id: u16, dont_fragment: bool) {
            let [src, dst] = addresses.map(Ipv4Addr::from);
            let [protocol, tos, ttl] = octets;
            let repr = Repr { src, dst, protocol, payload_len, tos, ttl, id, dont_fragment };
            let mut packet = Packet::new_unchecked([0; HEADER_LEN + 1000]);
            repr.emit(&mut packet);
            prop_assert_eq!(packet.check_len(), Ok(()));
            prop_assert!(packet.verify_checksum());
            prop_assert_eq!(Repr::parse(&packet), Some(repr));
            prop_assert_eq!(packet.payload().len(), usize::from(payload_len));
        }
    }
}
