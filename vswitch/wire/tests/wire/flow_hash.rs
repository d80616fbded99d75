//! What makes flows differ, and what must not.

use std::collections::HashSet;

use wire::{HashKey, flow_hash, flow_hash_keyed, parse, source_port};

use crate::samples::*;

fn hash(frame: &[u8]) -> u32 {
    flow_hash(frame, &parse(frame).unwrap())
}

#[test]
fn addresses_protocol_and_ports_make_the_flow() {
    let frame = ipv4(17, &udp(1000, 53, b"a"));
    let mut other_src = frame.clone();
    other_src[29] ^= 1;
    let mut other_dst = frame.clone();
    other_dst[33] ^= 1;
    let mut turned = frame.clone();
    turned[26..34].rotate_left(4);
    let hashes = [
        &frame,
        &other_src,
        &other_dst,
        &turned,
        &ipv4(17, &udp(1001, 53, b"a")),
        &ipv4(17, &udp(1000, 54, b"a")),
        &ipv4(6, &tcp(1000, 53, &[], b"a")),
        &ipv6(17, &udp(1000, 53, b"a")),
    ]
    .map(|frame| hash(frame));
    assert_eq!(HashSet::from(hashes).len(), hashes.len());
}

#[test]
fn payload_padding_tags_ttl_and_macs_do_not() {
    let frame = ipv4(17, &udp(1000, 53, b"a"));
    let mut other_ttl = frame.clone();
    other_ttl[22] = 1;
    let mut other_mac = frame.clone();
    other_mac[5] = 9;
    for same in [
        other_ttl,
        other_mac,
        [frame.clone(), vec![0; 9]].concat(),
        tagged(0x8100, 100, &frame),
        ipv4(17, &udp(1000, 53, b"longer")),
        ipv4_with(17, 0x4000, &[1; 4], &udp(1000, 53, b"a")),
    ] {
        assert_eq!(hash(&same), hash(&frame));
    }
}

#[test]
fn all_fragments_of_a_packet_hash_alike_whatever_they_begin_with() {
    let datagram = udp(1000, 53, &[7; 64]);
    let first = hash(&ipv4_with(17, 0x2000, &[], &datagram[..32]));
    assert_eq!(first, hash(&ipv4_with(17, 0x2004, &[], &datagram[32..40])));
    assert_eq!(first, hash(&ipv4_with(17, 0x0005, &[], &datagram[40..])));
    assert_ne!(first, hash(&ipv4_with(17, 0x4000, &[], &datagram)), "the whole one has ports");
    let first = hash(&ipv6(44, &[&fragment(17, 0, true)[..], &datagram[..32]].concat()));
    assert_eq!(first, hash(&ipv6(44, &[&fragment(17, 32, false)[..], &datagram[32..]].concat())));
}

#[test]
fn frames_without_ip_differ_by_macs_and_ethertype() {
    let frame = ethernet(0x88cc, &[1]);
    let mut other = frame.clone();
    other[11] ^= 1;
    assert_ne!(hash(&frame), hash(&other));
    assert_ne!(hash(&frame), hash(&ethernet(0x88cd, &[1])));
    assert_ne!(hash(&frame), hash(&arp()));
    assert_eq!(hash(&frame), hash(&ethernet(0x88cc, &[2])));
}

#[test]
fn a_secret_key_changes_which_flows_meet() {
    let frame = ipv4(17, &udp(1000, 53, b"a"));
    let parsed = parse(&frame).unwrap();
    let [one, other] = [HashKey([1, 2]), HashKey([1, 3])].map(|key| flow_hash_keyed(&frame, &parsed, key));
    assert_ne!(one, other);
}

#[test]
fn source_ports_lie_in_the_dynamic_range_and_spread_over_all_of_it() {
    assert_eq!((source_port(0), source_port(u32::MAX)), (49_152, 65_535));
    let mut hits = [0u32; 16];
    for port in 0..4096 {
        let source = source_port(hash(&ipv4(17, &udp(10_000 + port, 53, &[]))));
        assert!(source >= 49_152);
        hits[usize::from(source - 49_152) >> 10] += 1;
    }
    // 256 a slot on average with a deviation of 16.
    assert!(hits.iter().all(|&hit| (176..=336).contains(&hit)), "{hits:?}");
}
