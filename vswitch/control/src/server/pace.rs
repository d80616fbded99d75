//! How many requests a user may ask: a bucket of tokens each, filled at a rate, at most full.
//!
//! A bucket is one moment: when it will be full again if nothing is asked (the generic cell rate algorithm). A request
//! moves that moment by the time one token takes; it must not lie further ahead than filling an empty bucket takes.

use std::{collections::HashMap, time::Duration};

use crate::config::Pace;

/// Buckets, by uid. Full ones are forgotten, so there are no more than users who asked within a bucket's filling time.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    full_again: HashMap<u32, Duration>,
}

impl Buckets {
    /// Takes one token of a user's.
    ///
    /// # Errors
    /// There is none; how long until there is one.
    pub(super) fn take(&mut self, uid: u32, pace: &Pace, now: Duration) -> Result<(), Duration> {
        let token = Duration::from_secs(1) / pace.requests_per_s.max(1);
        let empty = now + token * pace.requests_burst.max(1);
        if !self.full_again.contains_key(&uid) {
            self.full_again.retain(|_, full| *full > now);
        }
        let full = self.full_again.entry(uid).or_insert(now);
        // A bucket of another pace may be emptier than one of this pace can be.
        let spent = (*full).clamp(now, empty) + token;
        if spent > empty {
            return Err(spent - empty);
        }
        *full = spent;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const PACE: Pace = Pace { requests_per_s: 10, requests_burst: 5, connections_per_user: 1 };

    fn taken(buckets: &mut Buckets, uid: u32, pace: &Pace, now: Duration) -> usize {
        (0..10_000).take_while(|_| buckets.take(uid, pace, now).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut buckets = Buckets::default();
        assert_eq!(taken(&mut buckets, 1, &PACE, 7 * MS), 5);
        assert_eq!(buckets.take(1, &PACE, 7 * MS), Err(100 * MS));
        assert_eq!(buckets.take(1, &PACE, 106 * MS), Err(MS), "asking in vain costs nothing");
        assert_eq!(taken(&mut buckets, 1, &PACE, 107 * MS), 1);
        assert_eq!(taken(&mut buckets, 1, &PACE, 407 * MS), 3);
        assert_eq!(taken(&mut buckets, 1, &PACE, 100_000 * MS), 5, "a rest fills the bucket, and no more");
    }

    #[test]
    fn over_a_long_time_the_rate_holds_whatever_the_steps() {
        for step in [1, 3, 50, 999, 2_500] {
            let mut buckets = Buckets::default();
            let steps = 60_000 / step;
            let sum: usize = (0..steps).map(|n| taken(&mut buckets, 1, &PACE, n * step * MS)).sum();
            let (least, most) = (if step <= 500 { 595 } else { steps as usize * 5 }, 605);
            assert!((least..=most).contains(&sum), "{step}: {sum}");
        }
    }

    #[test]
    fn one_user_takes_nothing_of_another_and_rested_ones_are_forgotten() {
        let mut buckets = Buckets::default();
        for uid in 0..1_000 {
            assert_eq!(taken(&mut buckets, uid, &PACE, Duration::ZERO), 5, "{uid}");
        }
        assert_eq!(taken(&mut buckets, 7_000, &PACE, 10_000 * MS), 5);
        assert_eq!(buckets.full_again.len(), 1);
    }

    #[test]
    fn a_faster_pace_counts_at_once() {
        let mut buckets = Buckets::default();
        let slow = Pace { requests_per_s: 1, requests_burst: 1_000_000, ..PACE };
        assert_eq!(taken(&mut buckets, 1, &slow, Duration::ZERO), 10_000);
        assert_eq!(buckets.take(1, &PACE, Duration::ZERO), Err(100 * MS));
        let fastest = Pace { requests_per_s: 1_000_000, requests_burst: 1, ..PACE };
        assert_eq!(taken(&mut buckets, 2, &fastest, Duration::ZERO), 1);
        assert_eq!(buckets.take(2, &fastest, Duration::from_micros(1)), Ok(()));
    }
}
