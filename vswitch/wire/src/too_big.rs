//! The answer to a packet that is too big for its path: ICMP "fragmentation needed and DF set" (RFC 792, with the MTU of
//! RFC 1191 section 4) and ICMPv6 "packet too big" (RFC 4443 section 3.2).
//!
//! A bridge has no address of its own on the networks it joins, so the answer comes from where the packet was going, as
//! Linux does where a tunnel is bridged (`iptunnel_pmtud_build_icmp`): MACs and addresses change places. A host believes
//! such an answer by the packet quoted in it, and one from a stranger's address would be lost to whoever filters them.

mod report;

pub use report::{Report, report};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    L3, Parsed,
    checksum::{self, Sum},
    field::put,
    icmpv4, ipv4, ipv6, protocol, vlan,
};

/// Octets of the longest answer: Ethernet, two tags, and what RFC 4443 section 2.4 (c) lets an ICMPv6 error have.
pub const ANSWER_MAX: usize = crate::ethernet::HEADER_LEN + 2 * vlan::TAG_LEN + IPV6_MAX;

/// Octets of an ICMP error at most (RFC 1812 section 4.3.2.3).
const IPV4_MAX: usize = 576;
/// Octets of an ICMPv6 error at most: the smallest MTU there is (RFC 4443 section 2.4 (c)).
const IPV6_MAX: usize = 1280;
/// Octets in front of what is quoted, in both families.
const ICMP_LEN: usize = 8;
/// Time to live and hop limit of an answer.
const TTL: u8 = 64;
/// Internetwork control, which routers give to ICMP errors (RFC 1812 section 4.3.2.5).
const TOS: u8 = 0xc0;

/// ICMP: fragmentation needed and DF set, a code of destination unreachable.
const FRAGMENTATION_NEEDED: u8 = 4;
/// ICMPv6: packet too big.
const PACKET_TOO_BIG: u8 = 2;
/// ICMPv6 types from here on are no errors (RFC 4443 section 2.1).
const FIRST_INFORMATIONAL: u8 = 128;

/// Writes the answer to `frame`, whose sender is to send packets of at most `mtu` octets, and returns its length. `None`
/// for what must not be answered (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)) or cannot: no IP, IPv4 that may be
/// fragmented, a fragment, an ICMP error, to or from a group or nobody; and where not the packet is too long, but what
/// follows it.
pub fn answer(frame: &[u8], headers: &Parsed, mtu: u16, out: &mut [u8; ANSWER_MAX]) -> Option<usize> {
    let (src, dst) = headers.addresses(frame)?;
    if headers.fragment || headers.dst.is_multicast() || headers.src.is_multicast() || !is_host(src) || !is_host(dst) {
        return None;
    }
    let (start, len) = (usize::from(headers.l3), usize::from(headers.l3_len));
    let packet = frame.get(start..start + len).filter(|packet| packet.len() > usize::from(mtu))?;
    let (link, network) = out.split_at_mut_checked(start)?;
    link.copy_from_slice(frame.get(..start)?);
    put(link, 0, headers.src.octets());
    put(link, 6, headers.dst.octets());
    let answered = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => answer_ipv4(packet, (src, dst), is_error(frame, headers)?, mtu, network)?,
        (IpAddr::V6(src), IpAddr::V6(dst)) => answer_ipv6(packet, (src, dst), is_error(frame, headers)?, mtu, network)?,
        _ => return None,
    };
    Some(start + answered)
}

/// Whether an address is that of one host, which can be answered and asked.
fn is_host(address: IpAddr) -> bool {
    match address {
        // From 224 on: groups, what is reserved, broadcast.
        IpAddr::V4(v4) => v4.octets()[0] < 224 && !v4.is_loopback() && v4.octets()[0] != 0,
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && !v6.is_loopback(),
    }
}

/// Whether a packet is an ICMP error; `None` where it is ICMP and cannot be told.
fn is_error(frame: &[u8], headers: &Parsed) -> Option<bool> {
    let kind = || if headers.l4 == 0 { None } else { frame.get(usize::from(headers.l4)).copied() };
    match (headers.l3_kind, headers.protocol) {
        // Unreachable, source quench, redirect, time exceeded, parameter problem.
        (L3::Ipv4, protocol::ICMP) => Some(matches!(kind()?, icmpv4::UNREACHABLE | 4 | 5 | 11 | 12)),
        (L3::Ipv6, protocol::ICMPV6) => Some(kind()? < FIRST_INFORMATIONAL),
        _ => Some(false),
    }
}

fn answer_ipv4(
    packet: &[u8],
    (src, dst): (Ipv4Addr, Ipv4Addr),
    is_error: bool,
    mtu: u16,
    out: &mut [u8],
) -> Option<usize> {
    if is_error || !ipv4::Packet::new_checked(packet).ok()?.dont_fragment() {
        return None;
    }
    let quoted = packet.len().min(IPV4_MAX - ipv4::HEADER_LEN - ICMP_LEN);
    let total = ipv4::HEADER_LEN + ICMP_LEN + quoted;
    let (header, message) = out.get_mut(..total)?.split_at_mut(ipv4::HEADER_LEN);
    let repr = ipv4::Repr {
        src: dst,
        dst: src,
        protocol: protocol::ICMP,
        payload_len: message.len() as u16,
        tos: TOS,
        ttl: TTL,
        id: 0,
        dont_fragment: true,
    };
    repr.emit(&mut ipv4::Packet::new_unchecked(header));
    fill(message, [icmpv4::UNREACHABLE, FRAGMENTATION_NEEDED], mtu, &packet[..quoted]);
    let sum = checksum::of(message);
    put(message, 2, sum.to_be_bytes());
    Some(total)
}

fn answer_ipv6(
    packet: &[u8],
    (src, dst): (Ipv6Addr, Ipv6Addr),
    is_error: bool,
    mtu: u16,
    out: &mut [u8],
) -> Option<usize> {
    if is_error {
        return None;
    }
    let quoted = packet.len().min(IPV6_MAX - ipv6::HEADER_LEN - ICMP_LEN);
    let total = ipv6::HEADER_LEN + ICMP_LEN + quoted;
    let (header, message) = out.get_mut(..total)?.split_at_mut(ipv6::HEADER_LEN);
    let payload_len = message.len() as u16;
    let repr = ipv6::Repr {
        src: dst,
        dst: src,
        next_header: protocol::ICMPV6,
        payload_len,
        traffic_class: TOS,
        flow_label: 0,
        hop_limit: TTL,
    };
    repr.emit(&mut ipv6::Packet::new_unchecked(header));
    fill(message, [PACKET_TOO_BIG, 0], mtu, &packet[..quoted]);
    let pseudo = Sum::ZERO.addresses(IpAddr::V6(dst), IpAddr::V6(src)).word(payload_len);
    let sum = pseudo.word(u16::from(protocol::ICMPV6)).bytes(message).finish();
    put(message, 2, sum.to_be_bytes());
    Some(total)
}

/// Type, code, no checksum yet, the MTU in the low half of the next word, and the packet.
fn fill(message: &mut [u8], [kind, code]: [u8; 2], mtu: u16, quoted: &[u8]) {
    let [high, low] = mtu.to_be_bytes();
    put(message, 0, [kind, code, 0, 0, 0, 0, high, low]);
    message[ICMP_LEN..].copy_from_slice(quoted);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{icmpv6, parse};

    const TAG: [u8; 4] = [0x81, 0, 0, 7];

    fn ethernet(tags: &[u8], ethertype: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 0xd, 2, 0, 0, 0, 0, 0x5];
        frame.extend(tags);
        frame.extend(ethertype.to_be_bytes());
        frame.extend(packet);
        frame
    }

    pub(super) fn four(protocol: u8, dont_fragment: bool, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let payload_len = payload.len() as u16;
        let repr = ipv4::Repr { src, dst, protocol, payload_len, tos: 0, ttl: 9, id: 3, dont_fragment };
        let mut packet = vec![0; 20];
        repr.emit(&mut ipv4::Packet::new_unchecked(&mut packet));
        packet.extend(payload);
        ethernet(&[], 0x0800, &packet)
    }

    pub(super) fn six(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let [src, dst] = ["fd00::1", "fd00::2"].map(|text| text.parse().unwrap());
        let payload_len = payload.len() as u16;
        let repr = ipv6::Repr { src, dst, next_header, payload_len, traffic_class: 0, flow_label: 0, hop_limit: 9 };
        let mut packet = vec![0; 40];
        repr.emit(&mut ipv6::Packet::new_unchecked(&mut packet));
        packet.extend(payload);
        ethernet(&[], 0x86dd, &packet)
    }

    fn answered(frame: &[u8], mtu: u16) -> Option<Vec<u8>> {
        let mut out = [0xee; ANSWER_MAX];
        let len = answer(frame, &parse(frame).unwrap(), mtu, &mut out)?;
        Some(out[..len].to_vec())
    }

    pub(super) fn udp(octets: usize) -> Vec<u8> {
        let mut payload = vec![0; octets];
        payload[..8].copy_from_slice(&[0, 9, 0, 9, (octets >> 8) as u8, octets as u8, 0, 0]);
        payload
    }

    #[test]
    fn ipv4_is_told_the_mtu_by_where_it_was_going_and_quoted_up_to_576_octets() {
        let frame = four(protocol::UDP, true, &udp(1480));
        let back = answered(&frame, 1450).unwrap();
        let headers = parse(&back).unwrap();
        assert_eq!((headers.dst, headers.src), (parse(&frame).unwrap().src, parse(&frame).unwrap().dst));
        let packet = ipv4::Packet::new_checked(&back[14..]).unwrap();
        assert!(packet.verify_checksum() && checksum::of(packet.payload()) == 0);
        assert_eq!((packet.src(), packet.dst()), ([10, 0, 0, 2].into(), [10, 0, 0, 1].into()));
        assert_eq!((back.len(), packet.tos(), packet.protocol()), (14 + 576, 0xc0, protocol::ICMP));
        assert_eq!(&packet.payload()[..2], [3, 4]);
        assert_eq!(&packet.payload()[4..8], [0, 0, 5, 170]);
        assert_eq!(packet.payload()[8..], frame[14..14 + 576 - 28]);
    }

    #[test]
    fn ipv6_is_told_too_and_quoted_up_to_1280_octets() {
        let frame = six(protocol::UDP, &udp(1460));
        let back = answered(&frame, 1430).unwrap();
        let packet = ipv6::Packet::new_checked(&back[14..]).unwrap();
        let message = icmpv6::Message::new_checked(packet.payload()).unwrap();
        assert!(message.verify_checksum(packet.src(), packet.dst()));
        assert_eq!((packet.src(), packet.dst()), ("fd00::2".parse().unwrap(), "fd00::1".parse().unwrap()));
        assert_eq!((back.len(), message.kind(), message.code()), (14 + 1280, 2, 0));
        assert_eq!(packet.payload()[4..8], [0, 0, 5, 150]);
        assert_eq!(packet.payload()[8..], frame[14..14 + 1280 - 48]);
    }

    #[test]
    fn tags_stay_and_padding_is_not_quoted() {
        let plain = four(protocol::UDP, true, &udp(8));
        let mut frame = ethernet(&[TAG, TAG].concat(), 0x0800, &plain[14..]);
        frame.extend([0xaa; 30]);
        let back = answered(&frame, 27).unwrap();
        assert_eq!((&back[..6], &back[6..12]), (&frame[6..12], &frame[..6]));
        assert_eq!((&back[12..22], back.len()), (&frame[12..22], 22 + 28 + 28));
        assert_eq!(answered(&frame, 28), None, "the packet fits");
    }

    #[test]
    fn what_must_not_be_answered_is_not() {
        let change = |mut frame: Vec<u8>, at: usize, octet: u8| {
            frame[at] = octet;
            frame
        };
        let udp4 = || four(protocol::UDP, true, &udp(1480));
        let udp6 = || six(protocol::UDP, &udp(1480));
        assert!(answered(&udp4(), 1400).is_some() && answered(&udp6(), 1400).is_some());
        for (why, frame) in [
            ("may be fragmented", four(protocol::UDP, false, &udp(1480))),
            ("to a group, in Ethernet", change(udp4(), 0, 1)),
            ("to a group, in IPv4", change(udp4(), 14 + 16, 224)),
            ("from a group", change(udp4(), 14 + 12, 239)),
            ("from nobody", change(udp4(), 14 + 12, 0)),
            ("from loopback", change(udp4(), 14 + 12, 127)),
            ("a fragment", change(udp4(), 14 + 7, 1)),
            ("a first fragment", change(udp4(), 14 + 6, 0x60)),
            ("no IP", change(udp4(), 12, 0x09)),
            ("to a group, in IPv6", change(udp6(), 14 + 24, 0xff)),
        ] {
            assert_eq!(answered(&frame, 1400), None, "{why}");
        }
        for (kind, is_answered) in
            [(8, true), (0, true), (13, true), (3, false), (4, false), (5, false), (11, false), (12, false)]
        {
            let message = change(vec![0; 1000], 0, kind);
            assert_eq!(answered(&four(protocol::ICMP, true, &message), 900).is_some(), is_answered, "ICMP {kind}");
        }
        for (kind, is_answered) in
            [(128, true), (129, true), (1, false), (2, false), (3, false), (4, false), (127, false)]
        {
            let message = change(vec![0; 1400], 0, kind);
            assert_eq!(answered(&six(protocol::ICMPV6, &message), 1300).is_some(), is_answered, "ICMPv6 {kind}");
        }
    }
}
