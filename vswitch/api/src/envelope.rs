//! The lines themselves: JSON-RPC's members around a request and around an answer.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{ID_MAX, LINE_MAX, REPLY_MAX, Reply, Request, RpcError, error::excerpt};

/// What a client calls its request; the answer carries the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// A number without a fraction.
    Number(i64),
    /// A string of up to [`ID_MAX`] octets.
    Text(String),
}

/// One request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcRequest {
    /// The client's name for it.
    pub id: Id,
    /// What is asked.
    pub request: Request,
}

/// One answer line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcResponse {
    /// The request's; `None` (`null`) where the request's could not be read.
    pub id: Option<Id>,
    /// The answer.
    pub outcome: Result<Reply, RpcError>,
}

/// Why a line is no request, ready to be sent back: `RpcResponse::from(refusal)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line's `id`, where it could be read.
    pub id: Option<Id>,
    /// What is wrong.
    pub error: RpcError,
}

/// Why a client does not understand a line of the switch.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not of the documented shape.
    #[error("not a line of the documented form: {0}")]
    Json(#[from] serde_json::Error),
    /// The first line is not the greeting of a switch.
    #[error("the first line is not the hello of a Millrace switch")]
    NotHello,
    /// Neither or both of `result` and `error`, or not version 2.0.
    #[error("not a JSON-RPC 2.0 answer")]
    NotAnswer,
    /// Longer than [`REPLY_MAX`].
    #[error("the answer is longer than {REPLY_MAX} octets")]
    TooLong,
}

/// An object as one line, its newline included. JSON escapes newlines within strings, so the line is one.
pub(crate) fn line(object: &impl Serialize) -> String {
    let mut line = serde_json::to_string(object).expect("strings, numbers and lists of them always serialise");
    line.push('\n');
    line
}

#[derive(Serialize)]
struct RequestLine<'a> {
    jsonrpc: &'static str,
    id: &'a Id,
    #[serde(flatten)]
    request: &'a Request,
}

impl RpcRequest {
    /// A request with a number for its id.
    pub fn new(id: i64, request: Request) -> RpcRequest {
        RpcRequest { id: Id::Number(id), request }
    }

    /// The line to send, its newline included. The caller compares its length with [`LINE_MAX`].
    pub fn encode(&self) -> String {
        line(&RequestLine { jsonrpc: "2.0", id: &self.id, request: &self.request })
    }

    /// Reads a request line (with or without its newline). Whatever the octets are, the error is an answer to send.
    pub fn decode(line: &[u8]) -> Result<RpcRequest, Refusal> {
        let nameless = |error| Refusal { id: None, error };
        if line.len() > LINE_MAX {
            let text = format!("a request is at most {LINE_MAX} octets long");
            return Err(nameless(RpcError::invalid_request(text)));
        }
        let value = serde_json::from_slice(line).map_err(|e| nameless(RpcError::parse(format!("not JSON: {e}"))))?;
        let mut members = match value {
            Value::Object(members) => members,
            Value::Array(_) => {
                return Err(nameless(RpcError::invalid_request("batches are not supported: send one request a line")));
            }
            _ => return Err(nameless(RpcError::invalid_request("a request is an object"))),
        };
        let id = take_id(&mut members).map_err(nameless)?;
        match take_request(members) {
            Ok(request) => Ok(RpcRequest { id, request }),
            Err(error) => Err(Refusal { id: Some(id), error }),
        }
    }
}

fn take_id(members: &mut Map<String, Value>) -> Result<Id, RpcError> {
    let id = members
        .remove("id")
        .ok_or_else(|| RpcError::invalid_request("a request needs an `id`: notifications are not supported"))?;
    match Id::deserialize(id) {
        Ok(Id::Text(text)) if text.len() > ID_MAX => {
            Err(RpcError::invalid_request(format!("`id` is at most {ID_MAX} octets long")))
        }
        Ok(id) => Ok(id),
        Err(_) => Err(RpcError::invalid_request("`id` must be an integer or a string")),
    }
}

fn take_request(mut members: Map<String, Value>) -> Result<Request, RpcError> {
    if members.remove("jsonrpc") != Some(Value::from("2.0")) {
        return Err(RpcError::invalid_request(r#"`jsonrpc` must be "2.0""#));
    }
    let Some(Value::String(method)) = members.remove("method") else {
        return Err(RpcError::invalid_request("`method` must be a string"));
    };
    let params = members.remove("params");
    if let Some(name) = members.keys().next() {
        return Err(RpcError::invalid_request(format!("a request has no member `{}`", excerpt(name, 40))));
    }
    Request::from_parts(&method, params)
}

#[derive(Deserialize)]
struct ResponseLine {
    jsonrpc: String,
    id: Option<Id>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<RpcError>,
}

impl RpcResponse {
    /// The line to send, its newline included.
    pub fn encode(&self) -> String {
        line(self)
    }

    /// Reads the answer to `request`.
    pub fn decode(line: &[u8], request: &Request) -> Result<RpcResponse, DecodeError> {
        if line.len() > REPLY_MAX {
            return Err(DecodeError::TooLong);
        }
        let line: ResponseLine = serde_json::from_slice(line)?;
        let outcome = match (line.result, line.error) {
            _ if line.jsonrpc != "2.0" => return Err(DecodeError::NotAnswer),
            (Some(result), None) => Ok(Reply::from_result(request, result)?),
            (None, Some(error)) => Err(error),
            _ => return Err(DecodeError::NotAnswer),
        };
        Ok(RpcResponse { id: line.id, outcome })
    }
}

impl Serialize for RpcResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            jsonrpc: &'static str,
            id: &'a Option<Id>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<&'a Reply>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<&'a RpcError>,
        }
        let (result, error) = (self.outcome.as_ref().ok(), self.outcome.as_ref().err());
        Line { jsonrpc: "2.0", id: &self.id, result, error }.serialize(serializer)
    }
}

impl From<Refusal> for RpcResponse {
    fn from(refusal: Refusal) -> RpcResponse {
        RpcResponse { id: refusal.id, outcome: Err(refusal.error) }
    }
}
