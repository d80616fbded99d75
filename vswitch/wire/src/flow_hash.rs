//! The hash of a flow: what spreads flows over paths and workers.

use crate::{
    HashKey, L3, Parsed, ethernet,
    field::{array_at, u16_at, u32_at},
    five_tuple::ports_and_protocol,
    fold, ipv4, ipv6,
};

/// The lowest outer source port. "It is RECOMMENDED that the value be in the dynamic/private port range 49152-65535"
/// (RFC 7348 section 5).
pub const SOURCE_PORT_MIN: u16 = 49_152;

/// A key that is no secret: see [`flow_hash`].
const PUBLIC_KEY: HashKey = HashKey([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344]);

/// The hash of the flow a frame belongs to, the same in every process: for the outer source port, which everyone on the
/// underlay sees. Whoever can choose addresses can make flows meet in it, so tables use [`flow_hash_keyed`].
///
/// Addresses, protocol and ports of IP packets count. No ports count for a fragment, not even the first, which has them:
/// all fragments of a packet must take one path. Of other frames both MACs and the ethertype count. Not symmetric.
#[inline]
pub fn flow_hash(frame: &[u8], parsed: &Parsed) -> u32 {
    (flow_hash_keyed(frame, parsed, PUBLIC_KEY) >> 32) as u32
}

/// [`flow_hash`] and the type of service or traffic class ([`Parsed::tos`]) of a packet that [`crate::is_plain`]: what an
/// outer header takes from it. All stands at fixed offsets. Of any other frame the answer is nonsense.
#[inline(always)]
pub fn plain_hash_and_tos(frame: &[u8]) -> (u32, u8) {
    const L4: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
    match frame.first_chunk::<{ L4 + 4 }>() {
        Some(head) if u16_at(head, ethernet::HEADER_LEN - 2) == ethernet::IPV4 => {
            let addresses = u64::from_be_bytes(array_at(head, ethernet::HEADER_LEN + 12));
            let transport = ports_and_protocol(u32_at(head, L4), head[ethernet::HEADER_LEN + 9]);
            ((fold(&[addresses, transport], PUBLIC_KEY) >> 32) as u32, head[ethernet::HEADER_LEN + 1])
        }
        _ => plain_hash_and_class(frame),
    }
}

/// The same with IPv6.
#[inline(never)]
fn plain_hash_and_class(frame: &[u8]) -> (u32, u8) {
    const L4: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN;
    let Some(head) = frame.first_chunk::<{ L4 + 4 }>() else { return (0, 0) };
    let [a, b, c, d] = [8, 16, 24, 32].map(|at| u64::from_be_bytes(array_at(head, ethernet::HEADER_LEN + at)));
    let transport = ports_and_protocol(u32_at(head, L4), head[ethernet::HEADER_LEN + 6]);
    let class = (u16_at(head, ethernet::HEADER_LEN) >> 4) as u8;
    ((fold(&[a, b, c, d, transport], PUBLIC_KEY) >> 32) as u32, class)
}

/// As [`flow_hash`], under a secret and with all 64 bits.
#[inline]
pub fn flow_hash_keyed(frame: &[u8], parsed: &Parsed, key: HashKey) -> u64 {
    let network = frame.get(usize::from(parsed.l3)..).unwrap_or_default();
    match parsed.l3_kind {
        L3::Ipv4 => {
            if let Some(header) = network.first_chunk::<{ ipv4::HEADER_LEN }>() {
                return fold(&[u64::from_be_bytes(array_at(header, 12)), transport(frame, parsed)], key);
            }
        }
        L3::Ipv6 => {
            if let Some(header) = network.first_chunk::<{ ipv6::HEADER_LEN }>() {
                let [a, b, c, d] = [8, 16, 24, 32].map(|at| u64::from_be_bytes(array_at(header, at)));
                return fold(&[a, b, c, d, transport(frame, parsed)], key);
            }
        }
        L3::Arp | L3::Other => {}
    }
    fold(&[parsed.dst.to_u64(), parsed.src.to_u64() << 16 | u64::from(parsed.ethertype)], key)
}

/// Ports and protocol in one word.
#[inline]
fn transport(frame: &[u8], parsed: &Parsed) -> u64 {
    let ports = if parsed.fragment { None } else { parsed.ports(frame) };
    let (src, dst) = ports.unwrap_or_default();
    u64::from(src) << 32 | u64::from(dst) << 16 | u64::from(parsed.protocol)
}

/// The outer UDP source port for a flow hash: 14 bits of it, from [`SOURCE_PORT_MIN`] on.
#[inline]
pub const fn source_port(hash: u32) -> u16 {
    SOURCE_PORT_MIN | (hash >> 18) as u16
}
