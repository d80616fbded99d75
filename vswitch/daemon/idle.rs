//! What a worker does when there is nothing to do.

use std::{thread, time::Duration};

/// Whether an idle worker rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It polls on and uses its whole core: lowest latency.
    Busy,
    /// It sleeps a little longer with every idle turn and is back at full speed with the first frame.
    Adaptive,
}

/// Counts idle turns and rests accordingly.
pub(crate) struct Idle {
    policy: Policy,
    turns: u32,
}

/// Idle turns without a rest: a gap within a stream should not cost a wake-up.
const SPIN_TURNS: u32 = 64;
/// The first rest, and the longest, which bounds what a first packet waits.
const REST_MIN_US: u64 = 10;
const REST_MAX_US: u64 = 250;
/// Idle turns at one length of rest before it doubles.
const TURNS_A_STEP: u32 = 32;

impl Idle {
    pub(crate) fn new(policy: Policy) -> Idle {
        Idle { policy, turns: 0 }
    }

    /// A turn did something.
    pub(crate) fn worked(&mut self) {
        self.turns = 0;
    }

    /// A turn found nothing to do.
    pub(crate) fn rest(&mut self) {
        self.turns = self.turns.saturating_add(1);
        match (self.policy, rest_us(self.turns)) {
            (Policy::Busy, _) | (_, 0) => std::hint::spin_loop(),
            (Policy::Adaptive, us) => thread::sleep(Duration::from_micros(us)),
        }
    }
}

fn rest_us(idle_turns: u32) -> u64 {
    match idle_turns.checked_sub(SPIN_TURNS) {
        None => 0,
        Some(beyond) => (REST_MIN_US << (beyond / TURNS_A_STEP).min(8)).min(REST_MAX_US),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_from_none_to_a_bound() {
        assert_eq!(rest_us(SPIN_TURNS - 1), 0);
        assert_eq!(rest_us(SPIN_TURNS), REST_MIN_US);
        assert!((1..10_000).all(|turn| rest_us(turn) >= rest_us(turn - 1)));
        assert_eq!(rest_us(u32::MAX), REST_MAX_US);
    }
}
