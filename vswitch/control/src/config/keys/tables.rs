//! `[tables]`

use super::{super::tables, Change::Restart, Key, Part, Section};

pub(in crate::config) const SECTION: Section = Section {
    name: "tables",
    many: false,
    meaning: "How much state each worker may keep. Tables are made at the start, whole, and never grow.",
    parts: &[Part { meaning: "", keys: &[FLOWS_MAX, MACS_MAX, FLOW_IDLE_S], values: &[] }],
};

/// Cached decisions of one worker at most (16 Mi × 98 octets are 1.5 GiB).
const FLOWS_LIMIT: i64 = 1 << 24;

pub(in crate::config) const FLOWS_MAX: Key = Key::number("flows_max", "entries", 64, FLOWS_LIMIT)
    .or_number(tables::FLOWS_DEFAULT as i64)
    .change(Restart)
    .meaning(
        "Cached decisions. Packets of a flow that finds no place are decided one by one, which is several times slower, \
         and right all the same.",
    );

pub(in crate::config) const MACS_MAX: Key = Key::number("macs_max", "entries", 64, tables::MACS_MAX)
    .or_number(tables::MACS_DEFAULT as i64)
    .change(Restart)
    .meaning("FDB entries of all networks together. Frames to a MAC that finds no place are flooded in their network.");

pub(in crate::config) const FLOW_IDLE_S: Key = Key::number("flow_idle_s", "seconds", 1, 86_400)
    .or_number(tables::FLOW_IDLE_S_DEFAULT as i64)
    .change(Restart)
    .meaning("A cached decision that no packet has used for so long goes.");
