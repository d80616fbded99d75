//! With a driver that keeps to the specification every frame arrives once, whole, and in order, both ways.

use std::collections::VecDeque;

use frame::{BURST_MAX, Burst, HeapPool, Pool};
use proptest::prelude::*;

use super::{
    driver::{Buffer, Driver},
    guest::{BUFFERS, RAM, Ram, SECOND, config, queue},
    packed_driver::PackedDriver,
    split_driver::SplitDriver,
};
use crate::{Features, Queue, ring::net_header};

/// Octets of a frame in these tests' pool at most.
const FRAME_MAX: usize = 2048;

/// Places for buffers, one after the other, over and over; some cross from one region into the other.
struct Places(u64);

impl Places {
    fn buffers(&mut self, lens: &[u32]) -> Vec<Buffer> {
        let place = |&len: &u32| {
            self.0 = if self.0 + u64::from(len) > RAM { BUFFERS } else { self.0 };
            let address = self.0;
            self.0 += u64::from(len);
            Buffer { address, len }
        };
        lens.iter().map(place).collect()
    }

    /// Where a table of so many descriptors may lie, which must not cross.
    fn table(&mut self, descriptors: usize) -> u64 {
        let len = 16 * descriptors as u64;
        let at = self.buffers(&[2 * len as u32])[0].address;
        if at < SECOND && at + len > SECOND { SECOND } else { at }
    }
}

/// A frame's octets, which depend on all that might be mixed up.
fn octets(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number.wrapping_mul(31) ^ at.wrapping_mul(7)) as u8).collect()
}

/// Cuts `len` octets into at most `pieces` buffers.
fn cut(len: u32, pieces: u32) -> Vec<u32> {
    let pieces = pieces.clamp(1, len);
    (0..pieces).map(|n| len / pieces + u32::from(n < len % pieces)).collect()
}

/// One step of the tests: frames of these lengths in so many pieces, perhaps in a table; then a burst of so many.
type Step = (Vec<(usize, u32, bool)>, usize);

/// Steps in which all chains are of one buffer, and such in which many are not.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mixed = (1usize..1600, 1u32..6, any::<bool>());
    let single = (1usize..1600, Just(1), Just(false));
    let frames = prop_oneof![prop::collection::vec(mixed, 0..12), prop::collection::vec(single, 0..12)];
    prop::collection::vec((frames, 0usize..40), 1..40)
}

fn receives<D: Driver>(size: u16, features: Features, steps: &[Step]) {
    let (ram, mut driver, mut places) = (Ram::new(), D::new(size, features), Places(BUFFERS));
    let mut queue = queue(&ram, &config(size, features, driver.addresses())).unwrap();
    let (mut pool, mut burst, mut sent, mut got) = (HeapPool::new(128, FRAME_MAX), Burst::new(), vec![], 0);
    let mut open = VecDeque::new();
    for (frames, max) in steps {
        for &(len, pieces, table) in frames {
            let all = [vec![0; net_header::len(features)], octets(sent.len(), len)].concat();
            let buffers = places.buffers(&cut(all.len() as u32, pieces));
            let table = table.then(|| places.table(buffers.len()));
            let Some(id) = driver.offer(&ram, &buffers, false, table) else { break };
            ram.spread(&buffers, &all);
            sent.push(octets(sent.len(), len));
            open.push_back(id);
        }
        let received = queue.receive(&mut burst, *max, &mut pool).unwrap();
        assert_eq!((received.frames, received.errors, received.no_buffer), (burst.len(), 0, 0));
        assert!(received.frames == open.len().min(*max), "{} of {}", received.frames, open.len());
        for frame in burst.drain() {
            assert_eq!(frame.data(), sent[got]);
            got += 1;
            pool.release_one(frame);
        }
        for _ in 0..received.frames {
            assert_eq!(driver.collect(&ram), open.pop_front().map(|id| (id, 0)));
        }
        assert_eq!(driver.collect(&ram), None);
    }
    assert_eq!(pool.used(), 0);
}

fn sends<D: Driver>(size: u16, features: Features, buffer_len: u32, steps: &[Step]) {
    let (ram, mut driver, mut places) = (Ram::new(), D::new(size, features), Places(BUFFERS));
    let mut queue = queue(&ram, &config(size, features, driver.addresses())).unwrap();
    let (mut pool, mut burst) = (HeapPool::new(128, FRAME_MAX), Burst::new());
    let mut open: VecDeque<(u16, Vec<Buffer>)> = VecDeque::new();
    let mut number = 0;
    for (step, (frames, post)) in steps.iter().enumerate() {
        for (at, pieces) in (0..*post).zip([1u32, 1, 2, 3].into_iter().cycle()) {
            let (pieces, mixed) = if step % 2 == 0 { (1, false) } else { (pieces, true) };
            let buffers = places.buffers(&cut(buffer_len, pieces));
            let table = (mixed && at % 3 == 2).then(|| places.table(buffers.len()));
            let Some(id) = driver.offer(&ram, &buffers, true, table) else { break };
            open.push_back((id, buffers));
        }
        let lens: Vec<usize> = frames.iter().map(|&(len, ..)| len).collect();
        for (at, &len) in lens.iter().enumerate() {
            let mut frame = pool.alloc().unwrap();
            assert!(frame.write(&octets(number + at, len)) && burst.push(frame).is_ok());
        }
        let sent = queue.send(&burst).unwrap();
        assert_eq!((sent.frames + sent.refused) as usize, lens.len());
        assert_eq!(sent.bytes as usize, lens[..sent.frames as usize].iter().sum::<usize>(), "in order, none left out");
        for (at, &len) in lens[..sent.frames as usize].iter().enumerate() {
            let got = collect(&ram, &mut driver, &mut open, net_header::len(features));
            assert_eq!(got, octets(number + at, len));
        }
        assert_eq!(driver.collect(&ram), None);
        number += lens.len();
        pool.release(&mut burst);
    }
}

/// The next frame the driver finds, from as many chains as its header says.
fn collect(ram: &Ram, driver: &mut impl Driver, open: &mut VecDeque<(u16, Vec<Buffer>)>, header: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut chains = 1;
    while chains > 0 {
        let (id, len) = driver.collect(ram).expect("a frame has all its chains");
        let (posted, buffers) = open.pop_front().unwrap();
        assert_eq!(posted, id, "chains are used in order");
        let start = frame.len();
        frame.extend(ram.contents(&buffers));
        frame.truncate(start + len as usize);
        if start == 0 && header == 12 {
            chains = u16::from_le_bytes([frame[10], frame[11]]);
            assert!(frame[..10] == [0; 10] && chains >= 1);
        }
        chains -= 1;
    }
    frame.split_off(header)
}

const MODERN: Features = Features::VERSION_1;
const INDIRECT: Features = Features::INDIRECT_DESC;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_of_the_guest_arrive_from_a_split_ring(steps in steps(), size in 2u32..8, events in any::<bool>()) {
        let features = Features(MODERN.0 | INDIRECT.0 | if events { Features::EVENT_IDX.0 } else { 0 });
        receives::<SplitDriver>(1 << size, features, &steps);
        receives::<SplitDriver>(1 << size, features | Features::IN_ORDER, &steps);
        receives::<SplitDriver>(1 << size, INDIRECT, &steps);
    }

    #[test]
    fn frames_of_the_guest_arrive_from_a_packed_ring(steps in steps(), size in 5u16..80) {
        receives::<PackedDriver>(size, MODERN | INDIRECT | Features::RING_PACKED, &steps);
        receives::<PackedDriver>(size, MODERN | INDIRECT | Features::RING_PACKED | Features::IN_ORDER, &steps);
    }

    #[test]
    fn frames_for_the_guest_arrive_in_a_split_ring(steps in steps(), size in 2u32..8, len in 40u32..2000) {
        let features = MODERN | INDIRECT | Features::MRG_RXBUF;
        sends::<SplitDriver>(1 << size, features, len, &steps);
        sends::<SplitDriver>(1 << size, MODERN | INDIRECT, 1700, &steps);
        sends::<SplitDriver>(1 << size, INDIRECT, 1700, &steps);
    }

    #[test]
    fn frames_for_the_guest_arrive_in_a_packed_ring(steps in steps(), size in 3u16..80, len in 40u32..2000) {
        let features = MODERN | INDIRECT | Features::RING_PACKED;
        sends::<PackedDriver>(size, features | Features::MRG_RXBUF, len, &steps);
        sends::<PackedDriver>(size, features | Features::MRG_RXBUF | Features::IN_ORDER, 1700, &steps);
        sends::<PackedDriver>(size, features, 1700, &steps);
    }
}

fn offer(ram: &Ram, driver: &mut impl Driver, len: u32) -> u16 {
    driver.offer(ram, &[Buffer { address: BUFFERS, len }], false, None).unwrap()
}

fn a_split_ring(ram: &Ram) -> (SplitDriver, Queue) {
    let driver = SplitDriver::new(8, MODERN).start_at(ram, 0xfffd);
    let queue = queue(ram, &config(8, MODERN, driver.addresses())).unwrap();
    (driver, queue)
}

#[test]
fn a_split_ring_goes_on_where_the_driver_last_saw_a_used_chain() {
    let ram = Ram::new();
    let (mut driver, mut first) = a_split_ring(&ram);
    let (mut pool, mut burst) = (HeapPool::new(8, FRAME_MAX), Burst::new());
    assert_eq!(first.base(), 0xfffd, "whatever base the front end remembers");
    for _ in 0..5 {
        offer(&ram, &mut driver, 100);
    }
    assert_eq!(first.receive(&mut burst, 4, &mut pool).unwrap().frames, 4);
    pool.release(&mut burst);
    assert_eq!((first.base(), ram.get16(super::split_driver::USED + 2)), (1, 1), "indexes wrap at 65,536");
    let mut second = queue(&ram, &config(8, MODERN, driver.addresses())).unwrap();
    assert_eq!(second.receive(&mut burst, 4, &mut pool).unwrap().frames, 1);
    pool.release(&mut burst);
}

#[test]
fn a_packed_ring_goes_on_at_the_base_it_left() {
    let features = MODERN | Features::RING_PACKED;
    let (ram, mut driver) = (Ram::new(), PackedDriver::new(3, features));
    let (mut pool, mut burst) = (HeapPool::new(8, FRAME_MAX), Burst::new());
    let mut config = config(3, features, driver.addresses());
    for _ in 0..7 {
        offer(&ram, &mut driver, 100);
        let mut now = queue(&ram, &config).unwrap();
        assert_eq!(now.receive(&mut burst, 4, &mut pool).unwrap().frames, 1);
        pool.release(&mut burst);
        assert!(driver.collect(&ram).is_some());
        config.base = now.base();
        assert_eq!(config.base >> 16, config.base & 0xffff, "all that is available was used");
    }
}

#[test]
fn a_queue_made_anew_resumes_where_the_old_one_stands() {
    let ram = Ram::new();
    let (mut driver, mut old) = a_split_ring(&ram);
    let (mut pool, mut burst) = (HeapPool::new(8, FRAME_MAX), Burst::new());
    for _ in 0..3 {
        offer(&ram, &mut driver, 100);
    }
    old.receive(&mut burst, 2, &mut pool).unwrap();
    let mut new = queue(&ram, &config(8, MODERN, driver.addresses())).unwrap();
    new.resume(&old);
    assert_eq!(new.base(), old.base());
    assert_eq!(new.receive(&mut burst, 9, &mut pool).unwrap().frames, 1);
    pool.release(&mut burst);
}

#[test]
fn an_empty_pool_leaves_frames_in_the_ring() {
    fn run<D: Driver>(features: Features) {
        let (ram, mut driver) = (Ram::new(), D::new(8, features));
        let mut queue = queue(&ram, &config(8, features, driver.addresses())).unwrap();
        let (mut pool, mut burst) = (HeapPool::new(2, FRAME_MAX), Burst::new());
        for _ in 0..5 {
            offer(&ram, &mut driver, 100);
        }
        for (frames, no_buffer) in [(2, 1), (2, 1), (1, 0), (0, 0)] {
            let received = queue.receive(&mut burst, BURST_MAX, &mut pool).unwrap();
            assert_eq!((received.frames, received.no_buffer, received.errors), (frames, no_buffer, 0));
            pool.release(&mut burst);
        }
    }
    run::<SplitDriver>(MODERN);
    run::<PackedDriver>(MODERN | Features::RING_PACKED);
}

#[test]
fn chains_without_a_usable_frame_are_counted_and_used_up() {
    let ram = Ram::new();
    let (mut driver, mut queue) = a_split_ring(&ram);
    let (mut pool, mut burst) = (HeapPool::new(8, FRAME_MAX), Burst::new());
    ram.put(BUFFERS, &[0; 4096]);
    for len in [12, 12 + FRAME_MAX as u32 + 1, 13] {
        offer(&ram, &mut driver, len);
    }
    let received = queue.receive(&mut burst, 9, &mut pool).unwrap();
    assert_eq!((received.frames, received.errors), (1, 2));
    ram.put(BUFFERS, &[1]); // a checksum to be filled in
    offer(&ram, &mut driver, 100);
    assert_eq!(queue.receive(&mut burst, 9, &mut pool).unwrap().errors, 1);
    assert_eq!(std::iter::from_fn(|| driver.collect(&ram)).count(), 4);
    pool.release(&mut burst);
    assert_eq!(pool.used(), 0);
}
