//! What a driver does, whatever its ring looks like.

use super::guest::Ram;
use crate::{Features, RingAddresses};

/// A buffer of the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub(crate) address: u64,
    pub(crate) len: u32,
}

/// The driver's side of a ring.
pub(crate) trait Driver {
    /// A ring of `size` in fresh memory.
    fn new(size: u16, features: Features) -> Self;

    fn addresses(&self) -> RingAddresses;

    /// Makes a chain available; gives its id, or `None` where the ring is full. With a table the chain takes one slot.
    fn offer(&mut self, ram: &Ram, buffers: &[Buffer], write: bool, table: Option<u64>) -> Option<u16>;

    /// The next used chain: its id, and how much was written.
    fn collect(&mut self, ram: &Ram) -> Option<(u16, u32)>;

    /// Wants to be woken once chain number `ahead` from the last one collected on is used.
    fn wake_at(&mut self, ram: &Ram, ahead: u16);

    /// Wants never to be woken, or always.
    fn wake(&mut self, ram: &Ram, always: bool);
}
