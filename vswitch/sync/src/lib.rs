//! How threads talk.
//!
//! [`ring`] hands items from one thread to one other thread and never waits; a [`mailbox`] is two rings, orders one way
//! and reports the other. [`Counter`] is a number with one writer and any readers, [`Sequence`] the word under which
//! several numbers are published together. [`Region`] is named shared memory that outlives its process; a [`Slab`] is a
//! typed piece of one.
//!
//! Nothing here takes a lock, and nothing here is known to need one: every structure has one writer. The atomics and
//! cells come from `primitive.rs`, which `--cfg loom` swaps for loom's, so `tests/loom.rs` runs every interleaving.

mod counter;
mod mailbox;
mod mapping;
mod primitive;
mod region;
mod region_error;
mod region_header;
mod ring;
mod sequence;
mod slab;

pub use counter::Counter;
pub use mailbox::{ControlEnd, WorkerEnd, mailbox};
pub use region::{Access, Region};
pub use region_error::RegionError;
pub use ring::{Consumer, Producer, ring};
pub use sequence::Sequence;
pub use slab::{Plain, Round, Slab};
