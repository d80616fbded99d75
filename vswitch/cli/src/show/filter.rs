//! Rows of short lists are picked here; those of long ones by the switch.

use api::{Drops, PortFrames, PortRow, Ports, Reply};

use super::arguments::{DropsWanted, PortsWanted, TunnelsWanted, What};
use crate::failure::Failure;

/// Leaves of an answer what was asked for. Errors: a name that is not there.
pub(super) fn pick(reply: &mut Reply, what: &What) -> Result<(), Failure> {
    match (reply, what) {
        (Reply::Ports(ports), What::Ports(wanted)) => {
            all_there("port", &wanted.names, ports.ports.iter().map(|port| port.name.as_str()))?;
            ports.ports.retain(|port| wanted.holds(port));
        }
        (Reply::Networks(networks), What::Networks { names }) => {
            all_there("network", names, networks.networks.iter().map(|network| network.name.as_str()))?;
            networks.networks.retain(|network| is_named(names, &network.name));
        }
        (Reply::Tunnels(tunnels), What::Tunnels(wanted)) => {
            all_there("tunnel", &wanted.names, tunnels.tunnels.iter().map(|tunnel| tunnel.name.as_str()))?;
            tunnels.tunnels.retain(|tunnel| wanted.holds(tunnel));
        }
        (Reply::Mtus(mtus), What::Mtu { names }) => {
            let networks = mtus.networks.iter().map(|network| network.name.as_str());
            let ports = mtus.ports.iter().map(|port| port.name.as_str());
            all_there("network or port", names, networks.chain(ports))?;
            mtus.paths.retain(|path| names.is_empty() || path.networks.iter().any(|n| names.contains(n)));
            mtus.too_big.retain(|last| is_named(names, &last.port));
            mtus.networks.retain(|network| is_named(names, &network.name));
            mtus.ports.retain(|port| is_named(names, &port.name) || port.networks.iter().any(|n| names.contains(n)));
        }
        (Reply::Workers(workers), What::Workers { numbers }) => {
            let (typed, there) = (texts(numbers), texts(workers.workers.iter().map(|worker| worker.worker)));
            all_there("worker", &typed, there.iter().map(String::as_str))?;
            workers.workers.retain(|worker| numbers.is_empty() || numbers.contains(&worker.worker));
        }
        (Reply::Drops(drops), What::Drops(wanted)) => wanted.pick(drops)?,
        _ => {}
    }
    Ok(())
}

/// Objects to a port that the switch does not have.
pub(super) fn port_is_there(name: &str, ports: &Ports) -> Result<(), Failure> {
    all_there("port", &[name.to_owned()], ports.ports.iter().map(|port| port.name.as_str()))
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

fn is_named(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

fn is_word(wanted: &Option<String>, word: &str) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted == word)
}

/// Objects to a name that no row has: an empty table would look like an answer.
fn all_there<'a>(kind: &str, names: &[String], there: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let there: Vec<&str> = there.collect();
    match names.iter().find(|name| !there.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let list = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            Err(Failure::NotThere(format!("there is no {kind} `{name}`; there is: {list}")))
        }
    }
}

impl PortsWanted {
    fn holds(&self, port: &PortRow) -> bool {
        let is_in = |network: &String| {
            port.network.as_ref() == Some(network) || port.trunk.iter().any(|tagged| tagged.network == *network)
        };
        is_named(&self.names, &port.name)
            && is_word(&self.kind, port.kind.name())
            && is_word(&self.role, port.role.name())
            && is_word(&self.state, port.state.name())
            && self.network.as_ref().is_none_or(is_in)
    }
}

impl TunnelsWanted {
    fn holds(&self, tunnel: &api::TunnelRow) -> bool {
        is_named(&self.names, &tunnel.name)
            && is_word(&self.state, tunnel.state.name())
            && self.uplink.as_ref().is_none_or(|uplink| tunnel.paths.iter().any(|path| path.uplink == *uplink))
            && self.network.as_ref().is_none_or(|network| tunnel.networks.contains(network))
    }
}

impl DropsWanted {
    fn pick(&self, drops: &mut Drops) -> Result<(), Failure> {
        let reasons = drops.reasons.iter().map(|row| row.reason.as_str());
        let host = drops.host.iter().map(|loss| loss.reason.as_str());
        all_there("reason", &self.reasons, reasons.chain(host))?;
        drops.reasons.retain(|row| is_named(&self.reasons, &row.reason));
        drops.host.retain(|loss| is_named(&self.reasons, &loss.reason));
        if let Some(port) = &self.port {
            drops.host.clear();
            for row in &mut drops.reasons {
                row.ports.retain(|frames| frames.port == *port);
                row.frames = row.ports.iter().map(|PortFrames { frames, .. }| frames).sum();
                row.workers.clear();
            }
        }
        if self.port.is_some() || !self.reasons.is_empty() {
            drops.total = drops.reasons.iter().map(|row| row.frames).sum();
        }
        Ok(())
    }
}
