//! VLAN tags (IEEE 802.1Q, 802.1ad), from behind their own ethertype on.

use crate::{
    Malformed,
    field::{put, u16_at, view},
};

mod field {
    pub(super) const TCI: usize = 0;
    pub(super) const ETHERTYPE: usize = 2;
}

/// A VLAN identifier, 1 to 4094 (IEEE 802.1Q-2018 section 9.6): 0 means "no VLAN, only a priority", 4095 is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VlanId(u16);

impl VlanId {
    /// The largest.
    pub const MAX: u16 = 4094;

    /// The VLAN of that number; `None` for 0 and above 4094.
    pub const fn new(id: u16) -> Option<VlanId> {
        if id == 0 || id > VlanId::MAX { None } else { Some(VlanId(id)) }
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl std::fmt::Display for VlanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Octets of a tag: control information and the ethertype of what follows.
pub const TAG_LEN: usize = 4;

/// Whether a tag follows this ethertype.
#[inline]
pub const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, crate::ethernet::VLAN | crate::ethernet::SERVICE_VLAN)
}

view! {
    /// A tag and what follows it.
    Tag
}

impl<T: AsRef<[u8]>> Tag<T> {
    /// Whether the tag is there.
    ///
    /// # Errors
    /// [`Malformed::VlanTruncated`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        if self.bytes().len() < TAG_LEN { Err(Malformed::VlanTruncated) } else { Ok(()) }
    }

    /// VLAN identifier, 12 bits; 0 is a priority tag, 4095 is reserved.
    #[inline]
    pub fn id(&self) -> u16 {
        u16_at(self.bytes(), field::TCI) & 0x0fff
    }

    /// Priority code point, 3 bits.
    #[inline]
    pub fn priority(&self) -> u8 {
        self.bytes()[field::TCI] >> 5
    }

    /// Drop eligible indicator.
    #[inline]
    pub fn drop_eligible(&self) -> bool {
        self.bytes()[field::TCI] & 0x10 != 0
    }

    /// Ethertype of what follows.
    #[inline]
    pub fn ethertype(&self) -> u16 {
        u16_at(self.bytes(), field::ETHERTYPE)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Tag<T> {
    /// Sets identifier (its low 12 bits), priority (its low 3 bits) and drop eligibility.
    #[inline]
    pub fn set_control(&mut self, id: u16, priority: u8, drop_eligible: bool) {
        let tci = u16::from(priority) << 13 | u16::from(drop_eligible) << 12 | id & 0x0fff;
        put(self.buffer.as_mut(), field::TCI, tci.to_be_bytes());
    }

    /// Sets the ethertype of what follows.
    #[inline]
    pub fn set_ethertype(&mut self, ethertype: u16) {
        put(self.buffer.as_mut(), field::ETHERTYPE, ethertype.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_literal_tag_reads_field_by_field() {
        let tag = Tag::new_checked([0xb0, 0x64, 0x08, 0x00]).unwrap();
        assert_eq!((tag.id(), tag.priority(), tag.drop_eligible(), tag.ethertype()), (100, 5, true, 0x0800));
    }

    #[test]
    fn three_octets_are_no_tag() {
        assert_eq!(Tag::new_checked([0; 3]).unwrap_err(), Malformed::VlanTruncated);
    }

    proptest! {
        #[test]
        fn what_is_set_is_read(id in 0u16..4096, priority in 0u8..8, drop_eligible: bool, ethertype: u16) {
            let mut tag = Tag::new_checked([0; TAG_LEN]).unwrap();
            tag.set_control(id, priority, drop_eligible);
            tag.set_ethertype(ethertype);
            prop_assert_eq!((tag.id(), tag.priority()), (id, priority));
            prop_assert_eq!((tag.drop_eligible(), tag.ethertype()), (drop_eligible, ethertype));
        }
    }
}
