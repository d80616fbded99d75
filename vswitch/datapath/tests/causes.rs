//! Every cause of a drop is provoked once, and exactly its counter says so.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use std::{collections::HashSet, net::Ipv6Addr, sync::Arc};

use datapath::{Cause, DropReason, MemberKind, Order, Paths, PortId, Report, Role, Turn, VtepKey, WorkerId};
use frame::{HeapPool, Offload, Transport};
use rig::*;
use table::{MemberId, Tick};
use wire::{Mac, Vni};

/// A cause, the switch it takes, how to provoke it, and how many frames that costs.
type Case = (Cause, Size, fn(&mut Rig), u64);

const USUAL: Size = Size { workers: 1, frames: 8192, depth: 4096, flows: 1024, macs: 1024 };

#[rustfmt::skip]
const CASES: &[Case] = &[
    (Cause::PortUnknown, USUAL, |rig| { rig.attach(9, 0); rig.send(9, &plain(2, 1)) }, 1),
    (Cause::VlanRefused, USUAL, |rig| rig.send(0, &ethernet(UPLINK_MAC, mac(200), 0x8100, &[0, 5, 0x88, 0xb5, 0, 0])), 1),
    (Cause::StormControl, USUAL, storm, 4),
    (Cause::EcnNotCapable, USUAL, |rig| rig.send(0, &congested(&udp_frame(1, 9, 9, 20))), 1),
    (Cause::OuterUdpZeroChecksum, USUAL, unsummed_over_ipv6, 1),
    (Cause::SourceMacInvalid, USUAL, |rig| rig.send(1, &ethernet(mac(2), Mac::BROADCAST, 0x88b5, &[0; 46])), 1),
    (Cause::SpoofedMac, USUAL, |rig| rig.send(3, &plain(1, 7)), 1),
    (Cause::SpoofedAddress, USUAL, |rig| rig.send(3, &udp_frame(1, 3, 7, 10)), 1),
    (Cause::SpoofedNeighbour, USUAL, |rig| rig.send(3, &arp(3, 7)), 1),
    (Cause::SpoofUnverifiable, USUAL, |rig| rig.send(3, &ethernet(mac(1), mac(3), 0x8100, &[0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 8, 0])), 1),
    (Cause::ReservedMac, USUAL, |rig| rig.send(1, &ethernet(Mac::new([1, 0x80, 0xc2, 0, 0, 0]), mac(1), 0x88cc, &[0; 46])), 1),
    (Cause::SamePort, USUAL, |rig| { rig.send(1, &plain(99, 8)); rig.send(1, &plain(8, 1)) }, 1),
    (Cause::SplitHorizon, USUAL, vtep_to_vtep, 1),
    (Cause::FloodNobody, USUAL, flood_alone, 1),
    // Ten turns, each of which takes 32 frames in and makes 128 copies, of which each flood takes 100.
    (Cause::FloodBacklog, USUAL, |rig| flood_many(rig, 300), 33),
    (Cause::MtuExceeded, USUAL, |rig| { shorten(rig, 2); rig.send(1, &udp_frame(2, 1, 1, 400)) }, 1),
    (Cause::MtuExceededUnderlay, USUAL, |rig| rig.send(1, &udp_frame(2, 1, 1, 1440)), 1),
    (Cause::NextHopUnresolved, USUAL, |rig| rig.send(4, &plain(1, 4)), 1),
    (Cause::NoUplink, USUAL, |rig| { cut_off(rig); rig.send(1, &plain(9, 1)) }, 1),
    (Cause::UplinkOtherMac, USUAL, |rig| rig.send(0, &Tunnelled { dst_mac: mac(77), ..Tunnelled::default() }.around(&plain(1, 9))), 1),
    (Cause::UplinkOtherAddress, USUAL, |rig| rig.send(0, &Tunnelled { local: [192, 0, 2, 9], ..Tunnelled::default() }.around(&plain(1, 9))), 1),
    (Cause::UplinkProtocol, USUAL, |rig| rig.send(0, &ethernet(UPLINK_MAC, mac(200), 0x0800, &ipv4(REMOTE, LOCAL, 47, &[0; 20]))), 1),
    (Cause::UplinkUdpPort, USUAL, |rig| rig.send(0, &Tunnelled { udp_port: 4790, ..Tunnelled::default() }.around(&plain(1, 9))), 1),
    (Cause::UnknownVtep, USUAL, |rig| rig.send(0, &Tunnelled { remote: [192, 0, 2, 66], ..Tunnelled::default() }.around(&plain(1, 9))), 1),
    (Cause::UnknownVni, USUAL, |rig| rig.send(0, &Tunnelled { vni: 9, ..Tunnelled::default() }.around(&plain(1, 9))), 1),
    // A flood from port 1 goes to three members: the frame itself and two copies.
    (Cause::OutOfFrames, Size { frames: 1, ..USUAL }, |rig| rig.send(1, &plain(99, 1)), 2),
    (Cause::OffloadHeaders, USUAL, |rig| send_unfinished(rig, &udp_frame(2, 1, 1, 10), 0), 1),
    (Cause::OffloadSegments, USUAL, |rig| send_unfinished(rig, &tcp(2, 1, 100), 1), 1),
    (Cause::SplitOutOfFrames, Size { frames: 4, ..USUAL }, |rig| { rig.send(2, &plain(1, 2)); send_unfinished(rig, &tcp(2, 1, 9000), 1400) }, 1),
    (Cause::TxRefused, Size { depth: 1, ..USUAL }, |rig| { rig.send(1, &plain(99, 1)); rig.send(1, &plain(99, 1)) }, 3),
    (Cause::TxUnserved, USUAL, |rig| { rig.order(0, Order::Detach { port: PortId(2) }); rig.send(1, &plain(99, 1)) }, 1),
    (Cause::HandoffFull, Size { workers: 2, ..USUAL }, |rig| overrun_the_other(rig, 1024 + 76), 76),
    (Cause::PuntFull, USUAL, |rig| ask_the_node(rig, 256 + 5), 5),
];

/// Sends a packet in by port 1 that is said to be TCP with work left, to be cut into so many octets.
fn send_unfinished(rig: &mut Rig, packet: &[u8], segment: u16) {
    assert!(rig.peers[&1].send_unfinished(packet, Some(Offload { transport: Transport::Tcp, segment })));
    rig.settle();
}

/// A frame from the other VTEP that has met congestion on its way.
fn congested(inner: &[u8]) -> Vec<u8> {
    let mut packet = Tunnelled::default().around(inner);
    wire::parse(&packet).unwrap().set_tos(&mut packet, 3);
    packet
}

/// Station 9 is behind the tunnel, whose uplink fails.
fn cut_off(rig: &mut Rig) {
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    rig.settle();
    rig.change(|snapshot, _| {
        let tunnel = &mut snapshot.members[4].as_mut().unwrap().kind;
        *tunnel = MemberKind::Vtep { paths: Paths::None(Cause::NoUplink) };
    });
}

/// A third VTEP's frame to a station that is behind the second.
fn vtep_to_vtep(rig: &mut Rig) {
    rig.change(|snapshot, _| {
        snapshot.members.push(vtep(0, 7, SILENT, true));
        snapshot.networks[0] = network(7, &[1, 2, 3, 4, 7]);
        hear(&mut snapshot.vteps, SILENT, 7, 7);
    });
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    rig.send(0, &Tunnelled { remote: SILENT, ..Tunnelled::default() }.around(&plain(9, 8)));
}

/// Five floods in one tick where ten a second are allowed: one each tick.
fn storm(rig: &mut Rig) {
    rig.change(|snapshot, stamp| {
        let port = snapshot.ports[1].as_mut().unwrap();
        (port.storm_max, port.generation) = (Some(10), stamp);
    });
    (0..5).for_each(|_| rig.send(1, &plain(99, 1)));
}

/// A VXLAN packet over IPv6 without UDP checksum, from a VTEP that may not leave it out.
fn unsummed_over_ipv6(rig: &mut Rig) {
    let (local, remote) = (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
    rig.change(|snapshot, stamp| {
        let uplink = snapshot.ports[0].as_mut().unwrap();
        uplink.generation = stamp;
        let Role::Uplink { addresses, .. } = &mut uplink.role else { panic!("port 0 is the uplink") };
        addresses.push(local.into());
        let sender = VtepKey { uplink: PortId(0), local: local.into(), remote: remote.into(), udp_port: 4789 };
        snapshot.vteps.insert(sender, Vni::new(7).unwrap(), MemberId(4));
    });
    let tunnel = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &plain(1, 9)].concat();
    let datagram = udp(50_000, 4789, &tunnel);
    let header = [&[0x60, 0, 0, 0, 0, datagram.len() as u8, 17, 64][..], &remote.octets(), &local.octets()].concat();
    rig.send(0, &ethernet(UPLINK_MAC, mac(200), 0x86dd, &[header, datagram].concat()));
}

fn flood_alone(rig: &mut Rig) {
    rig.change(|snapshot, stamp| {
        let mut alone = network(7, &[1]);
        alone.as_mut().unwrap().generation = stamp;
        snapshot.networks[0] = alone;
    });
    rig.send(1, &plain(99, 1));
}

/// Sends so many floods, each to a hundred members.
fn flood_many(rig: &mut Rig, floods: usize) {
    rig.change(|snapshot, _| {
        snapshot.members.extend((7..104).map(|_| vtep(0, 7, REMOTE, true)));
        snapshot.networks[0] = network(7, &[&[1, 2, 3, 4], &(7..104).collect::<Vec<_>>()[..]].concat());
    });
    (0..floods).for_each(|_| assert!(rig.peers[&1].send(&plain(99, 1))));
    while rig.turn_one(0).0 == Turn::Busy {
        rig.out();
    }
}

/// Lets only short frames out by a port.
fn shorten(rig: &mut Rig, port: usize) {
    rig.change(|snapshot, stamp| {
        let port = snapshot.ports[port].as_mut().unwrap();
        (port.frame_max, port.generation) = (100, stamp);
    });
}

/// Sends so many frames to a port of the second worker while that does not turn.
fn overrun_the_other(rig: &mut Rig, frames: usize) {
    rig.send(2, &plain(1, 2));
    (0..frames).for_each(|_| assert!(rig.peers[&1].send(&plain(2, 1))));
    (0..frames).for_each(|_| drop(rig.turn_one(0)));
    assert_eq!(rig.total().handed - rig.total().taken, 1024, "the ring is full");
}

/// Asks for the node's MAC so many times while nobody takes the questions.
fn ask_the_node(rig: &mut Rig, times: usize) {
    (0..times).for_each(|_| rig.send(0, &arp(9, 9)));
}

#[test]
fn each_cause_counts_under_its_own_name_and_no_other() {
    for &(cause, size, provoke, frames) in CASES {
        let mut rig = Rig::new(size);
        provoke(&mut rig);
        assert_eq!(rig.drops(), [(cause.name(), frames)].into(), "{}", cause.name());
        rig.assert_at_rest();
    }
}

#[test]
fn the_cases_are_all_causes_there_are() {
    let cases: HashSet<Cause> = CASES.iter().map(|case| case.0).chain([Cause::NoHeadroom]).collect();
    assert_eq!(cases, Cause::ALL.iter().copied().collect(), "NoHeadroom has a test of its own");
}

#[test]
fn a_frame_without_room_for_the_outer_header_is_dropped_and_its_copies_are_not() {
    let mut heap = HeapPool::new(64, 2048);
    let stock = Stock::new(16, &mut heap);
    let (mut all, mut wires, books) = workers::<ScriptPort, Stock>(USUAL, &stock);
    let (worker, mail) = (&mut all[0], &mut wires[0].mail);
    assert!(mail.send(Order::Install(Arc::new(picture()))).is_ok());
    worker.turn(Tick(1));
    let queue = ScriptPort::new(vec![], 1, stock.clone());
    assert!(mail.send(Order::Attach { port: PortId(0), queue }).is_ok());
    worker.turn(Tick(1));
    let queue = ScriptPort::new(vec![plain(99, 1)], 1, stock.clone()).crowded(49);
    assert!(mail.send(Order::Attach { port: PortId(1), queue }).is_ok());
    worker.turn(Tick(1));
    worker.publish();
    let reading = books.read(WorkerId(0), &[]).unwrap().0;
    // Ports 2 and 3 are not attached; the frame itself was on its way into the tunnel.
    assert_eq!(reading.dropped[DropReason::from(Cause::NoHeadroom).index()], 1);
    assert!(reading.balanced() && reading.rx == 1, "{reading:?}");
    while let Some(report) = mail.recv() {
        drop::<Report<ScriptPort>>(report);
    }
    stock.clear(&mut heap);
}
