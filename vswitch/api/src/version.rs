//! Answer of `version`.

use serde::{Deserialize, Serialize};

/// Which switch this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// [`crate::PRODUCT`].
    pub product: String,
    /// The product's version.
    pub version: String,
    /// The commit it was built from, where known.
    pub git: Option<String>,
    /// The DPDK in use, where there is one.
    pub dpdk: Option<String>,
    /// The level of the x86-64 psABI that it was built for, `x86-64-v3` for one, where it says.
    #[serde(default)]
    pub cpu_level: Option<String>,
    /// [`crate::SCHEMA`] of the switch.
    pub schema: u32,
    /// The switch's name.
    pub switch: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
}
