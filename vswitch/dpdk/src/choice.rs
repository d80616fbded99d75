//! What was chosen for a device and why, for whoever asks how it runs.

/// One thing that was decided about a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it is about: `queues`, `rss`, `mtu`.
    pub what: &'static str,
    /// What the operator asked for, where they did.
    pub asked: Option<String>,
    /// What it has come to.
    pub chosen: String,
    /// Why, and what would change it.
    pub why: String,
    /// It is less than the operator wants or should want.
    pub falls_short: bool,
}

impl Choice {
    pub(crate) fn new(what: &'static str, chosen: impl ToString, why: impl Into<String>) -> Choice {
        Choice { what, asked: None, chosen: chosen.to_string(), why: why.into(), falls_short: false }
    }

    pub(crate) fn asked(self, asked: impl ToString) -> Choice {
        Choice { asked: Some(asked.to_string()), ..self }
    }

    pub(crate) fn short(self, falls_short: bool) -> Choice {
        Choice { falls_short, ..self }
    }
}
