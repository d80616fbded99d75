//! Which flows the frames are of: drawn from few or many, evenly or not, or by somebody who wants them to collide.

use std::sync::Arc;

use wire::{HashKey, fold};

use crate::{flows::feed::Flow, random::Random};

/// Frames drawn; they are sent again and again.
const DRAWN: usize = 1 << 20;

/// So many flows between about as many stations on either side: the first ones of a square.
pub(crate) fn square(count: usize) -> impl Iterator<Item = Flow> {
    let side = side(count);
    (0..count as u64).map(move |n| Flow { dst: (n % u64::from(side)) as u32, src: (n / u64::from(side)) as u32 })
}

/// Stations on the receiving side of [`square`].
pub(crate) fn side(count: usize) -> u32 {
    (count as f64).sqrt().ceil().max(1.0) as u32
}

/// All of them once, in random order.
pub(crate) fn shuffled(flows: impl Iterator<Item = Flow>, random: &mut Random) -> Arc<[Flow]> {
    let mut flows: Vec<_> = flows.collect();
    random.shuffle(&mut flows);
    flows.into()
}

/// Frames of these flows in random order, the nth most frequent one as often as n to the power of `-exponent` says (Zipf);
/// with exponent 0 all as often as each other.
pub(crate) fn zipf(flows: &[Flow], exponent: f64, random: &mut Random) -> Arc<[Flow]> {
    let mut sum = 0.0;
    let weights: Vec<f64> = (1..=flows.len())
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let mut draw = || {
        let at = random.next() as f64 / u64::MAX as f64 * sum;
        let rank = weights.partition_point(|&weight| weight < at);
        flows[rank.min(flows.len() - 1)]
    };
    (0..DRAWN).map(|_| draw()).collect()
}

/// The attacker aims at so many flows a home, of which sixteen find a place.
const A_HOME: u64 = 128;
/// Homes aimed at are so many slots apart: in every other bucket, so that none shares its slots with another.
const APART: u64 = 16;

/// Flows that an attacker sends who believes that the switch hashes under `key` into so many slots.
pub(crate) fn colliding(count: usize, key: HashKey, slots: u64) -> Vec<Flow> {
    let homes = (count as u64).div_ceil(A_HOME);
    let is_aimed = |flow: &Flow| {
        // As `table` makes it: the home is the low bits of the hash.
        let home = fold(&flow.key_words(), key) & (slots - 1);
        home.is_multiple_of(APART) && home / APART < homes
    };
    (0u32..).map(|src| Flow { dst: 0, src }).filter(is_aimed).take(count).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::flows::switch::{Size, Switch, Wanders};

    #[test]
    fn a_square_has_as_many_different_flows_as_asked_for_and_few_stations() {
        for count in [1, 10, 1000, 1001] {
            let flows: Vec<_> = square(count).collect();
            assert_eq!(flows.iter().map(|flow| (flow.dst, flow.src)).collect::<HashSet<_>>().len(), count);
            assert!(flows.iter().all(|flow| flow.dst < side(count) && flow.src <= side(count)));
        }
    }

    #[test]
    fn an_attack_collides_under_the_key_it_was_made_for_and_under_no_other() {
        let (known, other) = (HashKey([3, 5]), HashKey([11, 7]));
        let flows: Arc<[Flow]> = colliding(256, known, 4096).into();
        let misses = |hash_key| {
            let size = Size { flows_max: 4096, receivers: 1, burst: 32, hash_key, huge: false };
            let mut switch = Switch::new(&size, Wanders::Elsewhere);
            switch.know(Arc::clone(&flows), 32);
            let before = switch.counts().flow_misses;
            switch.carry(256, 32);
            switch.counts().flow_misses - before
        };
        assert_eq!(misses(other), 0);
        assert!(misses(known) > 200, "{}: two homes hold 32 flows", misses(known));
    }

    #[test]
    fn the_first_is_drawn_as_often_as_zipf_says() {
        let flows: Vec<_> = square(1000).collect();
        let first = |exponent| {
            let drawn = zipf(&flows, exponent, &mut Random::new(1));
            drawn.iter().filter(|&&flow| flow == flows[0]).count() as f64 / drawn.len() as f64
        };
        assert!((first(0.0) - 0.001).abs() < 0.0005, "{}", first(0.0));
        assert!((first(1.1) - 0.183).abs() < 0.02, "{}", first(1.1));
    }
}
