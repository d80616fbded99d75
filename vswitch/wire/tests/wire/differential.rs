//! smoltcp's wire as an oracle: where it accepts a frame so do we, and both read the same out of it. Where one of the
//! two accepts what the other refuses, the reason is in [`Oracle::Laxer`] or at an arm of [`compare`].

use smoltcp::wire::{
    ArpPacket, ArpRepr, EthernetFrame, Icmpv4Packet, Icmpv6Packet, Ipv4Packet, Ipv6ExtHeader, Ipv6FragmentHeader,
    Ipv6Packet, TcpPacket, UdpPacket,
};
use wire::{L3, Malformed, Parsed, parse};

use crate::{
    hostile::{frame, frames_wanted},
    samples::all,
};

/// What smoltcp says of a frame: fields, or the layer at which it stopped.
#[derive(Debug, PartialEq)]
enum Oracle {
    /// Nothing to compare behind Ethernet.
    Other,
    Refused(&'static str),
    Ip {
        header_len: usize,
        total_len: usize,
        protocol: u8,
        fragment: Fragment,
        l4: Option<&'static str>,
    },
    Arp,
    /// smoltcp takes what we refuse for this reason.
    Laxer(Malformed),
    /// smoltcp has no view of this.
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fragment {
    Whole,
    First,
    Later,
}

impl Fragment {
    fn new(more: bool, offset: u16) -> Fragment {
        match (more, offset) {
            (_, 1..) => Fragment::Later,
            (true, 0) => Fragment::First,
            (false, 0) => Fragment::Whole,
        }
    }
}

/// Where the network header is and the ethertype before it, by the naive rule: at most two tags.
fn behind_tags(frame: &[u8]) -> Option<(usize, u16)> {
    let mut at = 12;
    loop {
        let ethertype = u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]);
        if !matches!(ethertype, 0x8100 | 0x88a8) || at == 20 {
            return Some((at + 2, ethertype));
        }
        at += 4;
    }
}

fn oracle(frame: &[u8]) -> Oracle {
    if EthernetFrame::new_checked(frame).is_err() {
        return Oracle::Refused("ethernet");
    }
    // smoltcp knows no tags: what is behind them is handed to it directly.
    let Some((l3, ethertype)) = behind_tags(frame) else { return Oracle::Refused("vlan") };
    match ethertype {
        0x0800 => ipv4(&frame[l3..]),
        0x86dd => ipv6(&frame[l3..]),
        0x0806 => match ArpPacket::new_checked(&frame[l3..]).and_then(|packet| ArpRepr::parse(&packet)) {
            Ok(_) => Oracle::Arp,
            Err(_) => Oracle::Refused("arp"),
        },
        _ => Oracle::Other,
    }
}

fn ipv4(bytes: &[u8]) -> Oracle {
    let Ok(packet) = Ipv4Packet::new_checked(bytes) else { return Oracle::Refused("ipv4") };
    if packet.version() != 4 {
        // smoltcp's view takes any version, its interface checks it.
        return Oracle::Laxer(Malformed::Ipv4Version);
    }
    let protocol = packet.next_header().into();
    let fragment = Fragment::new(packet.more_frags(), packet.frag_offset());
    Oracle::Ip {
        header_len: usize::from(packet.header_len()),
        total_len: usize::from(packet.total_len()),
        protocol,
        fragment,
        // smoltcp reassembles before it looks further.
        l4: if fragment == Fragment::Whole { transport(protocol, false, packet.payload()) } else { None },
    }
}

fn ipv6(bytes: &[u8]) -> Oracle {
    let Ok(packet) = Ipv6Packet::new_checked(bytes) else { return Oracle::Refused("ipv6") };
    if packet.version() != 6 {
        return Oracle::Laxer(Malformed::Ipv6Version);
    }
    let (mut protocol, payload) = (u8::from(packet.next_header()), packet.payload());
    let (mut at, mut passed, mut fragment) = (0, 0, Fragment::Whole);
    while matches!(protocol, 0 | 43 | 44 | 60) {
        // smoltcp's views walk one header at a time, without our limits.
        if passed == 8 {
            return Oracle::Laxer(Malformed::Ipv6ExtensionHeaders);
        }
        if protocol == 0 && passed > 0 {
            return Oracle::Laxer(Malformed::Ipv6HopByHop);
        }
        // A jumbogram is to smoltcp a packet without payload.
        if protocol == 0 && payload.is_empty() {
            return Oracle::Laxer(Malformed::Ipv6PayloadLength);
        }
        // The fragment header's second octet is reserved, elsewhere it is the length.
        let rest = &payload[at..];
        let header = if protocol == 44 { rest.get(..8) } else { Some(rest) };
        let Some(header) = header else { return Oracle::Refused("extension") };
        if protocol == 44 {
            // smoltcp counts its fields from behind the first two octets.
            let part = Ipv6FragmentHeader::new_checked(&header[2..]).expect("six octets");
            (protocol, at) = (header[0], at + 8);
            if fragment == Fragment::Whole || part.frag_offset() != 0 {
                fragment = Fragment::new(part.more_frags(), part.frag_offset());
            }
            if fragment == Fragment::Later {
                break;
            }
        } else {
            let Ok(options) = Ipv6ExtHeader::new_checked(header) else { return Oracle::Refused("extension") };
            (protocol, at) = (options.next_header().into(), at + 8 + 8 * usize::from(options.header_len()));
        }
        passed += 1;
    }
    if protocol == 51 && fragment != Fragment::Later {
        return Oracle::Silent; // smoltcp is built here without IPsec
    }
    let l4 = if fragment == Fragment::Whole { transport(protocol, true, &payload[at..]) } else { None };
    Oracle::Ip { header_len: 40 + at, total_len: packet.total_len(), protocol, fragment, l4 }
}

/// "ok" or "refused" for a transport header that both know.
fn transport(protocol: u8, v6: bool, segment: &[u8]) -> Option<&'static str> {
    let accepted = match protocol {
        6 => TcpPacket::new_checked(segment).is_ok(),
        17 => UdpPacket::new_checked(segment).is_ok(),
        1 if !v6 => Icmpv4Packet::new_checked(segment).is_ok(),
        // smoltcp refuses by message type, further than a switch looks.
        58 if v6 => Icmpv6Packet::new_checked(segment).is_ok() || segment.len() >= 4,
        _ => return None,
    };
    Some(if accepted { "ok" } else { "refused" })
}

/// Whether `reason` is one that smoltcp finds at this layer.
fn expected(layer: &str, reason: Malformed) -> bool {
    use Malformed::*;
    match layer {
        "ethernet" => reason == EthernetTruncated,
        "vlan" => reason == VlanTruncated,
        "arp" => matches!(reason, ArpTruncated | ArpMalformed),
        // A wrong version is seen first here, though a length is wrong as well.
        "ipv4" => matches!(reason, Ipv4Truncated | Ipv4Version | Ipv4HeaderLength | Ipv4TotalLength),
        "ipv6" => matches!(reason, Ipv6Truncated | Ipv6Version | Ipv6PayloadLength),
        "extension" => reason == Ipv6ExtensionTruncated,
        _ => false,
    }
}

fn is_transport(reason: Malformed) -> bool {
    use Malformed::*;
    matches!(reason, TcpTruncated | TcpHeaderLength | UdpTruncated | UdpLength | IcmpTruncated | Icmpv6Truncated)
}

/// Compares both verdicts; returns whether there was something to compare.
fn compare(frame: &[u8], ours: Result<Parsed, Malformed>, oracle: Oracle) -> bool {
    match (ours, oracle) {
        // smoltcp takes frames of any length, and has no view of SCTP here.
        (_, Oracle::Silent) | (Err(Malformed::FrameTooLong), _) => return false,
        (Err(Malformed::SctpTruncated), Oracle::Ip { protocol: 132, .. }) => return false,
        (ours, Oracle::Laxer(reason)) => assert_eq!(ours, Err(reason)),
        (Err(reason), Oracle::Refused(layer)) => assert!(expected(layer, reason), "{reason:?} at {layer}"),
        (Ok(parsed), Oracle::Other) => assert_eq!(parsed.l3_kind, L3::Other),
        (Ok(parsed), Oracle::Arp) => assert_eq!(parsed.l3_kind, L3::Arp),
        (Ok(parsed), Oracle::Ip { header_len, total_len, protocol, fragment, l4 }) => {
            assert_eq!((usize::from(parsed.l3_len), parsed.protocol), (total_len, protocol));
            assert_eq!(parsed.fragment, fragment != Fragment::Whole);
            assert!(parsed.l4 == 0 || fragment != Fragment::Later);
            assert_ne!(l4, Some("refused"), "{parsed:?}");
            if l4 == Some("ok") {
                assert_eq!(usize::from(parsed.l4), usize::from(parsed.l3) + header_len);
                ports(frame, &parsed);
            }
        }
        (Err(reason), Oracle::Ip { l4: Some("refused"), .. }) => assert!(is_transport(reason), "{reason:?}"),
        // The transport header of a first fragment smoltcp sees after reassembly.
        (Err(reason), Oracle::Ip { fragment: Fragment::First, .. }) => {
            assert!(is_transport(reason) || reason == Malformed::Ipv6FirstFragment, "{reason:?}");
        }
        (ours, oracle) => panic!("ours {ours:?}, smoltcp {oracle:?}"),
    }
    true
}

/// Addresses and ports, read by both.
fn ports(frame: &[u8], parsed: &Parsed) {
    let theirs = EthernetFrame::new_checked(frame).expect("checked before");
    assert_eq!(theirs.src_addr().0, parsed.src.octets());
    assert_eq!(theirs.dst_addr().0, parsed.dst.octets());
    let segment = &frame[usize::from(parsed.l4)..];
    let pair = match parsed.protocol {
        6 => Some(TcpPacket::new_unchecked(segment)).map(|tcp| (tcp.src_port(), tcp.dst_port())),
        17 => Some(UdpPacket::new_unchecked(segment)).map(|udp| (udp.src_port(), udp.dst_port())),
        _ => None,
    };
    assert_eq!(parsed.ports(frame), pair);
    let network = &frame[usize::from(parsed.l3)..];
    let addresses = if parsed.l3_kind == L3::Ipv4 {
        let packet = Ipv4Packet::new_unchecked(network);
        (packet.src_addr().into(), packet.dst_addr().into())
    } else {
        let packet = Ipv6Packet::new_unchecked(network);
        (packet.src_addr().into(), packet.dst_addr().into())
    };
    assert_eq!(parsed.addresses(frame), Some(addresses));
}

#[test]
fn smoltcp_and_we_read_the_same_frames_alike() {
    let samples = all();
    let mut compared = 0;
    let wanted = frames_wanted();
    for n in 0..wanted {
        let frame = frame(n, &samples);
        let (ours, theirs) = (parse(&frame), oracle(&frame));
        let case = format!("frame {n}: {frame:02x?}");
        let verdict = std::panic::catch_unwind(|| compare(&frame, ours, theirs));
        compared += u64::from(verdict.unwrap_or_else(|_| panic!("{case}")));
    }
    assert!(compared * 10 > wanted * 8, "only {compared} of {wanted} frames could be compared");
}
