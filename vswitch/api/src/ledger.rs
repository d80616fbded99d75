//! Answer of `show_ledger`: the proof that no frame disappeared. All numbers are frames.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::HostLoss;

/// The whole ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Whether every line below balances and nothing is lost.
    pub balanced: bool,
    /// Per worker `rx + injected + copied + split + taken = tx + dropped + punted + merged + handed + held`.
    pub workers: Vec<WorkerLedger>,
    /// The sum of `workers`.
    pub total: Terms,
    /// Per pair of workers `handed = taken + in_ring`, each of the three measured; only pairs with traffic.
    pub pairs: Vec<PairLedger>,
    /// Per port `rx + copied = forwarded + punted + dropped + held` and `offered = tx + refused`.
    pub ports: Vec<PortLedger>,
    /// What the node's own host stack lost: ends of frames outside the equations above.
    pub host: Vec<HostLoss>,
}

/// The terms of a worker's balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Received from ports.
    pub rx: u64,
    /// Taken from the host stack, and answers of the worker itself to what was too big.
    pub injected: u64,
    /// Made by flooding.
    pub copied: u64,
    /// Made by cutting super-frames: one for every segment beyond the first.
    pub split: u64,
    /// Taken from other workers.
    pub taken: u64,
    /// Taken by devices.
    pub tx: u64,
    /// Dropped, for a reason `show_drops` names.
    pub dropped: u64,
    /// Given to the host stack.
    pub punted: u64,
    /// Merged into super-frames: one for every segment beyond the first.
    pub merged: u64,
    /// Given to other workers.
    pub handed: u64,
    /// In the worker's own hands: they wait for the copies of a flood, or for others to the same container.
    pub held: u64,
    /// Gone out of scope instead of ending somewhere: a defect.
    pub lost: u64,
}

/// One worker's balance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLedger {
    /// The worker's number.
    pub worker: u8,
    /// Its terms.
    #[serde(flatten)]
    pub terms: Terms,
    /// Whether they balance.
    pub balanced: bool,
}

/// What went from one worker to another.
///
/// `taken` and `in_ring` are what the taker counted and saw in the ring at the end of one of its turns: their sum is what
/// had been handed over by then. What the giver counted before that moment must not be more, and what it counted after it
/// not less. While frames are handed over, that is what is checked, and `handed` is the sum; where it does not hold,
/// `handed` is the giver's number that contradicts it. While none are, all three are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairLedger {
    /// The worker that gave.
    pub from: u8,
    /// The worker that took.
    pub to: u8,
    /// Given.
    pub handed: u64,
    /// Taken.
    pub taken: u64,
    /// In the ring between them.
    pub in_ring: u64,
    /// Whether `handed = taken + in_ring`.
    pub balanced: bool,
}

/// One port's balance, over all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortLedger {
    /// The port's name.
    pub port: String,
    /// Received.
    pub rx: u64,
    /// Copies made of frames received here.
    pub copied: u64,
    /// Of both: passed on towards a port.
    pub forwarded: u64,
    /// Of both: given to the host stack.
    pub punted: u64,
    /// Of both: dropped.
    pub dropped: u64,
    /// Received and waiting for the copies of a flood.
    #[serde(default)]
    pub held: u64,
    /// Offered to the device.
    pub offered: u64,
    /// Taken by the device.
    pub tx: u64,
    /// Refused by the device.
    pub refused: u64,
    /// Whether both equations hold.
    pub balanced: bool,
}

impl Terms {
    /// Frames that came into the worker's hands.
    pub fn credit(&self) -> u64 {
        sum([self.rx, self.injected, self.copied, self.split, self.taken])
    }

    /// Frames that left them, and those still there.
    pub fn debit(&self) -> u64 {
        sum([self.tx, self.dropped, self.punted, self.merged, self.handed, self.held])
    }

    /// Whether nothing disappeared.
    pub fn balanced(&self) -> bool {
        self.credit() == self.debit() && self.lost == 0
    }
}

impl AddAssign<&Terms> for Terms {
    fn add_assign(&mut self, other: &Terms) {
        let pairs = [
            (&mut self.rx, other.rx),
            (&mut self.injected, other.injected),
            (&mut self.copied, other.copied),
            (&mut self.split, other.split),
            (&mut self.taken, other.taken),
            (&mut self.tx, other.tx),
            (&mut self.dropped, other.dropped),
            (&mut self.punted, other.punted),
            (&mut self.merged, other.merged),
            (&mut self.handed, other.handed),
            (&mut self.held, other.held),
            (&mut self.lost, other.lost),
        ];
        pairs.into_iter().for_each(|(term, more)| *term = term.wrapping_add(more));
    }
}

impl PairLedger {
    /// Whether what was handed over arrived or waits in the ring.
    pub fn balances(&self) -> bool {
        self.handed == sum([self.taken, self.in_ring])
    }
}

impl PortLedger {
    /// Whether every frame received has a fate and every frame offered was taken or refused.
    pub fn balances(&self) -> bool {
        sum([self.rx, self.copied]) == sum([self.forwarded, self.punted, self.dropped, self.held])
            && self.offered == sum([self.tx, self.refused])
    }
}

impl Ledger {
    /// Makes the whole ledger of its lines: fills in the sum and every `balanced`. `host` is left empty.
    pub fn new(mut workers: Vec<WorkerLedger>, mut pairs: Vec<PairLedger>, mut ports: Vec<PortLedger>) -> Ledger {
        let mut total = Terms::default();
        for worker in &mut workers {
            worker.balanced = worker.terms.balanced();
            total += &worker.terms;
        }
        pairs.iter_mut().for_each(|pair| pair.balanced = pair.balances());
        ports.iter_mut().for_each(|port| port.balanced = port.balances());
        let balanced =
            workers.iter().all(|w| w.balanced) && pairs.iter().all(|p| p.balanced) && ports.iter().all(|p| p.balanced);
        Ledger { balanced, workers, total, pairs, ports, host: Vec::new() }
    }
}

/// Counters are whole 64-bit numbers and come from outside: a sum must not panic.
fn sum<const N: usize>(terms: [u64; N]) -> u64 {
    terms.into_iter().fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(rx: u64, tx: u64, dropped: u64) -> WorkerLedger {
        WorkerLedger { terms: Terms { rx, tx, dropped, ..Terms::default() }, ..WorkerLedger::default() }
    }

    #[test]
    fn a_ledger_whose_lines_all_balance_is_balanced_and_sums_up() {
        let pair = PairLedger { from: 0, to: 1, handed: 3, taken: 2, in_ring: 1, balanced: false };
        let port = PortLedger { rx: 5, copied: 1, forwarded: 4, punted: 1, dropped: 1, ..PortLedger::default() };
        let ledger = Ledger::new(vec![worker(5, 4, 1), worker(7, 7, 0)], vec![pair], vec![port]);
        assert!(ledger.balanced && ledger.pairs[0].balanced && ledger.ports[0].balanced);
        assert_eq!((ledger.total.rx, ledger.total.tx, ledger.total.dropped), (12, 11, 1));
    }

    #[test]
    fn one_frame_missing_anywhere_unbalances_the_whole() {
        assert!(!Ledger::new(vec![worker(5, 4, 0)], vec![], vec![]).balanced);
        let pair = PairLedger { handed: 2, taken: 1, ..PairLedger::default() };
        assert!(!Ledger::new(vec![], vec![pair], vec![]).balanced);
        let port = PortLedger { offered: 2, tx: 1, ..PortLedger::default() };
        assert!(!Ledger::new(vec![], vec![], vec![port]).balanced);
        let mut lost = worker(4, 4, 0);
        lost.terms.lost = 1;
        assert!(!Ledger::new(vec![lost], vec![], vec![]).balanced);
    }

    #[test]
    fn counters_at_the_end_of_their_range_do_not_panic() {
        let mut total = Terms { rx: u64::MAX, copied: 1, ..Terms::default() };
        total += &Terms { rx: 1, ..Terms::default() };
        assert_eq!(Terms { rx: u64::MAX, copied: 1, ..Terms::default() }.credit(), 0);
        assert_eq!(total.rx, 0);
    }
}
