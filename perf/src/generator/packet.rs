//! A packet that can be told from every other: who sent it, as which of how many, when, and whether each octet of it has
//! arrived as it left.
//!
//! Ethernet, IPv4 and UDP are plain, for the discard port (RFC 863), with fixed addresses by the numbers of both ends, so
//! nothing has to be resolved. The payload, big-endian:
//!
//! ```text
//! 42 run (4) | 46 sequence (6) | 52 sent at, ns (8) | 60 check of all before, and of the length (4) | 64 pattern …
//! ```

use std::net::Ipv4Addr;

use wire::{Mac, ethernet, ipv4, protocol, udp};

/// Octets of a packet at least, without FCS.
pub(crate) const LEN_MIN: usize = CHECK + 4;

/// Octets of a packet at most, without FCS: what an MTU of 1500 carries.
pub(crate) const LEN_MAX: usize = ethernet::HEADER_LEN + 1500;

/// Flows a stream may have.
pub(crate) const FLOWS_MAX: u32 = 1 << 20;

const RUN: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + udp::HEADER_LEN;
const SEQUENCE: usize = RUN + 4;
const SENT: usize = SEQUENCE + 6;
const CHECK: usize = SENT + 8;

/// The first octets of every MAC in use; the third is the end's number.
const MAC_PREFIX: [u8; 2] = [0x02, 0x4c];

/// The port of the discard service.
const DISCARD: u16 = 9;

/// The UDP source port of the first 2^16 flows.
const FIRST_PORT: u16 = 1024;

/// Headers of one flow, as they stand in front of each of its packets.
pub(crate) type Headers = [u8; RUN];

/// What a packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The ends it goes from and to.
    pub(crate) from: u8,
    pub(crate) to: u8,
    /// Below [`FLOWS_MAX`].
    pub(crate) flow: u32,
    pub(crate) stamp: Stamp,
}

/// What tells packets of one stream apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// A number of the sender's life: one that starts over has another.
    pub(crate) run: u32,
    /// From 0 on, below 2^48.
    pub(crate) sequence: u64,
    /// By [`super::clock`].
    pub(crate) sent_ns: u64,
}

/// Why a frame is none of the packets that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// It is somebody else's.
    Foreign,
    /// It is one of ours, and not as it was sent.
    Torn,
}

/// The MAC of a host behind an end.
pub(crate) fn mac(end: u8, host: u16) -> Mac {
    let [high, low] = host.to_be_bytes();
    Mac::new([MAC_PREFIX[0], MAC_PREFIX[1], end, 0, high, low])
}

/// The address a flow has at an end.
pub(crate) fn address(end: u8, flow: u32) -> Ipv4Addr {
    let [.., high, low] = flow.to_be_bytes();
    Ipv4Addr::new(10, end, high, low)
}

/// The headers of one flow, one of those that hosts number `host` have among themselves.
pub(crate) fn headers(from: u8, to: u8, flow: u32, host: u16, len: usize) -> Headers {
    let mut headers = [0; RUN];
    let link = ethernet::Repr { dst: mac(to, host), src: mac(from, host), ethertype: ethernet::IPV4 };
    link.emit(&mut ethernet::Header::new_unchecked(&mut headers[..]));
    let packet = &mut headers[ethernet::HEADER_LEN..];
    let payload_len = (len - ethernet::HEADER_LEN - ipv4::HEADER_LEN) as u16;
    let (src, dst) = (address(from, flow), address(to, flow));
    let (protocol, tos, ttl, id) = (protocol::UDP, 0, 64, 0);
    let network = ipv4::Repr { src, dst, protocol, payload_len, tos, ttl, id, dont_fragment: true };
    network.emit(&mut ipv4::Packet::new_unchecked(&mut packet[..]));
    let (src_port, payload_len) = (FIRST_PORT + (flow >> 16) as u16, payload_len - udp::HEADER_LEN as u16);
    // Without a checksum (RFC 768), which would have to be made for each packet: it has a check of its own.
    let datagram = &mut packet[ipv4::HEADER_LEN..];
    udp::Repr { src_port, dst_port: DISCARD, payload_len }.emit(&mut udp::Datagram::new_unchecked(datagram));
    headers
}

/// Makes a packet of `frame`, which has at least [`LEN_MIN`] octets.
pub(crate) fn write(frame: &mut [u8], headers: &Headers, stamp: Stamp) {
    frame[..RUN].copy_from_slice(headers);
    frame[RUN..SEQUENCE].copy_from_slice(&stamp.run.to_be_bytes());
    frame[SEQUENCE..SENT].copy_from_slice(&stamp.sequence.to_be_bytes()[2..]);
    frame[SENT..CHECK].copy_from_slice(&stamp.sent_ns.to_be_bytes());
    let check = check(frame);
    frame[CHECK..LEN_MIN].copy_from_slice(&check.to_be_bytes());
    for (position, octets) in frame[LEN_MIN..].chunks_mut(8).enumerate() {
        octets.copy_from_slice(&pattern(&stamp, position)[..octets.len()]);
    }
}

/// Reads a frame, and looks at each octet of it.
pub(crate) fn read(frame: &[u8]) -> Result<Packet, Objection> {
    if frame.len() < LEN_MIN || number(&frame[CHECK..LEN_MIN]) != u64::from(check(frame)) {
        return Err(if claims_to_be_ours(frame) { Objection::Torn } else { Objection::Foreign });
    }
    let run = number(&frame[RUN..SEQUENCE]) as u32;
    let stamp = Stamp { run, sequence: number(&frame[SEQUENCE..SENT]), sent_ns: number(&frame[SENT..CHECK]) };
    let mut octets = frame[LEN_MIN..].chunks(8).enumerate();
    if !octets.all(|(position, octets)| *octets == pattern(&stamp, position)[..octets.len()]) {
        return Err(Objection::Torn);
    }
    let packet = ipv4::Packet::new_unchecked(&frame[ethernet::HEADER_LEN..]);
    let ([_, from, high, low], [_, to, ..]) = (packet.src().octets(), packet.dst().octets());
    let port = udp::Datagram::new_unchecked(packet.payload()).src_port();
    let flow = u32::from(port.wrapping_sub(FIRST_PORT)) << 16 | u32::from(high) << 8 | u32::from(low);
    if flow >= FLOWS_MAX {
        return Err(Objection::Torn);
    }
    Ok(Packet { from, to, flow, stamp })
}

/// Whether one of the marks of our packets is in place: a sender as ours are, or the discard port.
fn claims_to_be_ours(frame: &[u8]) -> bool {
    let is_ipv4 = frame.get(12..14) == Some(&ethernet::IPV4.to_be_bytes());
    let is_sender = frame.get(6..8) == Some(&MAC_PREFIX);
    is_ipv4 && (is_sender || frame.get(36..38) == Some(&DISCARD.to_be_bytes()))
}

/// Over everything in front of the check, and the length.
fn check(frame: &[u8]) -> u32 {
    let words = frame[..CHECK].chunks(8).map(number);
    let sum = words.fold(frame.len() as u64, |sum, word| mix(sum ^ word));
    (sum >> 32) as u32
}

/// Eight octets of the pattern, different at each position and in each packet.
fn pattern(stamp: &Stamp, position: usize) -> [u8; 8] {
    let packet = u64::from(stamp.run) << 32 ^ stamp.sequence ^ stamp.sent_ns.rotate_left(24);
    packet.wrapping_add(position as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

/// Spreads what differs in a few bits over all of them: a multiplication folded in two.
fn mix(word: u64) -> u64 {
    let product = u128::from(word ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db;
    product as u64 ^ (product >> 64) as u64
}

/// Up to eight octets as a number.
fn number(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet))
}

#[cfg(test)]
mod tests {
    use wire::parse;

    use super::*;

    fn packet(len: usize, sequence: u64) -> (Vec<u8>, Packet) {
        let stamp = Stamp { run: 0xdead_beef, sequence, sent_ns: 77_000_000_123 };
        let mut frame = vec![0; len];
        write(&mut frame, &headers(3, 4, 0x7_1234, 5, len), stamp);
        (frame, Packet { from: 3, to: 4, flow: 0x7_1234, stamp })
    }

    #[test]
    fn what_was_written_is_read() {
        for len in [LEN_MIN, 65, 71, 72, 73, 1000, LEN_MAX] {
            let (frame, written) = packet(len, (1 << 48) - 1);
            assert_eq!(read(&frame), Ok(written), "{len}");
        }
    }

    #[test]
    fn the_headers_are_those_of_a_udp_packet_between_the_two_hosts() {
        let (frame, _) = packet(100, 1);
        let parsed = parse(&frame).unwrap();
        assert_eq!((parsed.src, parsed.dst), (mac(3, 5), mac(4, 5)));
        assert_eq!(parsed.addresses(&frame), Some((address(3, 0x1234).into(), address(4, 0x1234).into())));
        assert_eq!(parsed.ports(&frame), Some((1024 + 7, DISCARD)));
        assert!(ipv4::Packet::new_unchecked(&frame[ethernet::HEADER_LEN..]).verify_checksum());
    }

    #[test]
    fn an_octet_changed_anywhere_is_noticed() {
        for len in [LEN_MIN, 77, 200] {
            let (frame, _) = packet(len, 9);
            for at in 0..len {
                let mut torn = frame.clone();
                torn[at] ^= 0x10;
                assert!(read(&torn).is_err(), "octet {at} of {len}");
            }
        }
    }

    #[test]
    fn a_packet_cut_or_lengthened_is_torn() {
        let (frame, _) = packet(100, 9);
        let longer = [&frame[..], &[0]].concat();
        for torn in [&frame[..99], &frame[..63], &frame[..40], &longer] {
            assert_eq!(read(torn), Err(Objection::Torn), "{} octets", torn.len());
        }
    }

    #[test]
    fn the_end_of_one_packet_behind_the_head_of_another_is_torn() {
        let ((mut frame, _), (other, _)) = (packet(256, 9), packet(256, 10));
        frame[128..].copy_from_slice(&other[128..]);
        assert_eq!(read(&frame), Err(Objection::Torn));
    }

    #[test]
    fn what_others_send_is_foreign() {
        let arp = wire::arp::Repr::request(mac(1, 1), address(1, 1), address(1, 2)).to_frame(Mac::BROADCAST);
        assert_eq!(read(&arp), Err(Objection::Foreign));
        assert_eq!(read(&[0; 100]), Err(Objection::Foreign));
        assert_eq!(read(&[]), Err(Objection::Foreign));
    }
}
