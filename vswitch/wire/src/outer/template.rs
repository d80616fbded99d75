//! The outer header of a tunnel, built once and stamped in front of every inner frame (RFC 7348 section 5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    Mac, Vni,
    checksum::{self, Sum},
    ecn, ethernet,
    field::put,
    ipv4, ipv6, protocol, udp, vxlan,
};

const IPV4_UDP: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
const IPV6_UDP: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN;

/// Octets of an outer header over IPv4.
pub const OUTER_IPV4_LEN: usize = IPV4_UDP + udp::HEADER_LEN + vxlan::HEADER_LEN;
/// Octets of an outer header over IPv6.
pub const OUTER_IPV6_LEN: usize = IPV6_UDP + udp::HEADER_LEN + vxlan::HEADER_LEN;

/// Offsets of what changes from packet to packet.
mod field {
    pub(super) const IPV4_TOS: usize = 15;
    pub(super) const IPV4_TOTAL_LEN: usize = 16;
    pub(super) const IPV4_ID: usize = 18;
    pub(super) const IPV4_CHECKSUM: usize = 24;
    pub(super) const IPV6_VERSION_CLASS: usize = 14;
    pub(super) const IPV6_FLOW_LABEL: usize = 16;
    pub(super) const IPV6_PAYLOAD_LEN: usize = 18;
}

/// What all packets of a tunnel into one network have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterParams {
    /// The next hop.
    pub dst_mac: Mac,
    /// The uplink.
    pub src_mac: Mac,
    /// Our VTEP.
    pub src: IpAddr,
    /// The remote VTEP, of the same family.
    pub dst: IpAddr,
    /// UDP destination port.
    pub udp_dst: u16,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Differentiated services; ECN is always the inner packet's (RFC 6040).
    pub dscp: Dscp,
    /// The "don't fragment" flag; IPv6 routers never fragment.
    pub df: bool,
    /// Whether to compute the UDP checksum or send 0. Over IPv6 a receiver drops 0 unless it was told not to (RFC 6935).
    pub checksum: bool,
    /// Network identifier.
    pub vni: Vni,
}

/// The differentiated services code point of outer packets (RFC 2474, RFC 2983).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dscp {
    /// This one, of which the low 6 bits count.
    Fixed(u8),
    /// The inner packet's; 0 where that is not IP.
    Inherit,
}

impl std::fmt::Display for Dscp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Dscp::Fixed(dscp) => dscp.fmt(f),
            Dscp::Inherit => f.write_str("inherit"),
        }
    }
}

/// Source and destination of a tunnel are of different address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("source and destination of a tunnel must both be IPv4 or both be IPv6")]
pub struct MixedFamilies;

/// An outer header with everything filled in but lengths, TOS, IPv4 identification, UDP source port and checksums, whose
/// constant parts are summed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterTemplate {
    bytes: [u8; OUTER_IPV6_LEN],
    family: Family,
    checksum: bool,
    /// The outer TOS is this and those bits of the inner one.
    tos: (u8, u8),
    /// Over the UDP pseudo header, UDP header and VXLAN header, without lengths and source port.
    udp_sum: Sum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// With the folded sum over the header, without TOS, total length and identification.
    Ipv4(u16),
    Ipv6,
}

impl OuterTemplate {
    /// The template of a tunnel.
    ///
    /// # Errors
    /// [`MixedFamilies`].
    pub fn new(params: &OuterParams) -> Result<OuterTemplate, MixedFamilies> {
        match (params.src, params.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ok(Self::ipv4(params, src, dst)),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ok(Self::ipv6(params, src, dst)),
            _ => Err(MixedFamilies),
        }
    }

    fn ipv4(params: &OuterParams, src: Ipv4Addr, dst: Ipv4Addr) -> OuterTemplate {
        let mut bytes = [0; OUTER_IPV6_LEN];
        let header = &mut bytes[ethernet::HEADER_LEN..IPV4_UDP];
        let OuterParams { ttl, df: dont_fragment, .. } = *params;
        let repr = ipv4::Repr { src, dst, protocol: protocol::UDP, payload_len: 0, tos: 0, ttl, id: 0, dont_fragment };
        repr.emit(&mut ipv4::Packet::new_unchecked(header));
        put(&mut bytes, field::IPV4_TOTAL_LEN, [0, 0]);
        put(&mut bytes, field::IPV4_CHECKSUM, [0, 0]);
        let header_sum = Sum::ZERO.bytes(&bytes[ethernet::HEADER_LEN..IPV4_UDP]);
        Self::finish(bytes, params, IPV4_UDP, Family::Ipv4(header_sum.folded()))
    }

    fn ipv6(params: &OuterParams, src: Ipv6Addr, dst: Ipv6Addr) -> OuterTemplate {
        let mut bytes = [0; OUTER_IPV6_LEN];
        let header = &mut bytes[ethernet::HEADER_LEN..IPV6_UDP];
        let (hop_limit, next_header, traffic_class) = (params.ttl, protocol::UDP, 0);
        let repr = ipv6::Repr { src, dst, next_header, payload_len: 0, traffic_class, flow_label: 0, hop_limit };
        repr.emit(&mut ipv6::Packet::new_unchecked(header));
        Self::finish(bytes, params, IPV6_UDP, Family::Ipv6)
    }

    /// Adds what both families have: Ethernet, UDP at `udp`, VXLAN, and the sum.
    fn finish(mut bytes: [u8; OUTER_IPV6_LEN], params: &OuterParams, udp: usize, family: Family) -> OuterTemplate {
        let ethertype = if family == Family::Ipv6 { ethernet::IPV6 } else { ethernet::IPV4 };
        let link = ethernet::Repr { dst: params.dst_mac, src: params.src_mac, ethertype };
        link.emit(&mut ethernet::Header::new_unchecked(&mut bytes[..]));
        put(&mut bytes, udp + 2, params.udp_dst.to_be_bytes());
        let tunnel = udp + udp::HEADER_LEN;
        vxlan::Repr { vni: params.vni }.emit(&mut vxlan::Header::new_unchecked(&mut bytes[tunnel..]));
        let end = tunnel + vxlan::HEADER_LEN;
        let pseudo = Sum::ZERO.addresses(params.src, params.dst).word(u16::from(protocol::UDP));
        let checksum = params.checksum;
        let tos = match params.dscp {
            Dscp::Fixed(dscp) => (dscp << 2, ecn::MASK),
            Dscp::Inherit => (0, 0xff),
        };
        OuterTemplate { bytes, family, checksum, tos, udp_sum: pseudo.bytes(&bytes[udp..end]) }
    }

    /// Octets of the outer header: by how many a frame grows.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub const fn len(&self) -> usize {
        match self.family {
            Family::Ipv4(_) => OUTER_IPV4_LEN,
            Family::Ipv6 => OUTER_IPV6_LEN,
        }
    }

    /// Writes the outer header over the first [`OuterTemplate::len`] octets of `frame`, behind which the inner frame
    /// lies already. `false` (unchanged) where `frame` is shorter than the header, or its IP packet longer than 65,535.
    ///
    /// `source_port` comes from [`crate::source_port`]. `ip_id` is the IPv4 identification: it must differ between
    /// packets that may be fragmented, and may be anything where DF is set (RFC 6864). `inner_tos` is the inner packet's
    /// ([`crate::Parsed::tos`]), 0 where it is not IP.
    #[inline(always)]
    #[must_use]
    pub fn write(&self, frame: &mut [u8], source_port: u16, ip_id: u16, inner_tos: u8) -> bool {
        self.write_with(frame, (source_port, ip_id, inner_tos), true)
    }

    /// The same in front of a packet with work left, whose octets will be others: the UDP checksum, if the tunnel has one,
    /// is filled in together with the inner one ([`crate::gso`]), and any until then.
    #[must_use]
    pub fn write_unsummed(&self, frame: &mut [u8], source_port: u16, ip_id: u16, inner_tos: u8) -> bool {
        self.write_with(frame, (source_port, ip_id, inner_tos), false)
    }

    #[inline(always)]
    fn write_with(&self, frame: &mut [u8], (source_port, ip_id, inner_tos): (u16, u16, u8), sums: bool) -> bool {
        let tos = self.tos.0 | inner_tos & self.tos.1;
        match self.family {
            Family::Ipv4(header_sum) => self.write_ipv4(header_sum, frame, (source_port, ip_id, tos), sums),
            Family::Ipv6 => self.write_ipv6(frame, (source_port, tos), sums),
        }
    }

    #[inline(always)]
    fn write_ipv4(
        &self,
        header_sum: u16,
        frame: &mut [u8],
        (source_port, ip_id, tos): (u16, u16, u8),
        sums: bool,
    ) -> bool {
        let Some((outer, inner)) = frame.split_first_chunk_mut::<OUTER_IPV4_LEN>() else { return false };
        let total_len = OUTER_IPV4_LEN - ethernet::HEADER_LEN + inner.len();
        let Ok(total_len) = u16::try_from(total_len) else { return false };
        outer.copy_from_slice(&self.bytes[..OUTER_IPV4_LEN]);
        outer[field::IPV4_TOS] = tos;
        put(outer, field::IPV4_TOTAL_LEN, total_len.to_be_bytes());
        put(outer, field::IPV4_ID, ip_id.to_be_bytes());
        let sum = u32::from(header_sum) + u32::from(tos) + u32::from(total_len) + u32::from(ip_id);
        put(outer, field::IPV4_CHECKSUM, checksum::of_few(sum).to_be_bytes());
        let udp_len = total_len - ipv4::HEADER_LEN as u16;
        self.write_udp(&mut outer[IPV4_UDP..], inner, (source_port, udp_len), sums);
        true
    }

    #[inline(never)]
    fn write_ipv6(&self, frame: &mut [u8], (source_port, tos): (u16, u8), sums: bool) -> bool {
        let udp_len = frame.len().saturating_sub(IPV6_UDP);
        let Ok(udp_len) = u16::try_from(udp_len) else { return false };
        let Some((outer, inner)) = frame.split_first_chunk_mut::<OUTER_IPV6_LEN>() else { return false };
        outer.copy_from_slice(&self.bytes);
        put(outer, field::IPV6_VERSION_CLASS, (0x6000 | u16::from(tos) << 4).to_be_bytes());
        // The flow label carries the same entropy, for routers that look no further (RFC 6438).
        put(outer, field::IPV6_FLOW_LABEL, source_port.to_be_bytes());
        put(outer, field::IPV6_PAYLOAD_LEN, udp_len.to_be_bytes());
        self.write_udp(&mut outer[IPV6_UDP..], inner, (source_port, udp_len), sums);
        true
    }

    #[inline(always)]
    fn write_udp(&self, outer: &mut [u8], inner: &[u8], (source_port, udp_len): (u16, u16), sums: bool) {
        put(outer, 0, source_port.to_be_bytes());
        put(outer, 4, udp_len.to_be_bytes());
        if self.checksum {
            let sum = if sums { self.udp_checksum(inner, source_port, udp_len) } else { u16::MAX };
            put(outer, 6, sum.to_be_bytes());
        }
    }

    #[inline(never)]
    fn udp_checksum(&self, inner: &[u8], source_port: u16, udp_len: u16) -> u16 {
        // The length counts twice: once in the pseudo header, once in the header.
        self.udp_sum.word(source_port).word(udp_len).word(udp_len).bytes(inner).finish_udp()
    }
}
