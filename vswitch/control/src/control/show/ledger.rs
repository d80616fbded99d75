//! `show_ledger`.

use api::{Ledger, PortLedger, RpcError, Terms, WorkerLedger};
use datapath::{PortReading, WorkerReading};

use super::{Control, PortFactory};
use crate::config::Port;

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_ledger(&self) -> Result<Ledger, RpcError> {
        let pairs = self.pair_ledgers()?;
        let reading = self.read_books()?;
        let workers = (0..).zip(&reading.workers).map(|(worker, reading)| WorkerLedger {
            worker,
            terms: terms(reading),
            balanced: false,
        });
        let ports = reading.ports.iter().map(|(port, reading)| port_ledger(port, reading));
        let host = self.underlay.losses().rows();
        Ok(Ledger { host, ..Ledger::new(workers.collect(), pairs, ports.collect()) })
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
fn port_ledger(port: &Port, reading: &PortReading) -> PortLedger {
    PortLedger {
        port: port.name.to_string(),
        rx: reading.rx,
        copied: reading.copied,
        forwarded: reading.forwarded,
        punted: reading.punted,
        dropped: reading.dropped_total(),
        held: reading.held,
        offered: reading.offered,
        tx: reading.tx,
        refused: reading.refused,
        balanced: false,
    }
}
