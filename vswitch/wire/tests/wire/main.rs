//! The room from outside: whole frames through parse, flow hash and the outer header, good ones, hostile ones, and
//! against smoltcp as an oracle.

#![expect(clippy::unwrap_used, reason = "the lint's exception for tests does not reach their helper functions")]

mod differential;
mod five_tuple;
mod flow_hash;
mod gro;
mod gso;
mod hostile;
mod outer;
mod parse;
mod samples;
mod tunnel_header;
mod virtio_net;
