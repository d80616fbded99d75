//! The header that travels in front of a packet through a virtio device or a TAP, `virtio_net_hdr` (virtio 1.2, section
//! 5.1.6): what the packet's sender left to be done to it.

mod tunnel;

use crate::{checksum::Sum, field::put, gso::Layout, parse, protocol, tcp, udp};

pub use tunnel::{TUNNEL_HEADER_LEN, TunnelHeader};

/// Octets of the header: flags, kind of segmentation, and four numbers of 16 bits, the least significant octet first.
pub const HEADER_LEN: usize = 10;

/// Flag: the checksum is that of the pseudo header only.
pub const NEEDS_CHECKSUM: u8 = 1;

/// Kind of segmentation: TCP over IPv4.
pub const TCP_IPV4: u8 = 1;
/// Kind of segmentation: TCP over IPv6.
pub const TCP_IPV6: u8 = 4;
/// Kind of segmentation: UDP, into datagrams of their own.
const UDP: u8 = 5;
/// Beside a kind of TCP: the first segment says that its sender has slowed down (`VIRTIO_NET_HDR_GSO_ECN`).
pub const WITH_CWR: u8 = 0x80;

/// A header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Whether the checksum is left to be done, and whether it was found right.
    pub flags: u8,
    /// How the packet is to be cut; 0 where it is not.
    pub segmentation: u8,
    /// Octets of all headers together: a hint, not believed.
    pub headers_len: u16,
    /// Octets of transport payload in each segment but the last.
    pub segment: u16,
    /// Where the checksum begins to count.
    pub checksum_start: u16,
    /// Where it is to be put, counted from there.
    pub checksum_offset: u16,
}

/// What is left to be done to a whole TCP or UDP packet over IP, of which nothing else has to be said: the rest follows from
/// its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// [`protocol::TCP`] or [`protocol::UDP`], whose checksum field holds the sum of the pseudo header.
    pub protocol: u8,
    /// Octets of transport payload in each segment but the last; 0 where there is nothing to cut.
    pub segment: u16,
}

/// Declares the enum with its texts and a list of all.
macro_rules! faults {
    ($($variant:ident, $text:literal;)*) => {
        /// Why a header is no true word about its packet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Fault {
            $(#[doc = $text] $variant,)*
        }

        impl Fault {
            /// All of them, in order: `ALL[fault as usize] == fault`.
            pub const ALL: [Fault; [$($text,)*].len()] = [$(Fault::$variant,)*];

            /// What is wrong, for the operator.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Fault::$variant => $text,)*
                }
            }
        }
    };
}

faults! {
    ChecksumPlace, "checksum beyond the packet's end";
    NoChecksum, "segmentation without a checksum to be done";
    Segmentation, "kind of segmentation that is not the packet's";
    Segments, "segments too small, or too many of them";
    Tunnel, "a tunnel that is not the packet's";
}

impl Header {
    /// Reads a header.
    pub fn parse(octets: [u8; HEADER_LEN]) -> Header {
        let [flags, segmentation, h0, h1, s0, s1, c0, c1, o0, o1] = octets;
        Header {
            flags,
            segmentation,
            headers_len: u16::from_le_bytes([h0, h1]),
            segment: u16::from_le_bytes([s0, s1]),
            checksum_start: u16::from_le_bytes([c0, c1]),
            checksum_offset: u16::from_le_bytes([o0, o1]),
        }
    }

    /// Writes the header.
    pub fn emit(self) -> [u8; HEADER_LEN] {
        let [h0, h1] = self.headers_len.to_le_bytes();
        let [s0, s1] = self.segment.to_le_bytes();
        let [c0, c1] = self.checksum_start.to_le_bytes();
        let [o0, o1] = self.checksum_offset.to_le_bytes();
        [self.flags, self.segmentation, h0, h1, s0, s1, c0, c1, o0, o1]
    }

    /// Whether nothing is left to be done.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.flags & NEEDS_CHECKSUM == 0 && self.segmentation == 0
    }

    /// What is left to be done to `packet`, which begins with its Ethernet header. What could not be said in a word, such as
    /// the checksum of a packet in a tunnel of the sender's own, or behind IPv6 extension headers, is done at once.
    ///
    /// # Errors
    /// The header lies.
    pub fn settle(&self, packet: &mut [u8]) -> Result<Option<Left>, Fault> {
        if self.is_done() {
            return Ok(None);
        }
        let (start, at) = self.checksum_place(packet)?;
        let whole = Whole::find(packet).filter(|whole| whole.checksum() == (self.checksum_start, self.checksum_offset));
        if self.segmentation == 0 {
            if whole.is_none() {
                sum_up(packet, start, at);
            }
            return Ok(whole.map(|whole| Left { protocol: whole.0.protocol(), segment: 0 }));
        }
        let whole = whole.ok_or(Fault::Segmentation)?;
        if self.segmentation & !whole.may_have_cwr() != whole.segmentation() {
            return Err(Fault::Segmentation);
        }
        if self.segment == 0 || whole.0.check(self.segment).is_err() {
            return Err(Fault::Segments);
        }
        let is_one = packet.len() - whole.0.payload() <= usize::from(self.segment);
        Ok(Some(Left { protocol: whole.0.protocol(), segment: if is_one { 0 } else { self.segment } }))
    }

    /// Where the checksum of `packet` begins to count, and where it is.
    fn checksum_place(&self, packet: &[u8]) -> Result<(usize, usize), Fault> {
        let start = usize::from(self.checksum_start);
        let at = start + usize::from(self.checksum_offset);
        match self.flags & NEEDS_CHECKSUM {
            0 => Err(Fault::NoChecksum),
            _ if at + 2 > packet.len() => Err(Fault::ChecksumPlace),
            _ => Ok((start, at)),
        }
    }

    /// The header of a packet to which that is left to be done; `None` where the packet is not of that kind.
    pub fn of(packet: &[u8], left: Left) -> Option<Header> {
        let whole = Whole::find(packet).filter(|whole| whole.0.protocol() == left.protocol)?;
        let (checksum_start, checksum_offset) = whole.checksum();
        let cwr = if whole.has_cwr(packet) { WITH_CWR } else { 0 };
        let segmentation = if left.segment == 0 { 0 } else { whole.segmentation() | cwr };
        let headers_len = whole.0.payload() as u16;
        Some(Header {
            flags: NEEDS_CHECKSUM,
            segmentation,
            headers_len,
            segment: left.segment,
            checksum_start,
            checksum_offset,
        })
    }
}

/// Completes the checksum at `at` over what begins at `start`. The field holds the pseudo header's sum already.
fn sum_up(packet: &mut [u8], start: usize, at: usize) {
    let sum = Sum::ZERO.bytes(&packet[start..]);
    put(packet, at, sum.finish_udp().to_be_bytes());
}

/// A TCP or UDP packet over IP that fills its frame: no fragment, and nothing between its IP and its transport header.
struct Whole(Layout);

impl Whole {
    fn find(packet: &[u8]) -> Option<Whole> {
        let parsed = parse(packet).ok()?;
        let layout = Layout::of(packet, &parsed, parsed.protocol).ok()?;
        (layout.end() == packet.len()).then_some(Whole(layout))
    }

    fn is_tcp(&self) -> bool {
        self.0.protocol() == protocol::TCP
    }

    /// Where its checksum begins to count, and where it is, counted from there.
    fn checksum(&self) -> (u16, u16) {
        let offset = if self.is_tcp() { tcp::field::CHECKSUM } else { udp::field::CHECKSUM };
        (self.0.l4() as u16, offset as u16)
    }

    fn segmentation(&self) -> u8 {
        match (self.is_tcp(), self.0.is_ipv6()) {
            (true, true) => TCP_IPV6,
            (true, false) => TCP_IPV4,
            (false, _) => UDP,
        }
    }

    fn may_have_cwr(&self) -> u8 {
        if self.is_tcp() { WITH_CWR } else { 0 }
    }

    /// Whether it says that its sender has slowed down, which the first segment only may say (RFC 3168 section 6.1.2).
    fn has_cwr(&self, packet: &[u8]) -> bool {
        self.is_tcp() && tcp::Segment::new_unchecked(&packet[self.0.l4()..]).flags() & tcp::CWR != 0
    }
}
