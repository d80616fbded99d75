//! Answer of `show_flows`.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use wire::Mac;

use crate::FiveTuple;

/// Cached decisions of all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// Rows there are; `flows` holds no more than the limit asked for.
    pub total: u64,
    /// One row a cached decision.
    pub flows: Vec<FlowRow>,
}

/// One cached decision and what it was used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    /// The worker that took it.
    pub worker: u8,
    /// The port or tunnel its frames come from.
    pub ingress: String,
    /// The network its frames are in, where known.
    pub network: Option<String>,
    /// Ethernet source.
    pub src: Mac,
    /// Ethernet destination.
    pub dst: Mac,
    /// IP source, where the decision looked at it.
    pub source: Option<IpAddr>,
    /// All of it, where the network's flows are told apart by it.
    pub five_tuple: Option<FiveTuple>,
    /// What happens to its frames.
    pub verdict: Verdict,
    /// Frames it was used for.
    pub packets: u64,
    /// Octets of them.
    pub octets: u64,
    /// Milliseconds since the last of them.
    pub idle_ms: u64,
}

/// What happens to the frames of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Verdict {
    /// They leave by one port or tunnel.
    Forward {
        /// Its name.
        egress: String,
    },
    /// They go to every member of their network but the one they came from.
    Flood {
        /// The network's name.
        network: String,
    },
    /// They are dropped.
    Drop {
        /// The reason's name, as in `show_drops`.
        reason: String,
    },
}

/// `forward to a2`, `flood in blue`, `drop: spoofed-mac`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Forward { egress } => write!(f, "forward to {egress}"),
            Verdict::Flood { network } => write!(f, "flood in {network}"),
            Verdict::Drop { reason } => write!(f, "drop: {reason}"),
        }
    }
}
