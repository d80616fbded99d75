//! How a new configuration comes into force.
//!
//! ```text
//! open new ports ─► (take back and close what is in the way ─► open the rest) ─► install the snapshot on all workers
//!   ─► attach, detach and move queues ─► close removed ports
//! ```
//!
//! What can fail is in front of the installation; when it fails, everything is put back as it was. Ports that the
//! change does not concern are not touched at any step.

use std::time::Duration;

use api::{Applied, RpcError};
use datapath::{Order, PortId};

use super::{
    Control, Plan, PortFactory, Ticket, Transaction, desk::Desk, open_port::OpenPort, request::warnings,
    transaction::Stage,
};
use crate::{
    config::{Port, Sourced},
    diff::{self, Diff},
};

/// A worker that takes longer than this to carry out an order is complained about.
const OVERDUE: Duration = Duration::from_secs(5);

impl<F: PortFactory> Control<F> {
    /// Starts to bring `source` into force, by an order of the user `uid` where that is known; [`Control::outcome`] has the end of it, soon or after some ticks.
    ///
    /// # Errors
    /// Another transaction is under way, the switch would have to be restarted, or a port cannot be opened or changed.
    /// Nothing has changed then.
    pub fn apply(&mut self, source: Sourced, uid: Option<u32>) -> Result<Ticket, RpcError> {
        if self.stopping.is_some() {
            return Err(RpcError::apply_failed("the switch is stopping"));
        }
        if self.transaction.is_some() {
            return Err(RpcError::busy());
        }
        self.gone.hasten(self.now);
        let diff = diff::diff(&self.config, &source.config);
        refuse_restart(&diff)?;
        if diff.is_empty() && self.is_settled() {
            return Ok(self.apply_nothing(source, uid));
        }
        let plan = Plan::new(&self.config.ports, &source.config.ports, diff::must_reopen);
        self.open_all(&plan.open_first).map_err(RpcError::apply_failed)?;
        if let Err(error) = self.change_all(&plan.change) {
            self.close_all(&plan.open_first);
            return Err(RpcError::apply_failed(error));
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let warnings = warnings(&source.config);
        let answer = Applied { diff: diff.lines(), generation: 0, revision: 0, applied: true, warnings };
        let (since, is_overdue) = (self.now, false);
        self.mark_leaving(&plan.vacate);
        self.transaction =
            Some(Transaction { ticket, source, uid, plan, stage: Stage::Vacating, answer, since, is_overdue });
        self.advance_transaction();
        Ok(ticket)
    }

    /// A configuration that means the same as the running one: nothing to do.
    fn apply_nothing(&mut self, source: Sourced, uid: Option<u32>) -> Ticket {
        self.tickets += 1;
        self.revisions.adopt(&source, uid, &[], self.now);
        let (generation, revision, warnings) = (self.generation(), self.revisions.number(), warnings(&source.config));
        self.config = source.config;
        let answer = Applied { diff: Vec::new(), generation, revision, applied: true, warnings };
        self.outcome = Some((Ticket(self.tickets), Ok(answer)));
        Ticket(self.tickets)
    }

    /// How the transaction of that ticket ended; `None` while it is under way. Told once, and only of the last one.
    pub fn outcome(&mut self, ticket: Ticket) -> Option<Result<Applied, RpcError>> {
        self.outcome.take_if(|(of, _)| *of == ticket).map(|(_, outcome)| outcome)
    }

    /// Goes on with the transaction as far as the workers are.
    pub(super) fn advance_transaction(&mut self) {
        while let Some(transaction) = self.transaction.take() {
            let before = transaction.stage;
            self.transaction = self.step(transaction);
            match &mut self.transaction {
                Some(transaction) if transaction.stage == before => return self.complain(),
                Some(transaction) => (transaction.since, transaction.is_overdue) = (self.now, false),
                None => {}
            }
        }
    }

    /// Does what can be done in the transaction's stage; `None` when it has ended.
    fn step(&mut self, mut transaction: Transaction) -> Option<Transaction> {
        match transaction.stage {
            Stage::Vacating => {
                self.settle_ports();
                if !self.close_home(&transaction.plan.vacate) {
                    return Some(transaction);
                }
                if let Err(error) = self.open_all(&transaction.plan.open_later) {
                    self.put_back(transaction, error);
                    return None;
                }
                self.config = transaction.source.config.clone();
                self.revisions.adopt(&transaction.source, transaction.uid, &transaction.answer.diff, self.now);
                self.install();
                self.tell_filters();
                transaction.stage = Stage::Installing(self.generation());
            }
            Stage::Installing(generation) => {
                if self.is_installed(generation) {
                    self.mark_removed();
                    transaction.stage = Stage::Settling;
                }
            }
            Stage::Settling => {
                self.settle_ports();
                let leaving: Vec<Port> = self.ports.values().filter(|o| o.is_leaving).map(|o| o.port.clone()).collect();
                self.close_home(&leaving);
                // A port that waited for the id of one that left is attached next time.
                let is_settled = leaving.is_empty() && self.ports.values().all(OpenPort::is_settled);
                if is_settled && self.desks.iter().all(Desk::is_up_to_date) {
                    self.finish(transaction);
                    return None;
                }
            }
        }
        Some(transaction)
    }

    fn finish(&mut self, transaction: Transaction) {
        let (generation, revision) = (self.generation(), self.revisions.number());
        log::info!("configuration in force, generation {generation}: {} changes", transaction.answer.diff.len());
        self.outcome = Some((transaction.ticket, Ok(Applied { generation, revision, ..transaction.answer })));
    }

    /// A port in the way is closed, and the one that should replace it cannot be opened: back to what was.
    fn put_back(&mut self, transaction: Transaction, mut error: String) {
        let Plan { open_first, vacate, change, .. } = &transaction.plan;
        self.close_all(open_first);
        let undo: Vec<(Port, Port)> = change.iter().map(|(old, new)| (new.clone(), old.clone())).collect();
        if let Err(again) = self.change_all(&undo) {
            error = format!("{error}; and not all could be put back: {again}");
        }
        for port in vacate {
            if let Err(again) = self.open_all(std::slice::from_ref(port)) {
                error = format!("{error}; and not all could be put back: {again}");
            }
        }
        log::error!("configuration not applied: {error}");
        self.install();
        self.settle_ports();
        self.outcome = Some((transaction.ticket, Err(RpcError::apply_failed(error))));
    }

    /// Ends a transaction before its time, because the switch stops.
    pub(super) fn abandon_transaction(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            let error = RpcError::apply_failed("the switch is stopping");
            self.outcome = Some((transaction.ticket, Err(error)));
        }
    }

    /// Opens all of `ports`, or none.
    fn open_all(&mut self, ports: &[Port]) -> Result<(), String> {
        for (index, port) in ports.iter().enumerate() {
            if let Err(error) = self.open(port) {
                self.close_all(&ports[..index]);
                return Err(format!("port {}: {error}", port.name));
            }
        }
        Ok(())
    }

    pub(super) fn open(&mut self, port: &Port) -> Result<(), String> {
        let opened = self.factory.open(port)?;
        if opened.queues.len() != usize::from(port.queues) {
            let (have, want) = (opened.queues.len(), port.queues);
            self.factory.close(port.name.as_str(), opened.queues);
            return Err(format!("the device has {have} queues, not {want}"));
        }
        log::info!("port {} open: {}, mtu {}", port.name, opened.detail, opened.mtu);
        self.gone.returned(&port.name);
        self.ports.insert(port.name.clone(), OpenPort::new(port.clone(), opened));
        Ok(())
    }

    /// Changes all of them, or none.
    fn change_all(&mut self, changes: &[(Port, Port)]) -> Result<(), String> {
        for (index, (old, new)) in changes.iter().enumerate() {
            // A device that has gone will be opened as the new configuration says.
            if self.gone.has(&old.name) {
                continue;
            }
            if let Err(error) = self.factory.change(old, new) {
                for (old, new) in changes[..index].iter().rev() {
                    if let Err(again) = self.factory.change(new, old) {
                        log::error!("port {} could not be put back: {again}", old.name);
                    }
                }
                return Err(format!("port {}: {error}", new.name));
            }
        }
        for (_, new) in changes {
            if let Some(open) = self.ports.get_mut(&new.name) {
                open.mac = new.mac.or_else(|| self.factory.mac(new.name.as_str())).or(open.mac);
                open.port = new.clone();
            }
        }
        Ok(())
    }

    /// Closes those of `ports` whose queues never left control.
    fn close_all(&mut self, ports: &[Port]) {
        self.close_home(ports);
    }

    /// Closes those of `ports` that are open and whose queues are all with control; `true` when none is open any more.
    pub(super) fn close_home(&mut self, ports: &[Port]) -> bool {
        let mut all = true;
        for port in ports {
            let Some(open) = self.ports.remove(&port.name) else { continue };
            if open.is_home() {
                log::info!("port {} closed", port.name);
                self.factory.close(port.name.as_str(), open.into_queues());
            } else {
                self.ports.insert(port.name.clone(), open);
                all = false;
            }
        }
        all
    }

    fn mark_leaving(&mut self, ports: &[Port]) {
        for port in ports {
            if let Some(open) = self.ports.get_mut(&port.name) {
                open.is_leaving = true;
            }
        }
    }

    fn mark_removed(&mut self) {
        for (name, open) in &mut self.ports {
            open.is_leaving |= self.config.port(name.as_str()).is_none();
        }
    }

    /// Orders what brings every queue nearer to where the newest snapshot wants it.
    pub(super) fn settle_ports(&mut self) {
        let Control { ports, desks, compiled, .. } = self;
        let leaving: Vec<PortId> = ports.values().filter(|open| open.is_leaving).filter_map(|open| open.id).collect();
        for open in ports.values_mut() {
            // Where ids are scarce, a new port may have that of one that is still leaving: first out, then in.
            let id = open.id.filter(|id| open.is_leaving || !leaving.contains(id));
            let spec = id.and_then(|id| compiled.snapshot.port(id));
            let wanted = spec.map_or(&[][..], |spec| &spec.workers);
            open.settle(wanted, |worker, order: Order<F::Queue>| match desks.get_mut(worker.index()) {
                Some(desk) => desk.order(order),
                None => log::error!("there is no worker {}", worker.0),
            });
        }
    }

    /// Says once when a transaction stands still for long.
    fn complain(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        if !transaction.is_overdue && self.now.saturating_sub(transaction.since) > OVERDUE {
            transaction.is_overdue = true;
            log::warn!("the workers have not carried out their orders for {} s", OVERDUE.as_secs());
        }
    }
}

fn refuse_restart(diff: &Diff) -> Result<(), RpcError> {
    match diff.restart() {
        [] => Ok(()),
        settings => {
            let text = format!("only a restart changes {}; nothing was applied", settings.join(", "));
            Err(RpcError::apply_failed(text))
        }
    }
}
