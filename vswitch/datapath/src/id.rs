//! Identifiers that the data path knows. Names belong to the control room.

/// A port of this switch. Stable while the port exists; a number is reused only with a newer generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u16);

/// A worker, 0 to `workers - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u8);

impl PortId {
    /// The id as an index into a list of ports.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl WorkerId {
    /// The id as an index into a list of workers.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Ports a switch can have; bounds every per-port array.
pub const PORTS_MAX: usize = 1024;

/// Workers a switch can have; bounds the mesh of handoff rings.
pub const WORKERS_MAX: usize = 16;
