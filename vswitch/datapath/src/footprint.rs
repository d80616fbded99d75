//! What the parts of a switch take of memory, in octets, known before they are made.

use sync::Region;
use table::{Fdb, FlowTable};

use crate::{Books, KEY_WORDS, wiring};

/// The flow table of one worker, on hugepages or on ordinary ones.
pub fn flow_table_bytes(flows_max: usize, huge: bool) -> usize {
    Region::mapped_bytes(FlowTable::<KEY_WORDS>::payload_bytes(flows_max), huge)
}

/// The FDB of one worker, on hugepages or on ordinary ones.
pub fn fdb_bytes(macs_max: usize, huge: bool) -> usize {
    Region::mapped_bytes(Fdb::payload_bytes(macs_max), huge)
}

/// The books of all workers, which lie on ordinary pages.
pub fn books_bytes(workers: usize) -> usize {
    Region::mapped_bytes(Books::payload_bytes(workers), false)
}

/// The rings between workers, and between each and control.
pub fn rings_bytes(workers: usize) -> usize {
    wiring::bytes(workers)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use wire::HashKey;

    use super::*;

    /// The length of a region's file.
    fn length(region: &Region) -> usize {
        let fd = region.fd().as_fd().try_clone_to_owned().unwrap();
        std::fs::File::from(fd).metadata().unwrap().len() as usize
    }

    #[test]
    fn regions_take_what_is_said_beforehand() {
        for entries in [64, 1000, 16_384, 70_000] {
            let flows = FlowTable::<KEY_WORDS>::create("f", entries, HashKey([1, 2]), false).unwrap();
            assert_eq!(flow_table_bytes(entries, false), length(flows.region()), "{entries} flows");
            let fdb = Fdb::create("m", entries, HashKey([1, 2]), false).unwrap();
            assert_eq!(fdb_bytes(entries, false), length(fdb.region()), "{entries} MACs");
            assert_eq!(fdb_bytes(entries, true) % (2 << 20), 0);
        }
        for workers in [1, 3] {
            assert_eq!(books_bytes(workers), length(Books::create("b", workers).unwrap().region()));
        }
    }
}
