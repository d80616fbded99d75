//! Octets for every seed.

use proptest::{
    prelude::Rng,
    test_runner::{RngAlgorithm, TestRng},
};

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds to run: the one in `MILLRACE_SEED`, or as many from 1 on as `MILLRACE_SEEDS` says, or `default`.
fn seeds(default: u64) -> Vec<u64> {
    match number_from_env("MILLRACE_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number_from_env("MILLRACE_SEEDS").unwrap_or(default)).collect(),
    }
}

/// Says, where the test fails while this lives, how to run its seed again.
struct Note(u64);

impl Drop for Note {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!("seed {seed} failed; again: MILLRACE_SEED={seed} cargo test -p millrace-vhost --test hostile");
        }
    }
}

/// Runs `life` by the octets of every seed, at most `octets_max` of them; by default so many seeds.
pub(crate) fn each(default: u64, octets_max: usize, mut life: impl FnMut(&[u8])) {
    for seed in seeds(default) {
        let _note = Note(seed);
        let mut state = [0; 32];
        state[..8].copy_from_slice(&seed.to_le_bytes());
        let mut dice = TestRng::from_seed(RngAlgorithm::ChaCha, &state);
        let mut octets = vec![0; 64 + dice.next_u32() as usize % (octets_max - 64)];
        dice.fill_bytes(&mut octets);
        life(&octets);
    }
}
