//! The one source of chance: a seed says everything that will happen.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): tiny, and good enough for
/// dice.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.any() % end as u64) as usize }
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `from`.
    ///
    /// # Panics
    /// Where there is nothing to choose from.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of `from`, or nothing where nothing is there.
    pub fn pick_any<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| self.pick(from).clone())
    }

    /// Dice for a part of the whole, so that a longer part does not change what happens in the others.
    pub fn fork(&mut self) -> Dice {
        Dice(self.any())
    }
}

/// A number from the environment, or `default`: how a test is made longer, or one seed is run again.
pub fn number_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seeds a test shall run: the one in `MILLRACE_SEED`, or as many from 1 on as `MILLRACE_SEEDS` says, or `default`.
pub fn seeds(default: u64) -> Vec<u64> {
    match number_from_env("MILLRACE_SEED", 0) {
        0 => (1..=number_from_env("MILLRACE_SEEDS", default)).collect(),
        seed => vec![seed],
    }
}

/// Says, where the test fails while this lives, how to run its seed again.
#[derive(Debug)]
pub struct SeedNote {
    seed: u64,
    test: &'static str,
}

impl SeedNote {
    /// For `seed` of the test binary `test`.
    pub fn new(seed: u64, test: &'static str) -> SeedNote {
        SeedNote { seed, test }
    }
}

impl Drop for SeedNote {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let SeedNote { seed, test } = self;
            eprintln!("seed {seed} failed; again: MILLRACE_SEED={seed} cargo test -p millrace-sim --test {test}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_fall_equally_and_others_do_not() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            [dice.any(), dice.any(), dice.any()]
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
    }

    #[test]
    fn chances_and_ranges_are_what_they_say() {
        let mut dice = Dice::new(1);
        let hits = (0..10_000).filter(|_| dice.chance(30)).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
        let mut seen = [false; 4];
        (0..100).for_each(|_| seen[dice.between(2, 5) - 2] = true);
        assert_eq!(seen, [true; 4]);
        assert_eq!((dice.below(0), dice.pick_any::<u8>(&[])), (0, None));
    }
}
