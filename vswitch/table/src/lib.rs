//! Keyed state of fixed size, in shared memory.
//!
//! [`FlowTable`] holds the cached verdict for every flow of one worker, [`Fdb`] says behind which member of a network a
//! MAC is. Both are hash tables of eight-slot buckets with two choices a key. In the FDB a lookup reads two groups of tags at
//! most and, but for one in some thousands, one entry (`tagged.rs`). In a flow table it reads the entry at the key's home, and
//! those that that one names (`flow_home.rs`). Nothing grows, nothing is allocated after creation.
//!
//! A table has one writer, which owns it. Everybody else, in this process or another, looks through a reader, which sees
//! whole entries. The memory is a [`sync::Region`]: when the writer dies, its successor attaches it and goes on.

#![deny(unsafe_code)]

mod bucket;
mod fdb;
mod fdb_entry;
mod fdb_reader;
mod flow_entry;
mod flow_home;
mod flow_reader;
mod flow_table;
mod flow_tail;
mod id;
mod lanes;
mod layout;
mod prefetch;
mod tagged;
mod tick;

pub use bucket::Probe;
pub use fdb::{EPOCHS_KEPT, Fdb, Learn, TableFull};
pub use fdb_entry::{FdbEntry, FdbSlot};
pub use fdb_reader::FdbReader;
pub use flow_entry::{FlowEntry, FlowReading, FlowSlot, FlowValue};
pub use flow_reader::FlowReader;
pub use flow_table::{FlowTable, Inserted};
pub use flow_tail::Tail;
pub use id::{MemberId, NetworkId};
pub use layout::Sweep;
pub use tick::Tick;
