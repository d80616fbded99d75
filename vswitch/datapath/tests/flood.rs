//! Floods stand in line: a turn makes so many copies and no more, no flow is put out of order, and nothing disappears.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::{Cause, Order, PortId, Snapshot, Turn};
use frame::{Offload, Transport};
use rig::*;
use wire::Mac;

/// Ports of the wide network, all its members, of which the first is behind port 1.
const WIDE: u16 = 100;
/// Copies that a turn makes at most.
const COPIES: u64 = 128;

const SIZE: Size = Size { workers: 1, frames: 8192, depth: 4096, flows: 1024, macs: 1024 };

/// Ports 1 to 100 in one network, by turns on so many workers; member and port have the same number.
fn wide(workers: u8) -> Snapshot {
    let all = 1..=u32::from(WIDE);
    Snapshot {
        generation: 1,
        ports: std::iter::once(None).chain(all.clone().map(|port| access(port, port as u8 % workers))).collect(),
        networks: vec![network(7, &all.clone().collect::<Vec<_>>())],
        members: std::iter::once(None).chain((1..=WIDE).map(|port| local(0, port))).collect(),
        ..Snapshot::default()
    }
}

fn wide_rig() -> Rig {
    wide_rig_of(1)
}

fn wide_rig_of(workers: usize) -> Rig {
    let mut rig = Rig::bare(Size { workers, ..SIZE });
    rig.install(wide(workers as u8));
    (1..=WIDE).for_each(|port| rig.attach(port, usize::from(port) % workers));
    rig
}

/// A numbered frame.
fn numbered(dst: u8, src: u8, number: u16) -> Vec<u8> {
    let mut frame = plain(dst, src);
    frame[20..22].copy_from_slice(&number.to_be_bytes());
    frame
}

/// All that has come out of a port of frames from one station to another: their numbers.
fn numbers(rig: &Rig, port: u16, (dst, src): (Mac, Mac)) -> Vec<u16> {
    let macs = [dst.octets(), src.octets()].concat();
    let frames = std::iter::from_fn(|| rig.peers[&port].recv()).filter(|frame| frame.starts_with(&macs));
    frames.map(|frame| u16::from_be_bytes([frame[20], frame[21]])).collect()
}

/// One turn, and how many copies it made.
fn copies(rig: &mut Rig) -> u64 {
    let before = rig.total().copied;
    rig.turn();
    rig.assert_balanced();
    rig.total().copied - before
}

#[test]
fn a_turn_makes_so_many_copies_and_an_established_flow_waits_for_no_more() {
    let mut rig = wide_rig();
    rig.send(2, &plain(1, 2));
    rig.send(1, &plain(2, 1));
    for port in 1..=WIDE {
        while rig.peers[&port].recv().is_some() {}
    }
    for port in [3, 4] {
        (0..32)
            .for_each(|_| assert!(rig.peers[&port].send(&ethernet(Mac::BROADCAST, mac(port as u8), 0x88b5, &[0; 46]))));
    }
    let before = rig.total().copied;
    let mut turns = Vec::new();
    while turns.last() != Some(&0) {
        assert!(rig.peers[&1].send(&plain(2, 1)));
        turns.push(copies(&mut rig));
        assert_eq!(numbers(&rig, 2, (mac(2), mac(1))).len(), 1, "the established flow is not kept waiting");
    }
    assert!(turns.iter().all(|&copies| copies <= COPIES), "{turns:?}");
    assert!((48..55).contains(&turns.len()), "64 times 99 copies and frames, 128 a turn: {}", turns.len());
    assert_eq!(rig.total().copied - before, 64 * 98);
    let received = |port: u16| std::iter::from_fn(|| rig.peers[&port].recv()).count();
    assert_eq!([3, 4, 5, 100].map(received), [32, 32, 64, 64]);
    assert!(rig.drops().is_empty());
    rig.assert_at_rest();
}

#[test]
fn what_waits_is_held_in_the_books_of_its_worker_and_its_port() {
    let mut rig = wide_rig();
    (0..10).for_each(|_| assert!(rig.peers[&3].send(&plain(99, 3))));
    copies(&mut rig);
    let (worker, ports) = rig.reading(0);
    assert_eq!((worker.held, ports[3].held, ports[4].held), (9, 9, 0));
    rig.settle();
    assert_eq!(rig.reading(0).0.held, 0);
    rig.assert_at_rest();
}

#[test]
fn a_frame_whose_destination_is_known_by_now_does_not_overtake_floods_of_its_flow() {
    let mut rig = wide_rig();
    let mut sent = 0..;
    let mut say = |rig: &Rig, many: usize| {
        sent.by_ref().take(many).for_each(|number| assert!(rig.peers[&1].send(&numbered(2, 1, number))));
    };
    let mut waited = 0;
    for turn in 0..60 {
        say(&rig, if turn < 40 { 3 } else { 1 });
        // Its destination speaks while the first of them wait, and again, which is nothing new.
        if turn % 10 == 5 {
            assert!(rig.peers[&2].send(&plain(1, 2)));
        }
        copies(&mut rig);
        waited += usize::from(turn > 5 && rig.total().held > 0);
    }
    rig.settle();
    assert!(waited > 5, "{waited}: floods were under way when the destination became known");
    let received = numbers(&rig, 2, (mac(2), mac(1)));
    assert_eq!(received, (0..140).collect::<Vec<u16>>());
    let copied = rig.total().copied;
    rig.send(1, &plain(2, 1));
    let hits = rig.total().flow_hits;
    rig.send(1, &plain(2, 1));
    assert_eq!((rig.total().copied, rig.total().flow_hits), (copied, hits + 1), "the decision is kept now");
    rig.assert_at_rest();
}

#[test]
fn floods_that_go_on_cross_to_other_workers_in_order_too() {
    let mut rig = wide_rig_of(2);
    let mut waited = 0;
    for turn in 0..60 {
        (0..2).for_each(|n| assert!(rig.peers[&1].send(&numbered(2, 1, 2 * turn + n))));
        if turn == 20 {
            assert!(rig.peers[&2].send(&plain(1, 2)), "by the other worker, which tells this one");
        }
        assert!(copies(&mut rig) <= 2 * COPIES);
        waited += usize::from(turn > 20 && rig.total().held > 0);
    }
    rig.settle();
    assert!(waited > 5, "{waited}: floods were under way when the destination became known");
    assert_eq!(numbers(&rig, 2, (mac(2), mac(1))), (0..120).collect::<Vec<u16>>());
    assert!(rig.drops().is_empty() && rig.total().handed > 1000, "{:?}", rig.drops());
    rig.assert_at_rest();
}

#[test]
fn no_port_takes_all_the_places_of_the_line() {
    let mut rig = wide_rig();
    (0..600).for_each(|_| assert!(rig.peers[&3].send(&plain(99, 3))));
    (0..30).for_each(|_| _ = copies(&mut rig));
    let dropped = rig.dropped(Cause::FloodBacklog);
    assert!(dropped > 200 && rig.reading(0).1[3].held > 200, "{dropped}");
    assert!(rig.peers[&4].send(&plain(98, 4)));
    rig.settle();
    assert_eq!(rig.dropped(Cause::FloodBacklog), dropped, "another port's flood found a place");
    assert_eq!(numbers(&rig, 5, (mac(98), mac(4))).len(), 1);
    assert_eq!(numbers(&rig, 6, (mac(99), mac(3))).len() as u64, 600 - dropped);
    rig.assert_at_rest();
}

#[test]
fn a_port_is_given_back_when_its_floods_have_left_and_receives_nothing_meanwhile() {
    let mut rig = wide_rig();
    (0..10).for_each(|_| assert!(rig.peers[&3].send(&plain(99, 3))));
    rig.turn();
    rig.order(0, Order::Detach { port: PortId(3) });
    (0..5).for_each(|_| assert!(rig.peers[&3].send(&plain(99, 3))));
    let turns = (1..).find(|_| rig.turn_one(0).1 == ["detached"]).unwrap();
    assert!((5..12).contains(&turns), "{turns}");
    assert_eq!(rig.reading(0).1[3].held, 0);
    assert_eq!(numbers(&rig, 5, (mac(99), mac(3))).len(), 10);
    assert_eq!(rig.returned.len(), 1);
    assert_eq!(rig.peers[&3].backlog(), 5, "they stay on the wire, for whoever holds the port next");
    let (port, queue) = rig.returned.pop().unwrap();
    rig.order(0, Order::Attach { port, queue });
    rig.settle();
    assert_eq!(numbers(&rig, 5, (mac(99), mac(3))).len(), 5);
    rig.assert_at_rest();
}

#[test]
fn a_port_that_floods_were_for_goes_and_what_it_misses_is_counted() {
    let mut rig = wide_rig();
    (0..10).for_each(|_| assert!(rig.peers[&3].send(&plain(99, 3))));
    rig.turn();
    rig.order(0, Order::Detach { port: PortId(100) });
    assert_eq!(rig.turn_one(0).1, ["detached"], "nobody waits for what others sent");
    rig.settle();
    assert_eq!(rig.dropped(Cause::TxUnserved), 9, "the first had reached it");
    assert_eq!(numbers(&rig, 5, (mac(99), mac(3))).len(), 10);
    rig.assert_at_rest();
}

#[test]
fn a_worker_stops_when_the_floods_in_its_hands_have_left() {
    let mut rig = wide_rig();
    (0..20).for_each(|_| assert!(rig.peers[&3].send(&plain(99, 3))));
    rig.turn();
    rig.order(0, Order::Stop);
    assert!(rig.peers[&3].send(&plain(99, 3)));
    let mut last = rig.turn_one(0);
    while last.1.is_empty() {
        assert_eq!(last.0, Turn::Busy);
        last = rig.turn_one(0);
    }
    assert_eq!(last.1, ["stopped"]);
    assert_eq!((rig.turn_one(0).0, rig.total().held), (Turn::Stopped, 0));
    assert_eq!(numbers(&rig, 5, (mac(99), mac(3))).len(), 20);
    assert_eq!(rig.peers[&3].backlog(), 1, "nothing was received after the order");
    rig.assert_balanced();
}

#[test]
fn a_flood_goes_on_under_a_new_snapshot() {
    let mut rig = wide_rig();
    (0..2).for_each(|_| assert!(rig.peers[&3].send(&plain(99, 3))));
    copies(&mut rig);
    // The first frame has gone everywhere, the second to 1 to 30 or so. Then 2 and 60 go and 101 comes.
    rig.change(|snapshot, _| {
        let members: Vec<u32> = (1..=u32::from(WIDE) + 1).filter(|member| ![2, 60].contains(member)).collect();
        (snapshot.members[2], snapshot.members[60]) = (None, None);
        snapshot.members.push(local(0, 101));
        snapshot.ports.push(access(101, 0));
        let network = snapshot.networks[0].as_mut().unwrap();
        network.members = members.into_iter().map(table::MemberId).collect();
    });
    rig.settle();
    assert_eq!(rig.dropped(Cause::TxUnserved), 1, "nobody serves the new port yet");
    assert_eq!([2, 60, 61, 100].map(|port| numbers(&rig, port, (mac(99), mac(3))).len()), [2, 1, 2, 2]);
    rig.assert_at_rest();
}

#[test]
fn a_number_that_means_somebody_else_now_gets_nothing_of_a_flood_under_way() {
    let mut rig = wide_rig();
    (0..4).for_each(|_| assert!(rig.peers[&3].send(&plain(99, 3))));
    copies(&mut rig);
    let before = rig.total().copied;
    // The sender's number is another port's now, in another network of the same ports.
    rig.change(|snapshot, stamp| {
        snapshot.members[3] = local(0, 50);
        let network = snapshot.networks[0].as_mut().unwrap();
        (network.generation, network.vni) = (stamp, wire::Vni::new(8).unwrap());
    });
    rig.settle();
    assert_eq!(rig.dropped(Cause::PortUnknown), 3);
    assert_eq!(rig.total().copied, before);
    rig.assert_at_rest();
}

#[test]
fn a_known_destination_that_goes_while_a_frame_waits_for_it_gets_nothing() {
    let mut rig = wide_rig();
    (0..10).for_each(|number| assert!(rig.peers[&1].send(&numbered(2, 1, number))));
    rig.turn();
    assert!(rig.peers[&2].send(&plain(1, 2)));
    rig.turn();
    assert!(rig.peers[&1].send(&numbered(2, 1, 10)));
    rig.turn();
    let seen = numbers(&rig, 2, (mac(2), mac(1))).len();
    rig.change(|snapshot, _| snapshot.members[2] = local(0, 77));
    rig.settle();
    assert!(seen < 10 && numbers(&rig, 2, (mac(2), mac(1))).is_empty());
    assert_eq!(rig.dropped(Cause::PortUnknown), 1, "the frame that was for the member, and no flood");
    rig.assert_at_rest();
}

#[test]
fn a_copy_of_a_super_frame_counts_for_many() {
    let mut rig = wide_rig();
    let offload = Some(Offload { transport: Transport::Tcp, segment: 1400 });
    rig.change(|snapshot, _| snapshot.ports.iter_mut().flatten().for_each(|port| port.frame_max = 1514));
    assert!(rig.peers[&3].send_unfinished(&tcp(99, 3, 60_000), offload));
    let mut turns = Vec::new();
    while turns.last() != Some(&0) {
        turns.push(copies(&mut rig));
        (1..=WIDE).for_each(|port| while rig.peers[&port].recv().is_some() {});
    }
    assert_eq!(turns.iter().max(), Some(&5), "{turns:?}");
    assert_eq!(turns.iter().sum::<u64>(), 98);
    rig.assert_at_rest();
}
