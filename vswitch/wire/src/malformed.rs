//! Every way in which bytes from the wire can be wrong.

/// Declares the enum with its names and texts side by side, so that a variant cannot lack one of them.
macro_rules! malformed {
    ($($variant:ident, $name:literal, $text:literal;)*) => {
        /// Why a frame is not what its headers say. Closed: the drop reasons of the packet path are made of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
        #[repr(u8)]
        pub enum Malformed {
            $(#[doc = $text] #[error($text)] $variant,)*
        }

        impl Malformed {
            /// All variants, in order: `ALL[reason as usize] == reason`.
            pub const ALL: [Malformed; Malformed::COUNT] = [$(Malformed::$variant,)*];

            /// How many variants there are.
            pub const COUNT: usize = [$($name,)*].len();

            /// The reason's short name, as counters and the operator's tool show it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Malformed::$variant => $name,)*
                }
            }

            /// What is wrong, in a sentence for the operator.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Malformed::$variant => $text,)*
                }
            }
        }
    };
}

malformed! {
    FrameTooLong, "frame-too-long", "the frame is longer than 65,535 octets";
    EthernetTruncated, "ethernet-truncated", "the frame ends inside its Ethernet header";
    VlanTruncated, "vlan-truncated", "the frame ends inside a VLAN tag";
    ArpTruncated, "arp-truncated", "the frame ends inside its ARP packet";
    ArpMalformed, "arp-malformed", "the ARP packet is not one of IPv4 over Ethernet (RFC 826)";
    Ipv4Truncated, "ipv4-truncated", "the frame ends inside its IPv4 header";
    Ipv4Version, "ipv4-version", "the version field of the IPv4 header is not 4";
    Ipv4HeaderLength, "ipv4-header-length", "the header length of the IPv4 packet is below 20 octets or beyond the frame";
    Ipv4TotalLength, "ipv4-total-length", "the total length of the IPv4 packet is below its header or beyond the frame";
    Ipv6Truncated, "ipv6-truncated", "the frame ends inside its IPv6 header";
    Ipv6Version, "ipv6-version", "the version field of the IPv6 header is not 6";
    Ipv6PayloadLength, "ipv6-payload-length", "the payload length of the IPv6 packet is beyond the frame, or it is a jumbogram";
    Ipv6ExtensionTruncated, "ipv6-extension-truncated", "the IPv6 packet ends inside an extension header";
    Ipv6ExtensionHeaders, "ipv6-extension-headers", "the IPv6 packet has more than 8 extension headers";
    Ipv6HopByHop, "ipv6-hop-by-hop", "the IPv6 hop-by-hop header is not the first extension header (RFC 8200 section 4.1)";
    Ipv6FirstFragment, "ipv6-first-fragment", "the first IPv6 fragment lacks its transport header (RFC 7112)";
    UdpTruncated, "udp-truncated", "the packet ends inside its UDP header";
    UdpLength, "udp-length", "the UDP length is below 8 or beyond the packet";
    TcpTruncated, "tcp-truncated", "the packet ends inside its TCP header";
    TcpHeaderLength, "tcp-header-length", "the TCP data offset is below 5 words or beyond the packet";
    SctpTruncated, "sctp-truncated", "the packet ends inside its SCTP header";
    IcmpTruncated, "icmp-truncated", "the packet ends inside its ICMP header";
    Icmpv6Truncated, "icmpv6-truncated", "the packet ends inside its ICMPv6 header";
    NdTruncated, "nd-truncated", "the neighbour discovery message ends inside its fixed fields or an option";
    NdOptions, "nd-options", "an option of the neighbour discovery message has no length, a wrong one, or comes twice";
    NdFragment, "nd-fragment", "the neighbour discovery message is fragmented (RFC 6980)";
    VxlanTruncated, "vxlan-truncated", "the UDP payload ends inside its VXLAN header";
    VxlanNoVni, "vxlan-no-vni", "the I flag of the VXLAN header is 0 (RFC 7348 section 5)";
    OuterFragment, "outer-fragment", "the tunnel packet is a fragment (RFC 7348 section 4.3 lets a VTEP discard it)";
    OuterIpv4Checksum, "outer-ipv4-checksum", "the header checksum of the tunnel packet is wrong";
    OuterUdpLength, "outer-udp-length", "the UDP length of the tunnel packet does not fit what was received";
    OuterUdpChecksum, "outer-udp-checksum", "the UDP checksum of the tunnel packet is neither 0 nor right";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_is_at_its_own_index_under_its_own_name() {
        for (index, reason) in Malformed::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        let names: HashSet<_> = Malformed::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Malformed::COUNT);
    }
}
