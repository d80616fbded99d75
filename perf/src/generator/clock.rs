//! The time by which packets are sent and judged: the kernel's monotonic clock, the same in every process of a machine. The
//! kernel lets it be read from the TSC without a system call (vdso(7)).

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds in a second.
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// Nanoseconds since some moment before the machine's start.
#[inline]
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * SECOND_NS + now.tv_nsec as u64
}
