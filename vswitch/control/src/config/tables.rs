//! `[tables]`: how much state a worker may keep.

use toml::Spanned;

use super::{error::Errors, file, section::Section};

/// Learned MACs of one worker at most; also the bound of a network's own limit.
pub(super) const MACS_MAX: i64 = 1 << 20;

/// Cached decisions of one worker at most (16 Mi × 66 octets are 1 GiB).
const FLOWS_MAX: i64 = 1 << 24;

/// `[tables]`, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Cached decisions, per worker.
    pub flows_max: u32,
    /// FDB entries, per worker.
    pub macs_max: u32,
    /// Cached decisions idle longer than this many seconds go.
    pub flow_idle_s: u32,
}

impl Default for Tables {
    fn default() -> Self {
        Tables { flows_max: 65_536, macs_max: 16_384, flow_idle_s: 30 }
    }
}

impl Tables {
    pub(super) fn check(section: Option<&Spanned<file::Tables>>, errors: &mut Errors) -> Tables {
        let default = Tables::default();
        let Some(section) = section else { return default };
        let said = section.get_ref();
        let mut check = Section::single(errors, "[tables]", section.span());
        Tables {
            flows_max: check.number_or("flows_max", &said.flows_max, 64..=FLOWS_MAX, default.flows_max),
            macs_max: check.number_or("macs_max", &said.macs_max, 64..=MACS_MAX, default.macs_max),
            flow_idle_s: check.number_or("flow_idle_s", &said.flow_idle_s, 1..=86_400, default.flow_idle_s),
        }
    }
}
