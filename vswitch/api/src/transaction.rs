//! Answers about configurations: what is wrong with one, and what one changes.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One thing wrong, or worth a warning, in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigProblem {
    /// The file's name, as the client gave it.
    pub file: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1; 0 where the whole line is meant.
    pub column: u32,
    /// What is wrong, naming the value.
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ConfigProblem {
    pub(crate) fn to_value(&self) -> Value {
        let mut value = json!({
            "file": self.file, "line": self.line, "column": self.column, "message": self.message,
        });
        if let Some(hint) = &self.hint {
            value["hint"] = hint.as_str().into();
        }
        value
    }
}

/// `FILE:LINE:COLUMN: message; hint`, as editors and terminals understand it.
impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if self.line > 0 && self.column > 0 {
            write!(f, "{}:", self.column)?;
        }
        write!(f, " {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

/// Answer of `check`: the configuration would be accepted. One that would not is an error, -32002.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// What is legal, but probably not meant.
    pub warnings: Vec<ConfigProblem>,
}

/// Answer of `apply`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What changes, or would change.
    pub diff: Vec<DiffLine>,
    /// The generation in force now.
    pub generation: u64,
    /// The revision of the configuration's text that is in force now.
    #[serde(default)]
    pub revision: u64,
    /// Whether this configuration is in force now; `false` after a dry run.
    pub applied: bool,
    /// What is legal, but probably not meant.
    #[serde(default)]
    pub warnings: Vec<ConfigProblem>,
}

/// One line of a diff, such as `~ port a1: mtu 1450 -> 1400`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// What happens to the object.
    pub op: DiffOp,
    /// The object, and how it changes.
    pub text: String,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DiffOp {
    /// It is new.
    #[serde(rename = "+")]
    Added,
    /// It goes.
    #[serde(rename = "-")]
    Removed,
    /// It changes.
    #[serde(rename = "~")]
    Changed,
}

impl DiffOp {
    /// Its sign on the wire and in text.
    pub const fn sign(self) -> char {
        match self {
            DiffOp::Added => '+',
            DiffOp::Removed => '-',
            DiffOp::Changed => '~',
        }
    }
}

impl DiffLine {
    pub(crate) fn to_value(&self) -> Value {
        json!({ "op": self.op.sign(), "text": self.text })
    }
}

impl fmt::Display for DiffLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op.sign(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_like_a_compilers_message() {
        let mut problem = ConfigProblem {
            file: "a.toml".into(),
            line: 3,
            column: 7,
            message: "unknown key `cor` in [workers]".into(),
            hint: Some("did you mean `cores`?".into()),
        };
        assert_eq!(problem.to_string(), "a.toml:3:7: unknown key `cor` in [workers]; did you mean `cores`?");
        (problem.line, problem.hint) = (0, None);
        assert_eq!(problem.to_string(), "a.toml: unknown key `cor` in [workers]");
    }

    #[test]
    fn the_hand_made_value_of_a_problem_is_the_derived_one() {
        for hint in [None, Some("x".to_owned())] {
            let problem = ConfigProblem { file: "f".into(), line: 1, column: 2, message: "m".into(), hint };
            assert_eq!(problem.to_value(), serde_json::to_value(&problem).unwrap());
        }
    }
}
