//! Answer of `show_config`, and what an `apply` that came too late is told.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::DiffLine;

/// The text of the running configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningConfig {
    /// The text as it was applied, comments included.
    pub text: String,
    /// What whoever applied it (or started the switch) called the file; an absolute path where it is one.
    pub file: String,
    /// Grows by one with each change of text or file name, from 1; `apply` takes it as `base_revision`.
    pub revision: u64,
}

/// `data` of the error -32007: what happened since the revision that the change was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The revision that the change was made for.
    pub base: u64,
    /// The revision in force.
    pub running: u64,
    /// The changes in between as far as the switch remembers them, the last one first.
    pub changes: Vec<ConfigChange>,
}

/// One change of the running configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// The revision it led to.
    pub revision: u64,
    /// The user who made it, where known.
    pub uid: Option<u32>,
    /// Milliseconds since.
    pub age_ms: u64,
    /// What the file was called.
    pub file: String,
    /// What changed, the first lines of it; none where only comments did.
    pub diff: Vec<DiffLine>,
}

impl ConfigChange {
    pub(crate) fn to_value(&self) -> Value {
        let diff: Vec<Value> = self.diff.iter().map(DiffLine::to_value).collect();
        json!({
            "revision": self.revision, "uid": self.uid, "age_ms": self.age_ms, "file": self.file, "diff": diff,
        })
    }
}

/// `revision 7, 3 s ago by uid 0: + port a3`.
impl fmt::Display for ConfigChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revision {}, {} s ago", self.revision, self.age_ms / 1_000)?;
        self.uid.iter().try_for_each(|uid| write!(f, " by uid {uid}"))?;
        match self.diff.as_slice() {
            [] => f.write_str(": nothing but the text"),
            [only] => write!(f, ": {only}"),
            [first, rest @ ..] => write!(f, ": {first} (and {} more)", rest.len()),
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the running configuration is at revision {}, not {}", self.running, self.base)?;
        self.changes.first().iter().try_for_each(|last| write!(f, "; last changed: {last}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiffOp;

    #[test]
    fn the_data_of_an_error_is_read_as_it_was_written() {
        let diff = vec![DiffLine { op: DiffOp::Changed, text: "x".into() }];
        let changes = [None, Some(7)].map(|uid| ConfigChange {
            revision: 7,
            uid,
            age_ms: 1,
            file: "f".into(),
            diff: diff.clone(),
        });
        let conflict = Conflict { base: 5, running: 7, changes: changes.into() };
        let error = crate::RpcError::conflict(&conflict);
        assert_eq!(error.conflicting(), Some(conflict.clone()));
        assert_eq!(error.data, serde_json::to_value(conflict).ok());
        assert_eq!(crate::RpcError::busy().conflicting(), None);
    }

    #[test]
    fn a_conflict_says_who_changed_what_and_when() {
        let line = |text: &str| DiffLine { op: DiffOp::Added, text: text.into() };
        let mut change =
            ConfigChange { revision: 7, uid: Some(0), age_ms: 3_900, file: "f".into(), diff: vec![line("port a3")] };
        assert_eq!(change.to_string(), "revision 7, 3 s ago by uid 0: + port a3");
        change.diff.push(line("port a4"));
        let conflict = Conflict { base: 5, running: 7, changes: vec![change.clone()] };
        let expected = "the running configuration is at revision 7, not 5; \
                        last changed: revision 7, 3 s ago by uid 0: + port a3 (and 1 more)";
        assert_eq!(conflict.to_string(), expected);
        (change.uid, change.diff) = (None, Vec::new());
        assert_eq!(change.to_string(), "revision 7, 3 s ago: nothing but the text");
    }
}
