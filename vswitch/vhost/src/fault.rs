//! Every way in which a front end can be wrong. The list is closed: a port is quarantined for one of these or not at all.

use crate::{GuestAddress, Request, RingFault, RingIndex, UserAddress};

/// Why a port was quarantined: what the front end did, with the value that was wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The two version bits of a message were not 1.
    #[error("a message of protocol version {0}; there is only version 1")]
    Version(u32),
    /// A message said that it is a reply, or had flags nobody has defined.
    #[error("a message with flags {0:#x}, which no request has")]
    Flags(u32),
    /// A message of a number that nobody has defined.
    #[error("request {0} is not one of vhost-user")]
    UnknownRequest(u32),
    /// A request of a feature that was not negotiated.
    #[error("{0} was asked for without the feature it belongs to")]
    NotNegotiated(Request),
    /// A payload longer than any message has.
    #[error("{request}: a payload of {octets} octets")]
    PayloadSize {
        /// The request.
        request: Request,
        /// The length its header gives.
        octets: u32,
    },
    /// A value outside of what the request allows.
    #[error("{request}: {value:#x} is no {what}")]
    Value {
        /// The request.
        request: Request,
        /// What the value should have been.
        what: &'static str,
        /// What came.
        value: u64,
    },
    /// More or fewer file descriptors than the request takes.
    #[error("{request}: {fds} file descriptors came, {wanted} belong to it")]
    DescriptorCount {
        /// The request.
        request: Request,
        /// How many came.
        fds: usize,
        /// How many should have come.
        wanted: usize,
    },
    /// More file descriptors than any message carries; the kernel may have thrown some away.
    #[error("a message with more than {max} file descriptors")]
    DescriptorFlood {
        /// How many a message may carry.
        max: usize,
    },
    /// Features were acknowledged that had not been offered.
    #[error("features {0:#x} were acknowledged and never offered")]
    FeaturesNotOffered(u64),
    /// Features were changed under running rings.
    #[error("features {0:#x} were changed while a ring was running")]
    FeaturesWhileRunning(u64),
    /// A ring number beyond the queues offered.
    #[error("ring {ring} does not exist; there are {rings}")]
    NoSuchRing {
        /// The number that came.
        ring: u32,
        /// How many rings there are.
        rings: u16,
    },
    /// A ring of a size that virtio does not have.
    #[error("ring {ring}: a size of {size}")]
    RingSize {
        /// Which ring.
        ring: RingIndex,
        /// Its size in descriptors.
        size: u32,
    },
    /// A part of a ring at an address it cannot have.
    #[error("ring {ring}: its {part} at {address} is not aligned")]
    RingAlignment {
        /// Which ring.
        ring: RingIndex,
        /// Which part of it.
        part: &'static str,
        /// Where it should be.
        address: UserAddress,
    },
    /// A memory region of no size, or that wraps around.
    #[error("a memory region of {size:#x} octets at {start}")]
    RegionExtent {
        /// Where it starts.
        start: GuestAddress,
        /// Its size in octets.
        size: u64,
    },
    /// A memory region over another one.
    #[error("the memory region at {0} overlaps another")]
    RegionOverlap(GuestAddress),
    /// More memory regions than there are slots.
    #[error("{regions} memory regions; there are {max} slots")]
    RegionCount {
        /// How many came.
        regions: usize,
        /// How many there may be.
        max: usize,
    },
    /// A file of a kind whose pages may have to be waited for, or no file at all.
    #[error("shared memory must be a file of tmpfs or hugetlbfs (memfd, /dev/shm); this one is of {file_system:#x}")]
    NotMemory {
        /// The file system's magic number (statfs(2)).
        file_system: i64,
    },
    /// A file that ends before what is to be mapped of it.
    #[error("{size:#x} octets from {offset:#x} on are not in a file of {has:#x}")]
    FileTooShort {
        /// The file's length in octets.
        has: u64,
        /// Where the region starts in it.
        offset: u64,
        /// The region's size in octets.
        size: u64,
    },
    /// Memory for descriptors in flight that was not made by us, or not for this.
    #[error("the memory for descriptors in flight is not what GET_INFLIGHT_FD gave: {0}")]
    NotInflight(String),
    /// A file the kernel would not map.
    #[error("{size:#x} octets of shared memory could not be mapped: {why}")]
    Unmappable {
        /// The size in octets.
        size: u64,
        /// The kernel's answer.
        why: String,
    },
    /// A descriptor that no front end has a reason to send.
    #[error(
        "a descriptor of {kind}, which is neither shared memory (memfd, or a file of tmpfs or hugetlbfs) nor an eventfd"
    )]
    Descriptor {
        /// What it is, by the kernel's name.
        kind: String,
    },
    /// A descriptor to wake the guest by that is no eventfd.
    #[error("a guest is woken by an eventfd, and this is {kind}")]
    NotEvent {
        /// What it is, by the kernel's name.
        kind: String,
    },
    /// The driver did something wrong in a ring.
    #[error("ring {ring}: {fault}")]
    Ring {
        /// Which ring.
        ring: RingIndex,
        /// What it did.
        fault: RingFault,
    },
    /// Shared memory was taken back while no ring was looked at.
    #[error("shared memory was taken back while in use")]
    MemoryGone,
    /// The user who listens on the guest's socket is not the one who should.
    #[error("uid {uid} listens on its socket, which is to be uid {owner}")]
    Stranger {
        /// Who listens.
        uid: u32,
        /// Who should.
        owner: u32,
    },
    /// Answers pile up unread.
    #[error("it does not read the answers to its requests")]
    NotReading,
}
