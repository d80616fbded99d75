//! What is said of a super-frame in a tunnel is believed only where both of its headers bear it out.

use std::net::IpAddr;

use proptest::prelude::*;
use wire::{
    gso::{Cut, Layout},
    protocol, udp,
    virtio_net::{Fault, Header, Left, TUNNEL_HEADER_LEN, TunnelHeader},
};

use crate::samples::*;

const NEEDS_CHECKSUM: u8 = 1;
const NEEDS_OUTER_CHECKSUM: u8 = 8;
const TCP4: u8 = 1;
const TCP6: u8 = 4;
const OVER_IPV4: u8 = 0x20;
const OVER_IPV6: u8 = 0x40;

const LEFT: Left = Left { protocol: protocol::TCP, segment: 1400 };

/// `inner` in a tunnel over IPv4 without, or over IPv6 with, a checksum; and the octets in front of it.
fn tunnelled(inner: &[u8], is_ipv6: bool) -> (Vec<u8>, usize) {
    let datagram = udp(50_000, 4789, &vxlan(7, inner));
    match is_ipv6 {
        true => (ipv6(17, &udp_summed(datagram, V6[0].into(), V6[1].into())), 70),
        false => (ipv4(17, &datagram), 50),
    }
}

fn inner(is_ipv6: bool) -> Vec<u8> {
    let segment = tcp(1, 2, &[1, 1, 1, 1], &[7; 5000]);
    if is_ipv6 { ipv6(6, &segment) } else { ipv4(6, &segment) }
}

/// Whether the UDP checksum behind `outer` octets less the headers between is right.
fn is_summed(packet: &[u8], outer: usize, is_ipv6: bool) -> bool {
    let ends: [IpAddr; 2] = if is_ipv6 { V6.map(IpAddr::V6) } else { V4.map(IpAddr::V4) };
    udp::Datagram::new_checked(&packet[outer - 16..]).unwrap().verify_checksum(ends[0], ends[1])
}

#[test]
fn a_super_frame_in_a_tunnel_is_said_and_understood_over_every_family() {
    for (out6, in6) in [(false, false), (false, true), (true, false), (true, true)] {
        let (mut packet, outer) = tunnelled(&inner(in6), out6);
        let before = packet.clone();
        let said = TunnelHeader::of(&mut packet, outer, LEFT).unwrap();
        let l4 = if in6 { 54 } else { 34 };
        let kind = if in6 { TCP6 } else { TCP4 } | if out6 { OVER_IPV6 } else { OVER_IPV4 };
        let flags = NEEDS_CHECKSUM | if out6 { NEEDS_OUTER_CHECKSUM } else { 0 };
        assert_eq!((said.base.flags, said.base.segmentation, said.base.segment), (flags, kind, 1400));
        assert_eq!(usize::from(said.base.checksum_start), outer + l4);
        assert_eq!(usize::from(said.outer_transport), outer - 16);
        assert_eq!(usize::from(said.inner_network), outer + 14);
        assert_eq!(TunnelHeader::parse(said.emit()), said);
        if out6 {
            assert!(!is_summed(&packet, outer, true), "the sum of the pseudo header only");
        }
        assert_eq!(said.settle(&mut packet), Ok(Some(LEFT)));
        assert!(is_summed(&packet, outer, out6), "whoever takes the outer header off finds it right");
        assert_eq!(packet, before);
    }
}

#[test]
fn where_nothing_is_to_be_cut_the_checksums_are_right_or_said() {
    for out6 in [false, true] {
        let (mut packet, outer) = tunnelled(&inner(false), out6);
        let said = TunnelHeader::of(&mut packet, outer, Left { segment: 0, ..LEFT }).unwrap();
        if out6 {
            assert_eq!(said, TunnelHeader::default(), "two open checksums are one too many");
            let layout = Layout::behind(&packet, outer, protocol::TCP).unwrap();
            let mut whole = vec![0; packet.len()];
            assert!(Cut::new(&packet, layout, 5000).is_some_and(|cut| cut.write(0, &mut whole)));
            assert_eq!(packet, whole, "as whoever cuts it would sum it");
        } else {
            assert_eq!(usize::from(said.base.checksum_start), outer + 34);
            assert_eq!(said.settle(&mut packet), Ok(None), "an end of tunnels has it completed");
        }
    }
}

#[test]
fn the_checksum_of_the_tunnel_itself_is_completed() {
    let (whole, outer) = tunnelled(&inner(false), true);
    let mut packet = whole.clone();
    // What Linux leaves: the pseudo header's sum, by whoever says so of a super-frame.
    TunnelHeader::of(&mut packet, outer, LEFT).unwrap();
    let start = (outer - 16) as u16;
    let base = Header { flags: NEEDS_CHECKSUM, checksum_start: start, checksum_offset: 6, ..Header::default() };
    assert_eq!(TunnelHeader { base, ..TunnelHeader::default() }.settle(&mut packet), Ok(None));
    assert_eq!(packet, whole);
}

#[test]
fn where_the_outer_headers_are_is_read_from_the_packet() {
    let (mut packet, outer) = tunnelled(&inner(false), true);
    let said = TunnelHeader::of(&mut packet, outer, LEFT).unwrap();
    // A tag that the kernel inserts last: only the place of the checksum is told with it.
    let base = Header { checksum_start: said.base.checksum_start + 4, ..said.base };
    for outer_transport in [said.outer_transport, 0, u16::MAX] {
        let mut tagged = tagged(0x8100, 10, &packet);
        assert_eq!(TunnelHeader { base, outer_transport, ..said }.settle(&mut tagged), Ok(Some(LEFT)));
        assert!(is_summed(&tagged, outer + 4, true));
    }
}

#[test]
fn without_a_tunnel_it_says_what_the_shorter_header_says() {
    let mut packet = inner(false);
    let said = TunnelHeader::of(&mut packet, 0, LEFT).unwrap();
    assert_eq!(said.base, Header::of(&packet, LEFT).unwrap());
    assert_eq!(said.settle(&mut packet), Ok(Some(LEFT)));
}

#[test]
fn a_header_that_lies_about_a_tunnel_has_a_fault_with_a_name() {
    let (mut packet, outer) = tunnelled(&inner(false), false);
    let said = TunnelHeader::of(&mut packet, outer, LEFT).unwrap();
    let base = said.base;
    let with = |base: Header| TunnelHeader { base, ..said };
    for (fault, header) in [
        (Fault::Tunnel, with(Header { segmentation: OVER_IPV4, ..base })),
        (Fault::Segmentation, with(Header { segmentation: TCP6 | OVER_IPV4, ..base })),
        (Fault::NoChecksum, with(Header { flags: 0, ..base })),
        (Fault::ChecksumPlace, with(Header { checksum_start: 10, ..base })),
        (Fault::Segments, with(Header { segment: 7, ..base })),
    ] {
        assert_eq!(header.settle(&mut packet.clone()), Err(fault), "{header:?}");
    }
    let mut plain = inner(false);
    assert_eq!(said.settle(&mut plain), Err(Fault::Tunnel), "no tunnel at all");
    assert_eq!(TunnelHeader::of(&mut plain, 50, LEFT), None);
    assert_eq!(TunnelHeader::of(&mut packet[..40].to_vec(), 50, LEFT), None);
}

proptest! {
    #[test]
    fn no_header_and_no_packet_make_it_panic(
        which: prop::sample::Index, octets: [u8; TUNNEL_HEADER_LEN], end: prop::sample::Index, in6: bool, out6: bool,
        kind in 0u8..=255, at in 0u16..100,
    ) {
        let packets = all();
        let (packet, outer) = tunnelled(which.get::<Vec<u8>>(&packets), out6);
        let mut cut = packet[..end.index(packet.len() + 1)].to_vec();
        let header = TunnelHeader::parse(octets);
        let _ = header.settle(&mut cut.clone());
        let near = TunnelHeader { outer_transport: (outer - 16) as u16, inner_network: at, ..header };
        let near = TunnelHeader { base: Header { flags: 1 | kind & 8, segmentation: kind, ..near.base }, ..near };
        let _ = near.settle(&mut cut.clone());
        let protocol = if in6 { protocol::TCP } else { protocol::UDP };
        let _ = TunnelHeader::of(&mut cut, outer, Left { protocol, segment: at });
        let read = header.emit();
        prop_assert_eq!(&read[..10], &octets[..10]);
        prop_assert_eq!(&read[20..], &octets[20..]);
    }
}
