//! VXLAN headers (RFC 7348 section 5).
//!
//! > Flags (8 bits): where the I flag MUST be set to 1 for a valid VXLAN Network ID (VNI). The other 7 bits (designated
//! > "R") are reserved fields and MUST be set to zero on transmission and ignored on receipt.
//!
//! > Reserved fields (24 bits and 8 bits): MUST be set to zero on transmission and ignored on receipt.
//!
//! So the I flag alone decides on receipt, and nothing else in the header but the VNI is ever looked at.

use crate::{
    Malformed, Vni,
    field::{array_at, put, view},
};

mod field {
    pub(super) const FLAGS: usize = 0;
    pub(super) const VNI: usize = 4;
    pub(super) const RESERVED: usize = 7;
}

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

/// The UDP port assigned to VXLAN.
pub const PORT: u16 = 4789;

/// The flag that says the VNI is valid.
pub(crate) const VNI_VALID: u8 = 0x08;

view! {
    /// A header and the inner frame.
    Header
}

impl<T: AsRef<[u8]>> Header<T> {
    /// Whether the header is there and says it has a VNI.
    ///
    /// # Errors
    /// [`Malformed::VxlanTruncated`], [`Malformed::VxlanNoVni`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        if self.bytes().len() < HEADER_LEN {
            return Err(Malformed::VxlanTruncated);
        }
        if self.bytes()[field::FLAGS] & VNI_VALID == 0 { Err(Malformed::VxlanNoVni) } else { Ok(()) }
    }

    /// Network identifier.
    #[inline]
    pub fn vni(&self) -> Vni {
        Vni::from_octets(array_at(self.bytes(), field::VNI))
    }

    /// The inner frame.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[HEADER_LEN..]
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Network identifier.
    pub vni: Vni,
}

impl Repr {
    /// Octets that [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Reads a header.
    pub fn parse<T: AsRef<[u8]>>(header: &Header<T>) -> Repr {
        Repr { vni: header.vni() }
    }

    /// Writes the header.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, header: &mut Header<T>) {
        let bytes = header.buffer.as_mut();
        put(bytes, field::FLAGS, [VNI_VALID, 0, 0, 0]);
        put(bytes, field::VNI, self.vni.octets());
        bytes[field::RESERVED] = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_header_reads_and_is_written_back_over_any_rubbish() {
        let bytes = [0x08, 0, 0, 0, 0x00, 0x10, 0x00, 0, 0x02];
        let header = Header::new_checked(&bytes).unwrap();
        assert_eq!((header.vni().get(), header.payload()), (4096, &[0x02][..]));
        let mut written = Header::new_unchecked([0xff; HEADER_LEN]);
        Repr::parse(&header).emit(&mut written);
        assert_eq!(written.into_inner(), bytes[..8], "reserved bits are zero on transmission");
    }

    #[test]
    fn reserved_bits_are_ignored_on_receipt_and_the_i_flag_is_not() {
        let header = Header::new_checked([0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0xff]).unwrap();
        assert_eq!(header.vni().get(), 1);
        for bit in 0..8u8 {
            let bytes = [1 << bit, 0, 0, 0, 0, 0, 1, 0];
            let verdict = Header::new_checked(bytes).map(|_| ());
            assert_eq!(verdict, if bit == 3 { Ok(()) } else { Err(Malformed::VxlanNoVni) }, "flag bit {bit}");
        }
        assert_eq!(Header::new_checked([0xf7, 255, 255, 255, 0, 0, 1, 255]).unwrap_err(), Malformed::VxlanNoVni);
    }

    #[test]
    fn seven_octets_are_no_header() {
        assert_eq!(Header::new_checked([8; 7]).unwrap_err(), Malformed::VxlanTruncated);
    }

    #[test]
    fn every_kind_of_vni_survives() {
        for number in [0, 1, 255, 256, 4095, 4096, 65_536, 0xff_ffff] {
            let repr = Repr { vni: Vni::new(number).unwrap() };
            let mut header = Header::new_unchecked([0; HEADER_LEN]);
            repr.emit(&mut header);
            assert_eq!(header.check_len(), Ok(()));
            assert_eq!(Repr::parse(&header), repr);
        }
    }
}
