//! VXLAN network identifiers.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A VXLAN network identifier (RFC 7348 section 5): 24 bits, all values legal, 0 and 4096 included. Serialised as an
/// integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(u32);

/// The number is not below 2^24, or the text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a VNI is a number from 0 to {max}", max = Vni::MAX)]
pub struct VniError;

impl Vni {
    /// The largest one, 2^24 - 1.
    pub const MAX: Vni = Vni((1 << 24) - 1);

    /// The identifier `number`, or `None` where it needs more than 24 bits.
    #[inline]
    pub const fn new(number: u32) -> Option<Vni> {
        if number <= Self::MAX.0 { Some(Vni(number)) } else { None }
    }

    /// The number, below 2^24.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The identifier in the three octets of a header, most significant first.
    #[inline]
    pub const fn from_octets([a, b, c]: [u8; 3]) -> Vni {
        Vni(u32::from_be_bytes([0, a, b, c]))
    }

    /// The three octets of a header, most significant first.
    #[inline]
    pub const fn octets(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

impl Display for Vni {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl FromStr for Vni {
    type Err = VniError;

    fn from_str(text: &str) -> Result<Vni, VniError> {
        text.parse::<u32>().ok().and_then(Vni::new).ok_or(VniError)
    }
}

impl TryFrom<u32> for Vni {
    type Error = VniError;

    fn try_from(number: u32) -> Result<Vni, VniError> {
        Vni::new(number).ok_or(VniError)
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> u32 {
        vni.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_4096_and_the_largest_are_legal_and_one_more_is_not() {
        for number in [0, 1, 4095, 4096, 16_777_215] {
            let vni = Vni::new(number).unwrap();
            assert_eq!(vni.get(), number);
            assert_eq!(Vni::from_octets(vni.octets()), vni);
            assert_eq!(vni.to_string().parse(), Ok(vni));
        }
        assert_eq!(Vni::new(16_777_216), None);
        assert_eq!("16777216".parse::<Vni>(), Err(VniError));
        assert_eq!("-1".parse::<Vni>(), Err(VniError));
        assert_eq!(VniError.to_string(), "a VNI is a number from 0 to 16777215");
    }

    #[test]
    fn json_holds_an_integer_and_its_range_is_checked() {
        assert_eq!(serde_json::to_string(&Vni::new(4096).unwrap()).unwrap(), "4096");
        assert_eq!(serde_json::from_str::<Vni>("4096").unwrap().get(), 4096);
        assert!(serde_json::from_str::<Vni>("16777216").unwrap_err().to_string().contains("16777215"));
        assert!(serde_json::from_str::<Vni>("-1").is_err());
    }
}
