//! Who owns bytes.
//!
//! A [`Frame`] is an owned, pointer-sized handle on one packet buffer. It is linear: it ends in a [`Port`], a ring or a
//! [`Pool`], it cannot be cloned, and losing one is loud (see [`Frame`]). A [`Burst`] is a fixed array of frames, the
//! unit in which everything moves. [`Port`] is one queue pair of a device, [`Pool`] is where frames come from.
//!
//! The buffer header, [`Header`], has the layout of DPDK's `rte_mbuf`, so a burst goes to a poll-mode driver as it is,
//! and no buffer type parameter exists anywhere in the switch. This room knows nothing of DPDK: the `dpdk` room asserts
//! at compile time that both layouts agree. [`HeapPool`] and [`MemPort`] are the stand-ins for tests and the simulator,
//! with the same concrete `Frame`.

mod burst;
mod header;
mod heap;
mod mem_port;
mod offload;
mod port;

pub use burst::{BURST_MAX, Burst, Drain};
pub use header::{Frame, HEADROOM, Header, HeaderOffsets, lost_frames};
pub use heap::HeapPool;
pub use mem_port::{MemPort, MemPortPeer};
pub use offload::{Offload, SUPER_MAX, Takes, Transport};
pub use port::{DeviceStats, Pool, Port, Sent};
