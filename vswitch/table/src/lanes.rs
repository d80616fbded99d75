//! Sixteen 16-bit lanes compared at once: with SSE2, which every x86-64 has, else one by one.
#![allow(unsafe_code)]

/// Bit `i` is set where lane `i` of `low`, or lane `i - 8` of `high`, is `wanted`.
#[inline(always)]
pub(crate) fn equal(low: [u64; 2], high: [u64; 2], wanted: u16) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64.
    return unsafe { sse2::equal(low, high, wanted) };
    #[cfg(not(target_arch = "x86_64"))]
    portable(low, high, wanted)
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi16, _mm_movemask_epi8, _mm_packs_epi16, _mm_set_epi64x, _mm_set1_epi16,
    };

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn equal(low: [u64; 2], high: [u64; 2], wanted: u16) -> u32 {
        let wanted = _mm_set1_epi16(wanted as i16);
        let low = _mm_cmpeq_epi16(vector(low), wanted);
        let high = _mm_cmpeq_epi16(vector(high), wanted);
        // Lanes are all ones or all zeros, and stay so where sixteen bits become eight.
        _mm_movemask_epi8(_mm_packs_epi16(low, high)) as u32
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn vector(words: [u64; 2]) -> __m128i {
        _mm_set_epi64x(words[1] as i64, words[0] as i64)
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn portable(low: [u64; 2], high: [u64; 2], wanted: u16) -> u32 {
    let words = [low[0], low[1], high[0], high[1]];
    let lane = |at: u32| (words[at as usize / 4] >> (16 * (at % 4))) as u16;
    (0..16).fold(0, |set, at| set | u32::from(lane(at) == wanted) << at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_agree(lanes in prop::array::uniform16(0u16..3), extreme: [bool; 16], wanted in 0u16..3) {
            let lane = |at: usize| if extreme[at] { lanes[at] ^ 0xffff } else { lanes[at] };
            let word = |first: usize| (0..4).fold(0, |word, at| word | u64::from(lane(first + at)) << (16 * at));
            let (low, high) = ([word(0), word(4)], [word(8), word(12)]);
            for wanted in [wanted, wanted ^ 0xffff, wanted ^ 0x8000, wanted << 8] {
                prop_assert_eq!(equal(low, high, wanted), portable(low, high, wanted));
            }
        }
    }
}
