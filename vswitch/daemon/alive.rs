//! Whether every worker still turns: what the watchdog is fed with.
//!
//! A worker writes a number when a turn begins, and one when it ends. One that hangs in a turn (a device that waits, a
//! defect) writes neither, and a switch that cannot forward must not look alive because its control thread is.

use std::time::Duration;

/// Longest that a turn may take: more than any turn that ends, less than what an operator waits.
const TURN_MAX: Duration = Duration::from_secs(1);

/// What is known of each worker.
#[derive(Default)]
pub(crate) struct Alive {
    workers: Vec<Seen>,
}

struct Seen {
    turns: u64,
    at: Duration,
}

impl Alive {
    /// Takes up how many turns each worker has made by now.
    pub(crate) fn note(&mut self, turns: impl Iterator<Item = u64>, now: Duration) {
        for (index, turns) in turns.enumerate() {
            match self.workers.get_mut(index) {
                Some(seen) if seen.turns == turns => {}
                Some(seen) => *seen = Seen { turns, at: now },
                None => self.workers.push(Seen { turns, at: now }),
            }
        }
    }

    /// The first worker that has made no turn for too long.
    pub(crate) fn hanging(&self, now: Duration) -> Option<usize> {
        self.workers.iter().position(|seen| now.saturating_sub(seen.at) > TURN_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_makes_no_turn_is_named_until_it_makes_one() {
        let (mut alive, s) = (Alive::default(), Duration::from_secs);
        for second in 0..5 {
            alive.note([second, second.min(1)].into_iter(), s(second));
            assert_eq!(alive.hanging(s(second)), (second > 2).then_some(1), "{second}");
        }
        alive.note([5, 2].into_iter(), s(5));
        assert_eq!(alive.hanging(s(5)), None);
        assert_eq!(alive.hanging(s(60)), Some(0), "nor does anybody else, where nobody is heard of");
    }
}
