//! What a client may ask.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{FlowFilter, MacFilter, RpcError, UserRole, error::excerpt};

/// One question or order; `method` and `params` of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Which switch this is. Answer: [`crate::Version`].
    Version,
    /// Whether this switch would accept a configuration. Answer: [`crate::Checked`].
    Check {
        /// The text of the file.
        config: String,
        /// The file's name, for messages.
        file: String,
    },
    /// Bring a configuration into force. Answer: [`crate::Applied`].
    Apply {
        /// The text of the file.
        config: String,
        /// The file's name, for messages.
        file: String,
        /// Only tell what would change.
        #[serde(default)]
        dry_run: bool,
        /// Refuse (-32007) unless the running configuration is at this revision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_revision: Option<u64>,
    },
    /// Answer: [`crate::RunningConfig`].
    ShowConfig,
    /// Answer: [`crate::Ports`].
    ShowPorts,
    /// Answer: [`crate::Networks`].
    ShowNetworks,
    /// Answer: [`crate::Macs`].
    ShowMacs(MacFilter),
    /// Answer: [`crate::Tunnels`].
    ShowTunnels,
    /// Answer: [`crate::Mtus`].
    ShowMtu,
    /// Answer: [`crate::Flows`].
    ShowFlows(FlowFilter),
    /// Answer: [`crate::Workers`].
    ShowWorkers,
    /// Answer: [`crate::Memory`].
    ShowMemory,
    /// Answer: [`crate::Drops`].
    ShowDrops,
    /// Answer: [`crate::Ledger`].
    ShowLedger,
}

/// All methods.
pub const METHODS: [&str; 14] = [
    "version",
    "check",
    "apply",
    "show_config",
    "show_ports",
    "show_networks",
    "show_macs",
    "show_tunnels",
    "show_mtu",
    "show_flows",
    "show_workers",
    "show_memory",
    "show_drops",
    "show_ledger",
];

const WITH_PARAMS: [&str; 4] = ["check", "apply", "show_macs", "show_flows"];

impl Request {
    /// What a user must be to ask this. No request goes without saying.
    pub fn needs(&self) -> UserRole {
        match self {
            Request::Apply { dry_run: false, .. } => UserRole::Admin,
            Request::Version
            | Request::Check { .. }
            | Request::Apply { dry_run: true, .. }
            | Request::ShowConfig
            | Request::ShowPorts
            | Request::ShowNetworks
            | Request::ShowMacs(_)
            | Request::ShowTunnels
            | Request::ShowMtu
            | Request::ShowFlows(_)
            | Request::ShowWorkers
            | Request::ShowMemory
            | Request::ShowDrops
            | Request::ShowLedger => UserRole::Reader,
        }
    }

    /// The method's name on the wire.
    pub fn method(&self) -> &'static str {
        match self {
            Request::Version => "version",
            Request::Check { .. } => "check",
            Request::Apply { .. } => "apply",
            Request::ShowConfig => "show_config",
            Request::ShowPorts => "show_ports",
            Request::ShowNetworks => "show_networks",
            Request::ShowMacs(_) => "show_macs",
            Request::ShowTunnels => "show_tunnels",
            Request::ShowMtu => "show_mtu",
            Request::ShowFlows(_) => "show_flows",
            Request::ShowWorkers => "show_workers",
            Request::ShowMemory => "show_memory",
            Request::ShowDrops => "show_drops",
            Request::ShowLedger => "show_ledger",
        }
    }

    /// Makes a request of its two members. Errors: no such method (-32601), wrong parameters (-32602).
    pub(crate) fn from_parts(method: &str, params: Option<Value>) -> Result<Request, RpcError> {
        if !METHODS.contains(&method) {
            return Err(RpcError::method_not_found(method));
        }
        let params = match params {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(RpcError::invalid_params("`params` must be an object")),
        };
        let mut whole = Map::from_iter([("method".to_owned(), Value::from(method))]);
        if WITH_PARAMS.contains(&method) {
            whole.insert("params".into(), Value::Object(params));
        } else if let Some(name) = params.keys().next() {
            let name = excerpt(name, 40);
            return Err(RpcError::invalid_params(format!("`{method}` takes no parameters, but got `{name}`")));
        }
        Request::deserialize(Value::Object(whole))
            .map_err(|e| RpcError::invalid_params(format!("`{method}`: {}", excerpt(&e.to_string(), 200))))
    }
}
