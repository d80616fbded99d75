//! Drivers are loaded with the first device that needs them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::collections::BTreeSet;

use dpdk::EthDevice;
use rig::{config, eal, open, pool_of};

/// DPDK's drivers that are mapped into this process, by their names.
fn drivers() -> BTreeSet<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let name = |line: &str| line.rsplit('/').next().unwrap().split(".so").next().unwrap().to_owned();
    maps.lines().filter(|line| line.contains("/pmds-")).map(name).collect()
}

#[test]
fn each_driver_comes_with_its_first_device_and_a_strange_name_brings_all() {
    let pool = pool_of(1023, 2048);
    let at_start = drivers();
    assert!(at_start.contains("librte_mempool_ring") && at_start.len() < 10, "DPDK loads a hundred: {at_start:?}");
    let device = open("net_null0", &pool);
    let came: Vec<_> = drivers().difference(&at_start).cloned().collect();
    assert_eq!(came, ["librte_net_null"]);
    drop(device);
    let error = EthDevice::open(eal(), "net_nothing0", &config(&pool)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no driver"), "{error}");
    assert!(drivers().len() > 50, "{:?}", drivers());
}
