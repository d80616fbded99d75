//! Who talks to whom about what, of flows that are told apart by it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};
use wire::protocol;

/// Addresses, protocol and ports of an IP packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiveTuple {
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// IP protocol number, behind all IPv6 extension headers: 6 is TCP, 17 UDP.
    pub protocol: u8,
    /// Source port of TCP, UDP and SCTP.
    pub source_port: Option<u16>,
    /// Destination port of TCP, UDP and SCTP.
    pub destination_port: Option<u16>,
    /// Type of ICMP and ICMPv6.
    pub icmp_type: Option<u8>,
    /// Code of ICMP and ICMPv6.
    pub icmp_code: Option<u8>,
    /// Whether these are the fragments of packets; they have no ports, as all but the first do not carry them.
    pub fragment: bool,
}

impl From<wire::FiveTuple> for FiveTuple {
    fn from(tuple: wire::FiveTuple) -> FiveTuple {
        let (source, destination) = tuple.addresses();
        let (ports, icmp) = (tuple.ports(), tuple.icmp());
        FiveTuple {
            source,
            destination,
            protocol: tuple.protocol(),
            source_port: ports.map(|(source, _)| source),
            destination_port: ports.map(|(_, destination)| destination),
            icmp_type: icmp.map(|(kind, _)| kind),
            icmp_code: icmp.map(|(_, code)| code),
            fragment: tuple.is_fragment(),
        }
    }
}

/// `tcp 10.0.0.1:40000 > 10.0.0.2:80`, `icmp 10.0.0.1 > 10.0.0.2 type 8 code 0`, `udp fd00::1 > fd00::2 fragments`.
impl fmt::Display for FiveTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            protocol::TCP => f.write_str("tcp"),
            protocol::UDP => f.write_str("udp"),
            protocol::SCTP => f.write_str("sctp"),
            protocol::ICMP => f.write_str("icmp"),
            protocol::ICMPV6 => f.write_str("icmpv6"),
            number => write!(f, "protocol {number}"),
        }?;
        match (self.source_port, self.destination_port) {
            (Some(from), Some(to)) => {
                write!(f, " {} > {}", SocketAddr::new(self.source, from), SocketAddr::new(self.destination, to))
            }
            _ => write!(f, " {} > {}", self.source, self.destination),
        }?;
        if let (Some(kind), Some(code)) = (self.icmp_type, self.icmp_code) {
            write!(f, " type {kind} code {code}")?;
        }
        if self.fragment { f.write_str(" fragments") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(source: &str, destination: &str, protocol: u8) -> FiveTuple {
        let address = |text: &str| text.parse().expect("an address");
        FiveTuple {
            source: address(source),
            destination: address(destination),
            protocol,
            source_port: None,
            destination_port: None,
            icmp_type: None,
            icmp_code: None,
            fragment: false,
        }
    }

    #[test]
    fn it_reads_as_one_line() {
        let v4 = between("10.0.0.1", "10.0.0.2", 6);
        let tcp = FiveTuple { source_port: Some(40_000), destination_port: Some(80), ..v4.clone() };
        assert_eq!(tcp.to_string(), "tcp 10.0.0.1:40000 > 10.0.0.2:80");
        let v6 = between("fd00::1", "fd00::2", 17);
        let udp = FiveTuple { source_port: Some(53), destination_port: Some(1), ..v6.clone() };
        assert_eq!(udp.to_string(), "udp [fd00::1]:53 > [fd00::2]:1");
        assert_eq!(FiveTuple { fragment: true, ..v6 }.to_string(), "udp fd00::1 > fd00::2 fragments");
        let ping = FiveTuple { protocol: 1, icmp_type: Some(8), icmp_code: Some(0), ..v4.clone() };
        assert_eq!(ping.to_string(), "icmp 10.0.0.1 > 10.0.0.2 type 8 code 0");
        assert_eq!(FiveTuple { protocol: 47, ..v4 }.to_string(), "protocol 47 10.0.0.1 > 10.0.0.2");
    }

    #[test]
    fn what_the_packets_say_is_what_is_told() {
        let words = wire::FiveTuple::V4 { addresses: 0x0a00_0001_0a00_0002, transport: 40_000 << 32 | 80 << 16 | 6 };
        assert_eq!(FiveTuple::from(words).to_string(), "tcp 10.0.0.1:40000 > 10.0.0.2:80");
        let ping = wire::FiveTuple::V4 { addresses: 0x0a00_0001_0a00_0002, transport: 8 << 24 | 1 };
        assert_eq!(FiveTuple::from(ping).to_string(), "icmp 10.0.0.1 > 10.0.0.2 type 8 code 0");
        let fragments = wire::FiveTuple::V6 { addresses: [0xfd00 << 48, 1, 0xfd00 << 48, 2], transport: 1 << 8 | 17 };
        assert_eq!(FiveTuple::from(fragments).to_string(), "udp fd00::1 > fd00::2 fragments");
    }
}
