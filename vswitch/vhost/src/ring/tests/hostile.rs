//! Drivers that do not keep to the specification are told apart by name; nothing panics, loops or leaves guest memory.

use std::sync::Arc;

use frame::{Burst, HeapPool, Pool};
use proptest::prelude::*;

use super::{
    driver::{Buffer, Driver},
    guest::{BUFFERS, RAM, Ram, addresses, config, queue},
    packed_driver::{self, PackedDriver},
    split_driver::{self, AVAILABLE, DESCRIPTORS, SplitDriver, describe},
};
use crate::{Features, GuestAddress, Queue, RingFault};

const SPLIT: Features = Features(Features::VERSION_1.0 | Features::INDIRECT_DESC.0);
const PACKED: Features = Features(SPLIT.0 | Features::RING_PACKED.0);
const GOOD: Buffer = Buffer { address: BUFFERS, len: 100 };

/// What receiving, and sending one frame of 100 octets, comes to in a ring prepared by `prepare`.
fn faults<D: Driver>(features: Features, prepare: impl Fn(&Ram, &mut D)) -> (Option<RingFault>, Option<RingFault>) {
    let run = |work: fn(&mut Queue, &mut HeapPool, &mut Burst) -> Option<RingFault>| {
        let (ram, mut driver) = (Ram::new(), D::new(8, features));
        let mut queue = queue(&ram, &config(8, features, driver.addresses())).unwrap();
        prepare(&ram, &mut driver);
        let (mut pool, mut burst) = (HeapPool::new(64, 2048), Burst::new());
        let fault = work(&mut queue, &mut pool, &mut burst);
        pool.release(&mut burst);
        assert_eq!(pool.used(), 0, "a fault leaks no frame");
        fault
    };
    let receive = run(|queue, pool, burst| queue.receive(burst, 64, pool).err());
    let send = run(|queue, pool, burst| {
        let mut frame = pool.alloc().unwrap();
        assert!(frame.write(&[1; 100]) && burst.push(frame).is_ok());
        queue.send(burst).err()
    });
    (receive, send)
}

fn both(fault: RingFault) -> (Option<RingFault>, Option<RingFault>) {
    (Some(fault), Some(fault))
}

fn split(prepare: impl Fn(&Ram, &mut SplitDriver)) -> (Option<RingFault>, Option<RingFault>) {
    faults(SPLIT | Features::MRG_RXBUF, prepare)
}

#[test]
fn absurd_indexes_of_a_split_ring_are_named() {
    let index = |index: u16| split(move |ram, _| ram.put16(AVAILABLE + 2, index));
    assert_eq!(index(9), both(RingFault::AvailableIndex { available: 9, size: 8 }));
    assert_eq!(index(0xffff), both(RingFault::AvailableIndex { available: 0xffff, size: 8 }));
    for head in [8, 0xffff] {
        let found = split(|ram, driver| driver.make_available(ram, head));
        assert_eq!(found, both(RingFault::DescriptorIndex { index: head, count: 8 }));
    }
    let next = |flags| {
        split(move |ram, driver| {
            describe(ram, DESCRIPTORS, 0, GOOD, flags, 8);
            driver.make_available(ram, 0);
        })
    };
    let found = Some(RingFault::DescriptorIndex { index: 8, count: 8 });
    assert_eq!((next(1).0, next(3).1), (found, found));
}

#[test]
fn chains_that_loop_end_at_the_rings_size() {
    for flags in [1, 3] {
        let (receive, send) = split(|ram, driver| {
            describe(ram, DESCRIPTORS, 0, GOOD, flags, 1);
            describe(ram, DESCRIPTORS, 1, GOOD, flags, 0);
            driver.make_available(ram, 0);
        });
        let found = if flags == 1 { receive } else { send };
        assert_eq!(found, Some(RingFault::ChainLength(8)));
    }
    let (receive, send) = faults::<PackedDriver>(PACKED, |ram, _| {
        for index in 0..8 {
            packed_driver::describe(ram, 0, index, GOOD, 0, packed_driver::available(true) | 1);
        }
    });
    assert_eq!((receive, send), (Some(RingFault::ChainLength(8)), Some(RingFault::Direction)));
}

#[test]
fn tables_that_loop_nest_or_are_torn_are_named() {
    let table = BUFFERS + 0x1000;
    let of = |len: u32, flags: u16, entry: (Buffer, u16, u16)| {
        split(move |ram, driver| {
            describe(ram, table, 0, entry.0, entry.1, entry.2);
            describe(ram, DESCRIPTORS, 0, Buffer { address: table, len }, 4 | flags, 0);
            driver.make_available(ram, 0);
        })
    };
    assert_eq!(of(16, 0, (GOOD, 1, 0)).0, Some(RingFault::ChainLength(256)), "an entry that names itself");
    assert_eq!(of(16, 0, (GOOD, 1, 1)).0, Some(RingFault::DescriptorIndex { index: 1, count: 1 }));
    assert_eq!(of(16, 0, (GOOD, 4, 0)), both(RingFault::Indirect(100)), "a table in a table");
    assert_eq!(of(16, 1, (GOOD, 0, 0)), both(RingFault::Indirect(16)), "a table that is not the last");
    for len in [0, 15, 17] {
        assert_eq!(of(len, 0, (GOOD, 0, 0)), both(RingFault::Indirect(len)));
    }
    let len = 0xffff_fff0;
    let outside = RingFault::BufferOutside { address: GuestAddress(table), len };
    assert_eq!(of(len, 0, (GOOD, 0, 0)), both(outside));
    let plain = Features::VERSION_1 | Features::MRG_RXBUF;
    let unasked = faults::<SplitDriver>(plain, |ram, driver| {
        describe(ram, DESCRIPTORS, 0, Buffer { address: table, len: 16 }, 4, 0);
        driver.make_available(ram, 0);
    });
    assert_eq!(unasked, both(RingFault::Indirect(16)));
}

fn buffers<D: Driver>(features: Features, buffer: Buffer) -> (Option<RingFault>, Option<RingFault>) {
    let offered = |write| {
        faults::<D>(features, move |ram, driver| {
            driver.offer(ram, &[buffer], write, None).unwrap();
        })
    };
    (offered(false).0, offered(true).1)
}

#[test]
fn buffers_outside_of_memory_or_of_no_length_are_named() {
    for (address, len) in [(RAM, 100), (RAM - 50, 100), (u64::MAX - 10, 100), (u64::MAX, u32::MAX), (0, u32::MAX)] {
        let outside = both(RingFault::BufferOutside { address: GuestAddress(address), len });
        assert_eq!(buffers::<SplitDriver>(SPLIT, Buffer { address, len }), outside);
        assert_eq!(buffers::<PackedDriver>(PACKED, Buffer { address, len }), outside);
    }
    let empty = Buffer { address: BUFFERS, len: 0 };
    assert_eq!(buffers::<SplitDriver>(SPLIT, empty), both(RingFault::EmptyBuffer));
    assert_eq!(buffers::<PackedDriver>(PACKED, empty), both(RingFault::EmptyBuffer));
    let short = Buffer { address: BUFFERS, len: 11 };
    assert_eq!(buffers::<SplitDriver>(SPLIT, short), both(RingFault::NoHeader(11)));
    assert_eq!(buffers::<PackedDriver>(PACKED, short), both(RingFault::NoHeader(11)));
}

#[test]
fn buffers_of_the_wrong_direction_are_named() {
    fn run<D: Driver>(features: Features) {
        let wrong = |write| {
            faults::<D>(features, move |ram, driver| {
                driver.offer(ram, &[GOOD], write, None).unwrap();
            })
        };
        assert_eq!((wrong(true).0, wrong(false).1), (Some(RingFault::Direction), Some(RingFault::Direction)));
    }
    run::<SplitDriver>(SPLIT);
    run::<PackedDriver>(PACKED);
}

#[test]
fn buffers_too_small_for_any_frame_are_named_before_they_cost_much() {
    let features = SPLIT | Features::MRG_RXBUF;
    let (ram, mut driver) = (Ram::new(), SplitDriver::new(256, features));
    let mut queue = queue(&ram, &config(256, features, driver.addresses())).unwrap();
    for _ in 0..256 {
        driver.offer(&ram, &[Buffer { address: BUFFERS, len: 12 }], true, None).unwrap();
    }
    let (mut pool, mut burst) = (HeapPool::new(1, 2048), Burst::new());
    let mut frame = pool.alloc().unwrap();
    assert!(frame.write(&[1; 1500]) && burst.push(frame).is_ok());
    assert_eq!(queue.send(&burst).unwrap_err(), RingFault::BuffersTooSmall(64));
    pool.release(&mut burst);
}

#[test]
fn a_frame_too_long_for_its_buffer_is_refused_and_the_next_is_not() {
    let (ram, mut driver) = (Ram::new(), SplitDriver::new(8, SPLIT));
    let mut queue = queue(&ram, &config(8, SPLIT, driver.addresses())).unwrap();
    driver.offer(&ram, &[GOOD], true, None).unwrap();
    let (mut pool, mut burst) = (HeapPool::new(2, 2048), Burst::new());
    for len in [89, 88] {
        let mut frame = pool.alloc().unwrap();
        assert!(frame.write(&vec![1; len]) && burst.push(frame).is_ok());
    }
    let sent = queue.send(&burst).unwrap();
    assert_eq!((sent.frames, sent.refused, sent.bytes), (1, 1, 88));
    assert_eq!(driver.collect(&ram), Some((0, 100)));
    pool.release(&mut burst);
}

#[test]
fn rings_outside_of_memory_are_named() {
    let ram = Ram::new();
    let fault = |features, at| queue(&ram, &config(8, features, at)).map(|_| ()).unwrap_err();
    let split = |descriptors, available, used| fault(SPLIT, addresses(descriptors, available, used));
    assert_eq!(split(RAM, 0, 0x1000), RingFault::Outside("descriptor table"));
    assert_eq!(split(0x20_0000 - 16, 0, 0x1000), RingFault::Outside("descriptor table"), "across two regions");
    assert_eq!(split(0, RAM - 2, 0x1000), RingFault::Outside("available ring"));
    assert_eq!(split(0, 0, RAM - 4), RingFault::Outside("used ring"));
    let packed = |descriptors, driver, device| fault(PACKED, addresses(descriptors, driver, device));
    assert_eq!(packed(RAM - 16, 0, 0), RingFault::Outside("descriptor ring"));
    assert_eq!(packed(0, RAM - 2, 0), RingFault::Outside("driver event structure"));
    assert_eq!(packed(0, 0, RAM), RingFault::Outside("device event structure"));
    let beyond = crate::QueueConfig { base: 0x8008, ..config(8, PACKED, addresses(0, 0, 0)) };
    assert_eq!(queue(&ram, &beyond).map(|_| ()).unwrap_err(), RingFault::Base(0x8008));
}

#[test]
fn memory_taken_back_under_a_ring_is_named_and_no_frame_is_made_of_it() {
    fn run<D: Driver>(features: Features) {
        let take = |ram: &Ram, driver: &mut D| {
            driver.offer(ram, &[GOOD], false, None).unwrap();
            ram.file.set_len(BUFFERS).unwrap();
        };
        assert_eq!(faults::<D>(features, take).0, Some(RingFault::MemoryGone));
        let take = |ram: &Ram, driver: &mut D| {
            driver.offer(ram, &[Buffer { len: 2000, ..GOOD }], true, None).unwrap();
            ram.file.set_len(BUFFERS).unwrap();
        };
        assert_eq!(faults::<D>(features, take).1, Some(RingFault::MemoryGone));
    }
    run::<SplitDriver>(SPLIT);
    run::<PackedDriver>(PACKED);
}

/// Writes into the ring's pages: where, and what.
fn scribbles() -> impl Strategy<Value = Vec<(u64, u16)>> {
    let word = prop_oneof![0u16..20, Just(0x80), Just(0x8000), Just(0x81), Just(0x83), any::<u16>()];
    let place = prop_oneof![
        (0u64..64).prop_map(|at| DESCRIPTORS + 2 * at),
        (0u64..12).prop_map(|at| AVAILABLE + 2 * at),
        (0u64..12).prop_map(|at| split_driver::USED + 2 * at),
    ];
    prop::collection::vec((place, word), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_written_into_a_ring_ends_in_frames_or_a_fault(
        rounds in prop::collection::vec((scribbles(), 0usize..9), 1..12), packed in any::<bool>(), merge in any::<bool>(),
    ) {
        let ram = Ram::new();
        let merge = if merge { Features::MRG_RXBUF } else { Features::default() };
        let features = if packed { PACKED } else { SPLIT } | merge;
        let config = config(8, features, addresses(DESCRIPTORS, AVAILABLE, split_driver::USED));
        let mut queues = [queue(&ram, &config).unwrap(), queue(&ram, &config).unwrap()];
        let (mut pool, mut burst) = (HeapPool::new(256, 2048), Burst::new());
        for (scribbles, index) in rounds {
            for (place, word) in scribbles {
                ram.put16(place, word);
            }
            if !packed {
                ram.put16(AVAILABLE + 2, ram.get16(split_driver::USED + 2).wrapping_add(index as u16));
            }
            let _ = queues[0].receive(&mut burst, 64, &mut pool);
            let _ = queues[1].send(&burst);
            pool.release(&mut burst);
            prop_assert_eq!(pool.used(), 0);
        }
        prop_assert!(Arc::strong_count(&ram.memory) == 3);
    }
}
