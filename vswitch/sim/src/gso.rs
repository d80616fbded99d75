//! What becomes of a packet whose sender left work to its device, the naive way: written from RFC 791, 768 and 9293, and
//! knowing nothing of how the data path does it.

use datapath::Cause;
use frame::{Offload, Transport};
use wire::{L3, Parsed};

use crate::craft::internet_checksum;

/// Segments of one packet at most.
const SEGMENTS_MAX: usize = 512;
/// Octets in one of them at least.
const SEGMENT_MIN: usize = 8;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// Where things are in a packet.
struct Places {
    l3: usize,
    l4: usize,
    payload: usize,
    end: usize,
}

fn places(data: &[u8], headers: &Parsed, offload: Offload) -> Places {
    let (l3, l4) = (usize::from(headers.l3), usize::from(headers.l4));
    let header = if offload.transport == Transport::Tcp { usize::from(data[l4 + 12] >> 4) * 4 } else { 8 };
    Places { l3, l4, payload: l4 + header, end: l3 + usize::from(headers.l3_len) }
}

/// Whether what is said of a packet can be.
pub(crate) fn check(data: &[u8], headers: &Parsed, offload: Option<Offload>) -> Result<(), Cause> {
    let Some(offload) = offload else { return Ok(()) };
    let protocol = if offload.transport == Transport::Tcp { 6 } else { 17 };
    let has_extensions = headers.l3_kind == L3::Ipv6 && headers.l4 != headers.l3 + 40;
    if headers.protocol != protocol || headers.fragment || headers.l4 == 0 || has_extensions {
        return Err(Cause::OffloadHeaders);
    }
    let Places { l4, payload, end, .. } = places(data, headers, offload);
    if protocol == 17 && usize::from(u16::from_be_bytes([data[l4 + 4], data[l4 + 5]])) != end - l4 {
        return Err(Cause::OffloadHeaders);
    }
    let segment = usize::from(offload.segment);
    let is_cut_fine = segment == 0 || segment >= SEGMENT_MIN && (end - payload).div_ceil(segment) <= SEGMENTS_MAX;
    if is_cut_fine { Ok(()) } else { Err(Cause::OffloadSegments) }
}

/// The packets that stand on a wire for one whose offload was found right.
pub(crate) fn finish(data: &[u8], headers: &Parsed, offload: Option<Offload>) -> Vec<Vec<u8>> {
    let Some(offload) = offload else { return vec![data.to_vec()] };
    let Places { payload, end, .. } = places(data, headers, offload);
    let segment = usize::from(offload.segment);
    if segment == 0 || end - payload <= segment {
        let mut packet = data.to_vec();
        seal(&mut packet, headers, offload);
        return vec![packet];
    }
    let parts: Vec<&[u8]> = data[payload..end].chunks(segment).collect();
    (0..parts.len()).map(|nth| piece(&data[..payload], &parts, nth, headers, offload)).collect()
}

fn piece(head: &[u8], parts: &[&[u8]], nth: usize, headers: &Parsed, offload: Offload) -> Vec<u8> {
    let mut packet = [head, parts[nth]].concat();
    let (l3, l4, len) = (usize::from(headers.l3), usize::from(headers.l4), packet.len());
    let mut put = |at: usize, value: u16| packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
    if headers.l3_kind == L3::Ipv4 {
        put(l3 + 2, (len - l3) as u16);
        put(l3 + 4, u16::from_be_bytes([head[l3 + 4], head[l3 + 5]]).wrapping_add(nth as u16));
        put(l3 + 10, 0);
        let sum = internet_checksum(&packet[l3..l3 + usize::from(head[l3] & 0xf) * 4]);
        packet[l3 + 10..l3 + 12].copy_from_slice(&sum.to_be_bytes());
    } else {
        put(l3 + 4, (len - l3 - 40) as u16);
    }
    if offload.transport == Transport::Udp {
        packet[l4 + 4..l4 + 6].copy_from_slice(&((len - l4) as u16).to_be_bytes());
    } else {
        let before: usize = parts[..nth].iter().map(|part| part.len()).sum();
        let first = u32::from_be_bytes([head[l4 + 4], head[l4 + 5], head[l4 + 6], head[l4 + 7]]);
        packet[l4 + 4..l4 + 8].copy_from_slice(&first.wrapping_add(before as u32).to_be_bytes());
        if nth > 0 {
            packet[l4 + 13] &= !CWR;
        }
        if nth + 1 < parts.len() {
            packet[l4 + 13] &= !(FIN | PSH);
        }
    }
    let headers = Parsed { l3_len: (len - l3) as u16, ..*headers };
    seal(&mut packet, &headers, offload);
    packet
}

/// Puts the right transport checksum in.
fn seal(packet: &mut [u8], headers: &Parsed, offload: Offload) {
    let Places { l3, l4, end, .. } = places(packet, headers, offload);
    let addresses = if headers.l3_kind == L3::Ipv4 { l3 + 12..l3 + 20 } else { l3 + 8..l3 + 40 };
    let at = l4 + if offload.transport == Transport::Tcp { 16 } else { 6 };
    packet[at..at + 2].fill(0);
    let len = ((end - l4) as u32).to_be_bytes();
    let pseudo = [&packet[addresses], &len, &[0, 0, 0, headers.protocol], &packet[l4..end]].concat();
    let sum = match internet_checksum(&pseudo) {
        0 if offload.transport == Transport::Udp => 0xffff,
        sum => sum,
    };
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
