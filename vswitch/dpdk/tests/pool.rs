//! Buffers of DPDK: conserved, bounded, and refused with a reason.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use dpdk::{DATA_MAX, Pool, PoolError};
use frame::{Burst, HEADROOM, Offload, Pool as _, SUPER_MAX, Transport};
use rig::{assert_conserved, eal, pool_of, unique};

#[test]
fn every_frame_of_a_pool_can_be_out_and_comes_home() {
    let mut pool = pool_of(511, 2048);
    let mut other = pool.clone();
    for _ in 0..3 {
        let mut frames: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!((frames.len(), pool.available()), (511, 0));
        assert!(other.alloc().is_none(), "an empty pool says so");
        while let Some(frame) = frames.pop() {
            let mut burst = Burst::new();
            assert!(burst.push(frame).is_ok());
            frames.pop().into_iter().for_each(|frame| assert!(burst.push(frame).is_ok()));
            other.release(&mut burst);
            assert!(burst.is_empty());
        }
        assert_conserved(&pool);
    }
}

#[test]
fn what_a_handle_has_at_hand_is_available_and_goes_home_with_it() {
    let pool = pool_of(127, 256);
    let mut handle = pool.clone();
    let frame = handle.alloc().unwrap();
    assert_eq!(pool.available(), 126);
    handle.release_one(frame);
    drop(handle);
    let mut all = pool.clone();
    let frames: Vec<_> = std::iter::from_fn(|| all.alloc()).collect();
    assert_eq!(frames.len(), 127);
    frames.into_iter().for_each(|frame| all.release_one(frame));
    assert_conserved(&pool);
}

#[test]
fn a_fresh_frame_is_empty_whatever_it_held_before() {
    let mut pool = pool_of(31, 2048);
    for _ in 0..100 {
        let mut frame = pool.alloc().unwrap();
        assert_eq!((frame.len(), frame.headroom()), (0, usize::from(HEADROOM)));
        assert_eq!(frame.tailroom(), 2048);
        assert!(frame.write(&[0xaa; 2048]) && frame.push_front(100).is_some());
        let copy = pool.copy(&frame).map(|copy| pool.release_one(copy));
        assert!(copy.is_none(), "2148 octets do not fit a buffer of 2048 behind the headroom");
        pool.release_one(frame);
    }
    assert_conserved(&pool);
}

#[test]
fn buffers_can_be_as_large_as_a_super_frame() {
    let mut pool = pool_of(15, DATA_MAX);
    let mut frame = pool.alloc().unwrap();
    assert!(frame.write(&vec![0x5a; usize::from(DATA_MAX)]));
    assert_eq!(frame.headroom() + frame.len() + frame.tailroom(), 65_535);
    pool.release_one(frame);
    assert_conserved(&pool);
}

#[test]
fn super_frames_come_from_buffers_of_their_own_and_go_home_to_them() {
    let pool = pool_of(31, 2048).with_supers(eal(), 15).unwrap();
    let mut handle = pool.clone();
    assert_eq!(pool.supers(), (15, 15));
    let mut burst = Burst::new();
    let (mut ordinary, mut long) = (handle.alloc().unwrap(), handle.alloc_super().unwrap());
    assert_eq!((long.len(), long.headroom(), long.tailroom()), (0, usize::from(HEADROOM), SUPER_MAX));
    assert!(ordinary.write(&[1; 60]) && long.write(&vec![7; SUPER_MAX]));
    long.set_offload(Some(Offload { transport: Transport::Tcp, segment: 1448 }));
    let copy = handle.copy(&long).unwrap();
    assert_eq!((copy.data() == long.data(), copy.offload()), (true, long.offload()));
    assert_eq!((pool.supers(), pool.available()), ((15, 13), 30));
    long.set_offload(None);
    assert!(handle.copy(&long).is_none(), "what is no super-frame never lies in one's buffer");
    [copy, ordinary, long].into_iter().for_each(|frame| assert!(burst.push(frame).is_ok()));
    handle.release(&mut burst);
    assert_eq!(pool.supers(), (15, 15));
    let all: Vec<_> = std::iter::from_fn(|| handle.alloc_super()).collect();
    assert_eq!(all.len(), 15);
    all.into_iter().for_each(|frame| handle.release_one(frame));
    assert_conserved(&pool);
}

#[test]
fn a_pool_without_super_frames_has_none() {
    let mut pool = pool_of(31, 2048).with_supers(eal(), 0).unwrap();
    assert!(pool.alloc_super().is_none());
    assert_eq!(pool.supers(), (0, 0));
}

#[test]
fn threads_share_a_pool_without_losing_a_frame() {
    let pool = pool_of(1023, 256);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut pool = pool.clone();
            scope.spawn(move || {
                let guard = eal().register_thread().unwrap();
                for round in 0..2000 {
                    let mut burst = Burst::new();
                    for _ in 0..round % 64 {
                        pool.alloc().into_iter().for_each(|frame| assert!(burst.push(frame).is_ok()));
                    }
                    pool.release(&mut burst);
                }
                drop(guard);
            });
        }
    });
    assert_conserved(&pool);
}

#[test]
fn a_pool_that_does_not_fit_says_how_much_it_needs() {
    let error = Pool::create(eal(), "huge", 1 << 20, 2048, None).unwrap_err();
    let PoolError::Memory { needed_mib, free_mib, .. } = error else { panic!("{error:?}") };
    assert!((4096..=4200).contains(&needed_mib), "{needed_mib}");
    assert!(free_mib > 0 && free_mib <= u64::from(rig::MEMORY_MIB), "{free_mib}");
    let text = error.to_string();
    assert!(
        text.starts_with("pool huge: 1048576 frames of 2048 bytes need ") && text.contains("give DPDK more memory"),
        "{text}"
    );
}

#[test]
fn a_pool_that_does_not_fit_takes_nothing_from_others_while_it_is_tried() {
    std::thread::scope(|scope| {
        let greedy = scope.spawn(|| {
            (0..200)
                .for_each(|_| assert!(Pool::create(eal(), &format!("big{}", unique()), 1 << 20, 2048, None).is_err()));
        });
        while !greedy.is_finished() {
            pool_of(1, 64);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
}

#[test]
fn the_memory_a_pool_needs_grows_with_frames_and_length() {
    let small = Pool::memory_needed(1023, 2048, true);
    assert!(small >= 1023 * (128 + 128 + 2048), "{small}");
    assert!(small < 3 * (2 << 20), "{small}");
    assert!(Pool::memory_needed(2047, 2048, true) > small && Pool::memory_needed(1023, 10_240, true) > small);
}

#[test]
fn on_ordinary_pages_no_buffer_shares_a_page_with_the_next_where_it_would_cross_its_end() {
    assert_eq!(Pool::memory_needed(1023, 2048, false), 1023 * 4096 + 1024 * 8);
    assert_eq!(Pool::memory_needed(1023, 10_240, false), 1023 * 3 * 4096 + 1024 * 8);
}

#[test]
fn names_and_sizes_that_cannot_be_are_refused() {
    for name in ["", "with space", "x\0", "ü", &"n".repeat(25)] {
        let error = Pool::create(eal(), name, 31, 256, None).unwrap_err();
        assert!(matches!(error, PoolError::Name(_)), "{name:?}: {error}");
    }
    let error = Pool::create(eal(), "wide", 31, DATA_MAX + 1, None).unwrap_err();
    assert_eq!(error.to_string(), "pool wide: data_max is 65408, it must be 1 to 65407");
    assert!(matches!(Pool::create(eal(), "many", u32::MAX, 256, None), Err(PoolError::Size { .. })));
    assert!(matches!(Pool::create(eal(), "none", 0, 256, None), Err(PoolError::Size { .. })));
}

#[test]
fn two_pools_cannot_have_one_name() {
    let name = format!("twin{}", unique());
    let _first = Pool::create(eal(), &name, 31, 256, None).unwrap();
    let error = Pool::create(eal(), &name, 31, 256, None).unwrap_err().to_string();
    assert!(error.contains("EEXIST"), "{error}");
}
