//! Nothing disappears: not when a worker stops, not when a port changes hands, not between threads.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use datapath::{Books, Inject, Order, PortId, Turn, WorkerId};
use frame::{HeapPool, MemPortPeer, Pool};
use rig::*;
use table::Tick;

const TWO: Size = Size { workers: 2, frames: 8192, depth: 4096, flows: 1024, macs: 1024 };

#[test]
fn a_stopped_worker_receives_nothing_and_still_sends_what_it_is_handed() {
    let mut rig = Rig::new(TWO);
    rig.send(2, &plain(1, 2));
    rig.send(1, &plain(2, 1));
    rig.out();
    for _ in 0..100 {
        assert!(rig.peers[&1].send(&plain(2, 1)) && rig.peers[&2].send(&plain(1, 2)));
    }
    rig.turn_one(0);
    rig.order(1, Order::Stop);
    let mut turns = vec![rig.turn_one(1)];
    assert_eq!(turns[0].1, ["stopped"]);
    (0..20).for_each(|_| turns.extend([rig.turn_one(0), rig.turn_one(1)]));
    assert_eq!(turns.last().map(|turn| turn.0), Some(Turn::Stopped));
    assert_eq!(rig.out(), [0, 0, 100, 0, 0], "all that was handed over has left, nothing was received");
    assert_eq!(rig.peers[&2].backlog(), 100);
    rig.assert_balanced();
    assert_eq!(rig.pool.used(), 0);
}

#[test]
fn a_port_changes_hands_in_the_middle_of_traffic_and_no_frame_is_missed() {
    let mut rig = Rig::new(TWO);
    rig.send(2, &plain(1, 2));
    rig.send(1, &plain(2, 1));
    rig.out();
    let mut sent = 0;
    for round in 0..40 {
        for _ in 0..30 {
            assert!(rig.peers[&1].send(&plain(2, 1)));
            sent += 1;
        }
        rig.turn();
        if round % 4 == 3 {
            hand_over(&mut rig, 1, usize::from(round % 8 == 3));
        }
    }
    rig.settle();
    assert_eq!(rig.out(), [0, 0, sent, 0, 0]);
    assert!(rig.drops().is_empty(), "{:?}", rig.drops());
    rig.assert_at_rest();
}

/// Takes a port from one worker and gives it to the other.
fn hand_over(rig: &mut Rig, port: u16, to: usize) {
    rig.order(1 - to, Order::Detach { port: PortId(port) });
    assert_eq!(rig.turn_one(1 - to).1, ["detached"]);
    let (port, queue) = rig.returned.pop().unwrap();
    rig.order(to, Order::Attach { port, queue });
    rig.turn_one(to);
}

#[test]
fn a_detached_port_s_frames_in_hand_are_counted_and_those_on_its_wire_stay_there() {
    let mut rig = Rig::new(TWO);
    rig.send(2, &plain(1, 2));
    rig.send(1, &plain(2, 1));
    for _ in 0..50 {
        assert!(rig.peers[&1].send(&plain(2, 1)));
    }
    rig.turn_one(0); // now up to 32 of them are in the ring to worker 1
    let under_way = rig.total().handed - rig.total().taken;
    assert!(under_way > 0);
    rig.order(1, Order::Detach { port: PortId(2) });
    rig.turn_one(1);
    assert_eq!(rig.dropped(datapath::Cause::TxUnserved), under_way);
    rig.settle();
    rig.assert_at_rest();
}

#[test]
fn what_a_device_lost_is_booked_once_whoever_holds_its_port() {
    let mut rig = Rig::new(Size { frames: 8, ..TWO });
    let hoard: Vec<_> = std::iter::from_fn(|| rig.pool.alloc()).collect();
    assert!(rig.peers[&1].send(&plain(2, 1)));
    rig.turn();
    hoard.into_iter().for_each(|frame| rig.pool.release_one(frame));
    let lost = |rig: &Rig| (0..2).map(|worker| rig.reading(worker).1[1].rx_no_buffer).sum::<u64>();
    rig.pass(20);
    assert_eq!(lost(&rig), 1, "one look into the queue found no buffer");
    for worker in [1, 0] {
        hand_over(&mut rig, 1, worker);
        rig.pass(20);
        assert_eq!(lost(&rig), 1);
    }
}

#[test]
fn a_port_attached_twice_and_one_out_of_range_come_back() {
    let mut rig = Rig::new(Size::default());
    for port in [1, datapath::PORTS_MAX as u16] {
        rig.attach(port, 0);
        assert_eq!(rig.returned.pop().map(|(port, _)| port), Some(PortId(port)));
    }
    rig.order(0, Order::Detach { port: PortId(9) });
    assert!(rig.turn_one(0).1.is_empty(), "what is not held is not reported");
}

#[test]
fn who_watches_a_worker_s_ports_learns_that_they_are_others_now() {
    let mut rig = Rig::new(TWO);
    let seen = |rig: &Rig| [0, 1].map(|w| rig.workers[w].port_changes());
    let before = seen(&rig);
    rig.turn();
    assert_eq!(seen(&rig), before, "nothing has changed");
    hand_over(&mut rig, 1, 1);
    let after = seen(&rig);
    assert_eq!((after[0].came, after[0].left), (before[0].came, before[0].left + 1));
    assert_eq!((after[1].came, after[1].left), (before[1].came + 1, before[1].left));
}

#[test]
fn frames_of_the_host_stack_leave_by_the_port_they_name_or_are_counted() {
    let mut rig = Rig::new(Size::default());
    for (port, expected) in [(0, [1, 0, 0, 0, 0]), (15, [0; 5])] {
        let mut frame = rig.pool.alloc().unwrap();
        assert!(frame.write(&plain(9, 9)));
        assert!(rig.wires[0].injects.push(Inject { port: PortId(port), frame }).is_ok());
        rig.turn();
        assert_eq!(rig.out(), expected);
    }
    assert_eq!(rig.total().injected, 2);
    assert_eq!(rig.dropped(datapath::Cause::TxUnserved), 1);
    rig.assert_at_rest();
}

#[test]
fn frames_of_a_flow_leave_in_the_order_in_which_they_came() {
    let mut rig = Rig::new(TWO);
    rig.send(2, &plain(1, 2));
    rig.out();
    for number in 0..200u8 {
        let mut frame = plain(2, 1);
        frame[20] = number;
        assert!(rig.peers[&1].send(&frame));
    }
    rig.settle();
    let numbers: Vec<u8> = std::iter::from_fn(|| rig.peers[&2].recv()).map(|frame| frame[20]).collect();
    assert_eq!(numbers, (0..200).collect::<Vec<u8>>(), "misses and hits, one worker and the other");
}

/// What the threads of the next test share.
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
}

#[test]
fn two_threads_conserve_every_frame_and_readers_see_balanced_books_all_the_time() {
    let mut rig = Rig::new(TWO);
    let shared = Arc::new(Shared { stop: AtomicBool::new(false), sent: 0.into(), received: 0.into() });
    let began = Instant::now();
    let workers = std::mem::take(&mut rig.workers);
    let spun: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                while !shared.stop.load(Relaxed) {
                    worker.turn(Tick(1 + (began.elapsed().as_millis() / 100) as u32));
                }
                worker
            })
        })
        .collect();
    let readings = drive(&rig.peers, &rig.books, &mut rig.pool.clone(), &mut rig.wires, &shared, began);
    shared.stop.store(true, Relaxed);
    rig.workers = spun.into_iter().map(|handle| handle.join().unwrap()).collect();
    rig.now = Tick(1 + (began.elapsed().as_millis() / 100) as u32);
    rig.assert_at_rest();
    let total = rig.total();
    assert!(readings > 100, "only {readings} readings were taken");
    assert!(total.handed > 1000, "frames have crossed between the threads: {total:?}");
    assert_eq!(total.rx, shared.sent.load(Relaxed));
    assert_eq!(total.tx, shared.received.load(Relaxed) + rig.out().iter().sum::<usize>() as u64);
}

/// Feeds and drains all ports for two seconds, reads the books meanwhile; how often.
fn drive(
    peers: &BTreeMap<u16, MemPortPeer>,
    books: &Books,
    pool: &mut HeapPool,
    wires: &mut [datapath::ControlWires<frame::MemPort>],
    shared: &Shared,
    began: Instant,
) -> u64 {
    let ports: Vec<PortId> = PORTS.map(PortId).to_vec();
    let packets = [
        (0, Tunnelled::default().around(&plain(1, 9))),
        (0, arp(9, 9)),
        (1, plain(2, 1)),
        (1, plain(9, 1)),
        (2, plain(1, 2)),
        (2, plain(77, 2)),
        (3, udp_frame(2, 3, 3, 100)),
        (3, udp_frame(2, 3, 7, 100)),
        (4, plain(8, 4)),
    ];
    let mut readings = 0;
    while began.elapsed() < Duration::from_secs(2) {
        for (port, packet) in &packets {
            let sent = (0..8).filter(|_| peers[port].send(packet)).count();
            shared.sent.fetch_add(sent as u64, Relaxed);
        }
        for peer in peers.values() {
            let received = std::iter::from_fn(|| peer.recv()).count();
            shared.received.fetch_add(received as u64, Relaxed);
        }
        for wires in &mut *wires {
            while let Some(punt) = wires.punts.pop() {
                pool.release_one(punt.frame);
            }
        }
        for worker in 0..2 {
            let Some((reading, ports)) = books.read(WorkerId(worker), &ports) else { continue };
            assert!(reading.balanced(), "{reading:?}");
            ports.iter().for_each(|port| assert!(port.balanced(), "{port:?}"));
            readings += 1;
        }
    }
    readings
}
