//! Rings in guest memory, seen from the device: buffers come in chains, frames go into them or come out of them.
//!
//! Whatever is read from a ring is read once, into a copy, and checked as that copy. Every loop is bounded by something
//! of ours: [`chain::DESCRIPTORS_MAX`] for a chain, [`pieces::PIECES_MAX`] for what is looked at in one go, the burst for
//! frames. Chains are used up in the order in which they were made available, all within the burst that took them, so
//! between bursts a ring's state is where it stands and nothing else: a guest loses nothing when the switch goes.

mod bell;
mod call;
mod chain;
mod fault;
mod net_header;
mod packed;
mod pieces;
mod queue;
mod receive;
mod recovery;
mod single;
mod split;
#[cfg(test)]
pub(crate) mod tests;
mod transmit;
mod used;

pub use bell::Bell;
pub use call::Call;
pub(crate) use call::is_eventfd;
pub use fault::RingFault;
pub(crate) use pieces::PIECES_MAX;
pub use queue::{Queue, QueueConfig, Received};
pub(crate) use recovery::recover;
