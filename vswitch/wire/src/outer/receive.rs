//! Taking a received tunnel packet apart (RFC 7348 section 5).

use std::net::IpAddr;

use crate::{L3, Malformed, Parsed, Vni, ipv4, ipv6, protocol, udp, vxlan};

/// What the outer headers of a tunnel packet say, all of it checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// The VTEP that sent it.
    pub src: IpAddr,
    /// The VTEP it was sent to.
    pub dst: IpAddr,
    /// UDP source port, the sender's entropy.
    pub udp_src: u16,
    /// UDP destination port.
    pub udp_dst: u16,
    /// Network identifier.
    pub vni: Vni,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Whether it came over IPv6 without a UDP checksum, which only those may who were allowed to (RFC 6936).
    pub is_unsummed_ipv6: bool,
    /// Offset of the inner frame in the outer one, at most its length.
    pub inner: usize,
    /// Octets of the inner frame: to where the UDP length says, not to where the outer frame ends (it may be padded).
    pub inner_len: usize,
}

struct Network {
    src: IpAddr,
    dst: IpAddr,
    tos: u8,
    ttl: u8,
}

/// Takes apart a frame that [`crate::parse`] found to be UDP over IP and whose destination the caller knows to be a
/// tunnel's (see [`Parsed::ports`]); `None` where it is no UDP. The inner frame is not looked at.
///
/// "When a packet is received with a UDP checksum of zero, it MUST be accepted for decapsulation" (section 5). Over IPv6
/// that is for the caller to decide, tunnel by tunnel: nobody takes it unless he was told to (RFC 6935, RFC 6936 section
/// 4). A checksum that is there we choose to verify, and where "the verification fails, the packet MUST be
/// dropped". Reserved bits of the VXLAN header are "ignored on receipt".
///
/// # Errors
/// [`Malformed::OuterFragment`] ("The destination VTEP MAY silently discard such VXLAN fragments", section 4.3),
/// [`Malformed::OuterUdpLength`], [`Malformed::OuterIpv4Checksum`], [`Malformed::OuterUdpChecksum`],
/// [`Malformed::VxlanTruncated`], [`Malformed::VxlanNoVni`], in this order.
#[inline]
pub fn parse_outer(frame: &[u8], parsed: &Parsed) -> Result<Option<Outer>, Malformed> {
    if parsed.protocol != protocol::UDP || !matches!(parsed.l3_kind, L3::Ipv4 | L3::Ipv6) {
        return Ok(None);
    }
    if parsed.fragment {
        return Err(Malformed::OuterFragment);
    }
    let l4 = usize::from(parsed.l4);
    let datagram = frame.get(l4..).ok_or(Malformed::OuterUdpLength)?;
    let datagram = udp::Datagram::new_checked(datagram).map_err(|_| Malformed::OuterUdpLength)?;
    let Network { src, dst, tos, ttl } = network(frame, parsed)?;
    if !datagram.verify_checksum(src, dst) {
        return Err(Malformed::OuterUdpChecksum);
    }
    let tunnel = vxlan::Header::new_checked(datagram.payload())?;
    Ok(Some(Outer {
        src,
        dst,
        udp_src: datagram.src_port(),
        udp_dst: datagram.dst_port(),
        vni: tunnel.vni(),
        tos,
        ttl,
        is_unsummed_ipv6: datagram.checksum() == 0 && parsed.l3_kind == L3::Ipv6,
        inner: l4 + udp::HEADER_LEN + vxlan::HEADER_LEN,
        inner_len: tunnel.payload().len(),
    }))
}

/// The network header once more, now with its checksum: from here on the packet is for us.
#[inline]
fn network(frame: &[u8], parsed: &Parsed) -> Result<Network, Malformed> {
    let bytes = frame.get(usize::from(parsed.l3)..).unwrap_or_default();
    if parsed.l3_kind == L3::Ipv6 {
        let packet = ipv6::Packet::new_checked(bytes)?;
        let [src, dst] = [packet.src(), packet.dst()].map(IpAddr::V6);
        return Ok(Network { src, dst, tos: packet.traffic_class(), ttl: packet.hop_limit() });
    }
    let packet = ipv4::Packet::new_checked(bytes)?;
    if !packet.verify_checksum() {
        return Err(Malformed::OuterIpv4Checksum);
    }
    let [src, dst] = [packet.src(), packet.dst()].map(IpAddr::V4);
    Ok(Network { src, dst, tos: packet.tos(), ttl: packet.ttl() })
}
