//! Rings with drivers of our own at the other end: one that keeps to the specification, and one that does not.

pub(crate) mod driver;
pub(crate) mod guest;
mod honest;
mod hostile;
mod killed;
mod offloads;
pub(crate) mod packed_driver;
pub(crate) mod split_driver;
pub(crate) mod wakes;
mod wishes;
