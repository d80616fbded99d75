//! Frames, octet by octet.

use std::net::Ipv6Addr;

use wire::{Mac, Vni};

use super::{LOCAL, LOCAL6, REMOTE, REMOTE6, UPLINK_MAC};

/// The MAC of the station with that number.
pub(crate) const fn mac(number: u8) -> Mac {
    Mac::new([2, 0, 0, 0, 0, number])
}

/// The address of the station with that number.
pub(crate) const fn address(number: u8) -> [u8; 4] {
    [10, 0, 0, number]
}

/// An Ethernet frame.
pub(crate) fn ethernet(dst: Mac, src: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&dst.octets()[..], &src.octets(), &ethertype.to_be_bytes(), payload].concat()
}

/// A frame between two stations that says nothing.
pub(crate) fn plain(dst: u8, src: u8) -> Vec<u8> {
    ethernet(mac(dst), mac(src), 0x88b5, &[0; 46])
}

/// An IPv4 packet between two addresses.
pub(crate) fn ipv4(src: [u8; 4], dst: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    packet[2..4].copy_from_slice(&((20 + payload.len()) as u16).to_be_bytes());
    packet.extend_from_slice(&[src, dst].concat());
    let words = packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// An IPv6 packet between two addresses.
pub(crate) fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = [0x60, 0, 0, 0, 0, 0, next_header, 255];
    packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    [&packet[..], &src.octets(), &dst.octets(), payload].concat()
}

/// A frame in VXLAN over IPv6 from [`REMOTE6`], with a UDP checksum or without.
pub(crate) fn over_ipv6(summed: bool, inner: &[u8]) -> Vec<u8> {
    let mut datagram = udp(50_000, 4789, &[&[8, 0, 0, 0, 0, 0, 7, 0][..], inner].concat());
    if summed {
        let length = datagram.len() as u16;
        let pseudo = wire::checksum::Sum::ZERO.addresses(REMOTE6.into(), LOCAL6.into()).word(17).word(length);
        let sum = pseudo.bytes(&datagram).finish_udp();
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    ethernet(UPLINK_MAC, mac(200), 0x86dd, &ipv6(REMOTE6, LOCAL6, 17, &datagram))
}

/// A UDP packet of station `src` with the source address of `claims`.
pub(crate) fn udp_frame(dst: u8, src: u8, claims: u8, len: usize) -> Vec<u8> {
    let datagram = udp(4000, 5000, &vec![0; len]);
    ethernet(mac(dst), mac(src), 0x0800, &ipv4(address(claims), address(dst), 17, &datagram))
}

/// A UDP datagram without checksum.
pub(crate) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    [&src.to_be_bytes()[..], &dst.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// `len` octets that differ from place to place.
pub(crate) fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 256) as u8).collect()
}

/// A TCP segment of `len` octets from station `src` to station `dst` whose checksum nobody has filled in.
pub(crate) fn tcp(dst: u8, src: u8, len: usize) -> Vec<u8> {
    let header = [4000u16.to_be_bytes(), 5000u16.to_be_bytes()].concat();
    let header = [&header[..], &[0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0xab, 0xcd, 0, 0]].concat();
    let packet = ipv4(address(src), address(dst), 6, &[header, octets(len)].concat());
    ethernet(mac(dst), mac(src), 0x0800, &packet)
}

/// A broadcast ARP request of station `src` that claims to be `claims`.
pub(crate) fn arp(src: u8, claims: u8) -> Vec<u8> {
    let sender = [&mac(src).octets()[..], &address(claims)].concat();
    let packet = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &sender, &[0; 6], &address(99)].concat();
    ethernet(Mac::BROADCAST, mac(src), 0x0806, &packet)
}

/// What surrounds a tunnelled frame.
#[derive(Clone, Copy)]
pub(crate) struct Tunnelled {
    pub(crate) dst_mac: Mac,
    pub(crate) remote: [u8; 4],
    pub(crate) local: [u8; 4],
    pub(crate) udp_port: u16,
    pub(crate) vni: u32,
}

impl Default for Tunnelled {
    fn default() -> Tunnelled {
        Tunnelled { dst_mac: UPLINK_MAC, remote: REMOTE, local: LOCAL, udp_port: 4789, vni: 7 }
    }
}

impl Tunnelled {
    /// A VXLAN packet with `inner` in it.
    pub(crate) fn around(&self, inner: &[u8]) -> Vec<u8> {
        let [a, b, c] = Vni::new(self.vni).unwrap().octets();
        let tunnel = [&[8, 0, 0, 0, a, b, c, 0][..], inner].concat();
        let packet = ipv4(self.remote, self.local, 17, &udp(50_000, self.udp_port, &tunnel));
        ethernet(self.dst_mac, mac(200), 0x0800, &packet)
    }
}

/// What a host reads out of packets as it gets them, every checksum verified.
pub(crate) fn read(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    packets.into_iter().map(|packet| read_one(&packet)).collect()
}

fn read_one(packet: &[u8]) -> Vec<u8> {
    let headers = wire::parse(packet).unwrap();
    let (l3, l4) = (usize::from(headers.l3), usize::from(headers.l4));
    assert_eq!(wire::checksum::of(&packet[l3..l4]), 0);
    let segment = &packet[l4..l3 + usize::from(headers.l3_len)];
    let (src, dst) = headers.addresses(packet).unwrap();
    let pseudo = wire::checksum::Sum::ZERO.addresses(src, dst).word(headers.protocol.into()).word(segment.len() as u16);
    assert_eq!(pseudo.bytes(segment).finish(), 0, "a wrong transport checksum");
    segment[if headers.protocol == 6 { 20 } else { 8 }..].to_vec()
}

/// The packets in VXLAN packets.
pub(crate) fn inner(packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let decap = |packet: Vec<u8>| {
        let outer = wire::parse_outer(&packet, &wire::parse(&packet).unwrap()).unwrap().unwrap();
        packet[outer.inner..outer.inner + outer.inner_len].to_vec()
    };
    packets.into_iter().map(decap).collect()
}
