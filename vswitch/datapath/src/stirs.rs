//! When MACs last came, moved or went, by a few bits of each: so that who moves disturbs those who talk to him, or as
//! him, and one in four thousand others.

use wire::Mac;

/// Places; MACs share them.
const PLACES: usize = 4096;

pub(crate) struct Stirs {
    /// The epoch of the last change of any MAC of each place.
    places: Box<[u32; PLACES]>,
    /// The epoch of the last change of all.
    last: u32,
}

impl Stirs {
    pub(crate) fn new() -> Stirs {
        Stirs { places: Box::new([0; PLACES]), last: 0 }
    }

    /// A MAC has come, moved or gone in `epoch`.
    pub(crate) fn note(&mut self, mac: Mac, epoch: u32) {
        self.places[place(mac.to_u64())] = epoch;
        self.last = epoch;
    }

    /// When any MAC changed last.
    #[inline(always)]
    pub(crate) fn last_of_all(&self) -> u32 {
        self.last
    }

    /// Whether the MAC in the low 48 bits of any of these words ([`Mac::to_u64`]) has changed since `moment`, or another one of its
    /// place has. All are looked at, with one branch.
    #[inline(always)]
    pub(crate) fn any_after(&self, words: [u64; 2], moment: u32) -> bool {
        let since = words.map(|word| moment.wrapping_sub(self.places[place(word)]) as i32);
        since[0] | since[1] < 0
    }

    /// Brings stamps forward, as all that are kept on a clock that wraps.
    pub(crate) fn renew(&mut self, kept: impl FnMut(&mut u32)) {
        self.places.iter_mut().chain([&mut self.last]).for_each(kept);
    }
}

/// MACs of one vendor, numbered through, are spread evenly. Whoever makes MACs that share a place gains nothing but a look
/// more at each of the flows there. The factor's low end is empty, so that nothing above the 48 bits of the MAC counts.
#[inline(always)]
fn place(mac: u64) -> usize {
    (mac.wrapping_mul(0x79b9_7f4a_7c15 << 16) >> 52) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_its_own_mac_and_few_others() {
        let macs = || (0..10_000u64).map(|n| 0x0200_0000_0000 + n);
        let mut stirs = Stirs::new();
        stirs.note(Mac::from_u64(0x0200_0000_0007), 5);
        let seen: Vec<_> = macs().filter(|&mac| stirs.any_after([0, 7 << 48 | mac], 4)).collect();
        assert!(seen.contains(&0x0200_0000_0007) && seen.len() < 30, "{}", seen.len());
        assert_eq!(stirs.last_of_all(), 5);
        assert!(!stirs.any_after([0x0200_0000_0007; 2], 5), "as of then it is known");
    }
}
