//! The header in front of every frame in a ring: `virtio_net_hdr` (virtio 1.2, section 5.1.6).

use frame::{Frame, Offload, Takes, Transport};
use wire::virtio_net::{self, Header, Left, NEEDS_CHECKSUM, TCP_IPV4, TCP_IPV6, WITH_CWR};

use crate::Features;

/// Octets of the longest form: what [`wire::virtio_net`] knows, and how many buffers a frame took.
pub(super) const HEADER_MAX: usize = 12;

/// Octets of the form without that last number, which only drivers older than virtio 1.0 use.
const HEADER_LEGACY: usize = virtio_net::HEADER_LEN;

/// Offset in the header.
const BUFFERS: usize = HEADER_LEGACY;

/// Octets of the header in rings of these features.
pub(super) fn len(features: Features) -> usize {
    if features.has(Features::VERSION_1) || features.has(Features::MRG_RXBUF) { HEADER_MAX } else { HEADER_LEGACY }
}

/// What a driver of these features takes. Super-frames go to one only that knows of shrinking windows, too.
pub(super) fn takes(agreed: Features) -> Takes {
    let checksum = agreed.has(Features::GUEST_CSUM);
    let tcp = |family| checksum && agreed.has(family | Features::GUEST_ECN);
    Takes { checksum, tcp4: tcp(Features::GUEST_TSO4), tcp6: tcp(Features::GUEST_TSO6), ..Takes::default() }
}

/// Whether the driver leaves something to be done to the frame, or says that it does, by its flags and the kind of
/// segmentation, with which a header begins.
#[inline(always)]
pub(super) fn leaves_work([flags, segmentation]: [u8; 2]) -> bool {
    flags | segmentation != 0
}

/// Notes what the driver leaves to be done to `frame`; `false` where that was not agreed on, or the header lies.
#[cold]
#[inline(never)]
pub(super) fn settle(header: [u8; HEADER_MAX], agreed: Features, frame: &mut Frame) -> bool {
    let Some(header) = header.first_chunk().copied().map(Header::parse) else { return false };
    if !is_agreed(&header, agreed) {
        return false;
    }
    let Ok(left) = header.settle(frame.data_mut()) else { return false };
    frame.set_offload(left.and_then(|Left { protocol, segment }| {
        Transport::of_protocol(protocol).map(|transport| Offload { transport, segment })
    }));
    true
}

fn is_agreed(header: &Header, agreed: Features) -> bool {
    let needed = match header.segmentation & !WITH_CWR {
        0 => Features::CSUM,
        TCP_IPV4 => Features::CSUM | Features::HOST_TSO4,
        TCP_IPV6 => Features::CSUM | Features::HOST_TSO6,
        _ => return false,
    };
    let needed = if header.segmentation & WITH_CWR == 0 { needed } else { needed | Features::HOST_ECN };
    // The one flag that a driver may set.
    header.flags & !NEEDS_CHECKSUM == 0 && agreed.has(needed)
}

/// The header of a frame that is whole and lies in so many chains.
#[inline(always)]
pub(super) fn of_whole(chains: u16) -> [u8; HEADER_MAX] {
    let mut header = [0; HEADER_MAX];
    [header[BUFFERS], header[BUFFERS + 1]] = chains.to_le_bytes();
    header
}

/// The header of any frame that lies in so many chains; `None` where something is left to be done to it that the driver does
/// not do, or that its headers do not bear out.
#[inline(never)]
pub(super) fn of(frame: &Frame, chains: u16, agreed: Features) -> Option<[u8; HEADER_MAX]> {
    let mut header = of_whole(chains);
    if frame.is_unfinished() {
        header[..HEADER_LEGACY].copy_from_slice(&unfinished(frame, agreed)?);
    }
    Some(header)
}

fn unfinished(frame: &Frame, agreed: Features) -> Option<[u8; HEADER_LEGACY]> {
    let Offload { transport, segment } = frame.offload()?;
    let header = Header::of(frame.data(), Left { protocol: transport.protocol(), segment })?;
    let takes = takes(agreed);
    let is_taken = match header.segmentation & !WITH_CWR {
        0 => takes.checksum,
        kind => takes.super_frames(transport, kind == TCP_IPV6),
    };
    is_taken.then(|| header.emit())
}
