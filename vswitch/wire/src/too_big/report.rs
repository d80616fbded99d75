//! The same errors as others send them: what a router says about a UDP packet of ours.

use std::net::IpAddr;

use crate::{
    L3, Parsed,
    field::{u16_at, u32_at},
    icmpv4, icmpv6, ipv4, ipv6, protocol, udp,
};

use super::{FRAGMENTATION_NEEDED, ICMP_LEN, PACKET_TOO_BIG};

/// Where both errors have the MTU: 16 bits with IPv4, 32 with IPv6.
const MTU_IPV4: usize = 6;
const MTU_IPV6: usize = 4;

/// What somebody says about a UDP packet that must not be fragmented: it was too long for him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Octets of the longest packet that he would pass on; 0 from IPv4 routers older than RFC 1191.
    pub mtu: u32,
    /// Octets of the packet, as its header has it.
    pub len: usize,
    /// Its source.
    pub src: IpAddr,
    /// Its destination.
    pub dst: IpAddr,
    /// Its UDP source port.
    pub udp_src: u16,
    /// Its UDP destination port.
    pub udp_dst: u16,
}

/// Reads a frame that was parsed. `None` where it is anything else, its checksum is wrong, or too little of the packet is
/// quoted to know it again (RFC 792 and RFC 4443 both have the UDP header quoted).
pub fn report(frame: &[u8], headers: &Parsed) -> Option<Report> {
    if headers.fragment || headers.l4 == 0 {
        return None;
    }
    let end = usize::from(headers.l3) + usize::from(headers.l3_len);
    let message = frame.get(usize::from(headers.l4)..end)?;
    match (headers.l3_kind, headers.protocol, headers.addresses(frame)?) {
        (L3::Ipv4, protocol::ICMP, _) => report_ipv4(message),
        (L3::Ipv6, protocol::ICMPV6, (IpAddr::V6(src), IpAddr::V6(dst))) => {
            let is_sound = |message: &icmpv6::Message<&[u8]>| message.verify_checksum(src, dst);
            icmpv6::Message::new_checked(message).ok().filter(is_sound)?;
            report_ipv6(message)
        }
        _ => None,
    }
}

fn report_ipv4(message: &[u8]) -> Option<Report> {
    let error = icmpv4::Message::new_checked(message).ok()?;
    if (error.kind(), error.code()) != (icmpv4::UNREACHABLE, FRAGMENTATION_NEEDED) || !error.verify_checksum() {
        return None;
    }
    let (header, datagram) = message[ICMP_LEN..].split_at_checked(ipv4::HEADER_LEN)?;
    let packet = ipv4::Packet::new_unchecked(header);
    // Outer headers have no options.
    let is_plain = packet.version() == 4 && packet.header_len() == ipv4::HEADER_LEN && !packet.is_fragment();
    if !is_plain || !packet.dont_fragment() || packet.protocol() != protocol::UDP {
        return None;
    }
    let (udp_src, udp_dst) = ports(datagram)?;
    let (src, dst) = (packet.src().into(), packet.dst().into());
    let mtu = u16_at(message, MTU_IPV4).into();
    Some(Report { mtu, len: packet.total_len().into(), src, dst, udp_src, udp_dst })
}

/// The code says nothing (RFC 4443 section 3.2).
fn report_ipv6(message: &[u8]) -> Option<Report> {
    if *message.first()? != PACKET_TOO_BIG {
        return None;
    }
    let (header, datagram) = message.get(ICMP_LEN..)?.split_at_checked(ipv6::HEADER_LEN)?;
    let packet = ipv6::Packet::new_unchecked(header);
    if packet.version() != 6 || packet.next_header() != protocol::UDP {
        return None;
    }
    let (udp_src, udp_dst) = ports(datagram)?;
    let (src, dst) = (packet.src().into(), packet.dst().into());
    let mtu = u32_at(message, MTU_IPV6);
    Some(Report { mtu, len: ipv6::HEADER_LEN + usize::from(packet.payload_len()), src, dst, udp_src, udp_dst })
}

fn ports(datagram: &[u8]) -> Option<(u16, u16)> {
    let header = udp::Datagram::new_unchecked(datagram.get(..udp::HEADER_LEN)?);
    Some((header.src_port(), header.dst_port()))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            ANSWER_MAX, answer,
            tests::{four, six, udp},
        },
        *,
    };
    use crate::parse;

    fn told(frame: &[u8], mtu: u16) -> Vec<u8> {
        let mut out = [0; ANSWER_MAX];
        let len = answer(frame, &parse(frame).unwrap(), mtu, &mut out).unwrap();
        out[..len].to_vec()
    }

    fn read(frame: &[u8]) -> Option<Report> {
        report(frame, &parse(frame).unwrap())
    }

    #[test]
    fn what_we_tell_others_we_understand() {
        for (frame, len) in [(four(protocol::UDP, true, &udp(1480)), 1500), (six(protocol::UDP, &udp(1460)), 1500)] {
            let headers = parse(&frame).unwrap();
            let (src, dst) = headers.addresses(&frame).unwrap();
            let expected = Report { mtu: 1400, len, src, dst, udp_src: 9, udp_dst: 9 };
            assert_eq!(read(&told(&frame, 1400)), Some(expected));
        }
    }

    #[test]
    fn what_is_damaged_or_says_something_else_is_no_report() {
        let four = told(&four(protocol::UDP, true, &udp(1480)), 1400);
        let six = told(&six(protocol::UDP, &udp(1460)), 1400);
        // Type, code (with IPv4), checksum, MTU, and the last octet quoted.
        let everywhere = [14 + 20, 14 + 21, 14 + 22, 14 + 27, four.len() - 1];
        for at in everywhere {
            let mut frame = four.clone();
            frame[at] ^= 1;
            assert_eq!(read(&frame), None, "IPv4, octet {at}");
        }
        for at in [14 + 40, 14 + 42, 14 + 47, six.len() - 1] {
            let mut frame = six.clone();
            frame[at] ^= 1;
            assert_eq!(read(&frame), None, "IPv6, octet {at}");
        }
    }

    #[test]
    fn a_quote_is_enough_with_the_udp_header_and_never_with_less() {
        for octets in 0..64 {
            let mut message = vec![3, 4, 0, 0, 0, 0, 5, 120];
            message.extend(&four(protocol::UDP, true, &udp(1480))[14..][..octets]);
            let sum = crate::checksum::of(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            assert_eq!(read(&four(protocol::ICMP, false, &message)).is_some(), octets >= 28, "{octets} octets");
        }
    }

    #[test]
    fn quotes_that_are_no_udp_packet_of_one_piece_are_none() {
        let quoting = |at: usize, octet: u8| {
            let mut message = vec![3, 4, 0, 0, 0, 0, 5, 120];
            message.extend(&four(protocol::UDP, true, &udp(1480))[14..][..40]);
            message[8 + at] = octet;
            let sum = crate::checksum::of(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            read(&four(protocol::ICMP, false, &message))
        };
        assert!(quoting(1, 0).is_some());
        for (why, at, octet) in [
            ("version", 0, 0x65),
            ("options", 0, 0x46),
            ("may be fragmented", 6, 0),
            ("a fragment", 7, 1),
            ("TCP", 9, 6),
        ] {
            assert_eq!(quoting(at, octet), None, "{why}");
        }
    }
}
