//! The SCTP common header (RFC 9260 section 3.1): read only.

use crate::{
    Malformed,
    field::{u16_at, u32_at, view},
};

mod field {
    pub(super) const SRC_PORT: usize = 0;
    pub(super) const DST_PORT: usize = 2;
    pub(super) const VERIFICATION_TAG: usize = 4;
    pub(super) const CHECKSUM: usize = 8;
}

/// Octets of the common header.
pub const HEADER_LEN: usize = 12;

view! {
    /// A packet: the common header and its chunks.
    Packet
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Whether the common header is there.
    ///
    /// # Errors
    /// [`Malformed::SctpTruncated`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        if self.bytes().len() < HEADER_LEN { Err(Malformed::SctpTruncated) } else { Ok(()) }
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

    /// Verification tag.
    #[inline]
    pub fn verification_tag(&self) -> u32 {
        u32_at(self.bytes(), field::VERIFICATION_TAG)
    }

    /// Checksum field, a CRC32c.
    #[inline]
    pub fn checksum(&self) -> u32 {
        u32_at(self.bytes(), field::CHECKSUM)
    }

    /// The chunks.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[HEADER_LEN..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_packet_reads_field_by_field() {
        let packet = Packet::new_checked([0x0b, 0x59, 0x0b, 0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 1]).unwrap();
        assert_eq!((packet.src_port(), packet.dst_port()), (2905, 2906));
        assert_eq!((packet.verification_tag(), packet.checksum()), (0x0102_0304, 0x0506_0708));
        assert_eq!(packet.payload(), [1]);
    }

    #[test]
    fn eleven_octets_are_no_header() {
        assert_eq!(Packet::new_checked([0; 11]).unwrap_err(), Malformed::SctpTruncated);
    }
}
