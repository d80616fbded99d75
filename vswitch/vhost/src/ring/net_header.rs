//! The header in front of every frame in a ring: `virtio_net_hdr` (virtio 1.2, section 5.1.6).

use crate::Features;

/// Octets of the longest form: flags, segmentation type, four `u16` about offloads, and how many buffers a frame took.
pub(super) const HEADER_MAX: usize = 12;

/// Octets of the form without that last number, which only drivers older than virtio 1.0 use.
const HEADER_LEGACY: usize = 10;

/// Offsets in the header.
const FLAGS: usize = 0;
const SEGMENTATION: usize = 1;
const BUFFERS: usize = 10;

/// Octets of the header in rings of these features.
pub(super) fn len(features: Features) -> usize {
    if features.has(Features::VERSION_1) || features.has(Features::MRG_RXBUF) { HEADER_MAX } else { HEADER_LEGACY }
}

/// Whether the driver asks for a checksum or for segmentation: neither was offered, so the frame is not whole.
#[inline]
pub(super) fn asks_for_offload(header: &[u8; HEADER_MAX]) -> bool {
    header[FLAGS] != 0 || header[SEGMENTATION] != 0
}

/// The header of a frame that is whole and lies in so many chains.
#[inline(always)]
pub(super) fn whole_frame(chains: u16) -> [u8; HEADER_MAX] {
    let mut header = [0; HEADER_MAX];
    [header[BUFFERS], header[BUFFERS + 1]] = chains.to_le_bytes();
    header
}
