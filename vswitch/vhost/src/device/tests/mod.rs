//! Devices on real sockets, with a front end and a driver of our own at the other end.

mod guest;
mod inflight;
mod lives;
mod others_faults;
mod quarantine;
mod wakes;
