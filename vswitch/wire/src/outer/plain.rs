//! Tunnel packets as nearly all are: untagged, IPv4 without options, whole, right header checksum, UDP without a
//! checksum, a VNI. A few comparisons at fixed offsets say so; what is different in any way, or wrong, is for
//! [`super::parse_outer`].

use super::OUTER_IPV4_LEN;
use crate::{
    ethernet,
    field::{array_at, u16_at, u32_at},
    ipv4, protocol, udp, vxlan,
};

/// Offset of the network header.
const NETWORK: usize = ethernet::HEADER_LEN;
/// Offset of the UDP header.
const UDP: usize = NETWORK + ipv4::HEADER_LEN;
/// Offset of the VXLAN header.
const VXLAN: usize = UDP + udp::HEADER_LEN;

/// What such a packet says; the inner frame begins [`OUTER_IPV4_LEN`] octets behind its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainOuter {
    /// From whom to whom: what tells senders and networks apart.
    pub ends: OuterEnds,
    /// Type of service.
    pub tos: u8,
    /// Octets of the inner frame.
    pub inner_len: u16,
}

/// Everything in the outer headers that decides whose a packet is, as it stands in the packet: equal ends are the same
/// destination MAC, VTEPs, UDP destination port and VNI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OuterEnds {
    addresses: u64,
    mac_and_port: u64,
    vni: u32,
}

impl OuterEnds {
    /// A number that differs for most different ends, for a place in a small cache. Not keyed: whoever can choose VTEP
    /// addresses can make ends meet.
    #[inline]
    pub fn mix(self) -> usize {
        let sum = self.addresses ^ u64::from(self.vni).rotate_left(16);
        (sum.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
    }
}

/// Reads a frame that is such a packet; `None` where it is not.
#[inline(always)]
pub fn parse_plain_outer(frame: &[u8]) -> Option<PlainOuter> {
    const IPV4_IHL_5: u32 = 0x0800_4500;
    let head = frame.first_chunk::<OUTER_IPV4_LEN>()?;
    let total = u16_at(head, NETWORK + 2);
    let udp_len = u16_at(head, UDP + 4);
    let is_plain = u32_at(head, NETWORK - 2) & 0xffff_ff00 == IPV4_IHL_5
        && u16_at(head, NETWORK + 6) & ipv4::FRAGMENT_MASK == 0
        && head[NETWORK + 9] == protocol::UDP
        && u16_at(head, UDP + 6) == 0
        && head[VXLAN] & vxlan::VNI_VALID != 0;
    let fits = usize::from(udp_len) >= OUTER_IPV4_LEN - UDP
        && usize::from(udp_len) + ipv4::HEADER_LEN <= usize::from(total)
        && NETWORK + usize::from(total) <= frame.len()
        && frame.len() <= usize::from(u16::MAX);
    if !is_plain || !fits || !is_summed_right(head) {
        return None;
    }
    let port = u64::from(u16::from_ne_bytes(array_at(head, UDP + 2)));
    let dst_mac = u64::from_ne_bytes(array_at(head, 0)) & DST_MAC;
    Some(PlainOuter {
        ends: OuterEnds {
            addresses: u64::from_ne_bytes(array_at(head, NETWORK + 12)),
            mac_and_port: dst_mac | port.rotate_left(PORT_SHIFT),
            vni: u32::from_ne_bytes(array_at(head, VXLAN + 4)) & VNI,
        },
        tos: head[NETWORK + 1],
        inner_len: udp_len - (OUTER_IPV4_LEN - UDP) as u16,
    })
}

/// The destination MAC among the first eight octets as they stand in memory, and how far a port is shifted to where it is
/// not.
const DST_MAC: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
const PORT_SHIFT: u32 = if cfg!(target_endian = "little") { 48 } else { 0 };
/// The VNI in its four octets, likewise.
const VNI: u32 = u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);

/// Whether the IPv4 header's checksum is right: the sum of its words comes to all ones, which is to say that 0xffff divides
/// it, as it is not 0. It may be taken of words twice as long and in any octet order (RFC 1071 section 2).
#[inline(always)]
fn is_summed_right(head: &[u8; OUTER_IPV4_LEN]) -> bool {
    let word = |at: usize| u64::from(u32::from_ne_bytes(array_at(head, NETWORK + at)));
    (word(0) + word(4) + word(8) + word(12) + word(16)).is_multiple_of(0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dscp, Mac, OuterParams, OuterTemplate, Vni, parse, parse_outer};
    use proptest::{prelude::*, sample::Index};

    fn packet(vni: u32, inner: usize, checksum: bool) -> Vec<u8> {
        let [src, dst] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(std::net::IpAddr::from);
        let (dst_mac, src_mac) = (Mac::new([2, 0, 0, 0, 0, 1]), Mac::new([2, 0, 0, 0, 0, 2]));
        let vni = Vni::new(vni).unwrap();
        let (udp_dst, ttl, dscp, df) = (4789, 64, Dscp::Fixed(10), true);
        let params = OuterParams { dst_mac, src_mac, src, dst, udp_dst, ttl, dscp, df, checksum, vni };
        let mut frame = vec![0x5a; OUTER_IPV4_LEN + inner];
        assert!(OuterTemplate::new(&params).unwrap().write(&mut frame, 50_000, 7, 1));
        frame
    }

    #[test]
    fn what_a_template_writes_is_plain_unless_it_has_a_checksum() {
        let read = parse_plain_outer(&packet(0xab_cdef, 64, false)).unwrap();
        assert_eq!((read.inner_len, read.tos), (64, 10 << 2 | 1));
        assert_eq!(parse_plain_outer(&packet(0xab_cdef, 64, true)), None);
        let other = parse_plain_outer(&packet(0xab_cdee, 64, false)).unwrap();
        assert_ne!(read.ends, other.ends);
        assert_eq!(parse_plain_outer(&packet(1, 0, false)).unwrap().inner_len, 0);
    }

    proptest! {
        #[test]
        fn plain_packets_say_the_same_the_long_way(
            vni in 0u32..1 << 24,
            inner in 0usize..100,
            changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..3),
            resum: bool,
            cut in 0usize..30,
        ) {
            let mut frame = packet(vni, inner, false);
            for (at, value) in changes {
                let at = at.index(OUTER_IPV4_LEN);
                frame[at] = value;
            }
            if resum {
                frame[24..26].fill(0);
                let sum = crate::checksum::of(&frame[14..34]);
                frame[24..26].copy_from_slice(&sum.to_be_bytes());
            }
            frame.truncate(frame.len() - cut.saturating_sub(20).min(frame.len()));
            if let Some(plain) = parse_plain_outer(&frame) {
                let parsed = parse(&frame).unwrap();
                let outer = parse_outer(&frame, &parsed).unwrap().unwrap();
                prop_assert_eq!((outer.inner, outer.inner_len), (OUTER_IPV4_LEN, usize::from(plain.inner_len)));
                prop_assert_eq!((outer.tos, outer.vni.get(), parsed.tags), (plain.tos, u32::from_be(plain.ends.vni) >> 8, 0));
                let [a, b, c, d, dst @ ..] = plain.ends.addresses.to_ne_bytes();
                prop_assert_eq!([outer.src, outer.dst], [[a, b, c, d], dst].map(std::net::IpAddr::from));
                let [mac @ .., _, _] = (plain.ends.mac_and_port & DST_MAC).to_ne_bytes();
                prop_assert_eq!(parsed.dst.octets(), mac);
                let port = (plain.ends.mac_and_port & !DST_MAC).rotate_right(PORT_SHIFT) as u16;
                prop_assert_eq!(outer.udp_dst, u16::from_be(port));
            }
        }
    }
}
