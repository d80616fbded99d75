//! One pass over the outermost headers of a frame.

use std::net::IpAddr;

use crate::{Mac, Malformed, arp, ethernet, field, icmpv4, icmpv6, ipv4, ipv6, plain, protocol, sctp, tcp, udp, vlan};

/// VLAN tags looked through; a frame with more is of no known network protocol.
pub(crate) const TAGS_MAX: u8 = 2;

/// What follows the Ethernet header and its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum L3 {
    /// An ethertype the switch does not look into, an 802.3 length (below [`ethernet::ETHERTYPE_MIN`]), or a third tag.
    Other,
    /// ARP for IPv4 over Ethernet.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Where the headers of a frame are. Every offset counts from the frame's first octet and was checked against its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Destination address.
    pub dst: Mac,
    /// Source address.
    pub src: Mac,
    /// Ethertype behind the tags; the third tag's own where there are more than two.
    pub ethertype: u16,
    /// Offset of the network header, at most the frame's length.
    pub l3: u16,
    /// Octets from `l3` to the end of the IP packet (its total length) or ARP packet, Ethernet padding excluded; to the
    /// end of the frame for [`L3::Other`].
    pub l3_len: u16,
    /// Offset of the transport header, whose fixed part is there and right; 0 where there is none the switch knows (TCP,
    /// UDP, SCTP, ICMP, ICMPv6), in all but the first fragment, and where the first IPv4 fragment ends inside it.
    pub l4: u16,
    /// What is at `l3`.
    pub l3_kind: L3,
    /// Protocol of what the IP packet carries, behind all IPv6 extension headers; 0 where there is no IP.
    pub protocol: u8,
    /// VLAN tags looked through, at most 2.
    pub tags: u8,
    /// Whether the IP packet is a fragment, first or later, of a larger one.
    pub fragment: bool,
}

const _: () = assert!(size_of::<Parsed>() <= 64);

impl Parsed {
    /// An Ethernet header between nobodies and nothing behind it: what a place for headers begins as.
    pub const NOTHING: Parsed = Parsed {
        dst: Mac::ZERO,
        src: Mac::ZERO,
        ethertype: 0,
        l3: ethernet::HEADER_LEN as u16,
        l3_len: 0,
        l4: 0,
        l3_kind: L3::Other,
        protocol: 0,
        tags: 0,
        fragment: false,
    };
}

/// Finds the headers of `frame` and checks every length on the way.
///
/// The payload may end before the frame does (Ethernet padding). Checksums are not looked at: a switch passes on what it
/// was given, and the receiver checks them.
///
/// # Errors
/// The first thing that is wrong.
#[inline]
pub fn parse(frame: &[u8]) -> Result<Parsed, Malformed> {
    let mut parsed = Parsed::NOTHING;
    parse_into(frame, &mut parsed)?;
    Ok(parsed)
}

/// As [`parse`], where the answer is to stay: a [`Parsed`] is written in small pieces, and copying it at once would wait
/// for all of them. After an error `parsed` says nothing.
///
/// # Errors
/// The first thing that is wrong.
#[inline(always)]
pub fn parse_into(frame: &[u8], parsed: &mut Parsed) -> Result<(), Malformed> {
    if plain::parse(frame, parsed) { Ok(()) } else { parse_any(frame, parsed) }
}

/// The long way, for packets of every kind.
#[inline(never)]
pub(crate) fn parse_any(frame: &[u8], parsed: &mut Parsed) -> Result<(), Malformed> {
    let Ok(len) = u16::try_from(frame.len()) else { return Err(Malformed::FrameTooLong) };
    let header = ethernet::Header::new_checked(frame)?;
    *parsed = Parsed { dst: header.dst(), src: header.src(), ethertype: header.ethertype(), ..Parsed::NOTHING };
    if vlan::is_tag(parsed.ethertype) {
        pass_tags(frame, parsed)?;
    }
    parsed.l3_len = len - parsed.l3;
    let network = &frame[usize::from(parsed.l3)..];
    match parsed.ethertype {
        ethernet::IPV4 => parse_ipv4(network, parsed),
        ethernet::IPV6 => parse_ipv6(network, parsed),
        ethernet::ARP => parse_arp(network, parsed),
        _ => Ok(()),
    }
}

/// Moves `l3` and `ethertype` behind up to two tags.
fn pass_tags(frame: &[u8], parsed: &mut Parsed) -> Result<(), Malformed> {
    while parsed.tags < TAGS_MAX && vlan::is_tag(parsed.ethertype) {
        let tag = vlan::Tag::new_checked(&frame[usize::from(parsed.l3)..])?;
        parsed.ethertype = tag.ethertype();
        parsed.l3 += vlan::TAG_LEN as u16;
        parsed.tags += 1;
    }
    Ok(())
}

fn parse_arp(network: &[u8], parsed: &mut Parsed) -> Result<(), Malformed> {
    arp::Packet::new_checked(network)?;
    parsed.l3_kind = L3::Arp;
    parsed.l3_len = arp::PACKET_LEN as u16;
    Ok(())
}

#[inline]
fn parse_ipv4(network: &[u8], parsed: &mut Parsed) -> Result<(), Malformed> {
    let packet = ipv4::Packet::new_checked(network)?;
    parsed.l3_kind = L3::Ipv4;
    parsed.l3_len = packet.total_len();
    parsed.protocol = packet.protocol();
    parsed.fragment = packet.is_fragment();
    if packet.fragment_offset() == 0 {
        parse_transport(packet.payload(), packet.header_len(), parsed)?;
    }
    Ok(())
}

#[inline]
fn parse_ipv6(network: &[u8], parsed: &mut Parsed) -> Result<(), Malformed> {
    let packet = ipv6::Packet::new_checked(network)?;
    let upper = packet.upper_layer()?;
    parsed.l3_kind = L3::Ipv6;
    // Fits: the packet lies within a frame of at most 65,535 octets.
    parsed.l3_len = packet.payload_len() + ipv6::HEADER_LEN as u16;
    parsed.protocol = upper.protocol;
    parsed.fragment = upper.is_fragment;
    if upper.fragment_offset == 0 {
        parse_transport(&packet.payload()[upper.offset..], ipv6::HEADER_LEN + upper.offset, parsed)?;
    }
    Ok(())
}

/// Checks the transport header with which `segment` begins, `offset` octets behind `l3`, and sets `l4`.
#[inline]
fn parse_transport(segment: &[u8], offset: usize, parsed: &mut Parsed) -> Result<(), Malformed> {
    let verdict = match (parsed.protocol, parsed.l3_kind) {
        (protocol::TCP, _) if parsed.fragment => tcp::Segment::new_unchecked(segment).check_header(),
        (protocol::TCP, _) => tcp::Segment::new_unchecked(segment).check_len(),
        (protocol::UDP, _) if parsed.fragment => udp::Datagram::new_unchecked(segment).check_header(),
        (protocol::UDP, _) => udp::Datagram::new_unchecked(segment).check_len(),
        (protocol::SCTP, _) => sctp::Packet::new_unchecked(segment).check_len(),
        (protocol::ICMP, L3::Ipv4) => icmpv4::Message::new_unchecked(segment).check_len(),
        (protocol::ICMPV6, L3::Ipv6) => icmpv6::Message::new_unchecked(segment).check_len(),
        _ => return Ok(()),
    };
    match verdict {
        Ok(()) => {
            parsed.l4 = parsed.l3 + offset as u16;
            Ok(())
        }
        Err(reason) if parsed.fragment && is_cut(reason) => cut_first_fragment(parsed.l3_kind),
        Err(reason) => Err(reason),
    }
}

fn is_cut(reason: Malformed) -> bool {
    use Malformed::{IcmpTruncated, Icmpv6Truncated, SctpTruncated, TcpTruncated, UdpTruncated};
    matches!(reason, TcpTruncated | UdpTruncated | SctpTruncated | IcmpTruncated | Icmpv6Truncated)
}

/// A first fragment that ends inside its transport header: legal in IPv4, whose links may carry as little as eight
/// octets a fragment (RFC 791 section 3.2). In IPv6 the first fragment must hold all headers, and a system on the way may
/// discard one that does not (RFC 7112 section 5); it would hide neighbour discovery from us.
fn cut_first_fragment(l3_kind: L3) -> Result<(), Malformed> {
    if l3_kind == L3::Ipv6 { Err(Malformed::Ipv6FirstFragment) } else { Ok(()) }
}

/// Reading back from the frame that was parsed. Given other bytes these answer nonsense or `None`, and never panic.
impl Parsed {
    /// Source and destination address of the IP packet; `None` where there is none.
    pub fn addresses(&self, frame: &[u8]) -> Option<(IpAddr, IpAddr)> {
        let network = frame.get(usize::from(self.l3)..)?;
        match self.l3_kind {
            L3::Ipv4 => {
                let packet = ipv4::Packet::new_unchecked(network.first_chunk::<{ ipv4::HEADER_LEN }>()?);
                Some((packet.src().into(), packet.dst().into()))
            }
            L3::Ipv6 => {
                let packet = ipv6::Packet::new_unchecked(network.first_chunk::<{ ipv6::HEADER_LEN }>()?);
                Some((packet.src().into(), packet.dst().into()))
            }
            L3::Arp | L3::Other => None,
        }
    }

    /// Type of service or traffic class: DSCP (6 bits) and ECN (2 bits); `None` where there is no IP.
    #[inline]
    pub fn tos(&self, frame: &[u8]) -> Option<u8> {
        let network = frame.get(usize::from(self.l3)..)?;
        match self.l3_kind {
            L3::Ipv4 => Some(ipv4::Packet::new_unchecked(network.first_chunk::<{ ipv4::HEADER_LEN }>()?).tos()),
            L3::Ipv6 => Some(ipv6::Packet::new_unchecked(network.first_chunk::<4>()?).traffic_class()),
            L3::Arp | L3::Other => None,
        }
    }

    /// Sets what [`Parsed::tos`] reads; the IPv4 header checksum follows, right or wrong as it was.
    pub fn set_tos(&self, frame: &mut [u8], tos: u8) {
        let Some(network) = frame.get_mut(usize::from(self.l3)..) else { return };
        match (self.l3_kind, network.first_chunk_mut::<{ ipv4::HEADER_LEN }>()) {
            (L3::Ipv4, Some(header)) => ipv4::Packet::new_unchecked(header).set_tos(tos),
            (L3::Ipv6, Some(header)) => ipv6::Packet::new_unchecked(header).set_traffic_class(tos),
            _ => {}
        }
    }

    /// Source and destination port of TCP, UDP and SCTP; `None` where there are none, or not in this fragment.
    #[inline]
    pub fn ports(&self, frame: &[u8]) -> Option<(u16, u16)> {
        if self.l4 == 0 || !matches!(self.protocol, protocol::TCP | protocol::UDP | protocol::SCTP) {
            return None;
        }
        let ports = frame.get(usize::from(self.l4)..)?.first_chunk::<4>()?;
        Some((field::u16_at(ports, 0), field::u16_at(ports, 2)))
    }

    /// The ARP packet; `None` where the frame carries none.
    pub fn arp(&self, frame: &[u8]) -> Option<arp::Repr> {
        if self.l3_kind != L3::Arp {
            return None;
        }
        let packet = arp::Packet::new_checked(frame.get(usize::from(self.l3)..)?).ok()?;
        Some(arp::Repr::parse(&packet))
    }

    /// The outermost VLAN tag; `None` where there is none.
    pub fn outer_tag<'a>(&self, frame: &'a [u8]) -> Option<vlan::Tag<&'a [u8]>> {
        if self.tags == 0 {
            return None;
        }
        vlan::Tag::new_checked(frame.get(ethernet::HEADER_LEN..)?).ok()
    }
}
