//! ICMP for IPv4 (RFC 792): read only, the host stack answers echo requests.

use crate::{
    Malformed, checksum,
    field::{u16_at, view},
};

mod field {
    pub(super) const KIND: usize = 0;
    pub(super) const CODE: usize = 1;
    pub(super) const CHECKSUM: usize = 2;
    pub(super) const IDENTIFIER: usize = 4;
    pub(super) const SEQUENCE: usize = 6;
}

/// Octets of the smallest message. RFC 792 gives every message four octets behind type, code and checksum, be they
/// "unused", and so do all later ones: a shorter message is no ICMP.
pub const HEADER_LEN: usize = 8;

/// Type: echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Type: destination unreachable.
pub const UNREACHABLE: u8 = 3;
/// Type: echo request.
pub const ECHO_REQUEST: u8 = 8;

view! {
    /// A message.
    Message
}

impl<T: AsRef<[u8]>> Message<T> {
    /// Whether the smallest message is there.
    ///
    /// # Errors
    /// [`Malformed::IcmpTruncated`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        if self.bytes().len() < HEADER_LEN { Err(Malformed::IcmpTruncated) } else { Ok(()) }
    }

    /// Type.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.bytes()[field::KIND]
    }

    /// Code, of a meaning that depends on the type.
    #[inline]
    pub fn code(&self) -> u8 {
        self.bytes()[field::CODE]
    }

    /// Whether the checksum is right over a buffer that ends where the message ends.
    pub fn verify_checksum(&self) -> bool {
        checksum::of(self.bytes()) == 0
    }

    /// Checksum field.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes(), field::CHECKSUM)
    }

    /// Identifier of an echo message.
    #[inline]
    pub fn identifier(&self) -> u16 {
        u16_at(self.bytes(), field::IDENTIFIER)
    }

    /// Sequence number of an echo message.
    #[inline]
    pub fn sequence(&self) -> u16 {
        u16_at(self.bytes(), field::SEQUENCE)
    }

    /// What follows the first eight octets.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[HEADER_LEN..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_echo_request_reads_field_by_field() {
        let mut bytes = [0x08, 0x00, 0x8e, 0xfe, 0x12, 0x34, 0xab, 0xcd, 0xaa, 0x00, 0x00, 0xff];
        let message = Message::new_checked(bytes).unwrap();
        assert_eq!((message.kind(), message.code(), message.checksum()), (ECHO_REQUEST, 0, 0x8efe));
        assert_eq!((message.identifier(), message.sequence()), (0x1234, 0xabcd));
        assert_eq!(message.payload(), [0xaa, 0, 0, 0xff]);
        assert!(message.verify_checksum());
        bytes[11] ^= 1;
        assert!(!Message::new_unchecked(bytes).verify_checksum());
    }

    #[test]
    fn seven_octets_are_no_message() {
        assert_eq!(Message::new_checked([0; 7]).unwrap_err(), Malformed::IcmpTruncated);
    }
}
