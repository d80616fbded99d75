//! The ledger between two workers: that what one put on a handoff ring has been taken by the other or waits in the ring.
//!
//! Nothing here is derived from what it should prove. At the end of a turn T the taker books how many frames it has ever
//! taken and how many it saw in the ring; their sum is what had been handed over at that moment. The giver books what it
//! handed over, and when. A busy worker publishes its books every few turns, each time as of that turn's end; the number of
//! the turn that it is in can be seen at any time. So its number must not be above the sum in a reading from before T, and not
//! below it in a reading of a turn that ended after T. While nobody hands over, all are equal at once; else workers are given
//! a moment to end their turns.

use std::{
    thread,
    time::{Duration, Instant},
};

use api::{PairLedger, RpcError};
use datapath::{WorkerId, WorkerReading};

use super::{Control, PortFactory};

/// How long workers are waited for at most. One that rests is back in a fraction of this; what is said about one that the
/// kernel keeps from its CPU for longer takes that into account.
const PATIENCE: Duration = Duration::from_millis(5);
/// Time between two looks.
const PAUSE: Duration = Duration::from_micros(50);

/// One worker in three rounds of readings.
struct Watched {
    /// Of the first round.
    before: WorkerReading,
    /// Turns it had begun when the first round was over.
    turns_before: u64,
    /// Of the second round: at the end of a turn that began after the first was over, if it had one.
    during: WorkerReading,
    /// Turns it had begun when the second round was over.
    turns_during: u64,
    /// Of the third round: at the end of a turn that ended after the second was over, if it had one.
    after: WorkerReading,
}

impl<F: PortFactory> Control<F> {
    /// One line for every pair of workers between which frames went.
    pub(super) fn pair_ledgers(&self) -> Result<Vec<PairLedger>, RpcError> {
        let before = self.read_workers()?;
        // Workers are read one by one: which turn each is in when all have been read takes another round.
        let now = self.read_workers()?;
        if let Some(lines) = quiet(&before, &now) {
            return Ok(lines);
        }
        let deadline = Instant::now() + PATIENCE;
        let turns_before = begun(&now);
        // The turn under way then may have looked into its rings already, and the next may have begun unseen.
        let during = self.read_after(&turns_before, 2, deadline)?;
        let turns_during = begun(&self.read_workers()?);
        let after = self.read_after(&turns_during, 1, deadline)?;
        let rounds = before.into_iter().zip(turns_before).zip(during).zip(turns_during).zip(after);
        let watched = rounds.map(|((((before, turns_before), during), turns_during), after)| Watched {
            before,
            turns_before,
            during,
            turns_during,
            after,
        });
        Ok(pairs(&watched.collect::<Vec<_>>()))
    }

    /// The books of all workers once each has ended `more` turns beyond `turns`, or the time is up.
    fn read_after(&self, turns: &[u64], more: u64, deadline: Instant) -> Result<Vec<WorkerReading>, RpcError> {
        loop {
            let now = self.read_workers()?;
            let have_all = now.iter().zip(turns).all(|(now, turns)| now.turns >= turns + more);
            if have_all || Instant::now() >= deadline {
                return Ok(now);
            }
            thread::sleep(PAUSE);
        }
    }

    fn read_workers(&self) -> Result<Vec<WorkerReading>, RpcError> {
        (0..self.desks.len()).map(|index| Ok(self.read_worker(index, &[])?.0)).collect()
    }
}

fn begun(workers: &[WorkerReading]) -> Vec<u64> {
    workers.iter().map(|worker| worker.turns_begun).collect()
}

/// All lines, provided that two readings agree and every pair adds up: then nobody has to be waited for.
fn quiet(before: &[WorkerReading], now: &[WorkerReading]) -> Option<Vec<PairLedger>> {
    let rings = |reading: &WorkerReading| (reading.handed_to, reading.taken_from);
    if before.iter().zip(now).any(|(before, now)| rings(before) != rings(now)) {
        return None;
    }
    let judged: Option<Vec<PairLedger>> =
        ordered_pairs(now.len()).map(|(from, to)| at_rest(from, &now[from], to, &now[to])).collect();
    judged.map(|lines| lines.into_iter().filter(had_traffic).collect())
}

fn ordered_pairs(workers: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..workers).flat_map(move |from| (0..workers).map(move |to| (from, to))).filter(|(from, to)| from != to)
}

fn line(from: usize, to: usize, handed: u64, taken: u64, in_ring: u64) -> PairLedger {
    PairLedger { from: WorkerId(from as u8).0, to: WorkerId(to as u8).0, handed, taken, in_ring, balanced: false }
}

fn had_traffic(line: &PairLedger) -> bool {
    line.handed > 0 || line.taken > 0
}

/// The line of two workers of which at least one had no turn after the other's last: the one whose turn was the last saw
/// the ring as it is. `None` where neither's number adds up.
fn at_rest(from: usize, giver: &WorkerReading, to: usize, taker: &WorkerReading) -> Option<PairLedger> {
    let (handed, taken) = (giver.handed_to[to], taker.taken_from[from]);
    let seen = [taker.waiting_from[from], giver.waiting_to[to]];
    let in_ring = seen.into_iter().find(|&waiting| taken.wrapping_add(waiting) == handed)?;
    Some(line(from, to, handed, taken, in_ring))
}

fn pairs(watched: &[Watched]) -> Vec<PairLedger> {
    let lines = ordered_pairs(watched.len()).map(|(from, to)| pair(from, &watched[from], to, &watched[to]));
    lines.filter(had_traffic).collect()
}

/// `handed` is the taker's sum where the giver's readings leave room for it, else the nearest they leave room for: the
/// line then does not add up. `Ledger::new` fills in `balanced`.
fn pair(from: usize, giver: &Watched, to: usize, taker: &Watched) -> PairLedger {
    if (giver.stood_still() || taker.stood_still())
        && let Some(line) = at_rest(from, &giver.after, to, &taker.after)
    {
        return line;
    }
    let (taken, in_ring) = (taker.during.taken_from[from], taker.during.waiting_from[from]);
    let least = if taker.looked_since_before() { giver.before.handed_to[to] } else { 0 };
    let most = if giver.told_since_during() { giver.after.handed_to[to] } else { u64::MAX };
    line(from, to, taken.wrapping_add(in_ring).clamp(least, most.max(least)), taken, in_ring)
}

impl Watched {
    /// Whether `during` tells of a moment after all of the first round, or nothing has happened since.
    fn looked_since_before(&self) -> bool {
        self.during.turns >= self.turns_before + 2 || self.stood_still()
    }

    /// Whether `after` tells of a moment after all of the second round, or nothing has happened since.
    fn told_since_during(&self) -> bool {
        self.after.turns > self.turns_during || self.stood_still()
    }

    /// Whether the worker was between two turns all the time. One that is held up within a turn may have done what it
    /// has not told yet.
    fn stood_still(&self) -> bool {
        self.before.turns == self.after.turns && self.after.turns_begun == self.after.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker after so many turns that handed and took so many, and saw so many in both rings.
    fn reading(turns: u64, handed: u64, taken: u64, waiting: u64) -> WorkerReading {
        let mut reading = WorkerReading { turns, turns_begun: turns, ..WorkerReading::default() };
        for other in [0, 1] {
            reading.handed_to[other] = handed;
            reading.taken_from[other] = taken;
            reading.waiting_to[other] = waiting;
            reading.waiting_from[other] = waiting;
        }
        reading
    }

    fn judge(giver: [WorkerReading; 3], taker: [WorkerReading; 3]) -> PairLedger {
        let [giver, taker] = [giver, taker].map(|[before, during, after]| {
            let (turns_before, turns_during) = (before.turns, during.turns);
            Watched { before, turns_before, during, turns_during, after }
        });
        let mut line = pair(0, &giver, 1, &taker);
        line.balanced = line.balances();
        line
    }

    fn still(reading: WorkerReading) -> [WorkerReading; 3] {
        [reading.clone(), reading.clone(), reading]
    }

    #[test]
    fn whoever_had_the_last_turn_says_what_is_in_the_ring() {
        let giver_last = judge(still(reading(9, 10, 0, 4)), still(reading(9, 0, 6, 0)));
        assert!(giver_last.balanced, "{giver_last:?}");
        let taker_last = judge(still(reading(9, 10, 0, 9)), still(reading(9, 0, 7, 3)));
        assert_eq!((taker_last.handed, taker_last.taken, taker_last.in_ring), (10, 7, 3));
        assert!(taker_last.balanced);
    }

    #[test]
    fn what_moves_is_between_what_was_handed_before_and_after() {
        let giver = [reading(1, 100, 0, 0), reading(9, 150, 0, 0), reading(12, 190, 0, 0)];
        let taker = |taken, waiting| [reading(1, 0, 90, 0), reading(3, 0, taken, waiting), reading(4, 0, 185, 0)];
        assert!(judge(giver.clone(), taker(120, 10)).balanced);
        let lost = judge(giver.clone(), taker(90, 9));
        assert_eq!((lost.balanced, lost.handed), (false, 100), "one of a hundred is missing");
        let made = judge(giver, taker(180, 11));
        assert_eq!((made.balanced, made.handed), (false, 190), "one was never handed over");
    }

    #[test]
    fn a_frame_lost_between_workers_at_rest_shows() {
        assert!(!judge(still(reading(9, 10, 0, 3)), still(reading(9, 0, 6, 3))).balanced);
    }

    #[test]
    fn a_worker_held_up_within_a_turn_is_not_accused() {
        let in_turn = |reading: WorkerReading| WorkerReading { turns_begun: reading.turns + 1, ..reading };
        let giver = [reading(1, 100, 0, 0), reading(9, 150, 0, 60), reading(12, 190, 0, 50)];
        assert!(judge(giver.clone(), still(in_turn(reading(1, 0, 90, 0)))).balanced);
        let taker = [reading(1, 0, 90, 0), reading(3, 0, 120, 10), reading(4, 0, 125, 9)];
        assert!(judge(still(in_turn(reading(1, 110, 0, 0))), taker).balanced);
    }

    #[test]
    fn quiet_is_what_adds_up_twice() {
        let (giver, taker) = (reading(9, 10, 0, 0), reading(9, 0, 10, 0));
        let zero = |mut reading: WorkerReading, other: usize| {
            (reading.handed_to[other], reading.taken_from[other]) = (0, 0);
            reading
        };
        let workers = vec![zero(giver, 0), zero(taker, 1)];
        let lines = quiet(&workers, &workers).unwrap();
        assert_eq!((lines.len(), lines[0].handed, lines[0].in_ring), (1, 10, 0));
        let mut later = workers.clone();
        later[0].handed_to[1] += 1;
        assert_eq!((quiet(&workers, &later), quiet(&later, &later)), (None, None));
    }
}
