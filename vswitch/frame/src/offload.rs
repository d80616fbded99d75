//! What is left to be done to a packet before it may stand on a wire.

use crate::{Frame, Header};

/// Which transport a packet's unfinished work concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

/// Protocol numbers of IP (IANA "Assigned Internet Protocol Numbers").
const TCP: u8 = 6;
const UDP: u8 = 17;

impl Transport {
    /// The transport of that IP protocol number; `None` where nobody leaves anything of it.
    pub const fn of_protocol(protocol: u8) -> Option<Transport> {
        match protocol {
            TCP => Some(Transport::Tcp),
            UDP => Some(Transport::Udp),
            _ => None,
        }
    }

    /// Its IP protocol number.
    pub const fn protocol(self) -> u8 {
        match self {
            Transport::Tcp => TCP,
            Transport::Udp => UDP,
        }
    }
}

/// Work that a sender left to its device, as virtio (section 5.1.6) and kernels do, and that whoever takes the frame does
/// or leaves to the next: the transport checksum, and cutting a super-frame into segments.
///
/// Where the headers lie is not in it: it follows from the packet, whose headers are whole and well-formed. It speaks of
/// the innermost headers: putting an outer header in front changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// The transport header whose checksum field holds no more than the sum of the pseudo-header (RFC 1071, in network
    /// byte order, not complemented, its length that of the whole super-frame).
    pub transport: Transport,
    /// Octets of transport payload in each segment but the last, that the packet must be cut into; 0 where it need not be cut.
    pub segment: u16,
}

/// What a port does by itself to the frames that are sent through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Completes TCP and UDP checksums over IPv4 and IPv6.
    pub checksum: bool,
    /// Takes TCP super-frames over IPv4; needs `checksum`, as do the others.
    pub tcp4: bool,
    /// Takes TCP super-frames over IPv6.
    pub tcp6: bool,
    /// Takes UDP super-frames, whose segments are datagrams of their own, over either.
    pub udp: bool,
    /// Does all of it also behind an outer header ([`Frame::outer_len`]), whose lengths and checksums it sees to then.
    pub tunnel: bool,
}

impl Takes {
    /// What it does to frames with so many octets of outer header.
    pub const fn behind(self, outer: usize) -> Takes {
        if outer == 0 || self.tunnel {
            return self;
        }
        Takes { checksum: false, tcp4: false, tcp6: false, udp: false, tunnel: false }
    }

    /// Whether super-frames of that transport over that IP version are taken as they are.
    pub const fn super_frames(self, transport: Transport, is_ipv6: bool) -> bool {
        let has_kind = match (transport, is_ipv6) {
            (Transport::Tcp, false) => self.tcp4,
            (Transport::Tcp, true) => self.tcp6,
            (Transport::Udp, _) => self.udp,
        };
        self.checksum && has_kind
    }
}

/// Octets of the longest super-frame: a buffer ends at 65,535 octets ([`Header`]'s `buf_len`), of which [`crate::HEADROOM`]
/// are in front.
pub const SUPER_MAX: usize = u16::MAX as usize - crate::HEADROOM as usize;

/// The flags of `rte_mbuf` (22.11) that say the same: a driver that offers the offload finds them set.
const TCP_SEGMENTS: u64 = 1 << 50;
const UDP_SEGMENTS: u64 = 1 << 42;
const TCP_CHECKSUM: u64 = 1 << 52;
const UDP_CHECKSUM: u64 = 3 << 52;
const ANY: u64 = TCP_SEGMENTS | UDP_SEGMENTS | UDP_CHECKSUM;

/// Where `tso_segsz` lies in `tx_offload`, behind lengths of 7, 9 and 8 bits.
const SEGMENT_AT: u32 = 24;
/// Where the lengths of outer headers lie, behind it.
const OUTER_AT: u32 = 40;

impl Header {
    #[inline(always)]
    fn is_unfinished(&self) -> bool {
        self.ol_flags & ANY != 0
    }
}

impl Frame {
    /// As [`Frame::prefetch`], for all of these; whether any of them [is unfinished](Frame::is_unfinished), and the octets of
    /// all, in one pass over their headers.
    #[inline(always)]
    pub fn prefetch_all(frames: &[Frame]) -> (bool, usize) {
        let (flags, octets) = frames.iter().fold((0, 0), |(flags, octets), frame| {
            frame.prefetch();
            (flags | frame.header().ol_flags, octets + frame.len())
        });
        (flags & ANY != 0, octets)
    }

    /// Whether [`Frame::offload`] has something to say; reads the header's first cache line only.
    #[inline(always)]
    pub fn is_unfinished(&self) -> bool {
        self.header().is_unfinished()
    }

    /// The work its sender left.
    pub fn offload(&self) -> Option<Offload> {
        let header = self.header();
        let transport = match header.ol_flags & UDP_CHECKSUM {
            TCP_CHECKSUM => Transport::Tcp,
            UDP_CHECKSUM => Transport::Udp,
            _ => return None,
        };
        let is_super = header.ol_flags & (TCP_SEGMENTS | UDP_SEGMENTS) != 0;
        let segment = if is_super { (header.tx_offload >> SEGMENT_AT) as u16 } else { 0 };
        Some(Offload { transport, segment })
    }

    /// Octets in front of the headers that [`Frame::offload`] speaks of: an outer header that was put on since.
    pub fn outer_len(&self) -> usize {
        usize::from((self.header().tx_offload >> OUTER_AT) as u8)
    }

    /// Says how long the outer header is that was put in front of an unfinished frame.
    pub fn set_outer_len(&mut self, octets: u8) {
        let header = self.header_mut();
        header.tx_offload = header.tx_offload & !(u64::MAX << OUTER_AT) | u64::from(octets) << OUTER_AT;
    }

    /// Says what is left to be done, or that nothing is; there is no outer header then.
    pub fn set_offload(&mut self, offload: Option<Offload>) {
        let header = self.header_mut();
        header.ol_flags &= !ANY;
        header.tx_offload = 0;
        let Some(Offload { transport, segment }) = offload else { return };
        let (checksum, segments) = match transport {
            Transport::Tcp => (TCP_CHECKSUM, TCP_SEGMENTS),
            Transport::Udp => (UDP_CHECKSUM, UDP_SEGMENTS),
        };
        header.ol_flags |= checksum | if segment == 0 { 0 } else { segments };
        header.tx_offload = u64::from(segment) << SEGMENT_AT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeapPool, Pool};

    #[test]
    fn what_is_left_to_be_done_travels_with_the_frame_and_ends_with_its_packet() {
        let mut pool = HeapPool::new(1, 100);
        let mut frame = pool.alloc().unwrap();
        for transport in [Transport::Tcp, Transport::Udp] {
            for segment in [0, 1, 1448, u16::MAX] {
                let offload = Some(Offload { transport, segment });
                frame.set_offload(offload);
                assert_eq!((frame.offload(), frame.is_unfinished(), frame.outer_len()), (offload, true, 0));
                frame.set_outer_len(74);
                assert_eq!((frame.offload(), frame.outer_len()), (offload, 74));
            }
        }
        frame.set_offload(None);
        assert_eq!((frame.offload(), frame.is_unfinished(), frame.outer_len()), (None, false, 0));
        frame.set_offload(Some(Offload { transport: Transport::Tcp, segment: 9 }));
        assert!(frame.write(&[1; 60]) && !frame.is_unfinished(), "another packet");
        pool.release_one(frame);
    }
}
