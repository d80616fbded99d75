//! The longer header of a device that takes and gives super-frames in UDP tunnels as they are: `virtio_net_hdr_v1_hash_tunnel` of
//! Linux 6.17, from the features `VIRTIO_NET_F_{HOST,GUEST}_UDP_TUNNEL_GSO` of virtio 1.4. Its first octets are a
//! [`super::Header`], which speaks of the inner headers then, by offsets from the packet's front.

use super::{Fault, Header, Left, sum_up};
use crate::{
    field::put,
    gso::{Family, Layout, complete, pseudo_header},
    parse, protocol, udp, vxlan,
};

/// Octets of the header: the shorter one, the number of buffers and a hash, of which a TAP says nothing, and two offsets.
pub const TUNNEL_HEADER_LEN: usize = 24;

const OUTER_TRANSPORT_AT: usize = 20;
const INNER_NETWORK_AT: usize = 22;

/// Flag: the outer UDP checksum is that of the pseudo header only (`VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM`).
const NEEDS_OUTER_CHECKSUM: u8 = 8;

/// Beside a kind of segmentation: in a tunnel over IPv4, over IPv6 (`VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4`, `_IPV6`).
const OVER_IPV4: u8 = 0x20;
const OVER_IPV6: u8 = 0x40;

/// Octets from the outer UDP header to the inner Ethernet header.
const BETWEEN: usize = udp::HEADER_LEN + vxlan::HEADER_LEN;

/// A header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelHeader {
    /// What is left to be done, and, of a super-frame in a tunnel, over which IP version.
    pub base: Header,
    /// Where the outer UDP header of a super-frame in a tunnel is.
    pub outer_transport: u16,
    /// Where its inner network header is.
    pub inner_network: u16,
}

impl TunnelHeader {
    /// Reads a header. Of one that was agreed to be the shorter one the rest is zeros.
    pub fn parse(octets: [u8; TUNNEL_HEADER_LEN]) -> TunnelHeader {
        let mut base = [0; super::HEADER_LEN];
        base.copy_from_slice(&octets[..super::HEADER_LEN]);
        let word = |at: usize| u16::from_le_bytes([octets[at], octets[at + 1]]);
        TunnelHeader {
            base: Header::parse(base),
            outer_transport: word(OUTER_TRANSPORT_AT),
            inner_network: word(INNER_NETWORK_AT),
        }
    }

    /// Writes the header; its first [`super::HEADER_LEN`] octets are the shorter one.
    pub fn emit(self) -> [u8; TUNNEL_HEADER_LEN] {
        let mut octets = [0; TUNNEL_HEADER_LEN];
        octets[..super::HEADER_LEN].copy_from_slice(&self.base.emit());
        octets[OUTER_TRANSPORT_AT..INNER_NETWORK_AT].copy_from_slice(&self.outer_transport.to_le_bytes());
        octets[INNER_NETWORK_AT..].copy_from_slice(&self.inner_network.to_le_bytes());
        octets
    }

    /// As [`Header::settle`], for whoever is an end of tunnels. Where nothing is to be cut nothing is left: it may be the checksum
    /// of the tunnel that is open. What is left of a super-frame in a tunnel is left of the inner packet; an outer checksum is
    /// completed, over the inner octets as they are.
    ///
    /// Where the outer headers are is read from the packet. What is said of them is not compared with that: Linux leaves out
    /// a tag that it inserts last.
    ///
    /// # Errors
    /// The header lies.
    pub fn settle(&self, packet: &mut [u8]) -> Result<Option<Left>, Fault> {
        let tunnel = self.base.segmentation & (OVER_IPV4 | OVER_IPV6);
        if self.base.segmentation == 0 && !self.base.is_done() {
            let (start, at) = self.base.checksum_place(packet)?;
            sum_up(packet, start, at);
            return Ok(None);
        }
        if tunnel == 0 {
            return self.base.settle(packet);
        }
        let outer = parse(packet).map_err(|_| Fault::Tunnel)?;
        let ends = outer.addresses(packet).filter(|_| outer.protocol == protocol::UDP && !outer.fragment);
        let (src, dst) = ends.ok_or(Fault::Tunnel)?;
        let begin = usize::from(outer.l4) + BETWEEN;
        let inner = packet.get_mut(begin..).ok_or(Fault::Tunnel)?;
        let start = usize::from(self.base.checksum_start).checked_sub(begin).ok_or(Fault::ChecksumPlace)?;
        let base = Header {
            flags: self.base.flags & !NEEDS_OUTER_CHECKSUM,
            segmentation: self.base.segmentation & !tunnel,
            checksum_start: start as u16,
            ..self.base
        };
        if base.segmentation == 0 {
            return Err(Fault::Tunnel);
        }
        let left = base.settle(inner)?;
        if self.base.flags & NEEDS_OUTER_CHECKSUM != 0 {
            let mut datagram = udp::Datagram::new_checked(&mut packet[outer.l4.into()..]).map_err(|_| Fault::Tunnel)?;
            datagram.fill_checksum(src, dst);
        }
        Ok(left)
    }

    /// The header of a packet whose first `outer` octets are an outer header, and to which, behind that, so much is left to be
    /// done; `None` where the packet is not of that kind. An outer checksum is brought into the state of which the header
    /// speaks, or completed together with the inner one where it cannot say so.
    pub fn of(packet: &mut [u8], outer: usize, left: Left) -> Option<TunnelHeader> {
        if outer == 0 {
            return Some(TunnelHeader { base: Header::of(packet, left)?, ..TunnelHeader::default() });
        }
        let layout = Layout::behind(packet, outer, left.protocol).ok()?;
        let ((l3, family), udp) = (layout.outer_network(), layout.outer_udp());
        let datagram = udp::Datagram::new_checked(&packet[udp..]).ok()?;
        let (is_summed, octets) = (datagram.checksum() != 0, datagram.length());
        if left.segment == 0 && is_summed {
            complete(packet, &layout);
            return Some(TunnelHeader::default());
        }
        let moved = |offset: u16| u16::try_from(usize::from(offset) + outer).ok();
        let inner = Header::of(&packet[outer..], left)?;
        let (headers_len, checksum_start) = (moved(inner.headers_len)?, moved(inner.checksum_start)?);
        let mut base = Header { headers_len, checksum_start, ..inner };
        if left.segment == 0 {
            return Some(TunnelHeader { base, ..TunnelHeader::default() });
        }
        base.segmentation |= if family == Family::Ipv6 { OVER_IPV6 } else { OVER_IPV4 };
        if is_summed {
            base.flags |= NEEDS_OUTER_CHECKSUM;
            // Not complemented: whoever cuts it adds the rest.
            let sum = pseudo_header(packet, l3, family, protocol::UDP, octets.into()).folded();
            put(packet, udp + udp::field::CHECKSUM, sum.to_be_bytes());
        }
        Some(TunnelHeader { base, outer_transport: udp as u16, inner_network: layout.l3() as u16 })
    }
}
