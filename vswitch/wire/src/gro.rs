//! Putting TCP segments of one flow together to a super-frame (generic receive offload), as a receiver would like them: what
//! [`crate::gso`] takes apart.
//!
//! The rules are Linux's (`tcp_gro_receive`, `inet_gro_receive`): everything but lengths, checksums, identification, sequence
//! number and a final PSH or FIN must be the same in all segments, so that cutting the super-frame gives them back. Beyond
//! that, the window must be. Only segments whose checksums are right are merged: in a super-frame nobody could tell.

use crate::{
    checksum, ethernet,
    field::{array_at, put, u16_at, u32_at},
    gso::{Family, pseudo_header},
    ipv4, ipv6, protocol,
    tcp::{self, field},
};

/// Offset of the network header: tagged frames are left as they are.
const L3: usize = ethernet::HEADER_LEN;

/// Flags that a segment in the middle of a row must not have.
const LAST: u8 = tcp::FIN | tcp::PSH;
/// Flags that no segment of a row has: synchronise, reset, urgent.
const NEVER: u8 = tcp::SYN | tcp::RST | tcp::URG;

/// Where things are in a TCP segment over IP without options or extension headers, that is no fragment.
#[derive(Clone, Copy)]
struct Place {
    family: Family,
    l4: usize,
    payload: usize,
    end: usize,
}

impl Place {
    /// The place of everything in a frame; `None` where it is not such a segment, or has no payload.
    #[inline]
    fn find(frame: &[u8]) -> Option<Place> {
        let head = frame.first_chunk::<{ L3 + ipv4::HEADER_LEN + tcp::HEADER_LEN }>()?;
        let (family, l4, end) = match u16_at(head, L3 - 2) {
            ethernet::IPV4 if head[L3 + 9] == protocol::TCP => {
                let is_simple = head[L3] == 0x45 && u16_at(head, L3 + 6) & ipv4::FRAGMENT_MASK == 0;
                let end = is_simple.then_some(L3 + usize::from(u16_at(head, L3 + 2)))?;
                (Family::Ipv4, L3 + ipv4::HEADER_LEN, end)
            }
            ethernet::IPV6 if head[L3 + 6] == protocol::TCP && head[L3] >> 4 == 6 => {
                let l4 = L3 + ipv6::HEADER_LEN;
                (Family::Ipv6, l4, l4 + usize::from(u16_at(head, L3 + 4)))
            }
            _ => return None,
        };
        let data_offset = frame.get(l4 + field::DATA_OFFSET)?;
        let payload = l4 + usize::from(data_offset >> 4) * 4;
        let is_right = payload >= l4 + tcp::HEADER_LEN && payload < end && end <= frame.len();
        is_right.then_some(Place { family, l4, payload, end })
    }

    fn flags(&self, frame: &[u8]) -> u8 {
        frame[self.l4 + field::FLAGS]
    }

    fn sequence(&self, frame: &[u8]) -> u32 {
        u32_at(frame, self.l4 + field::SEQUENCE)
    }

    /// Octets of payload.
    fn len(&self) -> usize {
        self.end - self.payload
    }

    /// Whether the checksums of a segment are right: that of IPv4, and if `is_summed` that of TCP.
    fn is_sound(&self, frame: &[u8], is_summed: bool) -> bool {
        let network = self.family == Family::Ipv6 || checksum::of(&frame[L3..L3 + ipv4::HEADER_LEN]) == 0;
        let sum = || {
            let pseudo = pseudo_header(frame, L3, self.family, protocol::TCP, self.end - self.l4);
            pseudo.bytes(&frame[self.l4..self.end]).finish()
        };
        network && (!is_summed || sum() == 0)
    }

    /// Whether two segments have all those headers in common that they must.
    fn is_like(&self, first: &[u8], frame: &[u8]) -> bool {
        let same = |from: usize, to: usize| first[from..to] == frame[from..to];
        let network = match self.family {
            // Without lengths, identification and checksum.
            Family::Ipv4 => same(0, L3 + 2) && same(L3 + 6, L3 + 10) && same(L3 + 12, self.l4),
            Family::Ipv6 => same(0, L3 + 4) && same(L3 + 6, self.l4),
        };
        // Without sequence number, flags and checksum.
        let at = |offset: usize| self.l4 + offset;
        network
            && same(at(0), at(field::SEQUENCE))
            && same(at(field::ACKNOWLEDGEMENT), at(field::FLAGS))
            && same(at(field::WINDOW), at(field::CHECKSUM))
            && same(at(18), self.payload)
    }
}

/// Segments of one flow, one behind the other.
#[derive(Clone, Copy)]
pub struct Row {
    place: Place,
    /// Octets of payload of the first, and of all so far.
    segment: usize,
    payload: usize,
    next_sequence: u32,
    last_id: u16,
    /// Whether all have the same identification; known from the second on.
    is_id_fixed: Option<bool>,
    last_flags: u8,
    /// Whether the first has been found sound.
    is_sound: bool,
    is_summed: bool,
}

/// Octets of the longest super-frame, and of the payload that may come together with such headers.
const FRAME_MAX: usize = u16::MAX as usize;

impl Row {
    /// A row that begins with this frame; `None` where it cannot. `is_summed` says that its TCP checksum is there and not
    /// left to others.
    #[inline]
    pub fn begin(frame: &[u8], is_summed: bool) -> Option<Row> {
        let place = Place::find(frame)?;
        let flags = place.flags(frame);
        let (payload, next_sequence) = (place.len(), place.sequence(frame).wrapping_add(place.len() as u32));
        (flags & (LAST | NEVER) == 0 && flags & tcp::ACK != 0).then_some(Row {
            place,
            segment: payload,
            payload,
            next_sequence,
            last_id: u16_at(frame, L3 + 4),
            is_id_fixed: None,
            last_flags: flags,
            is_sound: false,
            is_summed,
        })
    }

    /// Whether `frame` is the next of the row: then it is in it, and this is the payload that goes behind that of the others.
    /// `whole` is the row so far: the first frame, or what has become of it. `octets_max` bounds the super-frame.
    pub fn append<'f>(
        &mut self,
        whole: &[u8],
        frame: &'f [u8],
        is_summed: bool,
        octets_max: usize,
    ) -> Option<&'f [u8]> {
        let place = self.next(whole, frame, octets_max)?;
        self.is_sound = self.is_sound || self.place.is_sound(whole, self.is_summed);
        if !self.is_sound || !place.is_sound(frame, is_summed) {
            return None;
        }
        if self.place.family == Family::Ipv4 {
            let id = u16_at(frame, L3 + 4);
            self.is_id_fixed = Some(id == self.last_id);
            self.last_id = id;
        }
        self.next_sequence = self.next_sequence.wrapping_add(place.len() as u32);
        self.payload += place.len();
        self.last_flags = place.flags(frame);
        frame.get(place.payload..place.end)
    }

    /// The place of everything in `frame` where all but its checksums says that it is the next.
    fn next(&self, whole: &[u8], frame: &[u8], octets_max: usize) -> Option<Place> {
        let place = Place::find(frame)?;
        let (before, flags) = (self.place.flags(whole), place.flags(frame));
        let octets = self.len() + place.len();
        let is_next = self.is_open()
            && (place.payload, place.l4) == (self.place.payload, self.place.l4)
            && place.sequence(frame) == self.next_sequence
            && place.len() <= self.segment
            && octets <= octets_max.min(FRAME_MAX)
            // Who has slowed down says so at the beginning of a row.
            && flags & !LAST == before & !tcp::CWR
            && place.is_like(whole, frame)
            && self.follows(frame);
        is_next.then_some(place)
    }

    /// Whether another segment may follow at all.
    pub fn is_open(&self) -> bool {
        self.payload.is_multiple_of(self.segment) && self.last_flags & LAST == 0
    }

    /// Whether there are two segments at least.
    pub fn has_several(&self) -> bool {
        self.payload > self.segment
    }

    /// Whether the identification goes on as it has begun: by one, or, where fragments are forbidden and it means nothing
    /// (RFC 6864), not at all.
    fn follows(&self, frame: &[u8]) -> bool {
        if self.place.family == Family::Ipv6 {
            return true;
        }
        let id = u16_at(frame, L3 + 4);
        let is_fixed = id == self.last_id && frame[L3 + 6] & 0x40 != 0;
        let grows = id == self.last_id.wrapping_add(1);
        match self.is_id_fixed {
            None => is_fixed || grows,
            Some(true) => is_fixed,
            Some(false) => grows,
        }
    }

    /// Octets of the super-frame.
    #[expect(clippy::len_without_is_empty, reason = "a row has a segment from the beginning")]
    pub fn len(&self) -> usize {
        self.place.payload + self.payload
    }

    /// Octets of payload in each segment but the last.
    pub fn segment(&self) -> u16 {
        self.segment as u16
    }

    /// Whether it is of IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.place.family == Family::Ipv6
    }

    /// The frame that the row began with, without what it was padded with.
    pub fn unpadded<'f>(&self, first: &'f [u8]) -> &'f [u8] {
        &first[..self.place.end.min(first.len())]
    }

    /// Makes the headers of the first segment, behind which the payload of all is, those of all; the TCP checksum is left to
    /// others: the sum of the pseudo header. May be done again when there are more. `false` where `out` is not
    /// [`Row::len`] octets long.
    #[must_use]
    pub fn finish(&self, out: &mut [u8]) -> bool {
        if out.len() != self.len() {
            return false;
        }
        let Place { family, l4, .. } = self.place;
        let octets = out.len();
        match family {
            Family::Ipv4 => {
                put(out, L3 + 2, ((octets - L3) as u16).to_be_bytes());
                ipv4::Packet::new_unchecked(&mut out[L3..]).fill_checksum();
            }
            Family::Ipv6 => put(out, L3 + 4, ((octets - l4) as u16).to_be_bytes()),
        }
        let [flags] = array_at(out, l4 + field::FLAGS);
        out[l4 + field::FLAGS] = flags | self.last_flags & LAST;
        let pseudo = pseudo_header(out, L3, family, protocol::TCP, octets - l4);
        put(out, l4 + field::CHECKSUM, pseudo.folded().to_be_bytes());
        true
    }
}
