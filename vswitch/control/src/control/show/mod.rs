//! What the switch tells about itself: the books and tables of the workers, in the words of the `api` room.

mod drops;
mod flow;
mod ledger;
mod mac;
mod memory;
mod mtu;
mod network;
mod pair;
mod port;
mod tunnel;
mod worker;

use std::collections::HashSet;

use api::{ROWS_DEFAULT, ROWS_MAX, RpcError};
use datapath::{Books, PortId, PortReading, WorkerId, WorkerReading};
use table::{MemberId, NetworkId, Tick};

use super::{Control, PortFactory, open_port::OpenPort};
use crate::config::{Behind, Port};

/// Rows to give, by what the request says.
fn limit(asked: Option<u32>) -> usize {
    asked.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX) as usize
}

/// What all workers did under a port's id so far.
pub(super) fn port_total(books: &Books, id: PortId) -> PortReading {
    let mut total = PortReading::default();
    for index in 0..books.workers() {
        if let Some((_, readings)) = books.read(WorkerId(index as u8), &[id]) {
            readings.iter().for_each(|reading| total += reading);
        }
    }
    total
}

/// What was counted since `base`.
fn since(total: &PortReading, base: &PortReading) -> PortReading {
    PortReading {
        rx: total.rx.wrapping_sub(base.rx),
        rx_bytes: total.rx_bytes.wrapping_sub(base.rx_bytes),
        copied: total.copied.wrapping_sub(base.copied),
        forwarded: total.forwarded.wrapping_sub(base.forwarded),
        punted: total.punted.wrapping_sub(base.punted),
        held: total.held.wrapping_sub(base.held),
        offered: total.offered.wrapping_sub(base.offered),
        tx: total.tx.wrapping_sub(base.tx),
        tx_bytes: total.tx_bytes.wrapping_sub(base.tx_bytes),
        refused: total.refused.wrapping_sub(base.refused),
        rx_missed: total.rx_missed.wrapping_sub(base.rx_missed),
        rx_no_buffer: total.rx_no_buffer.wrapping_sub(base.rx_no_buffer),
        rx_errors: total.rx_errors.wrapping_sub(base.rx_errors),
        tx_errors: total.tx_errors.wrapping_sub(base.tx_errors),
        dropped: std::array::from_fn(|i| total.dropped[i].wrapping_sub(base.dropped[i])),
    }
}

/// The books of all workers, each as of the end of one of its turns.
struct Reading<'c> {
    workers: Vec<WorkerReading>,
    /// Per configured and open port, over all workers, since it was opened.
    ports: Vec<(&'c Port, PortReading)>,
}

impl<F: PortFactory> Control<F> {
    fn read_books(&self) -> Result<Reading<'_>, RpcError> {
        let open: Vec<(&Port, &OpenPort<F::Queue>, PortId)> = self
            .config
            .ports
            .iter()
            .filter_map(|port| {
                let open = self.ports.get(&port.name)?;
                Some((port, open, open.id?))
            })
            .collect();
        let ids: Vec<PortId> = open.iter().map(|(_, _, id)| *id).collect();
        let mut workers = Vec::new();
        let mut totals = vec![PortReading::default(); ids.len()];
        for index in 0..self.desks.len() {
            let (worker, ports) = self.read_worker(index, &ids)?;
            workers.push(worker);
            totals.iter_mut().zip(&ports).for_each(|(total, reading)| *total += reading);
        }
        let ports = open.into_iter().zip(totals).map(|((port, open, _), total)| (port, since(&total, &open.base)));
        Ok(Reading { workers, ports: ports.collect() })
    }

    fn read_worker(&self, index: usize, ids: &[PortId]) -> Result<(WorkerReading, Vec<PortReading>), RpcError> {
        let reading = self.books.read(WorkerId(index as u8), ids);
        reading
            .ok_or_else(|| RpcError::internal(format!("worker {index} wrote whenever its books were read; try again")))
    }

    /// What the operator calls a member: its port or its tunnel.
    fn member_name(&self, member: MemberId) -> String {
        match self.compiled.member_name(member).map(|name| &name.behind) {
            Some(Behind::Port(name) | Behind::Tunnel(name)) => name.to_string(),
            None => format!("(gone: {member})"),
        }
    }

    /// The id of a network that a filter names.
    fn wanted_network(&self, name: Option<&str>) -> Result<Option<NetworkId>, RpcError> {
        let Some(name) = name else { return Ok(None) };
        let id = self.compiled.network_id(name);
        id.map(Some).ok_or_else(|| RpcError::invalid_params(format!("there is no network `{name:.40}`")))
    }

    /// The members of the port or tunnel that a filter names, one for each network it is in.
    fn wanted_members(&self, name: Option<&str>) -> Result<Option<HashSet<MemberId>>, RpcError> {
        let Some(name) = name else { return Ok(None) };
        if self.config.port(name).is_none() && self.config.tunnel(name).is_none() {
            return Err(RpcError::invalid_params(format!("there is no port or tunnel `{name:.40}`")));
        }
        Ok(Some(self.compiled.members_behind(name).collect()))
    }

    /// The name of a member's network.
    fn member_network(&self, member: MemberId) -> Option<String> {
        let network = self.compiled.snapshot.member(member)?.network;
        Some(self.compiled.network_name(network)?.to_string())
    }

    /// Milliseconds since `tick`.
    fn age_ms(&self, tick: Tick) -> u64 {
        let now = Tick((self.now.as_millis() / 100) as u32);
        u64::from(now.since(tick)) * 100
    }
}
