//! How many packets are due.

use crate::generator::clock::SECOND_NS;

/// Bursts a sender that was kept from running may be behind; what is due beyond that is left out and told.
const BACKLOG_BURSTS: u64 = 4;

/// Packets at even distances, in bursts no larger than allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Packets a second; `None` is as fast as it goes.
    rate: Option<u64>,
    burst: u64,
    began_ns: u64,
    /// Packets offered to the device, and those that were never made because it was too late for them.
    offered: u64,
    skipped: u64,
}

impl Pace {
    pub(crate) fn new(rate: Option<u64>, burst: usize, began_ns: u64) -> Pace {
        Pace { rate, burst: burst as u64, began_ns, offered: 0, skipped: 0 }
    }

    /// Packets to be offered now.
    #[inline]
    pub(crate) fn due(&mut self, now_ns: u64) -> usize {
        let Some(rate) = self.rate else { return self.burst as usize };
        let elapsed = now_ns.saturating_sub(self.began_ns);
        let wanted = (u128::from(elapsed) * u128::from(rate) / u128::from(SECOND_NS)) as u64 + 1;
        let due = wanted - self.offered - self.skipped;
        let backlog_max = BACKLOG_BURSTS * self.burst;
        self.skipped += due.saturating_sub(backlog_max);
        due.min(self.burst) as usize
    }

    /// Packets were offered.
    #[inline]
    pub(crate) fn offer(&mut self, packets: usize) {
        self.offered += packets as u64;
    }

    /// Packets left out because the sender had no time for them.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_due_one_by_one_at_their_times() {
        let mut pace = Pace::new(Some(1000), 32, 5);
        let mut offered = Vec::new();
        for now in (5..10_000_005).step_by(100_000) {
            let due = pace.due(now);
            pace.offer(due);
            offered.push(due);
        }
        assert_eq!((offered[0], offered[1], offered[10], offered[20]), (1, 0, 1, 1));
        assert_eq!((offered.iter().sum::<usize>(), pace.skipped()), (10, 0));
    }

    #[test]
    fn what_is_late_comes_in_bursts_and_what_is_too_late_not_at_all() {
        let mut pace = Pace::new(Some(1_000_000), 8, 0);
        let mut bursts = Vec::new();
        loop {
            let due = pace.due(999_000);
            if due == 0 {
                break;
            }
            pace.offer(due);
            bursts.push(due);
        }
        assert_eq!((bursts, pace.skipped()), (vec![8; 4], 1000 - 32));
    }

    #[test]
    fn without_a_rate_a_burst_is_always_due() {
        let mut pace = Pace::new(None, 16, 0);
        pace.offer(1_000_000);
        assert_eq!((pace.due(0), pace.skipped()), (16, 0));
    }
}
