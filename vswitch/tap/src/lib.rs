//! Ports for ordinary network namespaces: TAP devices.
//!
//! [`open`] creates an interface *inside* the container's network namespace and gives back a [`TapPort`], which the
//! switch polls like any other port: what the container sends is read straight into a frame, what the switch sends is
//! written straight from one. The host's namespace never sees the interface, the caller's own namespace does not change,
//! and the interface vanishes with the port.
//!
//! This is the plain form: one queue, one system call a frame, the kernel segments and checksums before the switch sees a
//! frame. `virtio_net_hdr` (TSO) and several queues are a matter of [`TapPort`] alone.
//!
//! Where to look: what the operator asks for is `config.rs`, the order in which a device comes to life is `device.rs`,
//! the packet path is `port.rs`; `kernel.rs` is the only file with `unsafe` in it.

mod config;
mod device;
mod error;
mod kernel;
mod netlink;
mod netns;
mod port;

pub use config::TapConfig;
pub use device::{TapControl, TapDevice};
pub use error::{Place, TapError};
pub use netns::Netns;
pub use port::TapPort;

/// Creates the interface `config` describes and a port on it whose frames come from `pool`.
pub fn open<M: frame::Pool>(config: TapConfig, pool: M) -> Result<TapPort<M>, TapError> {
    TapPort::new(TapDevice::open(&config)?, pool)
}
