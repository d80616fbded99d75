//! Frames to test with, built octet by octet without the room's own emitters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const MACS: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
pub(crate) const V4: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
pub(crate) const V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)];

/// A splitmix64 generator: the same frames from the same seed on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// One's complement checksum, word by word.
pub(crate) fn checksum(data: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in data.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub(crate) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&MACS[..], &ethertype.to_be_bytes(), payload].concat()
}

/// `frame` with a tag put in front of its ethertype.
pub(crate) fn tagged(tpid: u16, id: u16, frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &tpid.to_be_bytes(), &id.to_be_bytes(), &frame[12..]].concat()
}

pub(crate) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(protocol, 0x4000, &[], payload)
}

/// An IPv4 frame with the given flags and offset word and options (a multiple of four octets).
pub(crate) fn ipv4_with(protocol: u8, flags_offset: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = (20 + options.len() + payload.len()) as u16;
    let mut header = vec![0x45 + (options.len() / 4) as u8, 0];
    header.extend(total.to_be_bytes());
    header.extend([0x12, 0x34]);
    header.extend(flags_offset.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(V4[0].octets());
    header.extend(V4[1].octets());
    header.extend(options);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    ethernet(0x0800, &[&header[..], payload].concat())
}

pub(crate) fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend(V6[0].octets());
    packet.extend(V6[1].octets());
    packet.extend(payload);
    ethernet(0x86dd, &packet)
}

/// An IPv6 fragment header.
pub(crate) fn fragment(next_header: u8, offset: u16, more: bool) -> [u8; 8] {
    let [high, low] = (offset | u16::from(more)).to_be_bytes();
    [next_header, 0, high, low, 0, 0, 0, 7]
}

pub(crate) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let words = [src, dst, length, 0].map(u16::to_be_bytes);
    [words.as_flattened(), payload].concat()
}

/// `datagram` with the checksum between these addresses.
pub(crate) fn udp_summed(mut datagram: Vec<u8>, src: IpAddr, dst: IpAddr) -> Vec<u8> {
    let mut pseudo = Vec::new();
    for address in [src, dst] {
        match address {
            IpAddr::V4(v4) => pseudo.extend(v4.octets()),
            IpAddr::V6(v6) => pseudo.extend(v6.octets()),
        }
    }
    pseudo.extend([0, 17]);
    pseudo.extend((datagram.len() as u16).to_be_bytes());
    let sum = match checksum(&[&pseudo[..], &datagram].concat()) {
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}

pub(crate) fn tcp(src: u16, dst: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut segment = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50 + (options.len() as u8 / 4 * 0x10), 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(options);
    segment.extend(payload);
    segment
}

pub(crate) fn vxlan(vni: u32, inner: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = vni.to_be_bytes();
    [&[8, 0, 0, 0, a, b, c, 0], inner].concat()
}

pub(crate) fn arp() -> Vec<u8> {
    ethernet(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2])
}

pub(crate) fn solicitation() -> Vec<u8> {
    let target = V6[1].octets();
    [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target, &[1, 1, 2, 0, 0, 0, 0, 1]].concat()
}

/// One good frame of each kind, to read, to cut and to mutate.
pub(crate) fn all() -> Vec<Vec<u8>> {
    let [v4, v6] = [V4.map(IpAddr::V4), V6.map(IpAddr::V6)];
    let options = [60, 0, 1, 4, 0, 0, 0, 0];
    let syn = tcp(40_000, 80, &[2, 4, 5, 0xb4], b"hello");
    let query = udp(40_000, 53, b"query");
    let inner = ipv4(6, &syn);
    let tunnel = udp(50_000, 4789, &vxlan(4096, &inner));
    let padded = [ipv4(17, &query), vec![0; 13]].concat();
    vec![
        arp(),
        ipv4(6, &syn),
        padded,
        ipv4_with(17, 0x4000, &[1, 1, 1, 0], &query),
        ipv4(1, &[8, 0, 0, 0, 0, 1, 0, 1, 9]),
        ipv4(132, &[7; 16]),
        ipv4(50, &[7; 16]),
        ipv4_with(17, 0x2000, &[], &query),
        ipv4_with(6, 0x2000, &[], &syn[..8]),
        ipv4_with(17, 0x00b9, &[], b"the rest"),
        tagged(0x8100, 100, &ipv4(6, &syn)),
        tagged(0x88a8, 200, &tagged(0x8100, 100, &ipv6(6, &syn))),
        tagged(0x8100, 1, &tagged(0x8100, 2, &tagged(0x8100, 3, &inner))),
        ipv6(6, &syn),
        ipv6(17, &udp_summed(query.clone(), v6[0], v6[1])),
        ipv6(58, &solicitation()),
        ipv6(132, &[7; 12]),
        ipv6(59, &[]),
        ipv6(
            0,
            &[&[43, 0, 1, 4, 0, 0, 0, 0][..], &[60, 0, 0, 0, 0, 0, 0, 0], &[17, 0, 1, 4, 0, 0, 0, 0], &query].concat(),
        ),
        ipv6(51, &[&[6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], &syn].concat()),
        ipv6(44, &[&fragment(17, 0, true)[..], &query].concat()),
        ipv6(44, &[&fragment(58, 0, true)[..], &solicitation()].concat()),
        ipv6(44, &[&fragment(17, 1448, false)[..], b"the rest"].concat()),
        ipv6(60, &[&options.repeat(7)[..], &[17, 0, 1, 4, 0, 0, 0, 0], &query].concat()),
        ethernet(0x0026, &[0xaa, 0xaa, 3, 0, 0, 0]),
        ethernet(0x88cc, &[2, 7, 4]),
        ipv4(17, &tunnel),
        ipv4(17, &udp_summed(tunnel.clone(), v4[0], v4[1])),
        ipv6(17, &udp_summed(tunnel.clone(), v6[0], v6[1])),
        tagged(0x8100, 5, &ipv6(17, &tunnel)),
    ]
}
