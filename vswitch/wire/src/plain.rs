//! Packets as nearly all are: no tag, no IP options or extension headers, no fragment, UDP or TCP that opens no connection.
//! They are recognised by a few comparisons at fixed offsets; whatever is different in any way is for [`crate::parse`]'s
//! long way, which says the same of these.

use crate::{Mac, Parsed, ethernet, field::u16_at, ipv4, ipv6, parse::L3, protocol, tcp, udp};

/// Offset of the network header.
const NETWORK: usize = ethernet::HEADER_LEN;
const IPV4_TRANSPORT: usize = NETWORK + ipv4::HEADER_LEN;
const IPV6_TRANSPORT: usize = NETWORK + ipv6::HEADER_LEN;
/// Octets of the shortest frame looked at; few packets are shorter.
const IPV4_LEN: usize = IPV4_TRANSPORT + tcp::HEADER_LEN;
/// The same with IPv6.
const IPV6_LEN: usize = IPV6_TRANSPORT + tcp::HEADER_LEN;

/// Whether `frame` is such a packet and nothing is wrong with it: [`crate::parse`] would find no fault.
#[inline(always)]
pub fn is_plain(frame: &[u8]) -> bool {
    let Some(head) = frame.first_chunk::<IPV4_LEN>() else { return false };
    // Not a match: the octets would be put in order first, to be compared with both.
    if u16_at(head, NETWORK - 2) == ethernet::IPV4 {
        return ipv4_len(head, frame.len()).is_some();
    }
    is_plain_ipv6(frame)
}

#[inline(never)]
fn is_plain_ipv6(frame: &[u8]) -> bool {
    let Some(head) = frame.first_chunk::<IPV6_LEN>() else { return false };
    u16_at(head, NETWORK - 2) == ethernet::IPV6 && ipv6_len(head, frame.len()).is_some()
}

/// Whether `frame` is such a packet; then `parsed` says where its headers are, as [`crate::parse`] would.
#[inline(always)]
pub(crate) fn parse(frame: &[u8], parsed: &mut Parsed) -> bool {
    let Some(head) = frame.first_chunk::<IPV4_LEN>() else { return false };
    match u16_at(head, NETWORK - 2) {
        ethernet::IPV4 => parse_ipv4(head, frame.len(), parsed),
        ethernet::IPV6 => frame.first_chunk::<IPV6_LEN>().is_some_and(|head| parse_ipv6(head, frame.len(), parsed)),
        _ => false,
    }
}

/// Octets of the IP packet in a frame of `len` octets, if all of this is plain.
#[inline(always)]
fn ipv4_len(head: &[u8; IPV4_LEN], len: usize) -> Option<usize> {
    const VERSION_4_IHL_5: u8 = 0x45;
    let total = usize::from(u16_at(head, NETWORK + 2));
    let is_plain = len <= usize::from(u16::MAX)
        && head[NETWORK] == VERSION_4_IHL_5
        && u16_at(head, NETWORK + 6) & ipv4::FRAGMENT_MASK == 0
        && NETWORK + total <= len
        && carries(head[NETWORK + 9], head, IPV4_TRANSPORT, NETWORK + total);
    is_plain.then_some(total)
}

/// The same with IPv6.
#[inline(always)]
fn ipv6_len(head: &[u8; IPV6_LEN], len: usize) -> Option<usize> {
    let total = ipv6::HEADER_LEN + usize::from(u16_at(head, NETWORK + 4));
    let is_plain = len <= usize::from(u16::MAX)
        && head[NETWORK] >> 4 == 6
        && NETWORK + total <= len
        && carries(head[NETWORK + 6], head, IPV6_TRANSPORT, NETWORK + total);
    is_plain.then_some(total)
}

/// `len` is the frame's.
#[inline(always)]
fn parse_ipv4(head: &[u8; IPV4_LEN], len: usize, parsed: &mut Parsed) -> bool {
    let Some(total) = ipv4_len(head, len) else { return false };
    let (dst, src) = addresses(head);
    *parsed = Parsed {
        dst,
        src,
        ethertype: ethernet::IPV4,
        l3: NETWORK as u16,
        l3_len: total as u16,
        l4: IPV4_TRANSPORT as u16,
        l3_kind: L3::Ipv4,
        protocol: head[NETWORK + 9],
        tags: 0,
        fragment: false,
    };
    true
}

#[inline(always)]
fn parse_ipv6(head: &[u8; IPV6_LEN], len: usize, parsed: &mut Parsed) -> bool {
    let Some(total) = ipv6_len(head, len) else { return false };
    let (dst, src) = addresses(head);
    *parsed = Parsed {
        dst,
        src,
        ethertype: ethernet::IPV6,
        l3: NETWORK as u16,
        l3_len: total as u16,
        l4: IPV6_TRANSPORT as u16,
        l3_kind: L3::Ipv6,
        protocol: head[NETWORK + 6],
        tags: 0,
        fragment: false,
    };
    true
}

/// Whether a UDP or TCP header whose lengths are right begins at `l4`, in a packet that ends at `end`; not one with which a
/// connection begins, which is looked at closely ([`crate::mss`]).
#[inline(always)]
fn carries<const N: usize>(protocol: u8, head: &[u8; N], l4: usize, end: usize) -> bool {
    match protocol {
        protocol::UDP => {
            let length = usize::from(u16_at(head, l4 + 4));
            length >= udp::HEADER_LEN && l4 + length <= end
        }
        protocol::TCP => {
            let length = usize::from(head[l4 + 12] >> 4) * 4;
            length >= tcp::HEADER_LEN && l4 + length <= end && head[l4 + tcp::field::FLAGS] & tcp::SYN == 0
        }
        _ => false,
    }
}

#[inline(always)]
fn addresses<const N: usize>(head: &[u8; N]) -> (Mac, Mac) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *head.first_chunk::<12>().unwrap_or(&[0; 12]);
    (Mac::new([a, b, c, d, e, f]), Mac::new([g, h, i, j, k, l]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FiveTuple, flow_hash, parse::parse_any, plain_hash_and_tos};
    use proptest::{prelude::*, sample::Index};

    /// A frame with nothing wrong in it: `payload` octets behind the transport header, `padding` behind the packet.
    fn honest(is_ipv6: bool, is_tcp: bool, payload: usize, padding: usize) -> Vec<u8> {
        let transport = if is_tcp { tcp::HEADER_LEN } else { udp::HEADER_LEN };
        let segment = (transport + payload) as u16;
        let mut frame = vec![2; 12];
        let protocol = if is_tcp { protocol::TCP } else { protocol::UDP };
        if is_ipv6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, (segment >> 8) as u8, segment as u8, protocol, 64]);
            frame.extend([0xfd; 32]);
        } else {
            let total = segment + ipv4::HEADER_LEN as u16;
            frame.extend([8, 0, 0x45, 0, (total >> 8) as u8, total as u8, 0, 1, 0x40, 0, 64, protocol, 0, 0]);
            frame.extend([10; 8]);
        }
        let at = frame.len();
        frame.resize(at + usize::from(segment), 0);
        if is_tcp {
            frame[at + 12] = 0x50;
        } else {
            frame[at + 4..at + 6].copy_from_slice(&segment.to_be_bytes());
        }
        frame.resize(frame.len() + padding, 0);
        frame
    }

    proptest! {
        #[test]
        fn an_honest_packet_is_plain(is_ipv6: bool, is_tcp: bool, payload in 12usize..60, padding in 0usize..20) {
            let frame = honest(is_ipv6, is_tcp, payload, padding);
            let (mut ours, mut other) = (Parsed::NOTHING, Parsed::NOTHING);
            prop_assert!(is_plain(&frame) && parse(&frame, &mut ours));
            prop_assert_eq!(parse_any(&frame, &mut other), Ok(()));
            prop_assert_eq!(ours, other);
        }

        #[test]
        fn what_is_called_plain_is_what_the_long_way_finds(
            shape: (bool, bool),
            payload in 0usize..40,
            changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
            cut in 0usize..40,
        ) {
            let mut frame = honest(shape.0, shape.1, payload, 0);
            for (at, value) in changes {
                // Lengths, versions and flags are where it counts: behind the addresses.
                let at = 12 + at.index(frame.len().min(70) - 12);
                frame[at] = value;
            }
            frame.truncate(frame.len().saturating_sub(cut.saturating_sub(20)));
            let (mut ours, mut other) = (Parsed::NOTHING, Parsed::NOTHING);
            let found = parse_any(&frame, &mut other);
            let is_plain = parse(&frame, &mut ours);
            prop_assert_eq!(super::is_plain(&frame), is_plain);
            if is_plain {
                prop_assert_eq!(found, Ok(()));
                let (hash, tos) = plain_hash_and_tos(&frame);
                prop_assert_eq!((hash, Some(tos)), (flow_hash(&frame, &ours), ours.tos(&frame)));
                prop_assert_eq!(Some(FiveTuple::of_plain(&frame)), FiveTuple::of(&frame, &ours));
                prop_assert_eq!(ours, other);
            }
        }
    }
}
