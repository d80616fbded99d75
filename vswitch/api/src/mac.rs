//! Answer of `show_macs`.

use serde::{Deserialize, Serialize};
use wire::Mac;

/// The forwarding database, as the workers have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macs {
    /// Rows there are; `macs` holds no more than the limit asked for.
    pub total: u64,
    /// One row a MAC and worker: each worker has its own replica.
    pub macs: Vec<MacRow>,
}

/// Where one MAC is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacRow {
    /// The network it is in.
    pub network: String,
    /// The MAC.
    pub mac: Mac,
    /// The port or tunnel it is behind.
    pub member: String,
    /// How it is known.
    pub kind: MacKind,
    /// Milliseconds since a frame came from it; none for a static one.
    pub age_ms: Option<u64>,
    /// Whose replica says so.
    pub worker: u8,
}

/// How a MAC is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacKind {
    /// By the configuration.
    Static,
    /// By a frame that came from it.
    Learned,
}

impl MacKind {
    /// Its word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            MacKind::Static => "static",
            MacKind::Learned => "learned",
        }
    }
}
