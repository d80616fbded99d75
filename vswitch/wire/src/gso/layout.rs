//! Where the headers of an unfinished packet are.

use crate::{L3, Parsed, ethernet, field::u16_at, ipv4, ipv6, parse, protocol, tcp, udp, vlan, vxlan};

/// Fewest octets of payload in a segment, as Linux has it (`TCP_MIN_GSO_SIZE`): the smallest MSS less all options.
pub const SEGMENT_MIN: u16 = 8;

/// Most segments a super-frame is cut into: what one frame makes a switch do is bounded. The longest super-frame has segments
/// of 128 octets then.
pub const SEGMENTS_MAX: usize = 512;

const VERSION_4_IHL_5: u8 = 0x45;

/// Why a frame cannot have the work left undone that its sender says is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is no whole TCP or UDP packet of that kind over IP, or one with IPv6 extension headers.
    Headers,
    /// Its segments would have fewer than [`SEGMENT_MIN`] octets, or be more than [`SEGMENTS_MAX`].
    Segments,
}

/// An IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

/// Octets of the headers in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Those in front of the outer UDP header, where there is one.
    pub outer: Option<OuterLengths>,
    /// From there, or from the front, to the innermost network header: UDP, VXLAN, Ethernet and tags.
    pub l2: usize,
    /// The innermost network header.
    pub l3: usize,
    /// The innermost transport header.
    pub l4: usize,
}

/// Octets of the headers in front of an outer UDP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterLengths {
    /// Ethernet and its tag.
    pub l2: usize,
    /// The network header.
    pub l3: usize,
    /// Whether that is IPv6.
    pub is_ipv6: bool,
}

/// Offsets of the innermost headers of a frame and of the outer ones in front, all within the frame they were found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Octets of outer header in front: Ethernet, a tag or none, IP without options, UDP, VXLAN; 0 where there is none.
    outer: u16,
    l3: u16,
    l4: u16,
    payload: u16,
    /// Where the IP packet ends.
    end: u16,
    family: Family,
    protocol: u8,
}

impl Layout {
    /// The layout of an untunnelled frame that was parsed, as one of TCP or UDP (`protocol`).
    ///
    /// # Errors
    /// [`Refused::Headers`].
    pub fn of(frame: &[u8], headers: &Parsed, protocol: u8) -> Result<Layout, Refused> {
        Self::read(frame, headers, protocol).ok_or(Refused::Headers)
    }

    /// The layout of a frame of which the first `outer` octets are an outer header.
    ///
    /// # Errors
    /// [`Refused::Headers`].
    pub fn behind(frame: &[u8], outer: usize, protocol: u8) -> Result<Layout, Refused> {
        let inner = frame.get(outer..).ok_or(Refused::Headers)?;
        let headers = parse(inner).map_err(|_| Refused::Headers)?;
        let layout = Self::of(inner, &headers, protocol)?;
        if outer == 0 {
            return Ok(layout);
        }
        let moved = |offset: u16| u16::try_from(usize::from(offset) + outer).map_err(|_| Refused::Headers);
        let layout = Layout {
            outer: moved(0)?,
            l3: moved(layout.l3)?,
            l4: moved(layout.l4)?,
            payload: moved(layout.payload)?,
            end: moved(layout.end)?,
            ..layout
        };
        if layout.outer_is_known(frame) { Ok(layout) } else { Err(Refused::Headers) }
    }

    fn read(frame: &[u8], headers: &Parsed, protocol: u8) -> Option<Layout> {
        let is_whole = headers.l4 != 0 && !headers.fragment && headers.protocol == protocol;
        let family = match headers.l3_kind {
            L3::Ipv4 => Family::Ipv4,
            L3::Ipv6 if headers.l4 == headers.l3 + ipv6::HEADER_LEN as u16 => Family::Ipv6,
            _ => return None,
        };
        let (l3, l4, end) = (headers.l3, headers.l4, headers.l3 + headers.l3_len);
        let segment = frame.get(l4.into()..end.into()).filter(|_| is_whole)?;
        let header_len = match protocol {
            protocol::TCP => tcp::Segment::new_checked(segment).ok()?.header_len(),
            protocol::UDP => {
                let datagram = udp::Datagram::new_checked(segment).ok()?;
                (usize::from(datagram.length()) == segment.len()).then_some(udp::HEADER_LEN)?
            }
            _ => return None,
        };
        Some(Layout { outer: 0, l3, l4, payload: l4 + header_len as u16, end, family, protocol })
    }

    /// Whether what is in front is what this switch puts there.
    fn outer_is_known(&self, frame: &[u8]) -> bool {
        let (l3, family) = self.outer_network();
        let is_at = l3 == ethernet::HEADER_LEN || l3 == ethernet::HEADER_LEN + vlan::TAG_LEN;
        is_at
            && match family {
                Family::Ipv4 => u16_at(frame, l3 - 2) == ethernet::IPV4 && frame[l3] == VERSION_4_IHL_5,
                Family::Ipv6 => u16_at(frame, l3 - 2) == ethernet::IPV6,
            }
    }

    /// Whether the payload may be cut into segments of so many octets; 0 stands for leaving it whole.
    ///
    /// # Errors
    /// [`Refused::Segments`].
    pub fn check(&self, segment: u16) -> Result<(), Refused> {
        let payload = usize::from(self.end - self.payload);
        let is_fine = segment == 0 || segment >= SEGMENT_MIN && payload.div_ceil(usize::from(segment)) <= SEGMENTS_MAX;
        if is_fine { Ok(()) } else { Err(Refused::Segments) }
    }

    /// Whether there is more payload than one segment of so many octets has; 0 stands for leaving it whole.
    pub fn is_cut_by(&self, segment: u16) -> bool {
        segment > 0 && self.end - self.payload > segment
    }

    /// Octets of the longest frame that comes of a frame of `octets`, when it is cut.
    pub fn longest(&self, octets: usize, segment: u16) -> usize {
        if self.is_cut_by(segment) { self.payload() + usize::from(segment) } else { octets }
    }

    /// Octets of the headers from front to back, as devices are told where they are.
    pub fn lengths(&self) -> Lengths {
        let (l3, l4) = (self.l4() - self.l3(), self.payload() - self.l4());
        if !self.has_outer() {
            return Lengths { outer: None, l2: self.l3(), l3, l4 };
        }
        let ((at, family), datagram) = (self.outer_network(), self.outer_udp());
        let outer = OuterLengths { l2: at, l3: datagram - at, is_ipv6: family == Family::Ipv6 };
        Lengths { outer: Some(outer), l2: self.l3() - datagram, l3, l4 }
    }

    /// Whether the innermost packet is one of IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.family == Family::Ipv6
    }

    /// Offset of the innermost network header.
    pub(crate) fn l3(&self) -> usize {
        self.l3.into()
    }

    /// Offset of the transport header.
    pub(crate) fn l4(&self) -> usize {
        self.l4.into()
    }

    /// Offset of the transport payload.
    pub(crate) fn payload(&self) -> usize {
        self.payload.into()
    }

    /// Where the innermost packet ends.
    pub(crate) fn end(&self) -> usize {
        self.end.into()
    }

    /// The same headers in front of more payload, or less. `end` is at most that of the frame the layout was found in.
    pub(crate) fn with_end(self, end: usize) -> Layout {
        Layout { end: end as u16, ..self }
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    pub(crate) fn protocol(&self) -> u8 {
        self.protocol
    }

    pub(crate) fn has_outer(&self) -> bool {
        self.outer != 0
    }

    /// Offset of the outer UDP header.
    pub(crate) fn outer_udp(&self) -> usize {
        usize::from(self.outer).saturating_sub(udp::HEADER_LEN + vxlan::HEADER_LEN)
    }

    /// Offset and version of the outer network header. Outer headers have no options, so their length tells both apart.
    pub(crate) fn outer_network(&self) -> (usize, Family) {
        const IPV6_MIN: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN;
        let end = self.outer_udp();
        if end >= IPV6_MIN {
            (end - ipv6::HEADER_LEN, Family::Ipv6)
        } else {
            (end.saturating_sub(ipv4::HEADER_LEN), Family::Ipv4)
        }
    }
}
