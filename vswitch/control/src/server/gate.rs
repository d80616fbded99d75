//! What all connections of a switch share: who may come in, as what, and how much each user may still ask.

use std::time::Duration;

use api::UserRole;

use super::{
    access::{Access, Peer},
    pace::Buckets,
};
use crate::config::Pace;

/// One for a switch, whatever comes and goes.
#[derive(Debug)]
pub struct Gate {
    pub(super) access: Access,
    pace: Pace,
    buckets: Buckets,
}

impl Gate {
    /// The gate of a configuration.
    pub fn new(access: Access, pace: Pace) -> Gate {
        Gate { access, pace, buckets: Buckets::default() }
    }

    /// Takes up a new configuration; what users have asked before stays asked. Each session is to be told
    /// ([`super::Session::heed`]).
    pub fn change(&mut self, access: Access, pace: Pace) {
        (self.access, self.pace) = (access, pace);
    }

    /// What `peer` may do.
    pub fn role(&self, peer: &Peer) -> Option<UserRole> {
        self.access.role(peer)
    }

    /// Connections that one user may have at one time.
    pub fn connections_per_user(&self) -> usize {
        self.pace.connections_per_user as usize
    }

    /// Counts a request of a user. Where it is too early, says how long it is until it is not.
    pub(super) fn count(&mut self, uid: u32, now: Duration) -> Result<(), Duration> {
        self.buckets.take(uid, &self.pace, now)
    }

    /// Requests a second that one user may ask.
    pub(super) fn requests_per_s(&self) -> u32 {
        self.pace.requests_per_s
    }
}
