//! What the operator wants: configuration, transactions, the socket server, the host stack.
//!
//! One TOML file is read into a passive [`config::Config`] that cannot be wrong, two of them are compared by
//! [`diff::diff`], [`need::Need`] is the memory one takes, and one is turned into what workers need by [`compile::compile`]. [`control::Control`] brings it into
//! force, [`server::Session`] speaks with the operator, [`host`] is the node itself on its uplinks.
#![forbid(unsafe_code)]

pub mod compile;
pub mod config;
pub mod diff;
pub mod need;
// The running half (host stack, socket server, transactions):
pub mod control;
pub mod host;
pub mod server;
