//! The words of the control socket: requests, replies, schema version. No input or output happens here.
//!
//! # Speaking to a switch with nothing but netcat
//!
//! The switch listens on a Unix stream socket, `/run/millrace/<switch name>.sock` unless the configuration says
//! otherwise. Both sides speak JSON-RPC 2.0, one object a line, each line ended by `\n`:
//!
//! ```text
//! $ nc -U /run/millrace/node-a.sock
//! {"jsonrpc":"2.0","method":"hello","params":{"product":"millrace","version":"0.1.0","schema":1,"switch":"node-a","role":"admin"}}
//! > {"jsonrpc":"2.0","id":1,"method":"show_macs","params":{"network":"blue"}}
//! {"jsonrpc":"2.0","id":1,"result":{"total":1,"macs":[{"network":"blue","mac":"02:00:00:00:0a:01", … }]}}
//! ```
//!
//! 1. The switch speaks first: one [`Hello`] notification. Go on only where `schema` is [`SCHEMA`]. `role` says what
//!    this user may do: a `reader` asks what changes nothing, an `admin` everything, and `null` nothing at all. What a
//!    method needs says [`Request::needs`]. Where a new configuration takes away the role, the switch says so in an
//!    error whose `id` is `null`, and closes.
//! 2. The client sends requests ([`RpcRequest`]), as many as it likes without waiting; the switch answers each with one
//!    [`RpcResponse`], in order. A request carries `jsonrpc` (`"2.0"`), `id` (an integer, or a string of up to
//!    [`ID_MAX`] octets), `method`, and `params` (an object; may be left out where every parameter is optional).
//! 3. Either side may close whenever it likes.
//!
//! Each user has a number of requests a second, and of connections (`requests_per_s`, `requests_burst` and
//! `connections_per_user` of `[switch]`). What exceeds the first is answered later, in its order, by up to
//! [`DELAY_MAX_MS`]; what would have to wait longer gets the error -32006.
//!
//! A request line is at most [`LINE_MAX`] octets long, its `\n` included; beyond that the switch answers with an error
//! and closes. An answer is at most [`REPLY_MAX`] octets long. Batches, notifications to the switch, parameters by
//! position and unknown members or parameters are refused: a misspelt parameter must not be a silent default.
//! Answers may grow new members within one schema: clients skip members they do not know.
//!
//! # Methods
//!
//! | `method` | `params` | `result` |
//! |---|---|---|
//! | `version` | – | [`Version`] |
//! | `check` | `config` (the file's text), `file` (its name, for messages) | [`Checked`] |
//! | `apply` | `config`, `file`, `dry_run` (default `false`: only tell what would change), `base_revision` (optional: refuse where another is in force) | [`Applied`] |
//! | `show_config` | – | [`RunningConfig`] |
//! | `show_ports` | – | [`Ports`] |
//! | `show_networks` | – | [`Networks`] |
//! | `show_macs` | `network`, `member`, `mac`, `limit` (all optional) | [`Macs`] |
//! | `show_tunnels` | – | [`Tunnels`] |
//! | `show_mtu` | – | [`Mtus`] |
//! | `show_flows` | `network`, `member`, `mac`, `limit` (all optional) | [`Flows`] |
//! | `show_workers` | – | [`Workers`] |
//! | `show_memory` | – | [`Memory`] |
//! | `show_drops` | – | [`Drops`] |
//! | `show_ledger` | – | [`Ledger`] |
//!
//! Lists are cut at `limit` rows (default [`ROWS_DEFAULT`], at most [`ROWS_MAX`]) and say in `total` how many there are.
//! MACs and addresses are strings, VNIs and counters are integers (counters use all 64 bits), times and sizes carry
//! their unit in their name.
//!
//! # Errors
//!
//! | `code` | means | `data` |
//! |---|---|---|
//! | -32700 | the line is not JSON | – |
//! | -32600 | it is JSON, but not a request | – |
//! | -32601 | no such method | – |
//! | -32602 | wrong parameters, or they name something that does not exist | – |
//! | -32603 | the switch failed in a way that is its own fault | – |
//! | -32001 | this user may not use this socket | – |
//! | -32002 | the configuration is refused | a list of [`ConfigProblem`], the first [`PROBLEMS_MAX`] |
//! | -32003 | the configuration is fine, but could not be brought into force; the one before is in force | – |
//! | -32004 | another transaction is under way; try again | – |
//! | -32005 | a reader may not do this | – |
//! | -32006 | this user asks too much: too many requests, or too many connections | `{"retry_after_ms": N}` |
//! | -32007 | the running configuration is not at `base_revision` any more; read it again | [`Conflict`] |
#![forbid(unsafe_code)]

mod drops;
mod envelope;
mod error;
mod filter;
mod five_tuple;
mod flow;
mod hello;
mod host;
mod ledger;
mod mac;
mod memory;
mod mtu;
mod network;
mod port;
mod reply;
mod request;
mod role;
mod running;
mod transaction;
mod tunnel;
mod version;
mod worker;

pub use drops::{DropRow, Drops, PortFrames, WorkerFrames};
pub use envelope::{DecodeError, Id, Refusal, RpcRequest, RpcResponse};
pub use error::{ErrorCode, RpcError};
pub use filter::{FlowFilter, MacFilter};
pub use five_tuple::FiveTuple;
pub use flow::{FlowRow, Flows, Verdict};
pub use hello::Hello;
pub use host::HostLoss;
pub use ledger::{Ledger, PairLedger, PortLedger, Terms, WorkerLedger};
pub use mac::{MacKind, MacRow, Macs};
pub use memory::{Memory, MemoryRow};
pub use mtu::{GuestMtu, Mtus, NetworkMtu, PathMtu, PortMtu, TooBig};
pub use network::{NetworkRow, Networks};
pub use port::{ChoiceRow, Link, PortKind, PortRole, PortRow, PortState, Ports, TrunkRow};
pub use reply::Reply;
pub use request::{METHODS, Request};
pub use role::UserRole;
pub use running::{ConfigChange, Conflict, RunningConfig};
pub use transaction::{Applied, Checked, ConfigProblem, DiffLine, DiffOp};
pub use tunnel::{PathRow, PathState, TunnelRow, TunnelState, Tunnels};
pub use version::Version;
pub use worker::{CpuLatency, WorkerRow, Workers};

/// Version of everything in this room; grows when an old client could misread an answer. What is said in this version is
/// listed in `vswitch/api/schema.txt`, which a test compares with the types.
pub const SCHEMA: u32 = 1;

/// The product's name in [`Hello`] and [`Version`].
pub const PRODUCT: &str = "millrace";

/// Longest request line in octets, its newline included.
pub const LINE_MAX: usize = 1 << 20;

/// Longest answer in octets, its newline included.
pub const REPLY_MAX: usize = 64 << 20;

/// Longest `id` of a request that is a string, in octets.
pub const ID_MAX: usize = 64;

/// Longest that a request waits, in milliseconds, because its user asked too much before.
pub const DELAY_MAX_MS: u64 = 2_000;

/// Problems of a configuration that an error carries at most.
pub const PROBLEMS_MAX: usize = 100;

/// Rows of a list where the request names no `limit`.
pub const ROWS_DEFAULT: u32 = 1_000;

/// Most rows of a list, whatever `limit` says; keeps an answer below [`REPLY_MAX`].
pub const ROWS_MAX: u32 = 100_000;
