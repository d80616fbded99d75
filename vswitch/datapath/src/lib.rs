//! What happens to a packet.
//!
//! [`Worker::turn`](worker::Worker::turn) is the whole life of a worker; `pipeline.rs` is the only place where the order
//! of the verbs is written. Verbs are horizontal (`stage/<verb>.rs`: the loop and the match), nouns are vertical
//! (`feature/<noun>.rs`: what an arm does). Nothing here allocates, locks, logs, reads a clock, makes a system call or
//! panics on packet content.
#![forbid(unsafe_code)]

mod backlog;
mod batch;
mod brain;
mod counters;
mod feature;
mod flow;
mod footprint;
mod id;
mod keys;
mod lanes;
mod lookout;
mod mail;
mod path;
mod pipeline;
mod reason;
mod snapshot;
mod stage;
mod stirs;
mod sweep;
mod tally;
mod view;
mod way;
mod wiring;
mod worker;

#[cfg(test)]
mod tests;

pub use counters::{Books, PortBlock, PortReading, REASONS_MAX, WorkerBlock, WorkerReading};
pub use flow::{FlowKey, KEY_WORDS, MEMBERS_MAX, Profile, Recipe};
pub use footprint::{books_bytes, fdb_bytes, flow_table_bytes, rings_bytes};
pub use id::{PORTS_MAX, PortId, WORKERS_MAX, WorkerId};
pub use lookout::PortChanges;
pub use mail::{Inject, Order, Punt, Report};
pub use path::{Path, Paths};
pub use reason::{Cause, DropReason, REASONS};
pub use snapshot::{Guard, Member, MemberKind, Network, NoMember, PortSpec, Role, Snapshot, Vlans, VtepKey, VtepTable};
pub use sweep::Pace;
pub use view::{FlowView, MacView, WorkerView};
pub use wiring::{ControlWires, WorkerWires, connect};
pub use worker::{Turn, Worker, WorkerConfig};
