//! What the sender of a packet that is too big is told, octet by octet (RFC 792 page 4 with RFC 1191, RFC 4443 section 3.2).

use std::net::{IpAddr, Ipv6Addr};

use wire::{L3, Mac, Parsed, ethernet};

use crate::craft;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The answer to a frame whose packet should have at most `mtu` octets; `None` where there must be none.
pub(super) fn answer(data: &[u8], headers: &Parsed, mtu: usize) -> Option<Vec<u8>> {
    let at = usize::from(headers.l3);
    let packet = &data[at..at + usize::from(headers.l3_len)];
    let kind = if headers.l4 == 0 { None } else { data.get(usize::from(headers.l4)).copied() };
    let (src, dst) = headers.addresses(data)?;
    if packet.len() <= mtu || headers.fragment || headers.dst.is_multicast() || !is_one_host(src) || !is_one_host(dst) {
        return None;
    }
    let told = match headers.l3_kind {
        L3::Ipv4 => {
            let is_error = headers.protocol == ICMP && [3, 4, 5, 11, 12].contains(&kind?);
            if packet[6] & 0x40 == 0 || is_error {
                return None;
            }
            ipv4(packet, mtu)
        }
        L3::Ipv6 if headers.protocol == ICMPV6 && kind? < 128 => return None,
        L3::Ipv6 => ipv6(packet, mtu),
        L3::Arp | L3::Other => return None,
    };
    let macs = [&data[6..12], &data[..6], &data[12..at]].concat();
    debug_assert!(at >= ethernet::HEADER_LEN && headers.src != Mac::ZERO);
    Some([macs, told].concat())
}

fn is_one_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => (1..224).contains(&v4.octets()[0]) && v4.octets()[0] != 127,
        IpAddr::V6(v6) => v6.octets()[0] != 0xff && v6 != Ipv6Addr::UNSPECIFIED && v6 != Ipv6Addr::LOCALHOST,
    }
}

fn message(kind: u8, code: u8, mtu: usize, quoted: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0, 0, 0][..], &(mtu as u16).to_be_bytes(), quoted].concat()
}

/// At most 576 octets in all.
fn ipv4(packet: &[u8], mtu: usize) -> Vec<u8> {
    let mut message = message(3, 4, mtu, &packet[..packet.len().min(576 - 20 - 8)]);
    let sum = craft::internet_checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let total = (20 + message.len() as u16).to_be_bytes();
    let fixed = [0x45, 0xc0, total[0], total[1], 0, 0, 0x40, 0, 64, ICMP, 0, 0];
    let mut told = [&fixed[..], &packet[16..20], &packet[12..16], &message].concat();
    craft::seal_ipv4(&mut told);
    told
}

/// At most 1280 octets in all.
fn ipv6(packet: &[u8], mtu: usize) -> Vec<u8> {
    let mut message = message(2, 0, mtu, &packet[..packet.len().min(1280 - 40 - 8)]);
    let len = (message.len() as u16).to_be_bytes();
    let ends = [&packet[24..40], &packet[8..24]].concat();
    let sum = craft::internet_checksum(&[&ends[..], &[0, 0, len[0], len[1], 0, 0, 0, ICMPV6], &message].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    [&[0x6c, 0, 0, 0, len[0], len[1], ICMPV6, 64][..], &ends, &message].concat()
}
