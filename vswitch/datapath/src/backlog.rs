//! Frames that wait for their copies, in the order in which they came: what a worker keeps from one turn to the next.

use std::collections::VecDeque;

use frame::Frame;
use table::{MemberId, NetworkId};
use wire::Mac;

use crate::batch::Meta;

/// Frames that may wait on a worker.
pub(crate) const BACKLOG_MAX: usize = 512;
/// Of these, how many may have come in by one port, so that no port takes all the places.
pub(crate) const BACKLOG_MAX_OF_PORT: u64 = 256;

/// A stripped frame, what is known of it, and what is still to be done.
pub(crate) struct Waiting {
    pub(crate) frame: Frame,
    pub(crate) meta: Meta,
    pub(crate) errand: Errand,
    /// The epoch in which it began to wait: who has been born since is not whom it is for.
    pub(crate) since: u32,
}

/// Where a waiting frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// To the members of this network that may have it, from `next` on.
    Flood { network: NetworkId, next: MemberId },
    /// To this member, behind floods of its flow.
    Forward(MemberId),
}

/// Whom a frame is from and for: what floods of a flow have in common with what comes after them.
pub(crate) type Pair = [u64; 2];

/// The pair of a frame from `ingress`.
#[inline]
pub(crate) fn pair(ingress: MemberId, (dst, src): (Mac, Mac)) -> Pair {
    [u64::from(ingress.0) << 48 | dst.to_u64(), src.to_u64()]
}

/// A line of bounded length. Like a burst, it must be empty when it goes.
pub(crate) struct Backlog {
    waiting: VecDeque<Waiting>,
    /// Those of `waiting`, close together: they are searched.
    pairs: VecDeque<Pair>,
}

impl Backlog {
    pub(crate) fn new() -> Backlog {
        Backlog { waiting: VecDeque::with_capacity(BACKLOG_MAX), pairs: VecDeque::with_capacity(BACKLOG_MAX) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a frame of that pair waits.
    #[inline]
    pub(crate) fn has(&self, pair: Pair) -> bool {
        !self.pairs.is_empty() && self.pairs.iter().any(|other| *other == pair)
    }

    /// Goes to the end, or is given back where there is no place.
    pub(crate) fn join(&mut self, pair: Pair, waiting: Waiting) -> Result<(), Frame> {
        if self.waiting.len() >= BACKLOG_MAX {
            return Err(waiting.frame);
        }
        self.pairs.push_back(pair);
        self.waiting.push_back(waiting);
        Ok(())
    }

    /// The first, whose place is free now.
    pub(crate) fn next(&mut self) -> Option<(Pair, Waiting)> {
        self.pairs.pop_front().zip(self.waiting.pop_front())
    }

    /// The first, which was not done with, waits on.
    pub(crate) fn put_back(&mut self, pair: Pair, waiting: Waiting) {
        self.pairs.push_front(pair);
        self.waiting.push_front(waiting);
    }
}
