//! Whether the buffers lie on hugepages, decided before DPDK starts: it starts once in a process and cannot try again.

use std::fs;

use control::config::{Hugepages, Memory};
use dpdk::Pool;
use log::warn;

/// DPDK's own needs beside the buffers, in MiB.
const OVERHEAD_MIB: u64 = 48;
/// The hugepages that `scripts/setup` reserves.
const HUGE_PAGE_MIB: u64 = 2;

/// What DPDK is to be started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) hugepages: bool,
    pub(crate) memory_mib: u32,
}

/// Memory that DPDK needs for this configuration, in MiB; on ordinary pages it is up to twice as much.
fn needed_mib(memory: &Memory, hugepages: bool) -> u64 {
    Pool::memory_needed(memory.frames, memory.buffer, hugepages).div_ceil(1 << 20) + OVERHEAD_MIB
}

/// Decides by what is wanted and what is free.
pub(crate) fn plan(memory: &Memory) -> Result<Plan, String> {
    let need = Need { huge_mib: needed_mib(memory, true), ordinary_mib: needed_mib(memory, false) };
    decide(memory.hugepages, need, Reserve::of_this_machine())
}

/// Memory that DPDK needs, in MiB, by what it lies on.
#[derive(Clone, Copy)]
struct Need {
    huge_mib: u64,
    ordinary_mib: u64,
}

/// Hugepages of 2 MiB: how many there are, and how many of them nobody uses.
#[derive(Clone, Copy)]
struct Reserve {
    pages: u64,
    free: u64,
}

impl Reserve {
    fn of_this_machine() -> Reserve {
        let read = |what| {
            let text = fs::read_to_string(format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{what}")).ok();
            text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        };
        Reserve { pages: read("nr_hugepages"), free: read("free_hugepages") }
    }

    fn free_mib(self) -> u64 {
        self.free * HUGE_PAGE_MIB
    }

    /// What is missing, and how to have as many as are used and needed.
    fn shortage(self, needed_mib: u64) -> String {
        let pages = self.pages.saturating_sub(self.free) + needed_mib.div_ceil(HUGE_PAGE_MIB);
        format!(
            "{needed_mib} MiB of hugepages are needed and {} MiB are free \
             (mend: scripts/setup {pages}, or echo {pages} > /proc/sys/vm/nr_hugepages)",
            self.free_mib()
        )
    }
}

fn decide(wanted: Hugepages, need: Need, reserve: Reserve) -> Result<Plan, String> {
    let plan = |hugepages, needed_mib| match u32::try_from(needed_mib) {
        Ok(memory_mib) => Ok(Plan { hugepages, memory_mib }),
        Err(_) => Err(format!("{needed_mib} MiB of buffers are too many")),
    };
    match wanted {
        Hugepages::Never => plan(false, need.ordinary_mib),
        _ if reserve.free_mib() >= need.huge_mib => plan(true, need.huge_mib),
        Hugepages::Always => Err(reserve.shortage(need.huge_mib)),
        Hugepages::Auto => {
            warn!("going on with 4 KiB pages, which is slower: {}", reserve.shortage(need.huge_mib));
            plan(false, need.ordinary_mib)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEED: Need = Need { huge_mib: 101, ordinary_mib: 180 };

    #[test]
    fn auto_takes_hugepages_where_they_suffice_and_ordinary_pages_where_not() {
        let (enough, short) = (Reserve { pages: 60, free: 51 }, Reserve { pages: 60, free: 50 });
        assert_eq!(decide(Hugepages::Auto, NEED, enough), Ok(Plan { hugepages: true, memory_mib: 101 }));
        assert_eq!(decide(Hugepages::Auto, NEED, short), Ok(Plan { hugepages: false, memory_mib: 180 }));
        assert_eq!(decide(Hugepages::Never, NEED, enough), Ok(Plan { hugepages: false, memory_mib: 180 }));
    }

    #[test]
    fn always_without_enough_hugepages_names_the_number_and_the_mend() {
        let error = decide(Hugepages::Always, NEED, Reserve { pages: 0, free: 0 }).unwrap_err();
        assert!(error.contains("101 MiB") && error.contains("scripts/setup 51,"), "{error}");
    }

    #[test]
    fn the_mend_counts_the_pages_that_others_use() {
        let error = decide(Hugepages::Always, NEED, Reserve { pages: 60, free: 50 }).unwrap_err();
        assert!(error.contains("100 MiB are free") && error.contains("echo 61 >"), "{error}");
    }
}
