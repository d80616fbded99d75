//! What a driver does, whatever its ring looks like.

use std::collections::VecDeque;

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

/// What a driver keeps in mind where buffers are used in the order in which they were made available: then one that is used
/// may stand for all before it (virtio 1.2, sections 2.7.8 and 2.8.9).
#[derive(Clone)]
pub(crate) struct InOrder {
    agreed: bool,
    /// Ids of the chains that are out, the oldest first.
    out: VecDeque<u16>,
    /// The chain up to which all are used.
    until: Option<u16>,
}

impl InOrder {
    pub(crate) fn new(features: Features) -> InOrder {
        InOrder { agreed: features.has(Features::IN_ORDER), out: VecDeque::new(), until: None }
    }

    pub(crate) fn offered(&mut self, id: u16) {
        if self.agreed {
            self.out.push_back(id);
        }
    }

    /// A chain for which another one stands.
    pub(crate) fn skipped(&mut self) -> Option<u16> {
        self.until?;
        self.oldest()
    }

    /// The chain that comes back when `id` is found to be used.
    pub(crate) fn used(&mut self, id: u16) -> u16 {
        if !self.agreed {
            return id;
        }
        assert!(self.out.contains(&id), "chain {id} is not out");
        self.until = Some(id);
        self.oldest().unwrap()
    }

    fn oldest(&mut self) -> Option<u16> {
        let oldest = self.out.pop_front();
        self.until = self.until.filter(|&until| oldest != Some(until));
        oldest
    }
}
