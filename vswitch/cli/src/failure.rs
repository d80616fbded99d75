//! What went wrong, in words that name the fix, and the exit codes.

use std::{io, path::PathBuf, process::ExitCode};

use api::{ErrorCode, RpcError};
use serde_json::{Value, json};

/// Exit codes, as the manual documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; the answer is yes.
    Yes = 0,
    /// The answer is no.
    No = 1,
    /// Wrong usage.
    Usage = 2,
    /// No switch reachable.
    Unreachable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command has no answer, or the answer no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No switch can be talked to.
    #[error("{0}")]
    NoSwitch(String),
    /// Several switches can be meant.
    #[error("{0}")]
    Ambiguous(String),
    /// The switch answered with an error.
    #[error("{}", refused(.0))]
    Refused(RpcError),
    /// Something that is not there was asked for.
    #[error("{0}")]
    NotThere(String),
    /// An edit cannot be made, or not be saved.
    #[error("{0}")]
    Edit(String),
    /// The switch refuses what an edit would make of its configuration.
    #[error("the switch refuses this change")]
    EditRefused {
        /// What it objects to, in terms of what was edited.
        told: Vec<String>,
        /// As the switch said it.
        error: RpcError,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is too long to be sent to a switch.
    #[error("{} is too long: a configuration is at most {max} octets", path.display())]
    FileTooLong {
        /// The file.
        path: PathBuf,
        /// The bound.
        max: usize,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The answer cannot be written.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
}

fn refused(error: &RpcError) -> String {
    match error.kind() {
        // The problems follow one a line; the message would only count them.
        Some(ErrorCode::ConfigRefused) => "the switch refuses this configuration".to_owned(),
        Some(ErrorCode::MethodNotFound) => format!("the switch is older than this millrace: {}", error.message),
        _ => error.message.clone(),
    }
}

impl Failure {
    /// The exit code it leads to.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::NoSwitch(_) => Exit::Unreachable,
            Failure::Ambiguous(_) => Exit::Usage,
            Failure::Refused(_)
            | Failure::NotThere(_)
            | Failure::Edit(_)
            | Failure::EditRefused { .. }
            | Failure::File { .. }
            | Failure::FileTooLong { .. }
            | Failure::Unwritten { .. }
            | Failure::Output(_) => Exit::No,
        }
    }

    /// For `--json`: what the switch said, or the message alone.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Failure::Refused(error) | Failure::EditRefused { error, .. } => json!({ "error": error }),
            other => json!({ "error": { "message": other.to_string() } }),
        }
    }
}
