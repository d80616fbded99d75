//! What a process holds and a guest could make it hold for ever.

use std::{
    fs,
    time::{Duration, Instant},
};

/// How long what is let go of elsewhere may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Descriptors and mappings of shared memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    fds: usize,
    mappings: usize,
}

impl Holdings {
    /// As they are now.
    pub(crate) fn now() -> Holdings {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        Holdings {
            fds: fs::read_dir("/proc/self/fd").unwrap().count(),
            mappings: maps.lines().filter(|line| line.contains("memfd:")).count(),
        }
    }

    /// Fails unless they are again as they were.
    pub(crate) fn are_back(&self) {
        let start = Instant::now();
        while Holdings::now() != *self {
            assert!(start.elapsed() < PATIENCE, "there were {self:?}, now there are {:?}", Holdings::now());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
