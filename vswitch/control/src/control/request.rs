//! Answers what the control socket asks.

use api::{Applied, Checked, Reply, Request, RpcError, SCHEMA, Version};

use super::{Control, PortFactory, Ticket};
use crate::{
    config::{Config, ConfigError, Sourced},
    diff,
};

/// An answer, or the promise of one.
#[derive(Debug)]
pub enum Answer {
    /// The answer.
    Now(Result<Reply, RpcError>),
    /// The answer comes when the transaction is through: ask [`Control::answer_later`] after each tick.
    Later(Ticket),
}

impl<F: PortFactory> Control<F> {
    /// Carries out a request of the user `uid`, where that is known. Who may ask is the session's business.
    pub fn handle(&mut self, request: Request, uid: Option<u32>) -> Answer {
        if let Request::Apply { config, file, dry_run: false, base_revision } = &request {
            let is_current = self.revisions.check(*base_revision, self.now);
            return match is_current.and_then(|()| load(config, file)).and_then(|source| self.apply(source, uid)) {
                Ok(ticket) => Answer::Later(ticket),
                Err(error) => Answer::Now(Err(error)),
            };
        }
        Answer::Now(self.answer(request))
    }

    /// The answer promised by [`Answer::Later`], once it is there.
    pub fn answer_later(&mut self, ticket: Ticket) -> Option<Result<Reply, RpcError>> {
        Some(self.outcome(ticket)?.map(Reply::Applied))
    }

    fn answer(&self, request: Request) -> Result<Reply, RpcError> {
        Ok(match request {
            Request::Version => Reply::Version(self.version()),
            Request::Check { config, file } => {
                Reply::Checked(Checked { warnings: warnings(&load(&config, &file)?.config) })
            }
            Request::Apply { config, file, base_revision, .. } => {
                self.revisions.check(base_revision, self.now)?;
                Reply::Applied(self.rehearse(&load(&config, &file)?.config))
            }
            Request::ShowConfig => Reply::Config(self.revisions.running()),
            Request::ShowPorts => Reply::Ports(self.show_ports()?),
            Request::ShowNetworks => Reply::Networks(self.show_networks()),
            Request::ShowMacs(filter) => Reply::Macs(self.show_macs(&filter)?),
            Request::ShowTunnels => Reply::Tunnels(self.show_tunnels()),
            Request::ShowMemory => Reply::Memory(self.show_memory()),
            Request::ShowMtu => Reply::Mtus(self.show_mtu()?),
            Request::ShowFlows(filter) => Reply::Flows(self.show_flows(&filter)?),
            Request::ShowWorkers => Reply::Workers(self.show_workers()?),
            Request::ShowDrops => Reply::Drops(self.show_drops()?),
            Request::ShowLedger => Reply::Ledger(self.show_ledger()?),
        })
    }

    fn version(&self) -> Version {
        Version {
            product: api::PRODUCT.into(),
            version: self.identity.version.clone(),
            git: self.identity.git.clone(),
            dpdk: self.identity.dpdk.clone(),
            cpu_level: self.identity.cpu_level.clone(),
            schema: SCHEMA,
            switch: self.config.switch.name.to_string(),
            pid: self.identity.pid,
            uptime_s: self.now.saturating_sub(self.started).as_secs(),
        }
    }

    /// What applying `target` would change.
    fn rehearse(&self, target: &Config) -> Applied {
        let diff = diff::diff(&self.config, target).lines();
        Applied {
            diff,
            generation: self.generation(),
            revision: self.revisions.number(),
            applied: false,
            warnings: warnings(target),
        }
    }
}

fn load(text: &str, file: &str) -> Result<Sourced, RpcError> {
    Sourced::load(text, file).map_err(|errors| {
        let problems: Vec<_> = errors.iter().map(problem).collect();
        RpcError::config_refused(&problems)
    })
}

pub(super) fn warnings(config: &Config) -> Vec<api::ConfigProblem> {
    config.warnings.iter().map(problem).collect()
}

fn problem(error: &ConfigError) -> api::ConfigProblem {
    api::ConfigProblem {
        file: error.file.clone(),
        line: u32::try_from(error.line).unwrap_or(u32::MAX),
        column: u32::try_from(error.column).unwrap_or(u32::MAX),
        message: error.message.clone(),
        hint: error.hint.clone(),
    }
}
