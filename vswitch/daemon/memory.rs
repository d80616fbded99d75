//! Whether the buffers lie on hugepages, decided before DPDK starts: it starts once in a process and cannot try again.

use std::{fs, path::Path};

use api::MemoryRow;
use control::{
    config::{Config, Hugepages, Memory},
    need::{self, HUGE_PAGE},
};
use dpdk::Pool;
use frame::Pool as _;
use log::warn;

/// The hugepages that `scripts/setup` reserves.
const HUGE_PAGE_MIB: u64 = HUGE_PAGE >> 20;

/// What DPDK is to be started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) hugepages: bool,
    pub(crate) memory_mib: u32,
}

/// Decides by what is wanted and what is free.
pub(crate) fn plan(config: &Config) -> Result<Plan, String> {
    let memory = &config.memory;
    let need = Need {
        huge_mib: need::dpdk_mib(memory, true),
        all_huge_mib: need::Need::on(config, true).huge_bytes() >> 20,
        ordinary_mib: need::dpdk_mib(memory, false),
    };
    decide(memory.hugepages, need, Reserve::of_this_machine())
}

/// The NUMA node that the buffers should lie on; `None` is any. Ordinary pages cannot be had of one.
pub(crate) fn node(memory: &Memory, plan: Plan, worker_nodes: &[u32]) -> Result<Option<u32>, String> {
    match (memory.numa, worker_nodes) {
        (Some(node), _) if !Path::new(&format!("/sys/devices/system/node/node{node}")).exists() => Err(format!(
            "[memory] numa = {node}: this machine has no such NUMA node; `ls /sys/devices/system/node` lists them"
        )),
        (Some(node), _) if !plan.hugepages => {
            warn!("[memory] numa = {node} has no effect: the buffers lie on ordinary pages");
            Ok(None)
        }
        (Some(node), _) => Ok(Some(node)),
        (None, [node]) if plan.hugepages => Ok(Some(*node)),
        _ => Ok(None),
    }
}

/// What DPDK was given, and how many frames are in use: all that is not in the pool, wherever it is.
pub(crate) fn rows(given: &need::Need, pool: &Pool) -> Vec<MemoryRow> {
    let (supers, supers_left) = pool.supers();
    let mut rows = Vec::new();
    for need::Item { what, bytes, huge, .. } in &given.items {
        let row = MemoryRow { what: (*what).to_owned(), octets: *bytes, hugepages: *huge, ..MemoryRow::default() };
        let places = |all: usize, left: usize| (all.saturating_sub(left) as u64, all as u64);
        match *what {
            need::BUFFERS => {
                let (used, all) = places(pool.capacity(), pool.available());
                rows.push(row.with_places(used, all));
            }
            need::SUPERS => {
                let (used, all) = places(supers, supers_left);
                rows.push(row.with_places(used, all));
            }
            need::DPDK => rows.push(row),
            _ => {}
        }
    }
    rows
}

/// Memory that DPDK needs, in MiB, by what it lies on.
#[derive(Clone, Copy)]
struct Need {
    huge_mib: u64,
    /// The same together with the tables, which lie on hugepages where some are left.
    all_huge_mib: u64,
    /// On ordinary pages it is up to twice as much.
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
        _ if reserve.free_mib() >= need.all_huge_mib => plan(true, need.huge_mib),
        Hugepages::Always => Err(reserve.shortage(need.all_huge_mib)),
        Hugepages::Auto if reserve.free_mib() >= need.huge_mib => {
            warn!("some tables will lie on 4 KiB pages, which is slower: {}", reserve.shortage(need.all_huge_mib));
            plan(true, need.huge_mib)
        }
        Hugepages::Auto => {
            warn!("going on with 4 KiB pages, which is slower: {}", reserve.shortage(need.all_huge_mib));
            plan(false, need.ordinary_mib)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEED: Need = Need { huge_mib: 101, all_huge_mib: 105, ordinary_mib: 180 };

    #[test]
    fn auto_takes_hugepages_where_they_suffice_and_ordinary_pages_where_not() {
        let [enough, without_tables, short] = [53, 51, 50].map(|free| Reserve { pages: 60, free });
        assert_eq!(decide(Hugepages::Auto, NEED, without_tables), Ok(Plan { hugepages: true, memory_mib: 101 }));
        assert!(decide(Hugepages::Always, NEED, without_tables).is_err(), "tables count, too");
        assert_eq!(decide(Hugepages::Auto, NEED, enough), Ok(Plan { hugepages: true, memory_mib: 101 }));
        assert_eq!(decide(Hugepages::Auto, NEED, short), Ok(Plan { hugepages: false, memory_mib: 180 }));
        assert_eq!(decide(Hugepages::Never, NEED, enough), Ok(Plan { hugepages: false, memory_mib: 180 }));
    }

    #[test]
    fn always_without_enough_hugepages_names_the_number_and_the_mend() {
        let error = decide(Hugepages::Always, NEED, Reserve { pages: 0, free: 0 }).unwrap_err();
        assert!(error.contains("105 MiB") && error.contains("scripts/setup 53,"), "{error}");
    }

    #[test]
    fn what_is_told_before_the_start_is_what_dpdk_computes() {
        for (frames, buffer) in [(256, 2048), (16_384, 2048), (8191, 2100), (5000, 10_240), (300, 65_407)] {
            for huge in [false, true] {
                let told = need::pool_bytes(frames, buffer, huge);
                assert_eq!(told, dpdk::Pool::memory_needed(frames, buffer, huge), "{frames} of {buffer}, huge {huge}");
            }
        }
    }

    #[test]
    fn buffers_lie_where_the_file_says_or_where_all_workers_are() {
        let memory = |numa| Memory {
            numa,
            frames: 1,
            buffer: 2048,
            super_frames: 0,
            hugepages: Hugepages::Auto,
            eal: Vec::new(),
        };
        let plan = |hugepages| Plan { hugepages, memory_mib: 1 };
        assert_eq!(node(&memory(None), plan(true), &[0]), Ok(Some(0)));
        assert_eq!(node(&memory(None), plan(true), &[0, 1]), Ok(None));
        assert_eq!(node(&memory(None), plan(false), &[0]), Ok(None));
        assert_eq!(node(&memory(Some(0)), plan(true), &[]), Ok(Some(0)));
        assert_eq!(node(&memory(Some(0)), plan(false), &[]), Ok(None));
        let error = node(&memory(Some(31)), plan(true), &[0]).unwrap_err();
        assert!(error.starts_with("[memory] numa = 31: this machine has no such NUMA node"), "{error}");
    }

    #[test]
    fn the_mend_counts_the_pages_that_others_use() {
        let error = decide(Hugepages::Always, NEED, Reserve { pages: 60, free: 50 }).unwrap_err();
        assert!(error.contains("100 MiB are free") && error.contains("echo 63 >"), "{error}");
    }
}
