//! The keyed hash of the packet path.
//!
//! A folded multiply: 64 by 64 bits give 128, whose halves are xored. It is not linear, so that, unlike with a CRC,
//! whoever does not know the key cannot choose inputs that meet in one bucket.

use std::hash::{BuildHasher, RandomState};

/// The secret of one hash user. Keys must not leave the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKey(pub [u64; 2]);

/// An odd number without structure (the golden ratio times 2^64), for the last mixing step.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

impl HashKey {
    /// A key from the system's entropy. Not for the packet path.
    pub fn random() -> HashKey {
        let [low, high] = [0u64, 1].map(|half| RandomState::new().hash_one(half));
        HashKey([low, high])
    }
}

/// The hash of `words` under `key`; the number of words counts. All 64 bits are equally good. Meant for arrays, whose
/// loop the compiler unrolls: two words a multiplication.
#[inline]
pub fn fold(words: &[u64], key: HashKey) -> u64 {
    let HashKey([first, second]) = key;
    let mut state = first ^ words.len() as u64;
    let (pairs, last) = words.as_chunks::<2>();
    for [even, odd] in pairs {
        state = folded_multiply(even ^ state, odd ^ second);
    }
    if let [word] = last {
        state = folded_multiply(word ^ state, second);
    }
    folded_multiply(state ^ second, MIX)
}

#[inline]
fn folded_multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mac;

    const KEY: HashKey = HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211]);

    #[test]
    fn the_key_the_words_their_order_and_their_number_all_count() {
        let hash = fold(&[1, 2], KEY);
        assert_ne!(hash, fold(&[2, 1], KEY));
        assert_ne!(hash, fold(&[1, 2, 0], KEY));
        assert_ne!(fold(&[1], KEY), fold(&[1, 0], KEY), "a last word alone is no pair with a zero");
        assert_ne!(hash, fold(&[1, 2], HashKey([KEY.0[0] ^ 1, KEY.0[1]])));
        assert_ne!(hash, fold(&[1, 2], HashKey([KEY.0[0], KEY.0[1] ^ 1])));
        assert_ne!(fold(&[], KEY), fold(&[0], KEY));
        assert_eq!(hash, fold(&[1, 2], KEY));
        assert_ne!(HashKey::random(), HashKey::random());
    }

    #[test]
    fn one_flipped_input_bit_flips_about_half_of_the_output() {
        for words in [[0u64; 3], [u64::MAX; 3], [0x0200_0000_0001, 7, 0x0a00_0001_0a00_0002]] {
            let mut flipped = 0;
            for bit in 0..192 {
                let mut other = words;
                other[bit / 64] ^= 1 << (bit % 64);
                let distance = (fold(&words, KEY) ^ fold(&other, KEY)).count_ones();
                assert!((8..=56).contains(&distance), "bit {bit}: {distance}");
                flipped += distance;
            }
            assert!((28 * 192..=36 * 192).contains(&flipped), "mean {}", f64::from(flipped) / 192.0);
        }
    }

    #[test]
    fn consecutive_addresses_spread_over_low_and_high_bits() {
        let buckets = |pick: fn(u64) -> u64| {
            let mut filled = [0u32; 1024];
            for n in 0..16_384 {
                let mac = Mac::from_u64(0x0200_0000_0000 + n);
                filled[pick(fold(&[mac.to_u64() | 7 << 48], KEY)) as usize] += 1;
            }
            *filled.iter().max().unwrap()
        };
        // 16 a bucket on average; a random function exceeds 40 about once in 10^4 runs.
        assert!(buckets(|hash| hash & 1023) < 40);
        assert!(buckets(|hash| hash >> 54) < 40);
    }
}
