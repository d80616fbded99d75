//! What can be wrong with a region, each with the value at fault.

use std::io;

/// Why a region was not created, not attached, or has no such slab.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// The name is empty, too long, or not printable ASCII.
    #[error("region name {0:?}: 1 to 48 printable ASCII characters are allowed")]
    Name(String),
    /// The kind is empty, too long, or not printable ASCII.
    #[error("region kind {0:?}: 1 to 8 printable ASCII characters are allowed")]
    KindName(String),
    /// The machine has not that much memory free.
    #[error("region {name}: {bytes} bytes are asked for, {available} are available")]
    Memory {
        /// The region.
        name: String,
        /// Bytes asked for.
        bytes: usize,
        /// Bytes the kernel says are available.
        available: usize,
    },
    /// The kernel refused a step.
    #[error("region {name}: {call} of {bytes} bytes: {source}")]
    System {
        /// The region, or what stands for it where its name is not known yet.
        name: String,
        /// The system call.
        call: &'static str,
        /// Bytes concerned.
        bytes: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The descriptor is not memory of this kind, or its owner could still shrink it under its readers.
    #[error("the descriptor is no sealed memory (seals {seals:#x}): only memory that cannot shrink is attached")]
    Unsealed {
        /// Seals found (`F_SEAL_*`), 0 where the descriptor cannot have any.
        seals: i32,
    },
    /// The memory is smaller than a region's header.
    #[error("the memory has {bytes} bytes, fewer than a region's header")]
    Truncated {
        /// Bytes found.
        bytes: usize,
    },
    /// The memory does not begin as a region does.
    #[error("the memory begins with {found:#018x}: it is no region of this switch")]
    Magic {
        /// The first eight bytes, little-endian.
        found: u64,
    },
    /// The header was written by another version of the switch.
    #[error("the region's header has format {found}, this switch knows {known}")]
    Format {
        /// Format found.
        found: u32,
        /// Format known.
        known: u32,
    },
    /// The region holds something else.
    #[error("region {name} is of kind {found}, not {wanted}")]
    Kind {
        /// The region.
        name: String,
        /// Kind found.
        found: String,
        /// Kind asked for.
        wanted: String,
    },
    /// The region holds the right kind of thing in another layout.
    #[error("region {name} has layout {found:#018x}, this switch has {wanted:#018x}")]
    Fingerprint {
        /// The region.
        name: String,
        /// Fingerprint found.
        found: u64,
        /// Fingerprint asked for.
        wanted: u64,
    },
    /// Header and memory disagree about the length.
    #[error("region {name} claims {claimed} bytes, its memory has room for {room}")]
    Length {
        /// The region.
        name: String,
        /// Payload bytes by the header.
        claimed: u64,
        /// Payload bytes that fit the memory.
        room: usize,
    },
    /// A slab would reach beyond the region or lie askew in it.
    #[error("region {name}: {count} items of {size} bytes at {offset} do not fit {length} bytes, or lie askew")]
    Slab {
        /// The region.
        name: String,
        /// Offset in the payload, bytes.
        offset: usize,
        /// Items asked for.
        count: usize,
        /// Size of one, bytes.
        size: usize,
        /// Length of the payload, bytes.
        length: usize,
    },
    /// A slab would overlap one of another type.
    #[error("region {name}: bytes {offset} to {end} are in use as another type than {wanted}")]
    Overlap {
        /// The region.
        name: String,
        /// Offset in the payload, bytes.
        offset: usize,
        /// End in the payload, bytes.
        end: usize,
        /// The type asked for.
        wanted: &'static str,
    },
    /// What the region's owner wrote into it, or wants in it, cannot be.
    #[error("region {name}: {what} is {found}, which cannot be")]
    Content {
        /// The region.
        name: String,
        /// What was looked at.
        what: &'static str,
        /// Its value.
        found: u64,
    },
}
