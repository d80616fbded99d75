//! Ports for ordinary network namespaces: TAP devices.
//!
//! [`open`] creates an interface *inside* the container's network namespace and gives back a [`TapPort`], which the
//! switch polls like any other port: what the container sends is read straight into a frame, what the switch sends is
//! written straight from one. The host's namespace never sees the interface, the caller's own namespace does not change,
//! and the interface vanishes with the port.
//!
//! One system call a packet; several workers share the packets of a container that has several queues. Where small ones are many,
//! they wait for each other for some microseconds, so that their reader is woken once for several (`coalesce.rs`). So that few
//! packets do for much, kernel and switch leave each other work ([`Offloads`]): what a container sends comes as super-frames of
//! up to 64 KiB, of which a header in front ([`wire::virtio_net`]) says into which segments they are to be cut, and goes to the
//! next container as it came. The port believes of that header what the packet bears out, and drops the rest by name.
//!
//! Behind a TAP can also be the node's own network, with the other ends of the switch's tunnels ([`Behind`]). Then super-frames come
//! and go in their tunnels, and what is left is said of both headers ([`wire::virtio_net::TunnelHeader`]).
//!
//! Where to look: what the operator asks for is `config.rs`, the order in which a device comes to life is `device.rs`,
//! what is left to whom is `offloads.rs`, the packet path is `port.rs`, and which packets wait
//! for others `coalesce.rs`; `kernel.rs` is the only file with `unsafe` in it.

mod coalesce;
mod config;
mod device;
mod error;
mod faults;
mod kernel;
mod netlink;
mod netns;
mod offloads;
mod port;

pub use config::{Behind, TapConfig};
pub use device::{TapControl, TapDevice};
pub use error::{Place, TapError};
pub use netns::Netns;
pub use offloads::Offloads;
pub use port::TapPort;

/// Creates the interface `config` describes and a port on each of its queues, whose frames come from `pool`.
pub fn open<M: frame::Pool + Clone>(config: TapConfig, pool: M) -> Result<Vec<TapPort<M>>, TapError> {
    TapPort::all_of(TapDevice::open(&config)?, pool)
}
