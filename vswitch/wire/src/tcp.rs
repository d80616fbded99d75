//! TCP headers (RFC 9293): read only, the switch opens no connection.

use crate::{
    Malformed,
    field::{u16_at, u32_at, view},
};

pub(crate) mod field {
    pub(crate) const SRC_PORT: usize = 0;
    pub(crate) const DST_PORT: usize = 2;
    pub(crate) const SEQUENCE: usize = 4;
    pub(crate) const ACKNOWLEDGEMENT: usize = 8;
    pub(crate) const DATA_OFFSET: usize = 12;
    pub(crate) const FLAGS: usize = 13;
    pub(crate) const WINDOW: usize = 14;
    pub(crate) const CHECKSUM: usize = 16;
}

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

/// Flag: the sender has no more data.
pub const FIN: u8 = 0x01;
/// Flag: sequence numbers are to be synchronised.
pub const SYN: u8 = 0x02;
/// Flag: the connection is reset.
pub const RST: u8 = 0x04;
/// Flag: push.
pub const PSH: u8 = 0x08;
/// Flag: the acknowledgement number counts.
pub const ACK: u8 = 0x10;
/// Flag: the urgent pointer counts.
pub const URG: u8 = 0x20;
/// Flag: the congestion window is reduced (RFC 3168).
pub const CWR: u8 = 0x80;

view! {
    /// A segment.
    Segment
}

impl<T: AsRef<[u8]>> Segment<T> {
    /// Whether the header with its options is there.
    ///
    /// # Errors
    /// [`Malformed::TcpTruncated`], [`Malformed::TcpHeaderLength`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        self.check_header()?;
        if self.header_len() > self.bytes().len() { Err(Malformed::TcpHeaderLength) } else { Ok(()) }
    }

    /// As [`Segment::check_len`] for a first fragment, whose options may lie in later ones.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn check_header(&self) -> Result<(), Malformed> {
        if self.bytes().len() < HEADER_LEN {
            return Err(Malformed::TcpTruncated);
        }
        if self.header_len() < HEADER_LEN { Err(Malformed::TcpHeaderLength) } else { Ok(()) }
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

    /// Sequence number.
    #[inline]
    pub fn sequence(&self) -> u32 {
        u32_at(self.bytes(), field::SEQUENCE)
    }

    /// Acknowledgement number.
    #[inline]
    pub fn acknowledgement(&self) -> u32 {
        u32_at(self.bytes(), field::ACKNOWLEDGEMENT)
    }

    /// Octets of the header with its options.
    #[inline]
    pub fn header_len(&self) -> usize {
        usize::from(self.bytes()[field::DATA_OFFSET] >> 4) * 4
    }

    /// Flags: [`FIN`], [`SYN`], [`RST`], [`PSH`], [`ACK`], and URG, ECE, CWR above them.
    #[inline]
    pub fn flags(&self) -> u8 {
        self.bytes()[field::FLAGS]
    }

    /// Window, not scaled.
    #[inline]
    pub fn window(&self) -> u16 {
        u16_at(self.bytes(), field::WINDOW)
    }

    /// Checksum field.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes(), field::CHECKSUM)
    }

    /// What the segment carries.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[self.header_len()..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SYN from 48896 to 80 with four octets of options.
    const SYN_SEGMENT: [u8; 24] = [
        0xbf, 0x00, 0x00, 0x50, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x60, 0x02, 0x01, 0x23, 0x01, 0xb6,
        0x00, 0x00, 0x02, 0x04, 0x05, 0xb4,
    ];

    #[test]
    fn a_literal_segment_reads_field_by_field() {
        let segment = Segment::new_checked(SYN_SEGMENT).unwrap();
        assert_eq!((segment.src_port(), segment.dst_port()), (48896, 80));
        assert_eq!((segment.sequence(), segment.acknowledgement()), (0x0123_4567, 0x89ab_cdef));
        assert_eq!((segment.header_len(), segment.flags(), segment.window()), (24, SYN, 0x0123));
        assert_eq!((segment.checksum(), segment.payload()), (0x01b6, &[][..]));
    }

    #[test]
    fn the_data_offset_must_lie_between_the_header_and_the_end() {
        let with = |offset: u8| {
            let mut segment = SYN_SEGMENT;
            segment[12] = offset << 4;
            Segment::new_checked(segment).map(|_| ())
        };
        assert_eq!(Segment::new_checked(&SYN_SEGMENT[..19]).unwrap_err(), Malformed::TcpTruncated);
        assert_eq!(with(4), Err(Malformed::TcpHeaderLength));
        assert_eq!(with(7), Err(Malformed::TcpHeaderLength));
        assert_eq!(with(5), Ok(()));
        assert_eq!(Segment::new_unchecked(&SYN_SEGMENT[..20]).check_header(), Ok(()), "a first fragment");
    }
}
