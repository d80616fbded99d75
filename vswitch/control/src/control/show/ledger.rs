//! `show_ledger`.

use api::{Ledger, PairLedger, PortLedger, RpcError, Terms, WorkerLedger};
use datapath::{PortReading, WorkerReading};

use super::{Control, PortFactory};
use crate::config::Port;

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_ledger(&self) -> Result<Ledger, RpcError> {
        // What was taken is read before what was handed over, so that a busy ring looks fuller, never emptier, than it is.
        let earlier = self.read_books()?;
        let reading = self.read_books()?;
        let workers = (0..).zip(&reading.workers).map(|(worker, reading)| WorkerLedger {
            worker,
            terms: terms(reading),
            balanced: false,
        });
        let pairs = pairs(&reading.workers, &earlier.workers);
        let ports = reading.ports.iter().map(|(port, reading)| port_ledger(port, reading));
        Ok(Ledger::new(workers.collect(), pairs, ports.collect()))
    }
}

fn terms(reading: &WorkerReading) -> Terms {
    Terms {
        rx: reading.rx,
        injected: reading.injected,
        copied: reading.copied,
        split: reading.split,
        taken: reading.taken,
        tx: reading.tx,
        dropped: reading.dropped_total(),
        punted: reading.punted,
        merged: reading.merged,
        handed: reading.handed,
        held: reading.held,
        lost: reading.lost,
    }
}

/// `Ledger::new` fills in every `balanced`.
fn pairs(now: &[WorkerReading], earlier: &[WorkerReading]) -> Vec<PairLedger> {
    let mut pairs = Vec::new();
    for (from, giver) in now.iter().enumerate() {
        for (to, taker) in earlier.iter().enumerate() {
            let (handed, taken) = (giver.handed_to[to], taker.taken_from[from]);
            if handed > 0 || taken > 0 {
                let in_ring = handed.saturating_sub(taken);
                let (from, to) = (from as u8, to as u8);
                pairs.push(PairLedger { from, to, handed, taken, in_ring, balanced: false });
            }
        }
    }
    pairs
}

fn port_ledger(port: &Port, reading: &PortReading) -> PortLedger {
    PortLedger {
        port: port.name.to_string(),
        rx: reading.rx,
        copied: reading.copied,
        forwarded: reading.forwarded,
        punted: reading.punted,
        dropped: reading.dropped_total(),
        offered: reading.offered,
        tx: reading.tx,
        refused: reading.refused,
        balanced: false,
    }
}
