//! What the switch says when it cannot answer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ConfigChange, ConfigProblem, Conflict, METHODS, PROBLEMS_MAX};

/// The `error` member of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// One of [`ErrorCode`], unless the switch is newer than the client.
    pub code: i32,
    /// A sentence for the operator.
    pub message: String,
    /// Details for programs, by code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// The codes of [`RpcError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ErrorCode {
    /// The line is not JSON.
    Parse = -32700,
    /// It is JSON, but not a request.
    InvalidRequest = -32600,
    /// No such method.
    MethodNotFound = -32601,
    /// Wrong parameters, or they name something that does not exist.
    InvalidParams = -32602,
    /// The switch failed in a way that is its own fault.
    Internal = -32603,
    /// This user may not use this socket.
    NotAuthorised = -32001,
    /// The configuration is refused; `data` lists every [`ConfigProblem`].
    ConfigRefused = -32002,
    /// The configuration is fine, but could not be brought into force.
    ApplyFailed = -32003,
    /// Another transaction is under way.
    Busy = -32004,
    /// A reader may not do this.
    ReadOnly = -32005,
    /// This user asks too much; `data` says when to try again.
    TooMuch = -32006,
    /// The running configuration has moved on since the revision the change was made for; `data` is a [`Conflict`].
    Conflict = -32007,
}

impl ErrorCode {
    /// All codes.
    pub const ALL: [ErrorCode; 12] = [
        ErrorCode::Parse,
        ErrorCode::InvalidRequest,
        ErrorCode::MethodNotFound,
        ErrorCode::InvalidParams,
        ErrorCode::Internal,
        ErrorCode::NotAuthorised,
        ErrorCode::ConfigRefused,
        ErrorCode::ApplyFailed,
        ErrorCode::Busy,
        ErrorCode::ReadOnly,
        ErrorCode::TooMuch,
        ErrorCode::Conflict,
    ];

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl RpcError {
    /// An error without `data`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> RpcError {
        RpcError { code: code.number(), message: message.into(), data: None }
    }

    /// The line is not JSON.
    pub fn parse(message: impl Into<String>) -> RpcError {
        RpcError::new(ErrorCode::Parse, message)
    }

    /// It is JSON, but not a request.
    pub fn invalid_request(message: impl Into<String>) -> RpcError {
        RpcError::new(ErrorCode::InvalidRequest, message)
    }

    /// No such method. What the client sent is shortened: it may be a megabyte long.
    pub fn method_not_found(method: &str) -> RpcError {
        let (shown, known) = (excerpt(method, 40), METHODS.join(", "));
        RpcError::new(ErrorCode::MethodNotFound, format!("no method `{shown}`; there are: {known}"))
    }

    /// Wrong parameters, or they name something that does not exist.
    pub fn invalid_params(message: impl Into<String>) -> RpcError {
        RpcError::new(ErrorCode::InvalidParams, message)
    }

    /// The switch failed in a way that is its own fault.
    pub fn internal(message: impl Into<String>) -> RpcError {
        RpcError::new(ErrorCode::Internal, message)
    }

    /// This user may not use this socket; the message says who may.
    pub fn not_authorised(message: impl Into<String>) -> RpcError {
        RpcError::new(ErrorCode::NotAuthorised, message)
    }

    /// The configuration is refused, for these reasons; the first [`PROBLEMS_MAX`] become `data`.
    pub fn config_refused(problems: &[ConfigProblem]) -> RpcError {
        let message = match problems {
            [one] => format!("the configuration is refused: {one}"),
            many => format!("the configuration is refused: {} problems", many.len()),
        };
        let data = problems.iter().take(PROBLEMS_MAX).map(ConfigProblem::to_value).collect();
        RpcError { data: Some(Value::Array(data)), ..RpcError::new(ErrorCode::ConfigRefused, message) }
    }

    /// The configuration is fine, but could not be brought into force; the one before is in force.
    pub fn apply_failed(message: impl Into<String>) -> RpcError {
        RpcError::new(ErrorCode::ApplyFailed, message)
    }

    /// Another transaction is under way.
    pub fn busy() -> RpcError {
        RpcError::new(ErrorCode::Busy, "another transaction is under way; try again when it is through")
    }

    /// The running configuration has moved on since the revision the change was made for.
    pub fn conflict(conflict: &Conflict) -> RpcError {
        let changes: Vec<Value> = conflict.changes.iter().map(ConfigChange::to_value).collect();
        let data = json!({ "base": conflict.base, "running": conflict.running, "changes": changes });
        RpcError { data: Some(data), ..RpcError::new(ErrorCode::Conflict, conflict.to_string()) }
    }

    /// A reader may not do this; the message says who may.
    pub fn read_only(message: impl Into<String>) -> RpcError {
        RpcError::new(ErrorCode::ReadOnly, message)
    }

    /// This user asks too much; the message names the bound.
    pub fn too_much(message: impl Into<String>, retry_after_ms: u64) -> RpcError {
        let data = json!({ "retry_after_ms": retry_after_ms });
        RpcError { data: Some(data), ..RpcError::new(ErrorCode::TooMuch, message) }
    }

    /// Which of our codes this is; `None` for a code of a newer switch.
    pub fn kind(&self) -> Option<ErrorCode> {
        ErrorCode::ALL.into_iter().find(|code| code.number() == self.code)
    }

    /// What happened since the revision a change was made for, where the error is about that.
    pub fn conflicting(&self) -> Option<Conflict> {
        let data = self.data.as_ref().filter(|_| self.kind() == Some(ErrorCode::Conflict))?;
        Conflict::deserialize(data).ok()
    }

    /// What is wrong with the configuration, where the error is about that.
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let Some(Value::Array(rows)) = &self.data else { return Vec::new() };
        rows.iter().filter_map(|row| ConfigProblem::deserialize(row).ok()).collect()
    }
}

/// The first characters of what a client sent: it may be a megabyte long, and an answer repeats it.
pub(crate) fn excerpt(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
