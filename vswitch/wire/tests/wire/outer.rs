//! The outer header: what is written is received, and what is received wrong has a reason.

use std::net::IpAddr;

use proptest::prelude::*;
use wire::{Dscp, Mac, Malformed, Outer, OuterParams, OuterTemplate, Vni, parse, parse_outer};

use crate::samples::*;

fn params(v6: bool, checksum: bool) -> OuterParams {
    let [src, dst] = if v6 { V6.map(IpAddr::V6) } else { V4.map(IpAddr::V4) };
    OuterParams {
        dst_mac: Mac::new([2, 0, 0, 0, 0, 2]),
        src_mac: Mac::new([2, 0, 0, 0, 0, 1]),
        src,
        dst,
        udp_dst: 4789,
        ttl: 64,
        dscp: Dscp::Inherit,
        df: true,
        checksum,
        vni: Vni::new(4096).unwrap(),
    }
}

/// `inner` with an outer header from `params` in front.
fn encapsulated(params: &OuterParams, inner: &[u8], source_port: u16, ip_id: u16) -> Vec<u8> {
    encapsulated_with(params, inner, source_port, ip_id, 0)
}

/// The same, the inner packet being of that type of service.
fn encapsulated_with(params: &OuterParams, inner: &[u8], source_port: u16, ip_id: u16, inner_tos: u8) -> Vec<u8> {
    let template = OuterTemplate::new(params).unwrap();
    let mut frame = [vec![0xa5; template.len()], inner.to_vec()].concat();
    assert!(template.write(&mut frame, source_port, ip_id, inner_tos));
    frame
}

fn received(frame: &[u8]) -> Result<Outer, Malformed> {
    Ok(parse_outer(frame, &parse(frame)?)?.expect("a UDP packet"))
}

#[test]
fn the_header_is_written_octet_by_octet_as_rfc_7348_draws_it() {
    let inner = ipv4(6, &tcp(1, 2, &[], b"hello"));
    let expected = |v6: bool, sum: bool| {
        let datagram = udp(50_000, 4789, &vxlan(4096, &inner));
        match (v6, sum) {
            (false, false) => ipv4(17, &datagram),
            (false, true) => ipv4(17, &udp_summed(datagram, V4[0].into(), V4[1].into())),
            (true, sum) => {
                let summed = udp_summed(datagram.clone(), V6[0].into(), V6[1].into());
                let mut frame = ipv6(17, if sum { &summed } else { &datagram });
                frame[16..18].copy_from_slice(&50_000u16.to_be_bytes()); // the flow label
                frame
            }
        }
    };
    for (v6, sum) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_eq!(encapsulated(&params(v6, sum), &inner, 50_000, 0x1234), expected(v6, sum), "v6 {v6}, sum {sum}");
    }
}

#[test]
fn the_header_is_50_octets_over_ipv4_and_70_over_ipv6() {
    assert_eq!(OuterTemplate::new(&params(false, false)).unwrap().len(), 50);
    assert_eq!(OuterTemplate::new(&params(true, true)).unwrap().len(), 70);
}

#[test]
fn a_tunnel_between_families_is_refused() {
    let mixed = OuterParams { dst: V6[1].into(), ..params(false, false) };
    assert!(OuterTemplate::new(&mixed).is_err());
    assert!(OuterTemplate::new(&OuterParams { src: V6[0].into(), dst: V4[0].into(), ..mixed }).is_err());
}

#[test]
fn a_frame_too_short_or_too_long_is_left_as_it_was() {
    for v6 in [false, true] {
        let template = OuterTemplate::new(&params(v6, true)).unwrap();
        let longest = if v6 { 14 + 40 + 65_535 } else { 14 + 65_535 };
        for (len, fits) in
            [(0, false), (template.len() - 1, false), (template.len(), true), (longest, true), (longest + 1, false)]
        {
            let mut frame = vec![0xa5; len];
            assert_eq!(template.write(&mut frame, 50_000, 0, 0), fits, "v6 {v6}, {len} octets");
            assert_eq!(frame.iter().all(|&octet| octet == 0xa5), !fits);
        }
    }
}

#[test]
fn a_computed_checksum_of_zero_is_sent_as_ones() {
    let mut inner = ethernet(0x88cc, &[0, 0]);
    let frame = encapsulated(&params(false, true), &inner, 50_000, 0);
    // Adding the checksum to the message makes the sum 0xffff, hence the checksum 0.
    let at = inner.len() - 2;
    inner[at..].copy_from_slice(&frame[40..42]);
    let frame = encapsulated(&params(false, true), &inner, 50_000, 0);
    assert_eq!(frame[40..42], [0xff, 0xff]);
    assert!(received(&frame).is_ok());
}

#[test]
fn the_inner_frame_ends_where_udp_says_and_not_at_the_padding() {
    let inner = ethernet(0x88cc, &[1]);
    let frame = [encapsulated(&params(false, true), &inner, 50_000, 0), vec![0; 20]].concat();
    let outer = received(&frame).unwrap();
    assert_eq!(frame[outer.inner..outer.inner + outer.inner_len], inner);
    let mut short = [ipv4(17, &udp(50_000, 4789, &vxlan(1, &inner)))].concat();
    short[39] -= 1; // a UDP length below the IP payload
    assert_eq!(received(&short).unwrap().inner_len, inner.len() - 1);
}

#[test]
fn each_wrong_outer_header_has_its_own_reason() {
    let inner = ethernet(0x88cc, &[1]);
    let datagram = udp(50_000, 4789, &vxlan(1, &inner));
    let good = ipv4(17, &udp_summed(datagram.clone(), V4[0].into(), V4[1].into()));
    let with = |at: usize| {
        let mut frame = good.clone();
        frame[at] ^= 1;
        received(&frame).map(|_| ())
    };
    assert_eq!(received(&good).map(|_| ()), Ok(()));
    assert_eq!(with(22), Err(Malformed::OuterIpv4Checksum), "ttl");
    assert_eq!(with(41), Err(Malformed::OuterUdpChecksum), "the checksum itself");
    assert_eq!(with(good.len() - 1), Err(Malformed::OuterUdpChecksum), "the last octet");
    assert_eq!(received(&ipv4_with(17, 0x2000, &[], &datagram)), Err(Malformed::OuterFragment));
    assert_eq!(received(&ipv4_with(17, 0x0001, &[], &datagram)), Err(Malformed::OuterFragment));
    assert_eq!(received(&ipv4(17, &udp(50_000, 4789, &[8, 0, 0, 0, 0, 0, 1]))), Err(Malformed::VxlanTruncated));
    assert_eq!(received(&ipv4(17, &udp(50_000, 4789, &[0xf7; 30]))), Err(Malformed::VxlanNoVni));
    let parsed = parse(&good).unwrap();
    assert_eq!(parse_outer(&good[..good.len() - 1], &parsed), Err(Malformed::OuterUdpLength), "another frame");
    assert_eq!(parse_outer(&[], &parsed), Err(Malformed::OuterUdpLength));
}

#[test]
fn reserved_bits_are_ignored_and_a_zero_checksum_over_ipv6_is_told() {
    let mut tunnel = vxlan(0xff_ffff, &ethernet(0x88cc, &[1]));
    (tunnel[0], tunnel[1], tunnel[2], tunnel[3], tunnel[7]) = (0xff, 0xff, 0xff, 0xff, 0xff);
    let datagram = udp(1, 8472, &tunnel);
    let summed = udp_summed(datagram.clone(), V6[0].into(), V6[1].into());
    for (frame, is_unsummed_ipv6) in
        [(ipv4(17, &datagram), false), (ipv6(17, &datagram), true), (ipv6(17, &summed), false)]
    {
        let outer = received(&frame).unwrap();
        assert_eq!((outer.vni, outer.udp_src, outer.udp_dst), (Vni::MAX, 1, 8472));
        assert_eq!(outer.is_unsummed_ipv6, is_unsummed_ipv6);
    }
}

#[test]
fn what_is_no_udp_is_no_tunnel() {
    for frame in [arp(), ipv4(6, &tcp(4789, 4789, &[], &vxlan(1, &[]))), ethernet(0x88cc, &[17; 60])] {
        assert_eq!(parse_outer(&frame, &parse(&frame).unwrap()), Ok(None));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_received(
        v6: bool, checksum: bool, df: bool, fixed in prop::option::of(0u8..64), vni in 0u32..1 << 24, bytes: [u8; 2], ports: [u16; 2], ip_id: u16,
        inner in prop::collection::vec(any::<u8>(), 0..200), addresses: [[u8; 16]; 2], tags in 0usize..3,
    ) {
        let [src, dst] = addresses.map(|a| if v6 { IpAddr::from(a) } else { IpAddr::from([a[0], a[1], a[2], a[3]]) });
        let [ttl, tos] = bytes;
        let (dscp, expected_tos) = match fixed {
            Some(dscp) => (Dscp::Fixed(dscp), dscp << 2 | tos & 3),
            None => (Dscp::Inherit, tos),
        };
        let vni = Vni::new(vni).unwrap();
        let params = OuterParams { src, dst, udp_dst: ports[0], ttl, dscp, df, vni, ..params(v6, checksum) };
        let mut frame = encapsulated_with(&params, &inner, ports[1], ip_id, tos);
        for tag in 0..tags {
            frame = tagged(0x8100, tag as u16, &frame);
        }
        let at = frame.len() - inner.len();
        let expected = Outer {
            src, dst, udp_src: ports[1], udp_dst: ports[0], vni, tos: expected_tos, ttl, is_unsummed_ipv6: v6 && !checksum,
            inner: at, inner_len: inner.len(),
        };
        prop_assert_eq!(received(&frame), Ok(expected));
    }
}
