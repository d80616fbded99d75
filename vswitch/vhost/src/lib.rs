//! vhost-user ports: containers and VMs whose driver is virtio-net attach over a Unix socket and shared memory.
//!
//! The peer (*front end*: QEMU, DPDK's virtio-user) is not trusted, and everything it says arrives in one of three ways:
//! messages on the socket (`session/`), memory it shares (`memory/`), and rings inside that memory (`ring/`). Each is
//! checked where it enters; what is wrong has a name, [`Fault`], and costs the peer its own port and nobody else anything.
//!
//! Layouts of messages come from the `vhost` crate and virtio's numbers from `virtio-bindings`; framing and dispatch are
//! our own, because that crate refuses STATUS, MTU and RARP and blocks on half a message.
//!
//! [`VhostDevice`] is what control holds, [`VhostPort`] what a worker polls; they talk by mail (`pair.rs`), so that memory
//! and rings change hands without anybody waiting.
//!
//! Where to look: a whole session, without sockets, is `session/backend.rs`; how one is run, `device/session.rs`; what may
//! be asked at all, `session/offer.rs`; what a kill leaves behind, `inflight.rs`; how truncated memory is survived, `memory/sigbus.rs`; how a guest can be wrong,
//! `fault.rs` and `ring/fault.rs`.

mod address;
mod device;
mod fault;
mod feature;
mod inflight;
mod memory;
mod pair;
mod port;
mod ring;
mod session;

pub use address::{GuestAddress, UserAddress};
pub use device::{DeviceConfig, Mode, OpenError, SocketAccess, State, Status, VhostDevice, offer};
pub use fault::Fault;
pub use feature::Features;
pub use inflight::{InflightMemory, Record};
pub use memory::{Alarm, DirtyLog, GuestArray, GuestItem, GuestMemory, GuestSlice};
pub use port::VhostPort;
pub use ring::{Bell, Call, Queue, QueueConfig, Received, RingFault};
pub(crate) use session::FDS_MAX;
pub use session::{
    Action, Backend, Done, GuestMtu, InflightArea, LogArea, Offer, ProtocolFeatures, Region, RegionPlace, Reply,
    Request, RingAddresses, RingIndex, Vring,
};
