//! How long nobody is let in after one that had to be refused.
//!
//! It may always try again, but one that fails at once costs a set-up and a line in the log each time; so the wait doubles
//! with each refusal in a row.

use std::time::{Duration, Instant};

/// After a first refusal.
const SHORTEST: Duration = Duration::from_millis(100);
/// At most.
const LONGEST: Duration = Duration::from_secs(5);

/// The patience with those who come to one socket.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    last: Option<Duration>,
    until: Option<Instant>,
}

impl Patience {
    /// One was refused.
    pub(crate) fn lose(&mut self, now: Instant) {
        let wait = self.last.map_or(SHORTEST, |last| (last * 2).min(LONGEST));
        self.last = Some(wait);
        self.until = Some(now + wait);
    }

    /// One was connected.
    pub(crate) fn regain(&mut self) {
        self.last = None;
    }

    /// Until when nobody is let in; `None` where that is over.
    pub(crate) fn until(&mut self, now: Instant) -> Option<Instant> {
        self.until = self.until.filter(|&until| until > now);
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_in_a_row_costs_twice_the_last_up_to_a_bound() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        let mut wait = || {
            patience.lose(now);
            patience.until(now).map(|until| (until - now).as_millis())
        };
        let waits: Vec<_> = (0..8).map(|_| wait().unwrap_or(0)).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        patience.regain();
        assert_eq!(patience.until(now + LONGEST), None);
        patience.lose(now);
        assert_eq!(patience.until(now), Some(now + SHORTEST));
    }
}
