//! What a virtio header says is believed only where the packet bears it out.

use std::net::IpAddr;

use proptest::prelude::*;
use wire::{
    protocol,
    virtio_net::{Fault, Header, Left},
};

use crate::samples::*;

const NEEDS_CHECKSUM: u8 = 1;
const TCP4: u8 = 1;
const UFO: u8 = 3;
const TCP6: u8 = 4;
const UDP: u8 = 5;
const CWR: u8 = 0x80;

fn asks(segmentation: u8, segment: u16, checksum_start: u16, checksum_offset: u16) -> Header {
    Header { flags: NEEDS_CHECKSUM, segmentation, headers_len: 0, segment, checksum_start, checksum_offset }
}

fn settle(header: Header, packet: &[u8]) -> Result<Option<Left>, Fault> {
    let mut settled = packet.to_vec();
    let left = header.settle(&mut settled);
    assert!(left == Ok(None) || settled == packet, "what is left to be done, or refused, is as it was");
    left
}

fn tcp_of(octets: usize) -> Vec<u8> {
    tcp(1, 2, &[1, 1, 1, 1], &vec![7; octets])
}

#[test]
fn every_kind_of_work_that_can_be_left_is_understood_and_said_again() {
    let tcp_segment = tcp_of(5000);
    let datagram = udp(1, 2, &[7; 5000]);
    for tags in 0..3 {
        let tagged = |frame: Vec<u8>| (0..tags).fold(frame, |frame, id| tagged(0x8100, id, &frame));
        let l2 = 14 + 4 * tags;
        for (packet, start, offset, kind, protocol) in [
            (ipv4(6, &tcp_segment), l2 + 20, 16, TCP4, protocol::TCP),
            (ipv6(6, &tcp_segment), l2 + 40, 16, TCP6, protocol::TCP),
            (ipv4(17, &datagram), l2 + 20, 6, UDP, protocol::UDP),
            (ipv6(17, &datagram), l2 + 40, 6, UDP, protocol::UDP),
        ] {
            let packet = tagged(packet);
            for (header, segment) in [(asks(0, 0, start, offset), 0), (asks(kind, 1448, start, offset), 1448)] {
                let left = Left { protocol, segment };
                assert_eq!(settle(header, &packet), Ok(Some(left)));
                let said = Header::of(&packet, left).unwrap();
                assert_eq!(Header { headers_len: 0, ..said }, header);
                assert_eq!(Header::parse(said.emit()), said);
            }
        }
    }
}

#[test]
fn what_is_no_longer_than_a_segment_is_not_cut() {
    let packet = ipv4(6, &tcp_of(1448));
    for (segment, left) in [(1447, 1447), (1448, 0), (u16::MAX, 0)] {
        let asked = settle(asks(TCP4, segment, 34, 16), &packet);
        assert_eq!(asked, Ok(Some(Left { protocol: protocol::TCP, segment: left })));
    }
}

#[test]
fn a_window_that_shrinks_is_said_beside_the_kind_of_segmentation() {
    let mut packet = ipv4(6, &tcp_of(5000));
    packet[34 + 13] |= 0x80;
    let left = Left { protocol: protocol::TCP, segment: 1448 };
    assert_eq!(Header::of(&packet, left).unwrap().segmentation, TCP4 | CWR);
    assert_eq!(settle(asks(TCP4 | CWR, 1448, 34, 16), &packet), Ok(Some(left)));
}

#[test]
fn a_header_that_lies_has_a_fault_with_a_name() {
    let (v4, v6) = (ipv4(6, &tcp_of(5000)), ipv6(6, &tcp_of(5000)));
    let datagram = ipv4(17, &udp(1, 2, &[7; 5000]));
    let mut fragment = v4.clone();
    fragment[20] = 0x20;
    let padded = [&v4[..], &[0; 7]].concat();
    for (fault, header, packet) in [
        (Fault::ChecksumPlace, asks(0, 0, u16::MAX, u16::MAX), &v4),
        (Fault::ChecksumPlace, asks(0, 0, v4.len() as u16 - 1, 0), &v4),
        (Fault::NoChecksum, Header { flags: 0, ..asks(TCP4, 1448, 34, 16) }, &v4),
        (Fault::Segmentation, asks(TCP6, 1448, 34, 16), &v4),
        (Fault::Segmentation, asks(TCP4, 1448, 54, 16), &v6),
        (Fault::Segmentation, asks(UDP, 1448, 34, 16), &v4),
        (Fault::Segmentation, asks(TCP4, 1448, 34, 6), &datagram),
        (Fault::Segmentation, asks(UDP | CWR, 1448, 34, 6), &datagram),
        (Fault::Segmentation, asks(UFO, 1448, 34, 6), &datagram),
        (Fault::Segmentation, asks(2, 1448, 34, 16), &v4),
        (Fault::Segmentation, asks(TCP4, 1448, 35, 16), &v4),
        (Fault::Segmentation, asks(TCP4, 1448, 34, 17), &v4),
        (Fault::Segmentation, asks(TCP4, 1448, 34, 16), &fragment),
        (Fault::Segmentation, asks(TCP4, 1448, 34, 16), &padded),
        (Fault::Segments, asks(TCP4, 0, 34, 16), &v4),
        (Fault::Segments, asks(TCP4, 7, 34, 16), &v4),
        (Fault::Segments, asks(TCP4, 9, 34, 16), &v4), // 556
    ] {
        assert_eq!(settle(header, packet), Err(fault), "{header:?}");
    }
    for (index, fault) in Fault::ALL.into_iter().enumerate() {
        assert_eq!(fault as usize, index);
    }
}

/// `frame` whose UDP checksum, `at` octets from its begin, is that of the pseudo header of `octets` only.
fn with_pseudo_sum(mut frame: Vec<u8>, at: usize, octets: u16, addresses: [IpAddr; 2]) -> Vec<u8> {
    let mut pseudo = vec![0, 17];
    for address in addresses {
        match address {
            IpAddr::V4(v4) => pseudo.extend(v4.octets()),
            IpAddr::V6(v6) => pseudo.extend(v6.octets()),
        }
    }
    pseudo.extend(octets.to_be_bytes());
    frame[at..at + 2].copy_from_slice(&(!checksum(&pseudo)).to_be_bytes());
    frame
}

#[test]
fn a_checksum_that_no_word_can_be_said_about_is_written_at_once() {
    let query = udp(40_000, 53, b"query");
    let ([v4, v6], octets) = ([V4.map(IpAddr::V4), V6.map(IpAddr::V6)], query.len() as u16);
    let options = |datagram: &[u8]| ipv6(60, &[&[17, 0, 1, 4, 0, 0, 0, 0], datagram].concat());
    let tunnel = |inner: Vec<u8>| ipv4(17, &udp(50_000, 4789, &vxlan(7, &inner)));
    let in_tunnel = 14 + 20 + 8 + 8;
    for (unfinished, start, whole) in [
        (with_pseudo_sum(options(&query), 62 + 6, octets, v6), 62, options(&udp_summed(query.clone(), v6[0], v6[1]))),
        (
            tunnel(with_pseudo_sum(ipv4(17, &query), 34 + 6, octets, v4)),
            in_tunnel + 34,
            tunnel(ipv4(17, &udp_summed(query.clone(), v4[0], v4[1]))),
        ),
    ] {
        let mut packet = unfinished;
        assert_eq!(asks(0, 0, start, 6).settle(&mut packet), Ok(None));
        assert_eq!(packet, whole);
    }
}

#[test]
fn a_header_that_leaves_nothing_is_not_looked_at() {
    let nonsense =
        Header { flags: 2, segmentation: 0, headers_len: 9, segment: 9, checksum_start: 9, checksum_offset: 9 };
    assert!(nonsense.is_done());
    assert_eq!(nonsense.settle(&mut []), Ok(None));
    assert_eq!(Header::parse([0; 10]), Header::default());
}

#[test]
fn only_tcp_and_udp_can_be_left_undone() {
    for packet in all() {
        for protocol in [protocol::TCP, protocol::UDP, protocol::SCTP] {
            let said = Header::of(&packet, Left { protocol, segment: 0 });
            if let Some(header) = said {
                assert_eq!(settle(header, &packet), Ok(Some(Left { protocol, segment: 0 })));
            }
        }
    }
}

proptest! {
    #[test]
    fn no_header_and_no_packet_make_it_panic(which: prop::sample::Index, octets: [u8; 10], end: prop::sample::Index) {
        let packets = all();
        let packet = which.get(&packets);
        let mut cut = packet[..end.index(packet.len() + 1)].to_vec();
        let _ = Header::parse(octets).settle(&mut cut);
        let _ = Header::of(&cut, Left { protocol: octets[0], segment: 7 });
        prop_assert_eq!(Header::parse(octets).emit(), octets);
    }
}
