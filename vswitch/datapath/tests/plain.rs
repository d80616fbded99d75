//! Packets that are as nearly all are have a lane of their own; what leaves by it is what the long way gives.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::{Cause, Guard, Role};
use rig::*;
use wire::{checksum, parse};

/// The same packet over IPv4 with four octets of options that say nothing, which is not plain.
fn with_options(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.splice(34..34, [1, 1, 1, 0]);
    let total = (frame.len() - 14) as u16;
    (frame[14], frame[24], frame[25]) = (0x46, 0, 0);
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    let sum = checksum::of(&frame[14..38]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[test]
fn a_flow_keeps_its_outer_header_whichever_way_its_packets_take() {
    let mut rig = Rig::new(Size::default());
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    rig.peers[&1].recv().unwrap();
    let short = udp_frame(9, 1, 1, 40);
    let other = udp_frame(9, 1, 2, 40);
    let mut sent = Vec::new();
    // The first packet is decided about, the second finds that; then the two ways take turns.
    for frame in [&short, &short, &with_options(&short), &short, &with_options(&other), &other] {
        rig.send(1, frame);
        let packet = rig.peers[&0].recv().unwrap();
        assert_eq!(&packet[50..], frame.as_slice());
        let outer = parse(&packet).unwrap();
        assert_eq!(checksum::of(&packet[14..34]), 0);
        sent.push((outer.ports(&packet), outer.addresses(&packet), packet[..12].to_vec(), packet[46..50].to_vec()));
    }
    assert!(sent[..4].iter().all(|header| *header == sent[0]), "{sent:x?}");
    assert_eq!(sent[4], sent[5]);
    assert_ne!(sent[0].0, sent[5].0, "another flow has another source port");
    let reading = rig.total();
    assert_eq!((reading.flow_hits, reading.flow_misses), (5, 2));
    rig.assert_at_rest();
}

#[test]
fn a_plain_packet_too_long_for_its_way_is_dropped_by_name_and_those_around_it_are_not() {
    let mut rig = Rig::new(Size::default());
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    rig.peers[&1].recv().unwrap();
    let before = rig.total();
    for len in [40, 40, 1500, 40] {
        assert!(rig.peers[&1].send(&udp_frame(9, 1, 1, len)));
    }
    rig.settle();
    assert_eq!(rig.out()[0], 3);
    assert_eq!(rig.drops(), [("mtu-exceeded-underlay", 1)].into());
    assert_eq!(rig.total().rx - before.rx, 4);
    rig.assert_balanced();
}

#[test]
fn the_first_packets_of_a_flow_are_one_miss_and_keep_their_order_among_those_of_others() {
    let mut rig = Rig::new(Size::default());
    rig.through(2, &plain(1, 2));
    let before = rig.total();
    let payload = |nth: u8| udp_frame(2, if nth.is_multiple_of(2) { 1 } else { 100 + nth }, nth, 40);
    for nth in 0..20 {
        assert!(rig.peers[&1].send(&payload(nth)));
    }
    rig.settle();
    for nth in (0..20).filter(|nth| nth % 2 == 0) {
        assert!(std::iter::from_fn(|| rig.peers[&2].recv()).any(|packet| packet == payload(nth)), "{nth}");
    }
    let after = rig.total();
    assert_eq!((after.flow_misses - before.flow_misses, after.flow_hits - before.flow_hits), (11, 9));
    rig.assert_at_rest();
}

#[test]
fn a_station_bound_by_its_mac_alone_is_held_to_it_from_the_first_plain_packet() {
    let mut rig = Rig::new(Size::default());
    rig.change(|snapshot, generation| {
        let guard = Guard { macs: Some(vec![mac(1)]), addresses: None };
        let spec = snapshot.ports[1].as_mut().unwrap();
        (spec.generation, spec.role) = (generation, Role::Access { guard });
    });
    rig.through(2, &plain(1, 2));
    for _ in 0..2 {
        assert_eq!(rig.through(1, &udp_frame(2, 9, 1, 40)), [0; 5]);
        assert_eq!(rig.through(1, &udp_frame(2, 1, 1, 40)), [0, 0, 1, 0, 0]);
    }
    assert_eq!(rig.dropped(Cause::SpoofedMac), 2);
    rig.assert_at_rest();
}
