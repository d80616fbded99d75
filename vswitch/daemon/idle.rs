//! What a worker does when there is nothing to do.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Whether an idle worker rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It polls on and uses its whole core: lowest latency.
    Busy,
    /// It lets others go first for a while, then sleeps a little longer with every idle turn, and is back at full speed with
    /// the first frame.
    Adaptive,
}

/// Knows for how long there has been nothing to do, and rests accordingly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    policy: Policy,
    rest_max_us: u64,
    /// When the first turn without work was over.
    since: Option<Instant>,
    /// Rests since then.
    rests: u32,
}

/// How long idle turns go on without a rest: a gap within a stream, or a container that answers, should not cost a wake-up.
const SPIN: Duration = Duration::from_micros(100);
/// The first rest.
const REST_MIN_US: u64 = 10;
/// Rests of one length before it doubles.
const RESTS_A_STEP: u32 = 32;

impl Idle {
    /// `rest_max_us` is the longest rest, which bounds what a first packet waits where its port cannot wake anybody.
    pub(crate) fn new(policy: Policy, rest_max_us: u16) -> Idle {
        Idle { policy, rest_max_us: rest_max_us.into(), since: None, rests: 0 }
    }

    /// A turn did something.
    #[inline]
    pub(crate) fn worked(&mut self) {
        (self.since, self.rests) = (None, 0);
    }

    /// A turn found nothing to do: how long the worker should sleep now, if at all.
    pub(crate) fn pause(&mut self, clock: impl FnOnce() -> Instant) -> Option<Duration> {
        if self.policy == Policy::Busy {
            std::hint::spin_loop();
            return None;
        }
        let now = clock();
        if now.saturating_duration_since(*self.since.get_or_insert(now)) < SPIN {
            // Whoever shares the CPU may be who we wait for.
            thread::yield_now();
            return None;
        }
        let rest = Duration::from_micros(rest_us(self.rests, self.rest_max_us));
        self.rests = self.rests.saturating_add(1);
        Some(rest)
    }
}

fn rest_us(rests: u32, max_us: u64) -> u64 {
    (REST_MIN_US << (rests / RESTS_A_STEP).min(16)).min(max_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_up_to_a_bound() {
        for max_us in [10, 50, 250, 10_000] {
            assert_eq!(rest_us(0, max_us), REST_MIN_US);
            assert!((1..10_000).all(|rests| rest_us(rests, max_us) >= rest_us(rests - 1, max_us)));
            assert_eq!(rest_us(u32::MAX, max_us), max_us);
        }
    }

    #[test]
    fn who_has_worked_a_moment_ago_does_not_rest() {
        let (mut idle, start) = (Idle::new(Policy::Adaptive, 50), Instant::now());
        let mut pause_after = |us| idle.pause(|| start + Duration::from_micros(us));
        assert_eq!(
            [0, 50, 99].map(&mut pause_after),
            [None; 3],
            "the time begins with the first turn that finds nothing"
        );
        assert_eq!([100, 101].map(&mut pause_after), [Some(Duration::from_micros(REST_MIN_US)); 2]);
        idle.worked();
        assert_eq!(idle.pause(|| start + Duration::from_micros(102)), None);
    }

    #[test]
    fn who_is_to_be_busy_never_rests() {
        let (mut idle, start) = (Idle::new(Policy::Busy, 50), Instant::now());
        assert!((0..100).all(|seconds| idle.pause(|| start + Duration::from_secs(seconds)).is_none()));
    }
}
