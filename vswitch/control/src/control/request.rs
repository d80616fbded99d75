//! Answers what the control socket asks.

use api::{Applied, Checked, Reply, Request, RpcError, SCHEMA, Version};

use super::{Control, PortFactory, Ticket};
use crate::{
    config::{self, Config, ConfigError},
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
    /// Carries out a request. Who may ask is the session's business.
    pub fn handle(&mut self, request: Request) -> Answer {
        if let Request::Apply { config, file, dry_run: false } = &request {
            return match load(config, file).and_then(|target| self.apply(target)) {
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
            Request::Check { config, file } => Reply::Checked(Checked { warnings: warnings(&load(&config, &file)?) }),
            Request::Apply { config, file, .. } => Reply::Applied(self.rehearse(&load(&config, &file)?)),
            Request::ShowPorts => Reply::Ports(self.show_ports()?),
            Request::ShowNetworks => Reply::Networks(self.show_networks()),
            Request::ShowMacs { network, limit } => Reply::Macs(self.show_macs(network.as_deref(), limit)?),
            Request::ShowTunnels => Reply::Tunnels(self.show_tunnels()),
            Request::ShowFlows { limit } => Reply::Flows(self.show_flows(limit)),
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
            schema: SCHEMA,
            switch: self.config.switch.name.to_string(),
            pid: self.identity.pid,
            uptime_s: self.now.saturating_sub(self.started).as_secs(),
        }
    }

    /// What applying `target` would change.
    fn rehearse(&self, target: &Config) -> Applied {
        let diff = diff::diff(&self.config, target).lines();
        Applied { diff, generation: self.generation(), applied: false, warnings: warnings(target) }
    }
}

fn load(text: &str, file: &str) -> Result<Config, RpcError> {
    config::load(text, file).map_err(|errors| {
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
