//! Frames written octet by octet, independently of the `wire` room, which is under test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::{Mac, Vni};

/// Ethertype of IPv4.
pub const IPV4: u16 = 0x0800;
/// Ethertype of ARP.
pub const ARP: u16 = 0x0806;
/// Ethertype of IPv6.
pub const IPV6: u16 = 0x86dd;
/// Ethertype of a customer VLAN tag.
pub const VLAN: u16 = 0x8100;

const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// The Internet checksum (RFC 1071) of `bytes`, an odd last octet padded with 0.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u64 =
        bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An Ethernet frame.
pub fn ethernet(dst: Mac, src: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&dst.octets()[..], &src.octets(), &ethertype.to_be_bytes(), payload].concat()
}

/// What is behind an Ethernet header of type [`VLAN`]: a tag, and `payload` of type `ethertype`.
pub fn tagged(vid: u16, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&vid.to_be_bytes()[..], &ethertype.to_be_bytes(), payload].concat()
}

/// A whole frame with a VLAN tag put in.
pub fn insert_tag(vid: u16, frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &VLAN.to_be_bytes(), &vid.to_be_bytes(), &frame[12..]].concat()
}

/// An ARP packet for IPv4 over Ethernet (RFC 826); operation 1 asks, 2 answers.
pub fn arp(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let kind = [0, 1, 8, 0, 6, 4];
    let parts = [sender.0.octets().to_vec(), sender.1.octets().to_vec(), target.0.octets().to_vec()];
    [&kind[..], &operation.to_be_bytes(), &parts.concat(), &target.1.octets()].concat()
}

/// An IPv4 packet.
pub fn ipv4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header.extend_from_slice(&src.octets());
    header.extend_from_slice(&dst.octets());
    seal_ipv4(&mut header);
    [&header[..], payload].concat()
}

/// Puts the right header checksum into an IPv4 packet.
pub fn seal_ipv4(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let checksum = internet_checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// Gives an IP packet of that ethertype a type of service or traffic class.
pub fn set_tos(ethertype: u16, packet: &mut [u8], tos: u8) {
    if ethertype == IPV4 {
        packet[1] = tos;
        seal_ipv4(packet);
    } else if ethertype == IPV6 {
        (packet[0], packet[1]) = (0x60 | tos >> 4, tos << 4);
    }
}

/// An IPv6 packet.
pub fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, next_header, 255];
    packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    packet.extend_from_slice(&src.octets());
    packet.extend_from_slice(&dst.octets());
    [&packet[..], payload].concat()
}

/// A UDP datagram without checksum.
pub fn udp(src_port: u16, dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    [&src_port.to_be_bytes()[..], &dst_port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// Puts the right checksum into a UDP datagram between two addresses of one family.
pub fn seal_udp(datagram: &mut [u8], src: IpAddr, dst: IpAddr) {
    datagram[6..8].fill(0);
    let len = [0, 0, (datagram.len() >> 8) as u8, datagram.len() as u8, 0, 0, 0, UDP];
    let pseudo = [octets(src), octets(dst), len.to_vec(), datagram.to_vec()].concat();
    let checksum = match internet_checksum(&pseudo) {
        0 => 0xffff,
        other => other,
    };
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An IP packet of `src`'s family with a UDP datagram in it; `None` where the families differ.
pub fn ip_udp(src: IpAddr, dst: IpAddr, datagram: &[u8]) -> Option<(u16, Vec<u8>)> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Some((IPV4, ipv4(src, dst, UDP, datagram))),
        (IpAddr::V6(src), IpAddr::V6(dst)) => Some((IPV6, ipv6(src, dst, UDP, datagram))),
        _ => None,
    }
}

/// What is behind the UDP header of a VXLAN packet (RFC 7348 section 5), with `reserved` in its reserved bits.
pub fn vxlan(vni: Vni, reserved: u8, inner: &[u8]) -> Vec<u8> {
    let [a, b, c] = vni.octets();
    [&[0x08 | reserved & !0x08, reserved, reserved, reserved, a, b, c, reserved][..], inner].concat()
}

/// A neighbour solicitation (135) or advertisement (136) about `target` with one link-layer address option (RFC 4861).
pub fn neighbour(src: Ipv6Addr, dst: Ipv6Addr, kind: u8, target: Ipv6Addr, link_layer: Option<Mac>) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&target.octets());
    if let Some(mac) = link_layer {
        message.extend_from_slice(&[if kind == 135 { 1 } else { 2 }, 1]);
        message.extend_from_slice(&mac.octets());
    }
    ipv6(src, dst, ICMPV6, &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksummed_header_sums_to_zero() {
        let packet = ipv4(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), UDP, &udp(1, 2, b"abc"));
        assert_eq!(internet_checksum(&packet[..20]), 0);
        // The example of RFC 1071 section 3.
        assert_eq!(internet_checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn crafted_frames_are_what_the_wire_room_takes_for_them() {
        let (a, b) = (Mac::new([2, 0, 0, 0, 0, 1]), Mac::new([2, 0, 0, 0, 0, 2]));
        let (src, dst) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let vni = Vni::new(4096).unwrap();
        let mut datagram = udp(50_000, 4789, &vxlan(vni, 0xff, &ethernet(b, a, 0x88b5, b"inner")));
        seal_udp(&mut datagram, src, dst);
        let (ethertype, packet) = ip_udp(src, dst, &datagram).unwrap();
        let frame = ethernet(b, a, VLAN, &tagged(7, ethertype, &packet));
        let parsed = wire::parse(&frame).unwrap();
        let outer = wire::parse_outer(&frame, &parsed).unwrap().unwrap();
        assert_eq!((outer.src, outer.dst, outer.udp_dst, outer.vni, outer.inner_len), (src, dst, 4789, vni, 19));
        let (ns, ip) = (Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED);
        let frame = ethernet(b, a, IPV6, &neighbour(ip, ns, 135, ns, Some(a)));
        let read = wire::icmpv6::neighbour(&frame, &wire::parse(&frame).unwrap()).unwrap().unwrap();
        assert_eq!((read.target, read.source_link_layer), (Some(ns), Some(a)));
    }
}
