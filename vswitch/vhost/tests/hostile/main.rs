//! Hostile guests by the thousand: sessions, rings and whole devices are fed by dice, and whatever comes of it, nothing
//! panics, loops, leaks or leaves the guest's memory.
//!
//! `MILLRACE_SEED=n` runs one seed again, `MILLRACE_SEEDS=n` runs that many. The same lives are led by a fuzzer in `fuzz/`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod holdings;
mod lives;
mod seeds;

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use holdings::Holdings;
use lives::{device, messages, rings};

/// One test at a time: each counts what the process holds.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// That of these names all were found: what finds nothing tests nothing.
fn were_found(found: &BTreeSet<String>, names: &[&str]) {
    let missing: Vec<_> = names.iter().filter(|&&name| !found.contains(name)).collect();
    assert!(std::env::var("MILLRACE_SEED").is_ok() || missing.is_empty(), "never seen: {missing:?} among {found:?}");
}

#[test]
fn no_session_does_more_than_end_by_name() {
    let _alone = alone();
    let (held, mut all) = (Holdings::now(), messages::Tally::default());
    seeds::each(400, 4096, |octets| {
        let tally = messages::live(octets);
        all.actions += tally.actions;
        all.faults.extend(tally.faults);
    });
    held.are_back();
    eprintln!("{} actions; {:?}", all.actions, all.faults);
    were_found(
        &all.faults,
        &[
            "Version",
            "Flags",
            "UnknownRequest",
            "NotNegotiated",
            "PayloadSize",
            "Value",
            "DescriptorCount",
            "DescriptorFlood",
            "FeaturesNotOffered",
            "FeaturesWhileRunning",
            "NoSuchRing",
            "RingSize",
            "RingAlignment",
            "RegionExtent",
            "RegionOverlap",
        ],
    );
}

fn run_rings(packed: bool, rival: bool, seeds: u64) {
    let _alone = alone();
    let (held, mut all) = (Holdings::now(), rings::Tally::default());
    seeds::each(seeds, 16_384, |octets| {
        let tally = rings::live(octets, packed, rival);
        all.received += tally.received;
        all.sent += tally.sent;
        all.faults.extend(tally.faults);
    });
    held.are_back();
    eprintln!("{} frames received, {} sent; {:?}", all.received, all.sent, all.faults);
    if !rival {
        assert!(std::env::var("MILLRACE_SEED").is_ok() || (all.received > 1000 && all.sent > 1000));
        were_found(
            &all.faults,
            &["BufferOutside", "EmptyBuffer", "Direction", "Indirect", "NoHeader", "ChainLength", "MemoryGone"],
        );
    }
}

#[test]
fn no_split_ring_does_more_than_end_by_name() {
    run_rings(false, false, 300);
}

#[test]
fn no_packed_ring_does_more_than_end_by_name() {
    run_rings(true, false, 300);
}

#[test]
fn a_split_ring_that_changes_while_it_is_read_does_no_more_either() {
    run_rings(false, true, 100);
}

#[test]
fn a_packed_ring_that_changes_while_it_is_read_does_no_more_either() {
    run_rings(true, true, 100);
}

#[test]
fn no_guest_of_a_whole_device_leaves_anything_behind() {
    let _alone = alone();
    // By which guests are woken is kept for the next ones; so there have been some before anything is counted.
    device::live(&[]);
    let (held, mut all) = (Holdings::now(), device::Tally::default());
    seeds::each(600, 8192, |octets| {
        let tally = device::live(octets);
        all.lives += tally.lives;
        all.frames += tally.frames;
        all.faults.extend(tally.faults);
    });
    held.are_back();
    eprintln!("{} lives, {} frames; {:?}", all.lives, all.frames, all.faults);
    assert!(std::env::var("MILLRACE_SEED").is_ok() || all.frames > 100);
    let wanted =
        ["MemoryGone", "Descriptor", "FileTooShort", "NotEvent", "DescriptorFlood", "NoSuchRing", "BufferOutside"];
    were_found(&all.faults, &wanted);
}
