//! `[tables]`: how much state a worker may keep.

use toml::Spanned;

use super::{error::Errors, file, keys, section::Section};

/// Learned MACs of one worker at most; also the bound of a network's own limit.
pub(super) const MACS_MAX: i64 = 1 << 20;

/// What counts where the file does not say.
pub(super) const FLOWS_DEFAULT: u32 = 65_536;
pub(super) const MACS_DEFAULT: u32 = 16_384;
pub(super) const FLOW_IDLE_S_DEFAULT: u32 = 30;

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
        Tables { flows_max: FLOWS_DEFAULT, macs_max: MACS_DEFAULT, flow_idle_s: FLOW_IDLE_S_DEFAULT }
    }
}

impl Tables {
    pub(super) fn check(section: Option<&Spanned<file::Tables>>, errors: &mut Errors) -> Tables {
        let default = Tables::default();
        let Some(section) = section else { return default };
        let said = section.get_ref();
        let mut check = Section::single(errors, "[tables]", section.span());
        Tables {
            flows_max: check.counted_or(&keys::FLOWS_MAX, &said.flows_max, default.flows_max),
            macs_max: check.counted_or(&keys::MACS_MAX, &said.macs_max, default.macs_max),
            flow_idle_s: check.counted_or(&keys::FLOW_IDLE_S, &said.flow_idle_s, default.flow_idle_s),
        }
    }
}
