//! The memory that a configuration needs, item by item, known before anything is started.
//!
//! `millrace check` and `millrace doctor` tell it, and the switch asks DPDK and the kernel for the same figures.

use frame::{HEADROOM, SUPER_MAX};
use serde::Serialize;

use crate::config::{Config, Hugepages, Memory};

/// DPDK's own needs beside the buffers, in octets: queues, device state, bookkeeping.
const DPDK_BYTES: u64 = 48 << 20;

/// Octets of an ordinary page, and of the hugepages that Millrace takes.
const PAGE: u64 = 4 << 10;
/// The same.
pub const HUGE_PAGE: u64 = 2 << 20;

/// Octets of an mbuf's own fields, and of what a DPDK pool puts in front of it.
const MBUF: u64 = 128;
const POOL_HEADER: u64 = 64;
const CACHE_LINE: u64 = 64;

/// What DPDK's memory holds, by [`Item::what`].
pub const BUFFERS: &str = "packet buffers";
/// The same.
pub const SUPERS: &str = "super-frames";
/// The same.
pub const DPDK: &str = "DPDK";

/// What a configuration needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// Each thing that takes memory worth mentioning.
    pub items: Vec<Item>,
}

/// One thing that takes memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What it is.
    pub what: &'static str,
    /// How many there are, and how large.
    pub detail: String,
    /// Octets, whole pages.
    pub bytes: u64,
    /// Whether it lies on hugepages.
    pub huge: bool,
}

impl Need {
    /// What `config` needs where hugepages suffice: on hugepages, unless it wants none.
    pub fn of(config: &Config) -> Need {
        Need::on(config, config.memory.hugepages != Hugepages::Never)
    }

    /// What `config` needs with its buffers and tables on hugepages, or without.
    pub fn on(config: &Config, huge: bool) -> Need {
        let workers = config.workers.count();
        let (flows, macs) = (config.tables.flows_max, config.tables.macs_max);
        let Memory { frames, buffer, super_frames, .. } = config.memory;
        let all = |bytes: usize| (workers * bytes) as u64;
        let item = |what, detail: String, bytes, huge| Item { what, detail, bytes, huge };
        let whole = |bytes: u64| if huge { bytes.next_multiple_of(HUGE_PAGE) } else { bytes.next_multiple_of(PAGE) };
        Need {
            items: vec![
                item(BUFFERS, format!("{frames} of {buffer} octets"), whole(pool_bytes(frames, buffer, huge)), huge),
                item(
                    SUPERS,
                    format!("{super_frames} of {SUPER_MAX} octets"),
                    whole(supers_bytes(super_frames, huge)),
                    huge,
                ),
                item(DPDK, "queues, device state".to_owned(), DPDK_BYTES, huge),
                item(
                    "flow tables",
                    format!("{workers} of {flows} entries"),
                    all(datapath::flow_table_bytes(flows as usize, huge)),
                    huge,
                ),
                item(
                    "FDBs",
                    format!("{workers} of {macs} entries"),
                    all(datapath::fdb_bytes(macs as usize, huge)),
                    huge,
                ),
                item("books", "counters".to_owned(), datapath::books_bytes(workers) as u64, false),
                item("rings", "between threads".to_owned(), datapath::rings_bytes(workers) as u64, false),
            ],
        }
    }

    /// Octets on hugepages.
    pub fn huge_bytes(&self) -> u64 {
        self.items.iter().filter(|item| item.huge).map(|item| item.bytes).sum()
    }

    /// Hugepages.
    pub fn huge_pages(&self) -> u64 {
        self.huge_bytes().div_ceil(HUGE_PAGE)
    }

    /// Octets on ordinary pages.
    pub fn ordinary_bytes(&self) -> u64 {
        self.items.iter().filter(|item| !item.huge).map(|item| item.bytes).sum()
    }

    /// Octets in all.
    pub fn bytes(&self) -> u64 {
        self.huge_bytes() + self.ordinary_bytes()
    }
}

/// What DPDK is to be given, in MiB, for buffers on hugepages or on ordinary ones.
pub fn dpdk_mib(memory: &Memory, huge: bool) -> u64 {
    let buffers = pool_bytes(memory.frames, memory.buffer, huge) + supers_bytes(memory.super_frames, huge);
    (buffers + DPDK_BYTES).div_ceil(1 << 20)
}

/// What the DPDK pool of `frames` buffers for super-frames takes, which is not made where there are none.
fn supers_bytes(frames: u32, huge: bool) -> u64 {
    if frames == 0 { 0 } else { pool_bytes(frames, SUPER_MAX as u16, huge) }
}

/// What a DPDK pool of `frames` buffers takes: each with its headroom, fields and padding, none across the end of a page
/// it would fit into; and the ring they wait in.
pub fn pool_bytes(frames: u32, buffer: u16, huge: bool) -> u64 {
    let octets = POOL_HEADER + MBUF + u64::from(HEADROOM) + u64::from(buffer);
    // An odd number of cache lines, so that buffers begin on all memory channels in turn (rte_mempool.c).
    let element = (octets.div_ceil(CACHE_LINE) | 1) * CACHE_LINE;
    let (frames, page) = (u64::from(frames), if huge { HUGE_PAGE } else { PAGE });
    let buffers = match page / element {
        0 => frames * element.next_multiple_of(page),
        in_a_page => frames.div_ceil(in_a_page) * page,
    };
    buffers + (frames + 1).next_power_of_two() * size_of::<usize>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn config(rest: &str) -> Config {
        load(&format!("[switch]\nname = \"n\"\n{rest}"), "f").unwrap()
    }

    #[test]
    fn each_worker_has_tables_of_its_own() {
        let [one, two] = [1, 2].map(|count| Need::of(&config(&format!("[workers]\ncount = {count}\n"))));
        let bytes = |need: &Need, what| need.items.iter().find(|item| item.what == what).unwrap().bytes;
        for what in ["flow tables", "FDBs"] {
            assert_eq!(bytes(&two, what), 2 * bytes(&one, what), "{what}");
        }
        assert_eq!(bytes(&two, "packet buffers"), bytes(&one, "packet buffers"));
        assert!(bytes(&two, "rings") > bytes(&one, "rings"));
    }

    #[test]
    fn a_file_without_hugepages_needs_none() {
        let need = Need::of(&config("[memory]\nhugepages = \"never\"\n"));
        assert_eq!((need.huge_pages(), need.huge_bytes()), (0, 0));
        assert_eq!(need.bytes(), need.ordinary_bytes());
        // 2368 octets: one fits an ordinary page, 885 a hugepage.
        assert_eq!(pool_bytes(1023, 2048, false), 1023 * PAGE + 8192);
        assert_eq!(pool_bytes(1023, 2048, true), 2 * HUGE_PAGE + 8192);
    }

    #[test]
    fn super_frames_take_what_their_buffers_do_and_nothing_where_there_are_none() {
        let with = |count| config(&format!("[memory]\nsuper_frames = {count}\n"));
        let bytes = |count| Need::of(&with(count)).items.iter().find(|item| item.what == "super-frames").unwrap().bytes;
        // 65,728 octets each: 31 fit a hugepage.
        assert_eq!((bytes(0), bytes(1), bytes(31 * 3)), (0, 2 * HUGE_PAGE, 4 * HUGE_PAGE));
        let given = |count| dpdk_mib(&with(count).memory, true);
        assert_eq!(given(31 * 3) - given(0), 6);
    }

    #[test]
    fn what_lies_on_hugepages_takes_whole_ones() {
        let need = Need::of(&config(""));
        assert!(need.items.iter().all(|item| !item.huge || item.bytes.is_multiple_of(HUGE_PAGE)), "{need:?}");
        assert_eq!(need.huge_pages() * HUGE_PAGE, need.huge_bytes());
    }
}
