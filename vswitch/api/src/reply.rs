//! What the switch answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Applied, Checked, Drops, Flows, Ledger, Macs, Memory, Mtus, Networks, Ports, Request, RunningConfig, Tunnels,
    Version, Workers,
};

/// The `result` of an answer. Which variant it is follows from the request; on the wire it is the bare object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// To [`Request::Version`].
    Version(Version),
    /// To [`Request::Check`].
    Checked(Checked),
    /// To [`Request::Apply`].
    Applied(Applied),
    /// To [`Request::ShowConfig`].
    Config(RunningConfig),
    /// To [`Request::ShowPorts`].
    Ports(Ports),
    /// To [`Request::ShowNetworks`].
    Networks(Networks),
    /// To [`Request::ShowMacs`].
    Macs(Macs),
    /// To [`Request::ShowTunnels`].
    Tunnels(Tunnels),
    /// To [`Request::ShowMtu`].
    Mtus(Mtus),
    /// To [`Request::ShowFlows`].
    Flows(Flows),
    /// To [`Request::ShowWorkers`].
    Workers(Workers),
    /// To [`Request::ShowMemory`].
    Memory(Memory),
    /// To [`Request::ShowDrops`].
    Drops(Drops),
    /// To [`Request::ShowLedger`].
    Ledger(Ledger),
}

impl Reply {
    /// Reads the `result` of the answer to `request`. Members this build does not know are skipped.
    pub fn from_result(request: &Request, result: Value) -> Result<Reply, serde_json::Error> {
        Ok(match request {
            Request::Version => Reply::Version(Version::deserialize(result)?),
            Request::Check { .. } => Reply::Checked(Checked::deserialize(result)?),
            Request::Apply { .. } => Reply::Applied(Applied::deserialize(result)?),
            Request::ShowConfig => Reply::Config(RunningConfig::deserialize(result)?),
            Request::ShowPorts => Reply::Ports(Ports::deserialize(result)?),
            Request::ShowNetworks => Reply::Networks(Networks::deserialize(result)?),
            Request::ShowMacs(_) => Reply::Macs(Macs::deserialize(result)?),
            Request::ShowTunnels => Reply::Tunnels(Tunnels::deserialize(result)?),
            Request::ShowMtu => Reply::Mtus(Mtus::deserialize(result)?),
            Request::ShowFlows(_) => Reply::Flows(Flows::deserialize(result)?),
            Request::ShowWorkers => Reply::Workers(Workers::deserialize(result)?),
            Request::ShowMemory => Reply::Memory(Memory::deserialize(result)?),
            Request::ShowDrops => Reply::Drops(Drops::deserialize(result)?),
            Request::ShowLedger => Reply::Ledger(Ledger::deserialize(result)?),
        })
    }
}
