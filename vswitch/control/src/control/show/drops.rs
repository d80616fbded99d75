//! `show_drops`.

use api::{DropRow, Drops, PortFrames, RpcError, WorkerFrames};
use datapath::DropReason;

use super::{Control, PortFactory, Reading};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_drops(&self) -> Result<Drops, RpcError> {
        let reading = self.read_books()?;
        let reasons: Vec<DropRow> = DropReason::all().map(|reason| row(reason, &reading)).collect();
        let total = reasons.iter().map(|row| row.frames).sum();
        Ok(Drops { total, reasons, host: self.underlay.losses().rows() })
    }
}

fn row(reason: DropReason, reading: &Reading) -> DropRow {
    let index = reason.index();
    let ports = reading.ports.iter().map(|(port, reading)| (port.name.to_string(), reading.dropped[index]));
    let workers = (0..).zip(&reading.workers).map(|(worker, reading)| (worker, reading.dropped[index]));
    let workers: Vec<WorkerFrames> =
        workers.filter(|&(_, frames)| frames > 0).map(|(worker, frames)| WorkerFrames { worker, frames }).collect();
    DropRow {
        reason: reason.name().into(),
        text: reason.text().into(),
        frames: workers.iter().map(|worker| worker.frames).sum(),
        ports: ports.filter(|&(_, frames)| frames > 0).map(|(port, frames)| PortFrames { port, frames }).collect(),
        workers,
    }
}
