//! IPv6 on the underlay: what of it is for the node, what is VXLAN, and what is neither.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use std::net::Ipv6Addr;

use rig::*;
use wire::{
    Mac,
    icmpv6::{Advertisement, ECHO_REQUEST, REDIRECT, ROUTER_ADVERTISEMENT, Solicitation},
    ipv6::{ALL_NODES, multicast_mac, solicited_node},
};

fn node() -> Rig {
    let mut rig = Rig::new(Size::default());
    speak_ipv6(&mut rig);
    rig
}

/// What becomes of a frame that comes in by the uplink: punted frames, and drops by reason.
fn fate(rig: &mut Rig, frame: &[u8]) -> (u64, Vec<&'static str>) {
    let (punted, before) = (rig.total().punted, rig.drops());
    rig.send(0, frame);
    let new = |(&name, &count): (&&'static str, &u64)| (before.get(name) != Some(&count)).then_some(name);
    (rig.total().punted - punted, rig.drops().iter().filter_map(new).collect())
}

fn dropped(name: &'static str) -> (u64, Vec<&'static str>) {
    (0, vec![name])
}

const PUNTED: (u64, Vec<&'static str>) = (1, Vec::new());

/// An ICMPv6 message of that type to `dst`, in a frame to the MAC that belongs there.
fn icmpv6(dst: Ipv6Addr, kind: u8, body: &[u8]) -> Vec<u8> {
    let to = if dst.is_multicast() { multicast_mac(dst) } else { UPLINK_MAC };
    ethernet(to, mac(200), 0x86dd, &ipv6(REMOTE6, dst, 58, &[&[kind, 0, 0, 0], body].concat()))
}

#[test]
fn neighbour_discovery_for_the_node_is_punted_however_it_is_sent() {
    let mut rig = node();
    let question = Solicitation { src: REMOTE6, source_mac: mac(200), target: LOCAL6 };
    let answer = Advertisement { target: REMOTE6, target_mac: mac(200), asker: Some(LOCAL6) };
    assert_eq!(fate(&mut rig, &question.to_frame(None)), PUNTED, "to the solicited-node group");
    assert_eq!(fate(&mut rig, &question.to_frame(Some(UPLINK_MAC))), PUNTED, "to the node itself");
    assert_eq!(fate(&mut rig, &answer.to_frame(UPLINK_MAC)), PUNTED);
    assert_eq!(fate(&mut rig, &Advertisement { asker: None, ..answer }.to_frame(UPLINK_MAC)), PUNTED, "to all nodes");
    assert_eq!(fate(&mut rig, &icmpv6(LOCAL6, ECHO_REQUEST, &[0; 8])), PUNTED, "a ping");
    rig.assert_at_rest();
}

#[test]
fn what_is_for_other_groups_or_not_discovery_is_dropped_by_name() {
    let mut rig = node();
    let stranger = Solicitation { src: REMOTE6, source_mac: mac(200), target: REMOTE6 };
    let mdns: Ipv6Addr = "ff02::fb".parse().unwrap();
    let cases = [
        (stranger.to_frame(None).to_vec(), "uplink-other-address"),
        (icmpv6(mdns, ECHO_REQUEST, &[0; 8]), "uplink-other-address"),
        (icmpv6(ALL_NODES, ECHO_REQUEST, &[0; 8]), "uplink-protocol"),
        (icmpv6(solicited_node(LOCAL6), ECHO_REQUEST, &[0; 8]), "uplink-protocol"),
        (icmpv6(ALL_NODES, 130, &[0; 24]), "uplink-protocol"),
        (icmpv6(ALL_NODES, ROUTER_ADVERTISEMENT, &[0; 12]), "uplink-protocol"),
        (icmpv6(LOCAL6, REDIRECT, &[0; 36]), "uplink-protocol"),
        (icmpv6(ALL_NODES, 135, &[0; 19]), "nd-truncated"),
        (icmpv6(LOCAL6, 136, &[&[0; 20][..], &[2, 0, 0, 0, 0, 0, 0, 0]].concat()), "nd-options"),
    ];
    for (frame, reason) in cases {
        assert_eq!(fate(&mut rig, &frame), dropped(reason), "{frame:02x?}");
    }
    let to_all = |packet: &[u8]| ethernet(multicast_mac(ALL_NODES), mac(200), 0x86dd, packet);
    let datagram = udp(1, 4789, &[0; 40]);
    assert_eq!(fate(&mut rig, &to_all(&ipv6(REMOTE6, ALL_NODES, 17, &datagram))), dropped("uplink-protocol"));
    rig.assert_at_rest();
}

#[test]
fn a_node_without_ipv6_is_in_no_group() {
    let mut rig = Rig::new(Size::default());
    let question = Solicitation { src: REMOTE6, source_mac: mac(200), target: LOCAL6 };
    assert_eq!(fate(&mut rig, &question.to_frame(None)), dropped("uplink-other-address"));
    assert_eq!(fate(&mut rig, &icmpv6(ALL_NODES, 136, &[0; 20])), dropped("uplink-other-address"));
}

#[test]
fn both_families_arrive_from_one_vtep_on_one_uplink() {
    let mut rig = node();
    assert_eq!(fate(&mut rig, &over_ipv6(true, &plain(1, 9))), (0, vec![]));
    assert_eq!(fate(&mut rig, &Tunnelled::default().around(&plain(1, 9))), (0, vec![]));
    assert_eq!([rig.peers[&1].recv(), rig.peers[&1].recv()], [Some(plain(1, 9)), Some(plain(1, 9))]);
    rig.assert_at_rest();
}

#[test]
fn a_zero_checksum_is_taken_from_whom_it_was_allowed_and_not_remembered_for_others() {
    let mut rig = node();
    // In one batch: the memory of the sender before must not let the next packet in.
    for summed in [true, false, true, false] {
        assert!(rig.peers[&0].send(&over_ipv6(summed, &plain(1, 9))));
    }
    rig.settle();
    assert_eq!(rig.drops(), [("outer-udp-zero-checksum", 2)].into());
    rig.change(|snapshot, _| snapshot.vteps.allow_zero_checksum(SENDER6));
    assert_eq!(fate(&mut rig, &over_ipv6(false, &plain(1, 9))), (0, vec![]));
    let mut wrong = over_ipv6(true, &plain(1, 9));
    wrong[60] ^= 1;
    assert_eq!(fate(&mut rig, &wrong), dropped("outer-udp-checksum"), "but no wrong one");
    rig.assert_at_rest();
}

#[test]
fn extension_headers_are_passed_over_and_fragments_of_the_outer_packet_refused() {
    let mut rig = node();
    let whole = over_ipv6(true, &plain(1, 9));
    let with = |header: [u8; 8], kind: u8| {
        ethernet(UPLINK_MAC, mac(200), 0x86dd, &ipv6(REMOTE6, LOCAL6, kind, &[&header[..], &whole[54..]].concat()))
    };
    assert_eq!(fate(&mut rig, &with([17, 0, 1, 4, 0, 0, 0, 0], 60)), (0, vec![]), "destination options");
    assert_eq!(fate(&mut rig, &with([17, 0, 0, 0, 0, 0, 0, 1], 44)), (0, vec![]), "an atomic fragment is whole");
    assert_eq!(fate(&mut rig, &with([17, 0, 0, 1, 0, 0, 0, 1], 44)), dropped("outer-fragment"));
    assert_eq!(fate(&mut rig, &with([17, 0, 0, 9, 0, 0, 0, 1], 44)), dropped("outer-fragment"));
    assert_eq!(fate(&mut rig, &with([0, 0, 1, 4, 0, 0, 0, 0], 60)), dropped("ipv6-hop-by-hop"));
    assert_eq!(fate(&mut rig, &ethernet(Mac::BROADCAST, mac(200), 0x86dd, &[0x60; 20])), dropped("ipv6-truncated"));
    rig.assert_at_rest();
}
