//! Ethernet II headers (IEEE 802.3 clause 3, RFC 894).

use crate::{
    Mac, Malformed,
    field::{mac_at, put, u16_at, view},
};

mod field {
    pub(super) const DST: usize = 0;
    pub(super) const SRC: usize = 6;
    pub(super) const ETHERTYPE: usize = 12;
}

/// Octets of the header, without tags.
pub const HEADER_LEN: usize = 14;

/// The smallest ethertype; what is below is an 802.3 length and an LLC header follows.
pub const ETHERTYPE_MIN: u16 = 0x0600;
/// IPv4.
pub const IPV4: u16 = 0x0800;
/// ARP.
pub const ARP: u16 = 0x0806;
/// A customer VLAN tag (802.1Q).
pub const VLAN: u16 = 0x8100;
/// IPv6.
pub const IPV6: u16 = 0x86dd;
/// A service VLAN tag (802.1ad).
pub const SERVICE_VLAN: u16 = 0x88a8;

view! {
    /// A frame: the header and what follows it.
    Header
}

impl<T: AsRef<[u8]>> Header<T> {
    /// Whether the header is there.
    ///
    /// # Errors
    /// [`Malformed::EthernetTruncated`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        if self.bytes().len() < HEADER_LEN { Err(Malformed::EthernetTruncated) } else { Ok(()) }
    }

    /// Destination address.
    #[inline]
    pub fn dst(&self) -> Mac {
        mac_at(self.bytes(), field::DST)
    }

    /// Source address.
    #[inline]
    pub fn src(&self) -> Mac {
        mac_at(self.bytes(), field::SRC)
    }

    /// Ethertype, or a length where it is below [`ETHERTYPE_MIN`].
    #[inline]
    pub fn ethertype(&self) -> u16 {
        u16_at(self.bytes(), field::ETHERTYPE)
    }

    /// What follows the header.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[HEADER_LEN..]
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Header<T> {
    /// Sets the destination address.
    #[inline]
    pub fn set_dst(&mut self, mac: Mac) {
        put(self.buffer.as_mut(), field::DST, mac.octets());
    }

    /// Sets the source address.
    #[inline]
    pub fn set_src(&mut self, mac: Mac) {
        put(self.buffer.as_mut(), field::SRC, mac.octets());
    }

    /// Sets the ethertype.
    #[inline]
    pub fn set_ethertype(&mut self, ethertype: u16) {
        put(self.buffer.as_mut(), field::ETHERTYPE, ethertype.to_be_bytes());
    }
}

/// What an Ethernet header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Destination address.
    pub dst: Mac,
    /// Source address.
    pub src: Mac,
    /// Ethertype of the payload.
    pub ethertype: u16,
}

impl Repr {
    /// Octets that [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Reads a header.
    pub fn parse<T: AsRef<[u8]>>(header: &Header<T>) -> Repr {
        Repr { dst: header.dst(), src: header.src(), ethertype: header.ethertype() }
    }

    /// Writes the header.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, header: &mut Header<T>) {
        header.set_dst(self.dst);
        header.set_src(self.src);
        header.set_ethertype(self.ethertype);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_literal_header_reads_field_by_field() {
        let bytes = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45];
        let header = Header::new_checked(&bytes).unwrap();
        assert_eq!(header.dst().to_string(), "02:00:00:00:00:02");
        assert_eq!(header.src().to_string(), "02:00:00:00:00:01");
        assert_eq!(header.ethertype(), IPV4);
        assert_eq!(header.payload(), [0x45]);
    }

    #[test]
    fn thirteen_octets_are_no_header() {
        assert_eq!(Header::new_checked([0; 13]).unwrap_err(), Malformed::EthernetTruncated);
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed(dst: [u8; 6], src: [u8; 6], ethertype: u16) {
            let repr = Repr { dst: Mac::new(dst), src: Mac::new(src), ethertype };
            let mut header = Header::new_checked([0; HEADER_LEN]).unwrap();
            repr.emit(&mut header);
            prop_assert_eq!(Repr::parse(&header), repr);
        }
    }
}
