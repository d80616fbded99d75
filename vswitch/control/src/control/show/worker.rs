//! `show_workers`.

use api::{RpcError, WorkerRow, Workers};
use datapath::WorkerReading;

use super::{Control, PortFactory};
use crate::control::desk::Desk;

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_workers(&self) -> Result<Workers, RpcError> {
        let reading = self.read_books()?;
        let rows = self.desks.iter().zip(&reading.workers);
        let workers = rows.map(|(desk, reading)| row(desk, reading)).collect();
        Ok(Workers { workers, cpu_latency: self.factory.cpu_latency() })
    }
}

fn row<Q>(desk: &Desk<Q>, reading: &WorkerReading) -> WorkerRow {
    let view = &desk.link.view;
    WorkerRow {
        worker: view.worker().0,
        cpu: desk.link.cpu,
        cpu_time_us: desk.load.used().map(|used| used.as_micros() as u64),
        load_permille: desk.load.permille(),
        turns: reading.turns,
        idle_turns: reading.idle_turns,
        rx: reading.rx,
        tx: reading.tx,
        dropped: reading.dropped_total(),
        handed: reading.handed,
        taken: reading.taken,
        flows: view.flows_held() as u64,
        flows_max: view.flows_capacity() as u64,
        macs: view.macs_held() as u64,
        macs_max: view.macs_capacity() as u64,
        flow_hits: reading.flow_hits,
        flow_misses: reading.flow_misses,
        flow_evicted: reading.flow_evicted,
        flow_redecided: reading.flow_redecided,
        flow_aged: reading.flow_aged,
        mac_learned: reading.mac_learned,
        mac_moved: reading.mac_moved,
        mac_aged: reading.mac_aged,
        mac_refused_network: reading.mac_refused_network,
        mac_refused_table: reading.mac_refused_table,
        mac_deltas_deferred: reading.mac_deltas_deferred,
        lost: reading.lost,
    }
}
