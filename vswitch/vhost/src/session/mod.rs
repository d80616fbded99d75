//! The vhost-user session as a state machine: octets and descriptors in, actions and replies out; no socket, no clock.

mod action;
mod backend;
mod device_requests;
mod framing;
mod memory_table;
mod offer;
mod payload;
mod reply;
mod request;
mod ring_requests;
mod vring;

#[cfg(test)]
pub(crate) mod tests;

pub use action::{Action, Done, InflightArea, LogArea, Region, RegionPlace};
pub use backend::Backend;
pub use device_requests::GuestMtu;
pub(crate) use framing::FDS_MAX;
pub use offer::{Offer, ProtocolFeatures};
pub use reply::Reply;
pub use request::Request;
pub use vring::{RingAddresses, RingIndex, Vring};
