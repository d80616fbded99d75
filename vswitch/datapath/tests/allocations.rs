//! A turn never allocates: neither in the steady state nor on misses, floods, learning, drops, punts and aging.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use std::sync::Arc;

use datapath::{Order, PortId, Report, WorkerReading};
use frame::{HeapPool, Offload, Takes, Transport};
use rig::*;
use table::Tick;
use wire::{
    Mac,
    gso::{Layout, complete},
};

/// A switch by the picture whose ports receive these packets, and turns with everything installed.
fn allocations(packets: [Vec<Vec<u8>>; PORTS.len()], turns: u32, ticks_a_turn: u32) -> u64 {
    allocations_of(|port, stock| ScriptPort::new(packets[port].clone(), 12, stock), turns, ticks_a_turn).0
}

/// The same with these ports, and the worker's books.
fn allocations_of(port: impl Fn(usize, Stock) -> ScriptPort, turns: u32, ticks_a_turn: u32) -> (u64, WorkerReading) {
    let mut heap = HeapPool::new(4096, 2048);
    let stock = Stock::new(2048, &mut heap);
    let size = Size::default();
    let (mut all, mut wires, books) = workers::<ScriptPort, Stock>(size, &stock);
    let (worker, wires) = (&mut all[0], &mut wires[0]);
    let mut snapshot = picture();
    snapshot.ports.iter_mut().flatten().for_each(|port| port.workers = vec![datapath::WorkerId(0)]);
    wires.mail.send(Order::Install(Arc::new(snapshot))).map_err(|_| ()).unwrap();
    worker.turn(Tick(1));
    for (nth, number) in PORTS.into_iter().enumerate() {
        let queue = port(nth, stock.clone());
        wires.mail.send(Order::Attach { port: PortId(number), queue }).map_err(|_| ()).unwrap();
    }
    let mut release = stock.clone();
    let measured = allocation_counter::measure(|| {
        for turn in 0..turns {
            worker.turn(Tick(2 + turn * ticks_a_turn));
            while let Some(punt) = wires.punts.pop() {
                frame::Pool::release_one(&mut release, punt.frame);
            }
        }
    });
    worker.publish();
    let reading = books.read(datapath::WorkerId(0), &[]).unwrap().0;
    assert!(reading.balanced() && reading.rx > u64::from(turns), "{reading:?}");
    assert_eq!(frame::Pool::available(&stock), 2048, "all frames are back on the shelf");
    while let Some(report) = wires.mail.recv() {
        drop::<Report<ScriptPort>>(report);
    }
    stock.clear(&mut heap);
    (measured.count_total, reading)
}

/// One packet of every station to every other.
fn all_pairs(stations: std::ops::Range<u8>) -> Vec<Vec<u8>> {
    stations.clone().flat_map(|a| stations.clone().map(move |b| udp_frame(b, a, a, 64))).collect()
}

#[test]
fn the_counter_counts() {
    let measured = allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8; 100])));
    assert_eq!(measured.count_total, 1);
}

#[test]
fn a_turn_in_the_steady_state_allocates_nothing() {
    let tunnelled = |(a, b)| Tunnelled::default().around(&udp_frame(a, b, b, 64));
    let packets = [
        vec![tunnelled((1, 9)), tunnelled((2, 9))],
        vec![udp_frame(2, 1, 1, 64), udp_frame(9, 1, 1, 64)],
        vec![udp_frame(1, 2, 2, 64), udp_frame(9, 2, 2, 64)],
        vec![udp_frame(1, 3, 3, 64)],
        vec![],
    ];
    assert_eq!(allocations(packets, 500, 1), 0);
}

#[test]
fn misses_floods_moves_and_aging_allocate_nothing() {
    let many: Vec<_> = (0..200).flat_map(|n| [plain(n, 255 - n), udp_frame(n, 255 - n, n, 1400)]).collect();
    let moved = all_pairs(1..60);
    let tunnelled: Vec<_> = all_pairs(1..40).iter().map(|inner| Tunnelled::default().around(inner)).collect();
    assert_eq!(allocations([tunnelled, moved, many.clone(), all_pairs(3..5), many], 2000, 3), 0);
}

#[test]
fn a_million_flows_that_come_and_go_allocate_nothing() {
    let flows = all_pairs(1..200);
    assert!(flows.len() > 30 * Size::default().flows, "each has given way long before it comes again");
    assert_eq!(allocations([vec![], flows.clone(), flows, vec![], vec![]], 50_000, 1), 0);
}

#[test]
fn drops_punts_and_malformed_frames_allocate_nothing() {
    let whole = Tunnelled::default().around(&udp_frame(1, 9, 9, 64));
    let cut: Vec<_> = (1..whole.len()).map(|len| whole[..len].to_vec()).collect();
    let mut for_us = arp(50, 50);
    for_us[..6].copy_from_slice(&UPLINK_MAC.octets());
    let spoofed = vec![udp_frame(1, 3, 7, 64), arp(3, 7), plain(1, 7), arp(3, 3)];
    let odd = vec![plain(1, 0), ethernet(Mac::BROADCAST, Mac::BROADCAST, 0x0800, &[0; 20]), udp_frame(1, 2, 2, 1490)];
    let uplink = [cut, vec![for_us; 4]].concat();
    assert_eq!(allocations([uplink, odd.clone(), odd, spoofed, vec![plain(8, 9)]], 1000, 1), 0);
}

/// Port 1 sends super-frames to who takes them, to who does not, to a tunnel and to all; what comes out of the tunnel is
/// put together.
#[test]
fn super_frames_that_are_cut_copied_and_made_allocate_nothing() {
    let offload = Some(Offload { transport: Transport::Tcp, segment: 1400 });
    let takes = Takes { checksum: true, tcp4: true, tcp6: true, ..Takes::default() };
    let port = |nth, stock| match nth {
        0 => {
            let inner = |sequence: u8| {
                let mut frame = tcp(2, 9, 256);
                (frame[19], frame[40]) = (sequence, sequence);
                frame[24..26].fill(0);
                let sum = wire::checksum::of(&frame[14..34]);
                frame[24..26].copy_from_slice(&sum.to_be_bytes());
                frame[47] = 0x10;
                let layout = Layout::behind(&frame, 0, 6).unwrap();
                complete(&mut frame, &layout);
                Tunnelled::default().around(&frame)
            };
            ScriptPort::new((0..12).map(inner).collect(), 12, stock)
        }
        1 => {
            let packets = [2, 3, 9, 77].map(|dst| tcp(dst, 1, 50_000)).to_vec();
            ScriptPort::new(packets, 2, stock).unfinished(offload)
        }
        2 => ScriptPort::new(vec![udp_frame(1, 2, 2, 64)], 1, stock).taking(takes),
        3 => ScriptPort::new(vec![udp_frame(1, 3, 3, 64)], 1, stock),
        _ => ScriptPort::new(vec![], 1, stock),
    };
    let (allocations, books) = allocations_of(port, 200, 1);
    assert_eq!(allocations, 0);
    assert!(books.split > 10_000 && books.merged > 1000 && books.copied > 100, "{books:?}");
}
