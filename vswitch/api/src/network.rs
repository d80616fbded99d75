//! Answer of `show_networks`.

use serde::{Deserialize, Serialize};
use wire::Vni;

/// All networks, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    /// One row a network.
    pub networks: Vec<NetworkRow>,
}

/// One bridge domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRow {
    /// Its name in the configuration.
    pub name: String,
    /// Its VXLAN network identifier.
    pub vni: Vni,
    /// Its local members: names of access ports.
    pub ports: Vec<String>,
    /// Its remote members: names of tunnels.
    pub tunnels: Vec<String>,
    /// MACs known, static ones included; of the worker that knows most.
    pub macs: u32,
    /// MACs it may have.
    pub macs_max: u32,
    /// Seconds after which an idle learned MAC is forgotten.
    pub age_s: u32,
    /// What tells its flows apart, as the configuration says it: `mac` or `five-tuple`.
    pub flow_key: String,
}

impl NetworkRow {
    /// Ports and tunnels together.
    pub fn members(&self) -> usize {
        self.ports.len() + self.tunnels.len()
    }
}
