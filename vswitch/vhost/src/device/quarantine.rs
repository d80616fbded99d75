//! How long a front end that was at fault is left alone.
//!
//! It may always try again: a guest that was rebooted is another one. But one that fails whenever it is let in costs the
//! control thread its set-up each time, so it waits twice as long after each fault, up to a bound.

use std::time::{Duration, Instant};

/// After a first fault.
const SHORTEST: Duration = Duration::from_secs(1);
/// At most.
const LONGEST: Duration = Duration::from_secs(30);
/// A front end that was connected for so long before its fault has behaved: that fault counts as its first.
const BEHAVED: Duration = Duration::from_secs(30);

/// The quarantine of one device.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    until: Option<Instant>,
    /// How long the last one took.
    last: Option<Duration>,
    /// When the present front end came, or the last one.
    met: Option<Instant>,
}

impl Quarantine {
    /// A front end has come.
    pub(super) fn met(&mut self, now: Instant) {
        self.met = Some(now);
    }

    /// It was at fault; until when it is left alone.
    pub(super) fn begin(&mut self, now: Instant) -> Instant {
        let behaved = self.met.take().is_some_and(|met| now.saturating_duration_since(met) >= BEHAVED);
        let wait = self.last.filter(|_| !behaved).map_or(SHORTEST, |last| (last * 2).min(LONGEST));
        self.last = Some(wait);
        *self.until.insert(now + wait)
    }

    /// It may try again.
    pub(super) fn is_over(&mut self) {
        self.until = None;
    }

    /// Until when the last front end is left alone; `None` where it is not.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long each of these front ends is left alone, which came one after another and behaved for so many seconds.
    fn waits(behaved_s: &[u64]) -> Vec<u64> {
        let (mut quarantine, mut now) = (Quarantine::default(), Instant::now());
        let mut wait = |seconds: &u64| {
            quarantine.is_over();
            quarantine.met(now);
            now += Duration::from_secs(*seconds);
            let until = quarantine.begin(now);
            assert_eq!(quarantine.until(), Some(until));
            let wait = until - now;
            now = until;
            wait.as_secs()
        };
        behaved_s.iter().map(&mut wait).collect()
    }

    #[test]
    fn each_fault_in_a_row_costs_twice_the_last_up_to_a_bound() {
        assert_eq!(waits(&[0; 8]), [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn who_behaved_for_a_while_starts_over() {
        assert_eq!(waits(&[0, 0, 29, 0, 30, 0]), [1, 2, 4, 8, 1, 2]);
    }
}
