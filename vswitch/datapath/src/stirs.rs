//! When MACs last came, moved or went, by a few bits of each: so that who moves disturbs those who talk to him, or as
//! him, and one in a thousand others.

use wire::Mac;

/// Places; MACs share them.
const PLACES: usize = 1024;

/// The epoch of the last change of any MAC of each place.
pub(crate) struct Stirs(Box<[u32; PLACES]>);

impl Stirs {
    pub(crate) fn new() -> Stirs {
        Stirs(Box::new([0; PLACES]))
    }

    /// A MAC has come, moved or gone in `epoch`.
    pub(crate) fn note(&mut self, mac: Mac, epoch: u32) {
        self.0[place(mac.to_u64())] = epoch;
    }

    /// When the MAC of this number ([`Mac::to_u64`]) changed last, or another one of its place did.
    #[inline(always)]
    pub(crate) fn last(&self, mac: u64) -> u32 {
        self.0[place(mac)]
    }

    /// Brings stamps forward, as all that are kept on a clock that wraps.
    pub(crate) fn renew(&mut self, kept: impl FnMut(&mut u32)) {
        self.0.iter_mut().for_each(kept);
    }
}

/// MACs of one vendor, numbered through, are spread evenly. Whoever makes MACs that share a place gains nothing but a look
/// more at each of the flows there.
#[inline(always)]
fn place(mac: u64) -> usize {
    (mac.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_its_own_mac_and_few_others() {
        let macs = || (0..10_000u64).map(|n| 0x0200_0000_0000 + n);
        let mut stirs = Stirs::new();
        stirs.note(Mac::from_u64(0x0200_0000_0007), 5);
        let seen: Vec<_> = macs().filter(|&mac| stirs.last(mac) == 5).collect();
        assert!(seen.contains(&0x0200_0000_0007) && seen.len() < 30, "{}", seen.len());
    }
}
