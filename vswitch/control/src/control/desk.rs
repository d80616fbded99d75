//! Control's side of one worker: what is still to be ordered, and how far the worker is.

use std::collections::VecDeque;

use datapath::{ControlWires, Order, Report, WorkerView};

use super::load::Load;

/// Orders a worker may have unread, and is sent in one go. A worker answers an order with at most one report, and its
/// reports are taken before orders are sent: twice this is below what a mailbox holds.
const ORDERS_OPEN_MAX: usize = 16;

/// One worker, as control is given it.
pub struct WorkerLink<Q> {
    /// The rings to it.
    pub wires: ControlWires<Q>,
    /// A reader of its tables.
    pub view: WorkerView,
    /// The CPU it is pinned to.
    pub cpu: Option<u32>,
}

/// A worker and the orders it has not been sent yet.
pub(super) struct Desk<Q> {
    pub(super) link: WorkerLink<Q>,
    outbox: VecDeque<Order<Q>>,
    /// Generation of the snapshot it last said to work by.
    pub(super) installed: u64,
    /// Whether it has said that it stopped.
    pub(super) is_stopped: bool,
    /// What it uses of its CPU.
    pub(super) load: Load,
}

impl<Q: Send> Desk<Q> {
    pub(super) fn new(link: WorkerLink<Q>) -> Desk<Q> {
        Desk { link, outbox: VecDeque::new(), installed: 0, is_stopped: false, load: Load::default() }
    }

    /// Sends an order as soon as the worker has room for it; orders keep their order.
    pub(super) fn order(&mut self, order: Order<Q>) {
        self.outbox.push_back(order);
    }

    /// Whether the worker has read every order.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.outbox.is_empty() && self.link.wires.mail.unread() == 0
    }

    /// The oldest report not yet taken.
    pub(super) fn report(&mut self) -> Option<Report<Q>> {
        let report = self.link.wires.mail.recv()?;
        match &report {
            Report::Installed { generation, .. } => self.installed = *generation,
            Report::Stopped => self.is_stopped = true,
            Report::Detached { .. } => {}
        }
        Some(report)
    }

    /// Sends what the worker has room for. All reports must have been taken before.
    pub(super) fn pump(&mut self) {
        let room = ORDERS_OPEN_MAX.saturating_sub(self.link.wires.mail.unread());
        for _ in 0..room {
            let Some(order) = self.outbox.pop_front() else { return };
            if let Err(order) = self.link.wires.mail.send(order) {
                self.outbox.push_front(order);
                return;
            }
        }
    }
}
