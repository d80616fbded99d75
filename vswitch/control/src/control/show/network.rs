//! `show_networks`.

use std::collections::HashMap;

use api::{NetworkRow, Networks};
use table::NetworkId;

use super::{Control, PortFactory};
use crate::config::Network;

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_networks(&self) -> Networks {
        let macs = self.macs_by_network();
        Networks { networks: self.config.networks.iter().map(|network| self.network_row(network, &macs)).collect() }
    }

    /// MACs known per network, of the worker that knows most.
    fn macs_by_network(&self) -> HashMap<NetworkId, u32> {
        let mut most = HashMap::new();
        for desk in &self.desks {
            let mut macs: HashMap<NetworkId, u32> = HashMap::new();
            desk.link.view.macs().for_each(|mac| *macs.entry(mac.network).or_default() += 1);
            for (network, count) in macs {
                let known = most.entry(network).or_default();
                *known = count.max(*known);
            }
        }
        most
    }

    fn network_row(&self, network: &Network, macs: &HashMap<NetworkId, u32>) -> NetworkRow {
        let is_in = |port: &&crate::config::Port| port.vlans.carries(network.name.as_str());
        let id = self.compiled.network_id(network.name.as_str());
        NetworkRow {
            name: network.name.to_string(),
            vni: network.vni,
            ports: self.config.ports.iter().filter(is_in).map(|port| port.name.to_string()).collect(),
            tunnels: network.tunnels.iter().map(ToString::to_string).collect(),
            macs: id.and_then(|id| macs.get(&id).copied()).unwrap_or(0),
            macs_max: network.macs_max,
            age_s: network.age_s,
            flow_key: network.flow_key.to_string(),
        }
    }
}
