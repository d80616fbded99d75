//! `show version`.

use std::path::Path;

use api::{UserRole, Version};

use crate::quantity::{Numbers, milliseconds};

pub(super) fn lines(version: &Version, role: Option<UserRole>, socket: &Path) -> String {
    let uptime = milliseconds(version.uptime_s.saturating_mul(1_000), Numbers::Short);
    let git = version.git.as_ref().map_or_else(String::new, |git| format!(" ({git})"));
    let dpdk = version.dpdk.as_ref().map_or_else(String::new, |dpdk| format!(", DPDK {dpdk}"));
    let level = version.cpu_level.as_ref().map_or_else(String::new, |level| format!(", for {level}"));
    let lines = [
        format!("switch     {}, process {}, up {uptime}", version.switch, version.pid),
        format!("socket     {}{}", socket.display(), role.map_or("", in_words)),
        format!("millraced  {}{git}{dpdk}{level}, schema {}", version.version, version.schema),
        format!("millrace   {}, schema {}", env!("CARGO_PKG_VERSION"), api::SCHEMA),
    ];
    lines.join("\n")
}

fn in_words(role: UserRole) -> &'static str {
    match role {
        UserRole::Admin => ", you are an admin",
        UserRole::Reader => ", you are a reader",
    }
}
