//! UDP headers (RFC 768).

use std::net::IpAddr;

use crate::{
    Malformed,
    checksum::Sum,
    field::{put, u16_at, view},
    protocol,
};

pub(crate) mod field {
    pub(crate) const SRC_PORT: usize = 0;
    pub(crate) const DST_PORT: usize = 2;
    pub(crate) const LENGTH: usize = 4;
    pub(crate) const CHECKSUM: usize = 6;
}

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

view! {
    /// A datagram, possibly with more of its IP packet behind it.
    Datagram
}

impl<T: AsRef<[u8]>> Datagram<T> {
    /// Whether the header is there and the length field lies between it and the end of the buffer.
    ///
    /// # Errors
    /// [`Malformed::UdpTruncated`], [`Malformed::UdpLength`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        self.check_header()?;
        if usize::from(self.length()) > self.bytes().len() { Err(Malformed::UdpLength) } else { Ok(()) }
    }

    /// As [`Datagram::check_len`] for a first fragment, whose length field counts octets of later fragments too.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn check_header(&self) -> Result<(), Malformed> {
        if self.bytes().len() < HEADER_LEN {
            return Err(Malformed::UdpTruncated);
        }
        if usize::from(self.length()) < HEADER_LEN { Err(Malformed::UdpLength) } else { Ok(()) }
    }

    /// Source port.
    #[inline]
    pub fn src_port(&self) -> u16 {
        u16_at(self.bytes(), field::SRC_PORT)
    }

    /// Destination port.
    #[inline]
    pub fn dst_port(&self) -> u16 {
        u16_at(self.bytes(), field::DST_PORT)
    }

    /// Length field: octets of header and payload.
    #[inline]
    pub fn length(&self) -> u16 {
        u16_at(self.bytes(), field::LENGTH)
    }

    /// Checksum field, 0 where the sender computed none.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes(), field::CHECKSUM)
    }

    /// What the datagram carries.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[HEADER_LEN..usize::from(self.length())]
    }

    /// Whether the checksum is right for a datagram between these addresses, or 0.
    pub fn verify_checksum(&self, src: IpAddr, dst: IpAddr) -> bool {
        self.checksum() == 0 || self.sum(src, dst).finish() == 0
    }

    /// The sum over pseudo header and datagram, checksum field included.
    fn sum(&self, src: IpAddr, dst: IpAddr) -> Sum {
        let length = self.length();
        let pseudo = Sum::ZERO.addresses(src, dst).word(u16::from(protocol::UDP)).word(length);
        pseudo.bytes(&self.bytes()[..usize::from(length)])
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Datagram<T> {
    /// Sets the checksum field as it is.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        put(self.buffer.as_mut(), field::CHECKSUM, checksum.to_be_bytes());
    }

    /// Computes and sets the checksum of a datagram between these addresses.
    pub fn fill_checksum(&mut self, src: IpAddr, dst: IpAddr) {
        self.set_checksum(0);
        let checksum = self.sum(src, dst).finish_udp();
        self.set_checksum(checksum);
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Octets of the payload, at most 65,527.
    pub payload_len: u16,
}

impl Repr {
    /// Octets that [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Reads a header.
    pub fn parse<T: AsRef<[u8]>>(datagram: &Datagram<T>) -> Repr {
        Repr {
            src_port: datagram.src_port(),
            dst_port: datagram.dst_port(),
            payload_len: datagram.length().saturating_sub(HEADER_LEN as u16),
        }
    }

    /// Writes the header without a checksum; [`Datagram::fill_checksum`] adds it once the payload is there.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, datagram: &mut Datagram<T>) {
        let bytes = datagram.buffer.as_mut();
        put(bytes, field::SRC_PORT, self.src_port.to_be_bytes());
        put(bytes, field::DST_PORT, self.dst_port.to_be_bytes());
        put(bytes, field::LENGTH, self.payload_len.saturating_add(HEADER_LEN as u16).to_be_bytes());
        put(bytes, field::CHECKSUM, [0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Port 48896 to 53, payload aa 00 00 ff, between 192.168.1.1 and 192.168.1.2.
    const DATAGRAM: [u8; 12] = [0xbf, 0x00, 0x00, 0x35, 0x00, 0x0c, 0x12, 0x4d, 0xaa, 0x00, 0x00, 0xff];
    const PEERS: [IpAddr; 2] =
        [IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 1)), IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 2))];

    #[test]
    fn a_literal_datagram_reads_field_by_field() {
        let datagram = Datagram::new_checked(DATAGRAM).unwrap();
        assert_eq!((datagram.src_port(), datagram.dst_port(), datagram.length()), (48896, 53, 12));
        assert_eq!(datagram.payload(), [0xaa, 0x00, 0x00, 0xff]);
        assert!(datagram.verify_checksum(PEERS[0], PEERS[1]));
    }

    #[test]
    fn a_wrong_checksum_is_found_and_none_is_accepted() {
        let mut datagram = Datagram::new_checked(DATAGRAM).unwrap();
        datagram.set_checksum(0x124e);
        assert!(!datagram.verify_checksum(PEERS[0], PEERS[1]));
        datagram.set_checksum(0);
        assert!(datagram.verify_checksum(PEERS[0], PEERS[1]));
    }

    #[test]
    fn the_length_field_must_lie_between_the_header_and_the_end() {
        let with = |length: u8| {
            let mut datagram = DATAGRAM;
            datagram[5] = length;
            Datagram::new_checked(datagram).map(|_| ())
        };
        assert_eq!(Datagram::new_checked(&DATAGRAM[..7]).unwrap_err(), Malformed::UdpTruncated);
        assert_eq!(with(7), Err(Malformed::UdpLength));
        assert_eq!(with(13), Err(Malformed::UdpLength));
        assert_eq!(with(8), Ok(()));
        assert_eq!(Datagram::new_unchecked(&DATAGRAM[..8]).check_header(), Ok(()), "a first fragment");
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed(src_port: u16, dst_port: u16, payload: Vec<u8>, v6: bool) {
            let repr = Repr { src_port, dst_port, payload_len: payload.len() as u16 };
            let mut datagram = Datagram::new_unchecked([vec![0; HEADER_LEN], payload].concat());
            repr.emit(&mut datagram);
            prop_assert_eq!(datagram.check_len(), Ok(()));
            prop_assert_eq!(Repr::parse(&datagram), repr);
            let [src, dst] = if v6 { [IpAddr::V6(1.into()), IpAddr::V6(2.into())] } else { PEERS };
            datagram.fill_checksum(src, dst);
            prop_assert!(datagram.checksum() != 0 && datagram.verify_checksum(src, dst));
        }
    }
}
