//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

use std::net::IpAddr;

/// A one's complement sum under way, in host order: bytes and words go in, [`Sum::finish`] gives the checksum field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Nothing added yet.
    pub const ZERO: Sum = Sum(0);

    /// Adds octets as 16-bit words in network order, an odd last one padded with a zero on the right. What comes after
    /// an odd number of octets starts at a new word, so only the last piece of a message may be odd.
    #[inline]
    #[must_use]
    pub fn bytes(self, data: &[u8]) -> Sum {
        // Summed in machine order, four octets at a time: the sum of swapped words is the swapped sum (RFC 1071
        // section 2 B), and 2^32 words of 32 bits fit the accumulator.
        let (words, rest) = data.as_chunks::<4>();
        let whole: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        let sum = fold16(whole + u64::from(u32::from_ne_bytes(last)));
        Sum(self.0 + u64::from(u16::from_be(sum)))
    }

    /// Adds one 16-bit word, in host order.
    #[inline]
    #[must_use]
    pub const fn word(self, word: u16) -> Sum {
        Sum(self.0 + word as u64)
    }

    /// Adds both addresses of a pseudo header (RFC 768, RFC 8200 section 8.1).
    #[must_use]
    pub fn addresses(self, src: IpAddr, dst: IpAddr) -> Sum {
        [src, dst].into_iter().fold(self, |sum, address| match address {
            IpAddr::V4(v4) => sum.bytes(&v4.octets()),
            IpAddr::V6(v6) => sum.bytes(&v6.octets()),
        })
    }

    /// The sum so far, folded to 16 bits.
    pub(crate) const fn folded(self) -> u16 {
        fold16(self.0)
    }

    /// The checksum: the complement of the sum folded to 16 bits. Over a message that holds a right checksum, 0.
    #[inline]
    pub const fn finish(self) -> u16 {
        !fold16(self.0)
    }

    /// As [`Sum::finish`], but 0xffff for 0: in UDP a zero says that there is no checksum (RFC 768).
    #[inline]
    pub const fn finish_udp(self) -> u16 {
        match self.finish() {
            0 => 0xffff,
            checksum => checksum,
        }
    }
}

/// The one's complement sum of the four halves of `sum`: 0 only where `sum` is 0.
#[inline]
pub(crate) const fn fold16(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The checksum of a few 16-bit words, added up in host order.
#[inline(always)]
pub(crate) const fn of_few(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum + (sum >> 16)) as u16)
}

/// The checksum of `data` alone.
#[inline]
pub fn of(data: &[u8]) -> u16 {
    Sum::ZERO.bytes(data).finish()
}

/// The checksum of a message that had `checksum` before its 16-bit word `old` became `new` (RFC 1624 equation 3). A UDP
/// checksum of 0 stands for none and must not be updated.
#[inline]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !fold16(!checksum as u64 + !old as u64 + new as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 section 4.1, word by word.
    fn naive(data: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in data.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        assert_eq!(of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn an_ipv4_header_with_its_checksum_sums_to_zero() {
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8,
            0x00, 0xc7,
        ];
        assert_eq!(of(&header), 0);
    }

    #[test]
    fn the_example_of_rfc_1624_updates_to_zero() {
        // Section 4: HC = 0xdd2f, m = 0x5555, m' = 0x3285 gives 0x0000, where equation 2 of RFC 1141 gave 0xffff.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn a_udp_checksum_of_zero_is_sent_as_ones() {
        assert_eq!(Sum::ZERO.word(0xffff).finish(), 0);
        assert_eq!(Sum::ZERO.word(0xffff).finish_udp(), 0xffff);
        assert_eq!(Sum::ZERO.word(0xfffe).finish_udp(), 1);
    }

    #[test]
    fn the_longest_and_heaviest_message_does_not_overflow() {
        assert_eq!(of(&[0xff; 65_535]), naive(&[0xff; 65_535]));
    }

    proptest! {
        #[test]
        fn the_sum_equals_the_naive_one(data: Vec<u8>) {
            prop_assert_eq!(of(&data), naive(&data));
        }

        #[test]
        fn even_pieces_sum_like_the_whole(mut data: Vec<u8>, cut: prop::sample::Index) {
            data.push(1);
            let (front, back) = data.split_at(cut.index(data.len()) & !1);
            prop_assert_eq!(Sum::ZERO.bytes(front).bytes(back).finish(), naive(&data));
        }

        #[test]
        fn an_update_equals_a_new_sum(mut words in prop::collection::vec(any::<u8>(), 20), new: [u8; 2]) {
            words[0] |= 1; // a message of zeros alone is the one case in which both zeros of one's complement differ
            let (before, old) = (of(&words), [words[8], words[9]]);
            words[8..10].copy_from_slice(&new);
            prop_assert_eq!(update(before, u16::from_be_bytes(old), u16::from_be_bytes(new)), of(&words));
        }
    }
}
