//! Finishing in software what a sender left to its device: the transport checksum ([`complete`]), and cutting a super-frame
//! into segments ([`Cut`]), as Linux calls it, generic segmentation offload.
//!
//! A super-frame has the headers of one packet and the payload of many. Each segment gets all of the headers again, an outer
//! header in front of them included, with what differs from segment to segment put right: lengths, IPv4 identifications,
//! TCP sequence numbers and flags, and every checksum.

mod layout;

pub use layout::{Layout, Lengths, OuterLengths, Refused, SEGMENT_MIN, SEGMENTS_MAX};

use crate::{
    checksum::Sum,
    field::{put, u16_at, u32_at},
    ipv4, ipv6, protocol, tcp, udp,
};
pub(crate) use layout::Family;

/// Flags that only the last segment has, and that only the first has (RFC 3168 section 6.1.2).
const LAST_ONLY: u8 = tcp::FIN | tcp::PSH;
const FIRST_ONLY: u8 = tcp::CWR;

/// Writes the transport checksum of a packet whose sender left it to others, and that of its outer UDP header if it has
/// one that is not 0. `layout` is the frame's.
pub fn complete(frame: &mut [u8], layout: &Layout) {
    if layout.end() > frame.len() {
        return; // the layout of another frame
    }
    let pseudo = sum_up(frame, layout);
    // Behind a packet that is padded the outer datagram goes on.
    let is_padded = layout.end() < frame.len();
    if layout.has_outer() {
        sum_up_outer(frame, layout, (!is_padded).then_some(pseudo));
    }
}

/// Writes the transport checksum; returns the sum of the pseudo header.
fn sum_up(frame: &mut [u8], layout: &Layout) -> Sum {
    let (l4, end) = (layout.l4(), layout.end());
    let pseudo = pseudo_header(frame, layout.l3(), layout.family(), layout.protocol(), end - l4);
    let is_udp = layout.protocol() == protocol::UDP;
    let at = l4 + if is_udp { udp::field::CHECKSUM } else { tcp::field::CHECKSUM };
    put(frame, at, [0, 0]);
    let sum = pseudo.bytes(&frame[l4..end]);
    put(frame, at, if is_udp { sum.finish_udp() } else { sum.finish() }.to_be_bytes());
    pseudo
}

/// The sum over the pseudo header of `octets` of a transport protocol, in an IP packet at `l3`.
pub(crate) fn pseudo_header(frame: &[u8], l3: usize, family: Family, protocol: u8, octets: usize) -> Sum {
    let addresses = match family {
        Family::Ipv4 => &frame[l3 + 12..l3 + ipv4::HEADER_LEN],
        Family::Ipv6 => &frame[l3 + 8..l3 + ipv6::HEADER_LEN],
    };
    Sum::ZERO.bytes(addresses).word(u16::from(protocol)).word(octets as u16)
}

/// Writes the checksum of the outer UDP header, unless it is 0 and thereby none.
///
/// `inner` is the sum of the inner packet's pseudo header, if that packet ends where the outer one does. Transport header
/// and payload with a right checksum sum up to its complement, so nobody needs to add them up again (Linux: "local checksum
/// offload").
fn sum_up_outer(frame: &mut [u8], layout: &Layout, inner: Option<Sum>) {
    let datagram = layout.outer_udp();
    let at = datagram + udp::field::CHECKSUM;
    if u16_at(frame, at) == 0 {
        return;
    }
    put(frame, at, [0, 0]);
    let octets = frame.len() - datagram;
    let (l3, family) = layout.outer_network();
    let pseudo = pseudo_header(frame, l3, family, protocol::UDP, octets);
    let sum = match inner {
        Some(inner) => pseudo.bytes(&frame[datagram..layout.l4()]).word(!inner.folded()),
        None => pseudo.bytes(&frame[datagram..]),
    };
    put(frame, at, sum.finish_udp().to_be_bytes());
}

/// A super-frame and how it is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'f> {
    frame: &'f [u8],
    layout: Layout,
    segment: usize,
}

impl<'f> Cut<'f> {
    /// The cut of a frame with that layout into segments of `segment` octets of transport payload, the last of which may
    /// be shorter. `None` where the layout is not the frame's, or a segment is empty.
    pub fn new(frame: &'f [u8], layout: Layout, segment: u16) -> Option<Cut<'f>> {
        let is_possible = layout.end() <= frame.len() && segment > 0;
        is_possible.then_some(Cut { frame, layout, segment: usize::from(segment) })
    }

    /// How many segments there are: at least one, which may have no payload.
    pub fn count(&self) -> usize {
        self.payload().len().div_ceil(self.segment).max(1)
    }

    /// Octets of the segment with that number, counted from 0, headers included.
    pub fn len_of(&self, nth: usize) -> usize {
        self.layout.payload() + self.part(nth).len()
    }

    /// Writes the segment with that number, whole and with all its checksums; `false` where `out` is not
    /// [`Cut::len_of`] octets long.
    #[must_use]
    pub fn write(&self, nth: usize, out: &mut [u8]) -> bool {
        let part = self.part(nth);
        if out.len() != self.layout.payload() + part.len() {
            return false;
        }
        let (headers, payload) = out.split_at_mut(self.layout.payload());
        headers.copy_from_slice(&self.frame[..headers.len()]);
        payload.copy_from_slice(part);
        let layout = self.layout.with_end(out.len());
        if layout.has_outer() {
            let ((l3, family), datagram) = (layout.outer_network(), layout.outer_udp());
            set_network(out, l3, family, nth);
            put(out, datagram + udp::field::LENGTH, ((out.len() - datagram) as u16).to_be_bytes());
        }
        set_network(out, layout.l3(), layout.family(), nth);
        self.set_transport(out, nth);
        let pseudo = sum_up(out, &layout);
        if layout.has_outer() {
            sum_up_outer(out, &layout, Some(pseudo));
        }
        true
    }

    /// The payload of all segments.
    fn payload(&self) -> &'f [u8] {
        &self.frame[self.layout.payload()..self.layout.end()]
    }

    /// The payload of one of them.
    fn part(&self, nth: usize) -> &'f [u8] {
        let payload = self.payload();
        let start = nth.saturating_mul(self.segment).min(payload.len());
        &payload[start..payload.len().min(start + self.segment)]
    }

    fn set_transport(&self, out: &mut [u8], nth: usize) {
        let l4 = self.layout.l4();
        if self.layout.protocol() == protocol::UDP {
            let octets = (out.len() - l4) as u16;
            return put(out, l4 + udp::field::LENGTH, octets.to_be_bytes());
        }
        let sequence = u32_at(out, l4 + tcp::field::SEQUENCE).wrapping_add((nth * self.segment) as u32);
        put(out, l4 + tcp::field::SEQUENCE, sequence.to_be_bytes());
        let not_here = if nth == 0 { 0 } else { FIRST_ONLY } | if nth + 1 == self.count() { 0 } else { LAST_ONLY };
        out[l4 + tcp::field::FLAGS] &= !not_here;
    }
}

/// Gives the IP header at `l3` the length of what is there, and the identification of the `nth` packet of a row.
fn set_network(out: &mut [u8], l3: usize, family: Family, nth: usize) {
    let octets = out.len() - l3;
    match family {
        Family::Ipv4 => {
            let id = u16_at(out, l3 + 4).wrapping_add(nth as u16);
            put(out, l3 + 2, (octets as u16).to_be_bytes());
            put(out, l3 + 4, id.to_be_bytes());
            ipv4::Packet::new_unchecked(&mut out[l3..]).fill_checksum();
        }
        Family::Ipv6 => put(out, l3 + 4, ((octets - ipv6::HEADER_LEN) as u16).to_be_bytes()),
    }
}
