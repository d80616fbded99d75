//! `show version`.

use std::path::Path;

use api::Version;

use crate::quantity::{Numbers, milliseconds};

pub(super) fn lines(version: &Version, socket: &Path) -> String {
    let uptime = milliseconds(version.uptime_s.saturating_mul(1_000), Numbers::Short);
    let git = version.git.as_ref().map_or_else(String::new, |git| format!(" ({git})"));
    let dpdk = version.dpdk.as_ref().map_or_else(String::new, |dpdk| format!(", DPDK {dpdk}"));
    let lines = [
        format!("switch     {}, process {}, up {uptime}", version.switch, version.pid),
        format!("socket     {}", socket.display()),
        format!("millraced  {}{git}{dpdk}, schema {}", version.version, version.schema),
        format!("millrace   {}, schema {}", env!("CARGO_PKG_VERSION"), api::SCHEMA),
    ];
    lines.join("\n")
}
