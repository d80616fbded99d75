//! Why there is no pool.

use crate::{Errno, Said};

/// The longest name DPDK lets a pool have (RTE_MEMPOOL_NAMESIZE and its prefix).
pub(crate) const NAME_LEN_MAX: usize = 24;

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A name DPDK cannot use.
    #[error("pool name {0:?}: 1 to {NAME_LEN_MAX} printable ASCII characters are allowed")]
    Name(String),
    /// A size that cannot be.
    #[error("pool {name}: {what} is {value}, it must be 1 to {max}")]
    Size {
        /// The pool.
        name: String,
        /// Which size.
        what: &'static str,
        /// What was asked for.
        value: u64,
        /// What is possible.
        max: u64,
    },
    /// The memory is not there.
    #[error(
        "pool {name}: {frames} frames of {data_max} bytes need {needed_mib} MiB, DPDK has {free_mib} MiB free; {fix}"
    )]
    Memory {
        /// The pool.
        name: String,
        /// Frames asked for.
        frames: u32,
        /// Octets of the longest packet.
        data_max: u16,
        /// What they need in all.
        needed_mib: u64,
        /// What DPDK has, without hugepages it can still get.
        free_mib: u64,
        /// What to do.
        fix: &'static str,
    },
    /// DPDK said no for another cause.
    #[error("pool {name}: {errno}{said}")]
    Refused {
        /// The pool.
        name: String,
        /// Its error number.
        errno: Errno,
        /// What it said in its log.
        said: Said,
    },
}
