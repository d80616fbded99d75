//! What bytes mean: headers, addresses, checksums, flow keys.
//!
//! The packet path enters at [`parse`]: one pass over the outermost headers of a frame that checks every length once and
//! leaves a small [`Parsed`] of offsets, or says by [`Malformed`] which header is wrong and how. From then on nobody
//! parses again: [`outer::parse_outer`] takes a VXLAN packet apart, [`flow_hash`] gives its entropy,
//! [`outer::OuterTemplate`] puts a new outer header in front of an inner frame, [`gso`] finishes what a sender left to its
//! device, and [`gro`] puts segments together again.
//!
//! Each header has one file, and all of them have one shape, in this order: named offsets; a view over anything that is
//! `AsRef<[u8]>` (`new_checked`, `check_len`, getters, and setters where the buffer is `AsMut<[u8]>`); where the switch
//! builds such headers itself, a `Repr` with `parse` and `emit`; tests. A view made by `new_checked` never panics in an
//! accessor. Views hold bytes in network order, their accessors speak host order.
//!
//! This room allocates nothing, keeps no state, and depends on no other room.

#![forbid(unsafe_code)]

pub mod arp;
pub mod checksum;
pub mod ecn;
pub mod ethernet;
mod field;
mod five_tuple;
mod flow_hash;
pub mod gro;
pub mod gso;
mod hash;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
mod mac;
mod malformed;
pub mod mss;
pub mod outer;
mod parse;
mod plain;
pub mod protocol;
pub mod sctp;
pub mod tcp;
pub mod too_big;
pub mod udp;
pub mod virtio_net;
pub mod vlan;
mod vni;
pub mod vxlan;

pub use five_tuple::FiveTuple;
pub use flow_hash::{SOURCE_PORT_MIN, flow_hash, flow_hash_keyed, plain_hash_and_tos, source_port};
pub use hash::{HashKey, fold};
pub use mac::{Mac, MacParseError};
pub use malformed::Malformed;
pub use outer::{Dscp, Outer, OuterEnds, OuterParams, OuterTemplate, PlainOuter, parse_outer, parse_plain_outer};
pub use parse::{L3, Parsed, parse, parse_into};
pub use plain::is_plain;
pub use vni::{Vni, VniError};
