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

/// Memory that DPDK needs for this configuration, in MiB.
pub(crate) fn needed_mib(memory: &Memory) -> u64 {
    Pool::memory_needed(memory.frames, memory.buffer).div_ceil(1 << 20) + OVERHEAD_MIB
}

/// Decides by what is wanted and what is free.
pub(crate) fn plan(memory: &Memory) -> Result<Plan, String> {
    decide(memory.hugepages, needed_mib(memory), free_mib())
}

fn decide(wanted: Hugepages, needed_mib: u64, free_mib: u64) -> Result<Plan, String> {
    let memory_mib = u32::try_from(needed_mib).map_err(|_| format!("{needed_mib} MiB of buffers are too many"))?;
    let pages = needed_mib.div_ceil(HUGE_PAGE_MIB);
    let shortage = || {
        format!(
            "{needed_mib} MiB of hugepages are needed and {free_mib} MiB are free \
             (mend: scripts/setup --hugepages {pages}, or echo {pages} > /proc/sys/vm/nr_hugepages)"
        )
    };
    match wanted {
        Hugepages::Never => Ok(Plan { hugepages: false, memory_mib }),
        _ if free_mib >= needed_mib => Ok(Plan { hugepages: true, memory_mib }),
        Hugepages::Always => Err(shortage()),
        Hugepages::Auto => {
            warn!("going on with 4 KiB pages, which is slower: {}", shortage());
            Ok(Plan { hugepages: false, memory_mib })
        }
    }
}

/// MiB free on 2 MiB pages.
fn free_mib() -> u64 {
    let free = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    free.ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0) * HUGE_PAGE_MIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_hugepages_where_they_suffice_and_ordinary_pages_where_not() {
        assert_eq!(decide(Hugepages::Auto, 100, 100), Ok(Plan { hugepages: true, memory_mib: 100 }));
        assert_eq!(decide(Hugepages::Auto, 100, 99), Ok(Plan { hugepages: false, memory_mib: 100 }));
        assert_eq!(decide(Hugepages::Never, 100, 1000), Ok(Plan { hugepages: false, memory_mib: 100 }));
    }

    #[test]
    fn always_without_enough_hugepages_names_the_number_and_the_mend() {
        let error = decide(Hugepages::Always, 101, 0).unwrap_err();
        assert!(error.contains("101 MiB") && error.contains("51"), "{error}");
    }
}
