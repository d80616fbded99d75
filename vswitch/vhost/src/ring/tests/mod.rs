//! Rings with drivers of our own at the other end: one that keeps to the specification, and one that does not.

mod driver;
mod guest;
mod honest;
mod hostile;
mod packed_driver;
mod split_driver;
mod wishes;
