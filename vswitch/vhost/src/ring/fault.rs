//! Every way in which a ring can be wrong. Small and without allocation: workers make these.

use crate::GuestAddress;

/// What a guest's driver did wrong in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// Part of the ring is not in guest memory, or not aligned there.
    #[error("its {0} does not lie in one region of guest memory")]
    Outside(&'static str),
    /// A starting point beyond the ring's end.
    #[error("it cannot start at {0:#x}")]
    Base(u32),
    /// A record of where it stands that says what cannot be.
    #[error("its in-flight record says {0:#x}, which cannot be")]
    Record(u64),
    /// More was made available than the ring has place for.
    #[error("{available} chains are available in a ring of {size}")]
    AvailableIndex {
        /// How many, by the available index.
        available: u16,
        /// Descriptors in the ring.
        size: u16,
    },
    /// A descriptor's number beyond the end of its table.
    #[error("descriptor {index} of a table of {count}")]
    DescriptorIndex {
        /// The number that was found.
        index: u16,
        /// Descriptors in the table.
        count: u16,
    },
    /// A chain that does not end within the ring, or within what any driver needs.
    #[error("a chain of more than {0} descriptors")]
    ChainLength(u16),
    /// A buffer of no octets.
    #[error("a descriptor of no octets")]
    EmptyBuffer,
    /// A buffer that is not guest memory.
    #[error("a descriptor of {len} octets at {address}, which is not all guest memory")]
    BufferOutside {
        /// Where it should be.
        address: GuestAddress,
        /// Its length in octets.
        len: u32,
    },
    /// A buffer for the device to write where it only reads, or the other way round.
    #[error("a descriptor of the wrong direction")]
    Direction,
    /// A table of descriptors that nobody agreed on, inside another one, or of a length that holds no whole descriptors.
    #[error("a table of indirect descriptors of {0} octets where there can be none")]
    Indirect(u32),
    /// A chain too short for the header in front of every frame.
    #[error("a chain of {0} octets, shorter than the header of a frame")]
    NoHeader(u32),
    /// Buffers so small that a frame would take too many.
    #[error("a frame would take more than {0} chains")]
    BuffersTooSmall(u16),
    /// Memory was taken back under the ring.
    #[error("shared memory was taken back while in use")]
    MemoryGone,
}
