//! What tells one conversation of two hosts from another: addresses, protocol and ports, as numbers that a table compares
//! and as people read them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    L3, Parsed, ethernet,
    field::{array_at, u32_at},
    ipv4, ipv6, protocol,
};

/// The five-tuple of an IP packet. Equal numbers are equal five-tuples.
///
/// The transport word holds the source port (bits 32 to 47), the destination port (16 to 31), whether the packet is a
/// fragment (8), and the protocol behind all IPv6 extension headers (0 to 7). No fragment has ports, not even the first,
/// which carries them: all fragments of a packet are one flow. ICMP and ICMPv6 have their type and code in the place of the
/// destination port, as NetFlow and IPFIX put them together (IPFIX elements 32 and 139); other protocols have no ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FiveTuple {
    /// Over IPv4.
    V4 {
        /// Source address in the high half, destination in the low one.
        addresses: u64,
        /// Ports and protocol.
        transport: u64,
    },
    /// Over IPv6.
    V6 {
        /// Source address, high half first, then the destination.
        addresses: [u64; 4],
        /// Ports and protocol.
        transport: u64,
    },
}

/// The bit of a transport word that says: a fragment.
const FRAGMENT: u64 = 1 << 8;

impl FiveTuple {
    /// That of a frame whose headers these are; `None` where there is no IP.
    pub fn of(frame: &[u8], parsed: &Parsed) -> Option<FiveTuple> {
        let network = frame.get(usize::from(parsed.l3)..)?;
        match parsed.l3_kind {
            L3::Ipv4 => {
                let header = network.first_chunk::<{ ipv4::HEADER_LEN }>()?;
                let addresses = u64::from_be_bytes(array_at(header, 12));
                Some(FiveTuple::V4 { addresses, transport: transport(frame, parsed) })
            }
            L3::Ipv6 => {
                let header = network.first_chunk::<{ ipv6::HEADER_LEN }>()?;
                let addresses = [8, 16, 24, 32].map(|at| u64::from_be_bytes(array_at(header, at)));
                Some(FiveTuple::V6 { addresses, transport: transport(frame, parsed) })
            }
            L3::Arp | L3::Other => None,
        }
    }

    /// That of a packet that [`crate::is_plain`]: all stands at fixed offsets. Of any other frame the answer is nonsense.
    #[inline(always)]
    pub fn of_plain(frame: &[u8]) -> FiveTuple {
        const L4: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
        match frame.first_chunk::<{ L4 + 4 }>() {
            Some(head) if head[ethernet::HEADER_LEN - 2..ethernet::HEADER_LEN] == ethernet::IPV4.to_be_bytes() => {
                FiveTuple::V4 {
                    addresses: u64::from_be_bytes(array_at(head, ethernet::HEADER_LEN + 12)),
                    transport: ports_and_protocol(u32_at(head, L4), head[ethernet::HEADER_LEN + 9]),
                }
            }
            _ => FiveTuple::of_plain_ipv6(frame),
        }
    }

    #[inline(never)]
    fn of_plain_ipv6(frame: &[u8]) -> FiveTuple {
        const L4: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN;
        let nothing = FiveTuple::V6 { addresses: [0; 4], transport: 0 };
        let Some(head) = frame.first_chunk::<{ L4 + 4 }>() else { return nothing };
        FiveTuple::V6 {
            addresses: [8, 16, 24, 32].map(|at| u64::from_be_bytes(array_at(head, ethernet::HEADER_LEN + at))),
            transport: ports_and_protocol(u32_at(head, L4), head[ethernet::HEADER_LEN + 6]),
        }
    }

    /// Source and destination address.
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        match *self {
            FiveTuple::V4 { addresses, .. } => {
                let address = |half: u64| Ipv4Addr::from_bits(half as u32).into();
                (address(addresses >> 32), address(addresses))
            }
            FiveTuple::V6 { addresses: [a, b, c, d], .. } => {
                let address = |high, low| Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into();
                (address(a, b), address(c, d))
            }
        }
    }

    /// What the IP packet carries ([`protocol`]).
    pub fn protocol(&self) -> u8 {
        self.transport() as u8
    }

    /// Whether these are the fragments of packets.
    pub fn is_fragment(&self) -> bool {
        self.transport() & FRAGMENT != 0
    }

    /// Source and destination port of TCP, UDP and SCTP; `None` of fragments and of what has none.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let has_ports =
            matches!(self.protocol(), protocol::TCP | protocol::UDP | protocol::SCTP) && !self.is_fragment();
        has_ports.then_some(((self.transport() >> 32) as u16, (self.transport() >> 16) as u16))
    }

    /// Type and code of ICMP and ICMPv6; `None` of fragments and of all else.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        let own = if matches!(self, FiveTuple::V4 { .. }) { protocol::ICMP } else { protocol::ICMPV6 };
        let is_icmp = self.protocol() == own && !self.is_fragment();
        is_icmp.then_some(((self.transport() >> 24) as u8, (self.transport() >> 16) as u8))
    }

    fn transport(&self) -> u64 {
        let (FiveTuple::V4 { transport, .. } | FiveTuple::V6 { transport, .. }) = *self;
        transport
    }
}

/// Ports as they stand in the packet, and protocol, as a transport word.
#[inline(always)]
pub(crate) fn ports_and_protocol(ports: u32, protocol: u8) -> u64 {
    u64::from(ports) << 16 | u64::from(protocol)
}

fn transport(frame: &[u8], parsed: &Parsed) -> u64 {
    if parsed.fragment {
        return FRAGMENT | u64::from(parsed.protocol);
    }
    let ports = match (parsed.ports(frame), icmp_type_and_code(frame, parsed)) {
        (Some((src, dst)), _) => u32::from(src) << 16 | u32::from(dst),
        (None, Some(both)) => u32::from(both),
        (None, None) => 0,
    };
    ports_and_protocol(ports, parsed.protocol)
}

fn icmp_type_and_code(frame: &[u8], parsed: &Parsed) -> Option<u16> {
    let is_icmp =
        matches!((parsed.l3_kind, parsed.protocol), (L3::Ipv4, protocol::ICMP) | (L3::Ipv6, protocol::ICMPV6));
    let message = frame.get(usize::from(parsed.l4)..).filter(|_| is_icmp && parsed.l4 > 0)?;
    message.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}
