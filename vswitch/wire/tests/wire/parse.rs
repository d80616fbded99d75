//! Literal frames through `parse`.

use wire::{L3, Malformed, Parsed, icmpv6, parse, parse_into};

use crate::samples::*;

/// l3 kind, tags, l3, l3_len, protocol, l4, fragment.
type Shape = (L3, u8, u16, u16, u8, u16, bool);

fn shape(frame: &[u8]) -> Result<Shape, Malformed> {
    let p = parse(frame)?;
    Ok((p.l3_kind, p.tags, p.l3, p.l3_len, p.protocol, p.l4, p.fragment))
}

fn reason(frame: &[u8]) -> Malformed {
    parse(frame).unwrap_err()
}

#[test]
fn every_sample_is_well_formed_and_cut_anywhere_it_never_panics() {
    for frame in all() {
        let whole = parse(&frame).unwrap();
        let end = usize::from(whole.l3 + whole.l3_len);
        for len in 0..frame.len() {
            match parse(&frame[..len]) {
                Ok(cut) if whole.l3_kind == L3::Other || len >= end => assert_eq!(cut.l3, whole.l3),
                Ok(cut) => panic!("{len} octets of {end} were taken for whole: {cut:?}"),
                Err(_) => assert!(len < end, "padding of {frame:?} cut to {len}"),
            }
        }
    }
}

#[test]
fn what_was_in_the_place_before_does_not_show() {
    for before in all() {
        for frame in all() {
            let mut place = parse(&before).unwrap();
            parse_into(&frame, &mut place).unwrap();
            assert_eq!(place, parse(&frame).unwrap());
        }
    }
}

#[test]
fn addresses_and_offsets_are_those_of_the_frame() {
    let frame = ipv4(6, &tcp(40_000, 80, &[], b"x"));
    let parsed = parse(&frame).unwrap();
    assert_eq!(
        (parsed.dst.to_string(), parsed.src.to_string()),
        ("02:00:00:00:00:02".into(), "02:00:00:00:00:01".into())
    );
    assert_eq!((parsed.ethertype, shape(&frame)), (0x0800, Ok((L3::Ipv4, 0, 14, 41, 6, 34, false))));
    assert_eq!(parsed.addresses(&frame), Some((V4[0].into(), V4[1].into())));
    assert_eq!(parsed.ports(&frame), Some((40_000, 80)));
    assert_eq!(size_of::<Parsed>(), 24, "a batch of 64 is 24 cache lines");
}

#[test]
fn two_tags_are_looked_through_and_a_third_is_not() {
    let frame = ipv4(17, &udp(1, 2, &[]));
    let one = tagged(0x8100, 100, &frame);
    let two = tagged(0x88a8, 200, &one);
    assert_eq!(shape(&one), Ok((L3::Ipv4, 1, 18, 28, 17, 38, false)));
    assert_eq!(shape(&two), Ok((L3::Ipv4, 2, 22, 28, 17, 42, false)));
    assert_eq!(parse(&two).unwrap().outer_tag(&two).unwrap().id(), 200);
    assert_eq!(parse(&frame).unwrap().outer_tag(&frame), None);
    let three = tagged(0x8100, 300, &two);
    assert_eq!(shape(&three), Ok((L3::Other, 2, 22, 32, 0, 0, false)));
    assert_eq!(parse(&three).unwrap().ethertype, 0x8100);
    assert_eq!(reason(&one[..17]), Malformed::VlanTruncated);
    assert_eq!(reason(&two[..21]), Malformed::VlanTruncated);
    assert_eq!(shape(&three[..22]), Ok((L3::Other, 2, 22, 0, 0, 0, false)), "the third tag may be cut");
}

#[test]
fn what_is_not_looked_into_is_other() {
    assert_eq!(shape(&ethernet(0x88cc, &[1])), Ok((L3::Other, 0, 14, 1, 0, 0, false)));
    assert_eq!(shape(&ethernet(0x0003, &[0xaa, 0xaa, 3])), Ok((L3::Other, 0, 14, 3, 0, 0, false)), "802.3 length");
    assert_eq!(shape(&ethernet(0x0800, &[])), Err(Malformed::Ipv4Truncated));
    assert_eq!(shape(&ethernet(0x88cc, &[])), Ok((L3::Other, 0, 14, 0, 0, 0, false)));
}

#[test]
fn a_frame_ends_at_65535_octets() {
    assert_eq!(shape(&ethernet(0x88cc, &[0; 65_521])), Ok((L3::Other, 0, 14, 65_521, 0, 0, false)));
    assert_eq!(reason(&ethernet(0x88cc, &[0; 65_522])), Malformed::FrameTooLong);
    assert_eq!(shape(&ipv4(17, &udp(1, 2, &[0; 65_493]))), Ok((L3::Ipv4, 0, 14, 65_521, 17, 34, false)));
    assert_eq!(shape(&ipv6(17, &udp(1, 2, &[0; 65_473]))), Ok((L3::Ipv6, 0, 14, 65_521, 17, 54, false)));
}

#[test]
fn ethernet_padding_belongs_to_no_packet() {
    let padded = [ipv4(17, &udp(1, 2, b"x")), vec![0; 17]].concat();
    assert_eq!(shape(&padded), Ok((L3::Ipv4, 0, 14, 29, 17, 34, false)));
    let mut long = padded.clone();
    long[39] = 10; // the UDP length reaches into the padding
    assert_eq!(reason(&long), Malformed::UdpLength);
    let arp = [arp(), vec![0; 18]].concat();
    assert_eq!(shape(&arp), Ok((L3::Arp, 0, 14, 28, 0, 0, false)));
    assert_eq!(parse(&arp).unwrap().arp(&arp).unwrap().target_ip, V4[1]);
}

#[test]
fn fragments_are_told_and_only_the_first_has_a_transport_header() {
    let datagram = udp(1, 2, &[0; 64]);
    let first = ipv4_with(17, 0x2000, &[], &datagram[..24]);
    assert_eq!(shape(&first), Ok((L3::Ipv4, 0, 14, 44, 17, 34, true)), "its length counts what comes later");
    assert_eq!(reason(&ipv4_with(17, 0x4000, &[], &datagram[..24])), Malformed::UdpLength);
    let later = ipv4_with(17, 3, &[], &datagram[24..]);
    assert_eq!(shape(&later), Ok((L3::Ipv4, 0, 14, 68, 17, 0, true)));
    assert_eq!(parse(&later).unwrap().ports(&later), None);
    let first = ipv6(44, &[&fragment(17, 0, true)[..], &datagram[..24]].concat());
    assert_eq!(shape(&first), Ok((L3::Ipv6, 0, 14, 72, 17, 62, true)));
    let later = ipv6(44, &[&fragment(17, 24, false)[..], &[0xff]].concat());
    assert_eq!(shape(&later), Ok((L3::Ipv6, 0, 14, 49, 17, 0, true)));
}

#[test]
fn a_tiny_first_fragment_has_no_ports_in_ipv4_and_is_refused_in_ipv6() {
    let segment = tcp(1, 2, &[0; 4], &[]);
    assert_eq!(shape(&ipv4_with(6, 0x2000, &[], &segment[..8])), Ok((L3::Ipv4, 0, 14, 28, 6, 0, true)));
    assert_eq!(shape(&ipv4_with(6, 0x2000, &[], &segment[..20])), Ok((L3::Ipv4, 0, 14, 40, 6, 34, true)));
    assert_eq!(reason(&ipv4(6, &segment[..20])), Malformed::TcpHeaderLength);
    let cut = [&fragment(6, 0, true)[..], &segment[..16]].concat();
    assert_eq!(reason(&ipv6(44, &cut)), Malformed::Ipv6FirstFragment);
    let mut wrong = udp(1, 2, &[0; 8]);
    wrong[5] = 7;
    assert_eq!(reason(&ipv4_with(17, 0x2000, &[], &wrong)), Malformed::UdpLength, "wrong in any fragment");
}

#[test]
fn each_transport_header_has_its_smallest_length() {
    for (protocol, len, truncated) in [
        (6, 20, Malformed::TcpTruncated),
        (17, 8, Malformed::UdpTruncated),
        (132, 12, Malformed::SctpTruncated),
        (1, 8, Malformed::IcmpTruncated),
    ] {
        assert_eq!(reason(&ipv4(protocol, &vec![0x50; len - 1])), truncated);
        assert_eq!(reason(&ipv4(protocol, &[])), truncated);
    }
    assert_eq!(reason(&ipv6(58, &[128, 0, 0])), Malformed::Icmpv6Truncated);
    assert_eq!(shape(&ipv6(58, &[152, 0, 0, 0])), Ok((L3::Ipv6, 0, 14, 44, 58, 54, false)));
}

#[test]
fn unknown_protocols_and_icmp_of_the_other_family_have_no_transport_header() {
    assert_eq!(shape(&ipv4(50, &[1])), Ok((L3::Ipv4, 0, 14, 21, 50, 0, false)));
    assert_eq!(shape(&ipv4(58, &[1])), Ok((L3::Ipv4, 0, 14, 21, 58, 0, false)));
    assert_eq!(shape(&ipv6(1, &[1])), Ok((L3::Ipv6, 0, 14, 41, 1, 0, false)));
    assert_eq!(shape(&ipv6(59, &[])), Ok((L3::Ipv6, 0, 14, 40, 59, 0, false)));
    let frame = ipv6(132, &[7; 12]);
    assert_eq!(parse(&frame).unwrap().ports(&frame), Some((0x0707, 0x0707)));
}

#[test]
fn extension_headers_do_not_hide_what_they_carry() {
    let hop_by_hop = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp(1, 2, &[])].concat();
    assert_eq!(shape(&ipv6(0, &hop_by_hop)), Ok((L3::Ipv6, 0, 14, 56, 17, 62, false)));
    assert_eq!(reason(&ipv6(0, &hop_by_hop[..10])), Malformed::UdpTruncated);
    assert_eq!(reason(&ipv6(0, &hop_by_hop[..6])), Malformed::Ipv6ExtensionTruncated);
    assert_eq!(reason(&ipv6(60, &[60, 0, 1, 4, 0, 0, 0, 0].repeat(20))), Malformed::Ipv6ExtensionHeaders);
    assert_eq!(reason(&ipv6(0, &[])), Malformed::Ipv6PayloadLength, "a jumbogram");
}

#[test]
fn neighbour_discovery_is_found_behind_extension_headers_and_refused_in_fragments() {
    let frame = ipv6(0, &[&[58, 0, 1, 4, 0, 0, 0, 0][..], &solicitation()].concat());
    let found = icmpv6::neighbour(&frame, &parse(&frame).unwrap()).unwrap().unwrap();
    assert_eq!(found.target, Some(V6[1]));
    assert_eq!(found.source_link_layer.unwrap().to_string(), "02:00:00:00:00:01");
    let first = ipv6(44, &[&fragment(58, 0, true)[..], &solicitation()].concat());
    assert_eq!(icmpv6::neighbour(&first, &parse(&first).unwrap()), Err(Malformed::NdFragment));
    let echo = ipv6(44, &[&fragment(58, 0, true)[..], &[128, 0, 0, 0, 0, 0, 0, 0]].concat());
    assert_eq!(icmpv6::neighbour(&echo, &parse(&echo).unwrap()), Ok(None), "a long ping is none");
    let padded = [ipv6(58, &solicitation()), vec![1, 0, 0, 0]].concat();
    assert!(icmpv6::neighbour(&padded, &parse(&padded).unwrap()).is_ok(), "padding is no option");
    let arp = arp();
    assert_eq!(icmpv6::neighbour(&arp, &parse(&arp).unwrap()), Ok(None));
}
