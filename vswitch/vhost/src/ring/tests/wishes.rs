//! The driver is woken when it wants to be, at most once a burst, and its writes are logged where that was agreed on.

use std::io::Read;

use frame::{Burst, HeapPool, Pool};

use super::{
    driver::{Buffer, Driver},
    guest::{BUFFERS, Ram, call, config, queue},
    packed_driver::{self, PackedDriver},
    split_driver::{self, SplitDriver},
};
use crate::{Alarm, DirtyLog, Features, GuestAddress, LogArea, Queue, memory::tests::memfd};

const MODERN: Features = Features::VERSION_1;

struct Rig<D> {
    ram: Ram,
    driver: D,
    queue: Queue,
    calls: std::fs::File,
    pool: HeapPool,
    burst: Burst,
}

impl<D: Driver> Rig<D> {
    fn new(size: u16, features: Features) -> Rig<D> {
        let (ram, driver, (call, calls)) = (Ram::new(), D::new(size, features), call());
        let mut config = config(size, features, driver.addresses());
        config.call = Some(call);
        let queue = queue(&ram, &config).unwrap();
        Rig { ram, driver, queue, calls, pool: HeapPool::new(64, 256), burst: Burst::new() }
    }

    /// Sends so many frames of the guest; how often it was woken for them.
    fn frames(&mut self, count: usize) -> u64 {
        for _ in 0..count {
            let buffer = Buffer { address: BUFFERS, len: 60 };
            self.driver.offer(&self.ram, &[buffer], false, None).unwrap();
        }
        assert_eq!(self.queue.receive(&mut self.burst, 64, &mut self.pool).unwrap().frames, count);
        self.pool.release(&mut self.burst);
        (0..count).for_each(|_| assert!(self.driver.collect(&self.ram).is_some()));
        let mut octets = [0; 8];
        self.calls.read(&mut octets).map_or(0, |_| u64::from_ne_bytes(octets))
    }
}

fn flags<D: Driver>(features: Features) {
    let mut rig = Rig::<D>::new(16, features);
    assert_eq!(rig.frames(0), 0);
    rig.driver.wake(&rig.ram, true);
    assert_eq!((rig.frames(7), rig.frames(1), rig.frames(0)), (1, 1, 0), "once a burst, and never for nothing");
    rig.driver.wake(&rig.ram, false);
    assert_eq!((rig.frames(9), rig.frames(16)), (0, 0));
}

#[test]
fn a_guest_is_woken_once_a_burst_and_a_polling_one_never() {
    flags::<SplitDriver>(MODERN);
    flags::<PackedDriver>(MODERN | Features::RING_PACKED);
}

fn events<D: Driver>(features: Features) {
    let mut rig = Rig::<D>::new(16, features);
    rig.frames(1); // the first is announced in any case
    for round in 0..40 {
        rig.driver.wake_at(&rig.ram, 5);
        assert_eq!((rig.frames(5), rig.frames(1), rig.frames(9)), (0, 1, 0), "round {round}");
    }
}

#[test]
fn a_guest_that_names_an_index_is_woken_when_it_is_passed() {
    events::<SplitDriver>(MODERN | Features::EVENT_IDX);
    events::<PackedDriver>(MODERN | Features::EVENT_IDX | Features::RING_PACKED);
}

#[test]
fn the_guest_is_told_not_to_kick() {
    let ram = Ram::new();
    let at = SplitDriver::new(8, MODERN).addresses();
    queue(&ram, &config(8, MODERN, at)).unwrap();
    assert_eq!(ram.get16(split_driver::USED), 1);
    queue(&ram, &config(8, MODERN | Features::EVENT_IDX, at)).unwrap();
    assert_eq!(ram.get16(split_driver::USED), 0, "with an event index the flag is not used");
    queue(&ram, &config(8, MODERN | Features::RING_PACKED, at)).unwrap();
    assert_eq!(ram.get16(packed_driver::DEVICE_EVENT + 2), 1);
}

/// Octets of the log after one frame of 3,000 octets to a buffer at `BUFFERS`.
fn logged<D: Driver>(features: Features) -> Vec<u8> {
    let (ram, mut driver) = (Ram::new(), D::new(16, features));
    let mut log = memfd(0x1000);
    let area = LogArea { size: 0x80, offset: 0, fd: log.try_clone().unwrap().into() };
    let mut config = config(16, features, driver.addresses());
    config.log = Some(DirtyLog::new(area, &Alarm::default()).unwrap());
    config.addresses.log = Some(GuestAddress(0));
    let mut queue = queue(&ram, &config).unwrap();
    driver.offer(&ram, &[Buffer { address: BUFFERS + 0x800, len: 0x4000 }], true, None).unwrap();
    let (mut pool, mut burst) = (HeapPool::new(1, 4096), Burst::new());
    let mut frame = pool.alloc().unwrap();
    assert!(frame.write(&[7; 3000]) && burst.push(frame).is_ok());
    assert_eq!(queue.send(&burst).unwrap().frames, 1);
    pool.release(&mut burst);
    let mut octets = Vec::new();
    log.read_to_end(&mut octets).unwrap();
    octets.iter().enumerate().filter(|&(_, &octet)| octet != 0).flat_map(|(at, &octet)| [at as u8, octet]).collect()
}

#[test]
fn pages_written_are_logged_during_a_migration_only() {
    let features = MODERN | Features::LOG_ALL;
    // The frame reaches from page 0x100 into 0x101 (12 + 3,000 octets from 0x800 on): octet 32; the ring's part apart.
    assert_eq!(logged::<SplitDriver>(features), [0x90 / 8, 1, 32, 0b11]);
    assert_eq!(logged::<PackedDriver>(features | Features::RING_PACKED), [0, 1, 32, 0b11]);
    assert_eq!(logged::<SplitDriver>(MODERN), []);
}
