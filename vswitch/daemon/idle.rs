//! What a worker does when there is nothing to do.

use std::{thread, time::Duration};

/// Whether an idle worker rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It polls on and uses its whole core: lowest latency.
    Busy,
    /// It lets others go first for a while, then sleeps a little longer with every idle turn, and is back at full speed with
    /// the first frame.
    Adaptive,
}

/// Counts idle turns and rests accordingly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    policy: Policy,
    rest_max_us: u64,
    turns: u32,
}

/// Idle turns without a rest, which are about 100 us: a gap within a stream should not cost a wake-up.
const SPIN_TURNS: u32 = 128;
/// The first rest.
const REST_MIN_US: u64 = 10;
/// Idle turns at one length of rest before it doubles.
const TURNS_A_STEP: u32 = 32;

impl Idle {
    /// `rest_max_us` is the longest rest, which bounds what a first packet waits where its port cannot wake anybody.
    pub(crate) fn new(policy: Policy, rest_max_us: u16) -> Idle {
        Idle { policy, rest_max_us: rest_max_us.into(), turns: 0 }
    }

    /// A turn did something.
    pub(crate) fn worked(&mut self) {
        self.turns = 0;
    }

    /// A turn found nothing to do: how long the worker should sleep now, if at all.
    pub(crate) fn pause(&mut self) -> Option<Duration> {
        self.turns = self.turns.saturating_add(1);
        match (self.policy, rest_us(self.turns, self.rest_max_us)) {
            (Policy::Busy, _) => std::hint::spin_loop(),
            // Whoever shares the CPU may be who we wait for.
            (Policy::Adaptive, 0) => thread::yield_now(),
            (Policy::Adaptive, us) => return Some(Duration::from_micros(us)),
        }
        None
    }
}

fn rest_us(idle_turns: u32, max_us: u64) -> u64 {
    match idle_turns.checked_sub(SPIN_TURNS) {
        None => 0,
        Some(beyond) => (REST_MIN_US << (beyond / TURNS_A_STEP).min(16)).min(max_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_from_none_to_a_bound() {
        for max_us in [10, 50, 250, 10_000] {
            assert_eq!(rest_us(SPIN_TURNS - 1, max_us), 0);
            assert_eq!(rest_us(SPIN_TURNS, max_us), REST_MIN_US);
            assert!((1..10_000).all(|turn| rest_us(turn, max_us) >= rest_us(turn - 1, max_us)));
            assert_eq!(rest_us(u32::MAX, max_us), max_us);
        }
    }
}
