//! The text of the running configuration, and its last changes: so that of two writers the second learns of the first.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use api::{ConfigChange, Conflict, DiffLine, RpcError, RunningConfig};

use crate::config::Sourced;

/// Changes remembered.
const CHANGES_MAX: usize = 16;

/// Lines of a difference remembered of each.
const LINES_MAX: usize = 8;

/// What the text in force is, and how it became that.
pub(super) struct Revisions {
    text: Arc<str>,
    file: String,
    /// 0 until the first text is in force.
    number: u64,
    /// The last one in front.
    changes: VecDeque<Change>,
}

struct Change {
    revision: u64,
    uid: Option<u32>,
    at: Duration,
    file: String,
    diff: Vec<DiffLine>,
}

impl Revisions {
    pub(super) fn new() -> Revisions {
        Revisions { text: "".into(), file: String::new(), number: 0, changes: VecDeque::new() }
    }

    /// The revision in force.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The text in force.
    pub(super) fn running(&self) -> RunningConfig {
        RunningConfig { text: self.text.to_string(), file: self.file.clone(), revision: self.number }
    }

    /// Notes that `source` has come into force by an order of `uid`, which changed `diff`. The same text of the same file
    /// is no change.
    pub(super) fn adopt(&mut self, source: &Sourced, uid: Option<u32>, diff: &[DiffLine], now: Duration) {
        if self.number > 0 && self.text == source.text && self.file == source.file {
            return;
        }
        self.number += 1;
        self.text = Arc::clone(&source.text);
        self.file.clone_from(&source.file);
        let diff = diff.iter().take(LINES_MAX).cloned().collect();
        self.changes.push_front(Change { revision: self.number, uid, at: now, file: self.file.clone(), diff });
        self.changes.truncate(CHANGES_MAX);
    }

    /// Objects to a change that was made for another revision than the one in force.
    pub(super) fn check(&self, base: Option<u64>, now: Duration) -> Result<(), RpcError> {
        let Some(base) = base.filter(|&base| base != self.number) else { return Ok(()) };
        let since = self.changes.iter().filter(|change| change.revision > base);
        let changes = since.map(|change| change.told(now)).collect();
        Err(RpcError::conflict(&Conflict { base, running: self.number, changes }))
    }
}

impl Change {
    fn told(&self, now: Duration) -> ConfigChange {
        let age_ms = now.saturating_sub(self.at).as_millis() as u64;
        ConfigChange {
            revision: self.revision,
            uid: self.uid,
            age_ms,
            file: self.file.clone(),
            diff: self.diff.clone(),
        }
    }
}
