//! Names of what the tables' entries speak of.

use std::fmt::{self, Display, Formatter};

/// A bridge domain, by its place in the snapshot. Not its VNI: that belongs to the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetworkId(pub u16);

/// A member of a network: a local access port, or a remote VTEP reached by a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub u32);

impl NetworkId {
    /// As an index into an array of networks.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl MemberId {
    /// As an index into an array of members.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Display for NetworkId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "network {}", self.0)
    }
}

impl Display for MemberId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "member {}", self.0)
    }
}
