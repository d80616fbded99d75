//! Which packets have one five-tuple, and what it says.

use std::{collections::HashSet, net::IpAddr};

use wire::{FiveTuple, parse};

use crate::samples::*;

fn tuple(frame: &[u8]) -> FiveTuple {
    FiveTuple::of(frame, &parse(frame).unwrap()).unwrap()
}

#[test]
fn it_says_who_talks_to_whom_about_what() {
    for (tuple, addresses) in [
        (tuple(&ipv4(6, &tcp(1000, 80, &[], b"a"))), V4.map(IpAddr::from)),
        (tuple(&ipv6(6, &tcp(1000, 80, &[], b"a"))), V6.map(IpAddr::from)),
    ] {
        assert_eq!(tuple.addresses(), addresses.into());
        assert_eq!((tuple.protocol(), tuple.ports(), tuple.icmp()), (6, Some((1000, 80)), None));
        assert!(!tuple.is_fragment());
    }
    let ping = tuple(&ipv4(1, &[8, 0, 0, 0, 0x12, 0x34, 0, 1]));
    assert_eq!((ping.protocol(), ping.ports(), ping.icmp()), (1, None, Some((8, 0))));
    let unreachable = tuple(&ipv6(58, &[1, 4, 0, 0, 0, 0, 0, 0]));
    assert_eq!((unreachable.protocol(), unreachable.ports(), unreachable.icmp()), (58, None, Some((1, 4))));
    let gre = tuple(&ipv4(47, &[0; 8]));
    assert_eq!((gre.protocol(), gre.ports(), gre.icmp(), gre.is_fragment()), (47, None, None, false));
}

#[test]
fn any_difference_in_addresses_protocol_or_ports_makes_another() {
    let frame = ipv4(17, &udp(1000, 53, b"a"));
    let mut turned = frame.clone();
    turned[26..34].rotate_left(4);
    let mut all = vec![
        ipv4(17, &udp(1001, 53, b"a")),
        ipv4(17, &udp(1000, 54, b"a")),
        ipv4(17, &udp(53, 1000, b"a")),
        ipv4(6, &tcp(1000, 53, &[], b"a")),
        ipv6(17, &udp(1000, 53, b"a")),
        ipv4(1, &[8, 0, 0, 0, 0, 0, 0, 0]),
        ipv4(1, &[0, 0, 0, 0, 0, 0, 0, 0]),
        ipv4(17, &udp(0, 0, b"a")),
        ipv4_with(17, 0x2000, &[], &udp(0, 0, &[0; 16])),
        turned,
    ];
    // Every octet of both addresses.
    all.extend((26..34).map(|at| [&frame[..at], &[frame[at] ^ 0x40], &frame[at + 1..]].concat()));
    let long = ipv6(17, &udp(1000, 53, b"a"));
    all.extend((22..54).map(|at| [&long[..at], &[long[at] ^ 0x40], &long[at + 1..]].concat()));
    all.push(frame);
    assert_eq!(all.iter().map(|frame| tuple(frame)).collect::<HashSet<_>>().len(), all.len());
}

#[test]
fn payload_tags_ttl_options_and_a_pings_number_make_none() {
    let frame = ipv4(17, &udp(1000, 53, b"a"));
    let mut other_ttl = frame.clone();
    other_ttl[22] = 1;
    for same in [
        other_ttl,
        tagged(0x8100, 100, &frame),
        ipv4(17, &udp(1000, 53, b"longer")),
        ipv4_with(17, 0x4000, &[1; 4], &udp(1000, 53, b"a")),
    ] {
        assert_eq!(tuple(&same), tuple(&frame));
    }
    let ping = |number| tuple(&ipv4(1, &[8, 0, 0, 0, 0x12, 0x34, 0, number]));
    assert_eq!(ping(1), ping(2));
}

#[test]
fn all_fragments_of_a_packet_have_one_and_no_ports() {
    let datagram = udp(1000, 53, &[7; 64]);
    let first = tuple(&ipv4_with(17, 0x2000, &[], &datagram[..32]));
    assert_eq!((first.ports(), first.is_fragment(), first.protocol()), (None, true, 17));
    assert_eq!(first, tuple(&ipv4_with(17, 0x2004, &[], &datagram[32..40])));
    assert_eq!(first, tuple(&ipv4_with(17, 0x0005, &[], &datagram[40..])));
    let first = tuple(&ipv6(44, &[&fragment(17, 0, true)[..], &datagram[..32]].concat()));
    assert_eq!(first, tuple(&ipv6(44, &[&fragment(17, 32, false)[..], &datagram[32..]].concat())));
    assert!(first.is_fragment());
}

#[test]
fn what_is_not_ip_has_none() {
    for frame in [ethernet(0x88cc, &[1]), arp()] {
        assert_eq!(FiveTuple::of(&frame, &parse(&frame).unwrap()), None);
    }
}
