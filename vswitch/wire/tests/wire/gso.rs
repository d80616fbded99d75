//! What a sender left to its device: every kind of packet in every kind of wrapping is finished and cut, smoltcp verifies each
//! checksum, and what was cut is put together again.

use std::net::IpAddr;

use proptest::prelude::*;
use smoltcp::wire::{Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket};
use wire::{
    Dscp, Mac, OuterParams, OuterTemplate, Vni,
    gso::{Cut, Layout, Refused, SEGMENT_MIN, SEGMENTS_MAX, complete},
    parse, parse_outer, protocol,
};

use crate::samples::*;

/// What is in front of the innermost Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wrap {
    None,
    /// A tag in the frame itself.
    Tag,
    /// Two of them.
    Tags,
    Vxlan {
        ipv6: bool,
        checksum: bool,
        tagged: bool,
    },
}

/// What a packet is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) ipv6: bool,
    pub(crate) tcp: bool,
    pub(crate) wrap: Wrap,
    /// Octets of TCP options, or of IPv4 options where it is UDP.
    pub(crate) options: usize,
}

impl Shape {
    pub(crate) fn protocol(&self) -> u8 {
        if self.tcp { protocol::TCP } else { protocol::UDP }
    }
}

pub(crate) const FLAGS: u8 = 0x80 | 0x10 | 0x08 | 0x01;
const SEQUENCE: u32 = u32::MAX - 1000;

/// A packet whose transport checksum is left to others, and how many octets of outer header it has.
pub(crate) fn unfinished(shape: Shape, payload: &[u8]) -> (Vec<u8>, usize) {
    let options = vec![1; shape.options];
    let ip_options = if shape.tcp { vec![] } else { options.clone() };
    let segment = if shape.tcp {
        let mut segment = tcp(40_000, 80, &options, payload);
        segment[4..8].copy_from_slice(&SEQUENCE.to_be_bytes());
        segment[13] = FLAGS;
        segment[16..18].copy_from_slice(&[0xab, 0xcd]);
        segment
    } else {
        let mut datagram = udp(40_000, 53, payload);
        datagram[6..8].copy_from_slice(&[0xab, 0xcd]);
        datagram
    };
    let frame = match shape.ipv6 {
        true => ipv6(shape.protocol(), &segment),
        false => ipv4_with(shape.protocol(), 0x4000, &ip_options, &segment),
    };
    wrapped(shape.wrap, frame)
}

fn wrapped(wrap: Wrap, frame: Vec<u8>) -> (Vec<u8>, usize) {
    match wrap {
        Wrap::None => (frame, 0),
        Wrap::Tag => (tagged(0x8100, 7, &frame), 0),
        Wrap::Tags => (tagged(0x88a8, 9, &tagged(0x8100, 7, &frame)), 0),
        Wrap::Vxlan { ipv6, checksum, tagged: is_tagged } => {
            let [src, dst] = if ipv6 { V6.map(IpAddr::V6) } else { V4.map(IpAddr::V4) };
            let [dst_mac, src_mac] = [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]].map(Mac::new);
            let vni = Vni::new(4096).unwrap();
            let (udp_dst, ttl, dscp, df) = (4789, 64, Dscp::Inherit, true);
            let params = OuterParams { dst_mac, src_mac, src, dst, udp_dst, ttl, dscp, df, checksum, vni };
            let template = OuterTemplate::new(&params).unwrap();
            let mut packet = [vec![0; template.len()], frame].concat();
            assert!(template.write_unsummed(&mut packet, 50_000, 0xffff, 0));
            let outer = template.len() + if is_tagged { 4 } else { 0 };
            (if is_tagged { tagged(0x8100, 100, &packet) } else { packet }, outer)
        }
    }
}

/// What a receiver reads out of a finished packet.
#[derive(Debug, PartialEq)]
struct Read {
    outer_id: u16,
    id: u16,
    sequence: u32,
    flags: u8,
    payload: Vec<u8>,
}

/// Takes a packet apart and verifies every checksum on the way; padding behind it is let pass.
fn receive(shape: Shape, packet: &[u8]) -> Read {
    let Wrap::Vxlan { checksum, ipv6, .. } = shape.wrap else { return receive_inner(shape, packet, 0) };
    let headers = parse(packet).unwrap();
    let outer = parse_outer(packet, &headers).expect("the outer checksums are right").unwrap();
    assert_eq!(outer.inner + outer.inner_len, packet.len(), "the outer lengths count the whole frame");
    let l4 = usize::from(headers.l4);
    assert_eq!(packet[l4 + 6..l4 + 8] != [0, 0], checksum, "a checksum of 0 stays 0, another is right");
    let l3 = usize::from(headers.l3);
    let outer_id = if ipv6 { 0 } else { Ipv4Packet::new_checked(&packet[l3..]).unwrap().ident() };
    receive_inner(shape, &packet[outer.inner..], outer_id)
}

fn receive_inner(shape: Shape, frame: &[u8], outer_id: u16) -> Read {
    let l3 = usize::from(parse(frame).unwrap().l3);
    let (id, segment, ends) = if shape.ipv6 {
        let packet = Ipv6Packet::new_checked(&frame[l3..]).unwrap();
        (0, packet.payload(), [packet.src_addr().into(), packet.dst_addr().into()])
    } else {
        let packet = Ipv4Packet::new_checked(&frame[l3..]).unwrap();
        assert!(packet.verify_checksum() && packet.dont_frag());
        (packet.ident(), packet.payload(), [packet.src_addr().into(), packet.dst_addr().into()])
    };
    if shape.tcp {
        let tcp = TcpPacket::new_checked(segment).unwrap();
        assert!(tcp.verify_checksum(&ends[0], &ends[1]), "{shape:?}");
        assert_eq!(usize::from(tcp.header_len()), 20 + shape.options);
        let (sequence, flags) = (tcp.seq_number().0 as u32, segment[13]);
        return Read { outer_id, id, sequence, flags, payload: tcp.payload().to_vec() };
    }
    let udp = UdpPacket::new_checked(segment).unwrap();
    assert!(udp.checksum() != 0 && udp.verify_checksum(&ends[0], &ends[1]), "{shape:?}");
    assert_eq!(usize::from(udp.len()), segment.len());
    Read { outer_id, id, sequence: 0, flags: 0, payload: udp.payload().to_vec() }
}

pub(crate) fn shapes() -> impl Iterator<Item = Shape> {
    let tunnels = (0..8).map(|bits| Wrap::Vxlan { ipv6: bits & 1 > 0, checksum: bits & 2 > 0, tagged: bits & 4 > 0 });
    let wraps: Vec<Wrap> = [Wrap::None, Wrap::Tag, Wrap::Tags].into_iter().chain(tunnels).collect();
    let kinds = [(false, false), (false, true), (true, false), (true, true)];
    let all =
        kinds.into_iter().flat_map(move |(ipv6, tcp)| wraps.clone().into_iter().map(move |wrap| (ipv6, tcp, wrap)));
    all.flat_map(|(ipv6, tcp, wrap)| {
        let options: &[usize] = if tcp || !ipv6 { &[0, 12, 40] } else { &[0] };
        options.iter().map(move |&options| Shape { ipv6, tcp, wrap, options })
    })
}

fn octets(len: usize) -> Vec<u8> {
    Random(len as u64).bytes(len)
}

/// All segments of a packet, each written into a buffer of its own.
fn cut(frame: &[u8], layout: Layout, segment: u16) -> Vec<Vec<u8>> {
    let cut = Cut::new(frame, layout, segment).unwrap();
    let write = |nth| {
        let mut out = vec![0xee; cut.len_of(nth)];
        assert!(cut.write(nth, &mut out));
        out
    };
    (0..cut.count()).map(write).collect()
}

/// Cuts a packet and reads the segments back.
fn check(shape: Shape, payload: &[u8], segment: u16) {
    let (frame, outer) = unfinished(shape, payload);
    let layout = Layout::behind(&frame, outer, shape.protocol()).unwrap();
    let segments = cut(&frame, layout, segment);
    assert_eq!(segments.len(), payload.len().div_ceil(segment.into()).max(1));
    assert_eq!(segments.iter().map(Vec::len).max(), Some(layout.longest(frame.len(), segment)));
    let (mut stream, last) = (Vec::new(), segments.len() - 1);
    for (nth, packet) in segments.iter().enumerate() {
        let read = receive(shape, packet);
        assert!(read.payload.len() == usize::from(segment) || nth == last);
        if shape.tcp {
            assert_eq!(read.sequence, SEQUENCE.wrapping_add(stream.len() as u32));
            let without = if nth == 0 { 0 } else { 0x80 } | if nth == last { 0 } else { 0x09 };
            assert_eq!(read.flags, FLAGS & !without, "segment {nth} of {last}");
        }
        if !shape.ipv6 {
            assert_eq!(read.id, 0x1234 + nth as u16);
        }
        if let Wrap::Vxlan { ipv6: false, .. } = shape.wrap {
            assert_eq!(read.outer_id, 0xffffu16.wrapping_add(nth as u16));
        }
        stream.extend(read.payload);
    }
    assert_eq!(stream, payload);
}

#[test]
fn every_kind_of_super_frame_is_cut_and_put_together_again() {
    for shape in shapes() {
        for segment in [SEGMENT_MIN, 536, 1440, 1448] {
            let whole = usize::from(segment);
            for len in [0, 1, whole - 1, whole, whole + 1, 3 * whole - 1, 3 * whole, 3 * whole + 1] {
                check(shape, &octets(len), segment);
            }
        }
    }
}

#[test]
fn the_longest_super_frame_is_cut() {
    for shape in shapes() {
        let (frame, outer) = unfinished(shape, &[]);
        // What fits a buffer behind its headroom, before an outer header is put in front.
        let len = 65_407 - (frame.len() - outer);
        check(shape, &octets(len), 1448);
    }
}

#[test]
fn every_kind_of_packet_is_completed() {
    for shape in shapes() {
        for len in [0, 1, 2, 63, 1400, 1401] {
            let (mut frame, outer) = unfinished(shape, &octets(len));
            let layout = Layout::behind(&frame, outer, shape.protocol()).unwrap();
            complete(&mut frame, &layout);
            assert_eq!(receive(shape, &frame).payload, octets(len));
        }
    }
}

#[test]
fn a_packet_that_is_padded_is_completed_and_cut() {
    for shape in shapes().filter(|shape| shape.options == 0) {
        for (len, padding) in [(1, 5), (2, 3), (3, 4)] {
            let (bare, _) = unfinished(Shape { wrap: Wrap::None, ..shape }, &octets(len));
            let (mut frame, outer) = wrapped(shape.wrap, [bare, vec![0xaa; padding]].concat());
            let layout = Layout::behind(&frame, outer, shape.protocol()).unwrap();
            let segments = cut(&frame, layout, 1448);
            assert_eq!((segments.len(), segments[0].len()), (1, frame.len() - padding));
            complete(&mut frame, &layout);
            for packet in [&frame, &segments[0]] {
                assert_eq!(receive(shape, packet).payload, octets(len), "{shape:?}");
            }
        }
    }
}

#[test]
fn a_udp_checksum_that_comes_to_zero_is_sent_as_ones() {
    let shape = Shape { ipv6: false, tcp: false, wrap: Wrap::None, options: 0 };
    let met = (0..=u16::MAX).any(|word| {
        let (mut frame, _) = unfinished(shape, &word.to_be_bytes());
        let layout = Layout::behind(&frame, 0, protocol::UDP).unwrap();
        complete(&mut frame, &layout);
        assert_ne!(frame[40..42], [0, 0]);
        frame[40..42] == [0xff, 0xff]
    });
    assert!(met, "one word makes it zero");
}

#[test]
fn headers_that_are_not_what_is_said_are_refused() {
    let refused = |frame: &[u8], outer, protocol| Layout::behind(frame, outer, protocol).unwrap_err();
    let shape = |tcp| Shape { ipv6: false, tcp, wrap: Wrap::None, options: 0 };
    let (segment, _) = unfinished(shape(true), &octets(3000));
    let (datagram, _) = unfinished(shape(false), &octets(3000));
    assert!(Layout::behind(&segment, 0, protocol::TCP).is_ok() && Layout::behind(&datagram, 0, protocol::UDP).is_ok());
    let mut short = datagram.clone();
    short[39] -= 1;
    let mut fragment = segment.clone();
    fragment[14 + 6] = 0x20;
    let extended = ipv6(0, &[&[6, 0, 1, 4, 0, 0, 0, 0][..], &tcp(1, 2, &[], &[7; 100])].concat());
    let three_tags = tagged(0x8100, 1, &tagged(0x8100, 2, &tagged(0x8100, 3, &segment)));
    for (why, frame, outer, protocol) in [
        ("UDP is not TCP", &datagram, 0, protocol::TCP),
        ("TCP is not UDP", &segment, 0, protocol::UDP),
        ("neither is SCTP", &ipv4(132, &[7; 16]), 0, 132),
        ("a UDP length that is not the packet's", &short, 0, protocol::UDP),
        ("a fragment", &fragment, 0, protocol::TCP),
        ("IPv6 with extension headers", &extended, 0, protocol::TCP),
        ("too many tags", &three_tags, 0, protocol::TCP),
        ("no IP", &arp(), 0, protocol::TCP),
        ("cut off", &segment[..40].to_vec(), 0, protocol::TCP),
        ("no outer header", &[vec![0; 50], segment.clone()].concat(), 50, protocol::TCP),
        ("an outer header of no such length", &[vec![0; 20], segment.clone()].concat(), 20, protocol::TCP),
        ("one beyond the end", &segment, 70_000, protocol::TCP),
    ] {
        assert_eq!(refused(frame, outer, protocol), Refused::Headers, "{why}");
    }
}

#[test]
fn segments_too_small_or_too_many_are_refused() {
    let shape = Shape { ipv6: true, tcp: true, wrap: Wrap::None, options: 0 };
    let layout = |len| Layout::behind(&unfinished(shape, &octets(len)).0, 0, protocol::TCP).unwrap();
    for segment in [0, SEGMENT_MIN, 1448, u16::MAX] {
        assert_eq!(layout(SEGMENTS_MAX * usize::from(SEGMENT_MIN)).check(segment), Ok(()));
    }
    for segment in [1, SEGMENT_MIN - 1] {
        assert_eq!(layout(100).check(segment), Err(Refused::Segments));
    }
    assert_eq!(layout(SEGMENTS_MAX * 100).check(100), Ok(()));
    assert_eq!(layout(SEGMENTS_MAX * 100 + 1).check(100), Err(Refused::Segments));
}

proptest! {
    #[test]
    fn any_frame_is_refused_or_cut_without_a_panic(
        seed: u64,
        outer in prop::sample::select(vec![0usize, 0, 50, 54, 70, 74, 33]),
        segment in 1u16..3000,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        len in 0usize..200,
    ) {
        let mut random = Random(seed);
        let all: Vec<Shape> = shapes().collect();
        let shape = all[random.below(all.len())];
        let (mut frame, real) = unfinished(shape, &octets(len));
        let outer = if random.below(2) == 0 { real } else { outer };
        for (at, value) in changes {
            let at = at.index(frame.len().min(130));
            frame[at] = value;
        }
        if let Ok(layout) = Layout::behind(&frame, outer, shape.protocol()) {
            let longest = cut(&frame, layout, segment).iter().map(Vec::len).max();
            prop_assert!(longest <= Some(layout.longest(frame.len(), segment)));
            complete(&mut frame, &layout);
            complete(&mut frame[..40], &layout);
        }
    }
}
