//! The doorman of `net_memif`: shared-memory devices whose driver must not be disturbed, and whose other end disturbs it.
//!
//! DPDK 22.11 hears the other end of a memif on a thread of its own, and where that says farewell, or dies, or talks
//! nonsense, the driver unmaps the rings there and then: also under a worker that is in the midst of a burst. Nothing in
//! DPDK's interface holds it back. So the driver never hears the other end itself. It is given a socket in a private folder
//! in place of the operator's, and the doorman, one thread for all memifs, carries messages and descriptors between the two:
//!
//! ```text
//!  other end ◄── the operator's socket ──► doorman ◄── private socket ──► driver
//!                                             │ shuts
//!                                           gate ◄── asks at each burst ── worker
//! ```
//!
//! * **A worker enters the driver only while the gate is open** ([`gate`]): the doorman opens it when the driver has said
//!   that it is connected, and before it lets the driver hear of any end it shuts it and waits until each worker has said
//!   that it saw that. So the driver maps and unmaps only what nobody uses.
//! * **The driver hears no bad message** ([`talk`]): it believes sizes, places and numbers of rings. What does not fit ends
//!   the connection with a reason, in the log and in `show ports --detail`. Memory that its owner could cut short is refused.
//! * **A client comes again** ([`door`]): the driver connects once, when it is started; the doorman waits for the server
//!   and starts the driver anew whenever a connection is over.
//!
//! What lies in the shared rings is read by the driver alone, which believes it: that cannot be mended from here.

mod closing;
mod door;
mod doorman;
mod end;
mod gate;
mod link;
mod message;
mod patience;
mod place;
mod ring;
mod socket;
mod talk;

pub(crate) use doorman::{Doorman, Entry};
pub(crate) use gate::Passage;
pub(crate) use place::Memif;
