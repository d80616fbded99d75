//! Reading neighbour discovery: only what RFC 4861 section 7.1 lets through.

use std::net::Ipv6Addr;

use wire::{
    Mac, Parsed, ethernet,
    icmpv6::{self, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, Neighbour},
    ipv6,
};

/// A valid solicitation or advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Who sent it; unspecified where the sender has no address yet (a solicitation, RFC 4862 section 5.4).
    pub(super) src: Ipv6Addr,
    /// The MAC its frame came from.
    pub(super) frame_src: Mac,
    /// Whose hardware address it asks for or tells.
    pub(super) target: Ipv6Addr,
    /// All it says.
    pub(super) said: Neighbour,
}

/// The solicitation or advertisement in a frame, if there is one and it is valid: from this link (hop limit 255), with a
/// right checksum, about one station, and without contradictions.
pub(super) fn read(frame: &[u8]) -> Option<Heard> {
    let headers = wire::parse(frame).ok().filter(|headers| headers.tags == 0)?;
    let said = icmpv6::neighbour(frame, &headers).ok()??;
    let packet = ipv6::Packet::new_checked(frame.get(ethernet::HEADER_LEN..)?).ok()?;
    let (src, dst, target) = (packet.src(), packet.dst(), said.target?);
    let is_possible = match said.kind {
        NEIGHBOUR_SOLICITATION if src.is_unspecified() => {
            dst == ipv6::solicited_node(target) && said.source_link_layer.is_none()
        }
        NEIGHBOUR_SOLICITATION => true,
        NEIGHBOUR_ADVERTISEMENT => !(said.is_solicited && dst.is_multicast()),
        _ => false,
    };
    let is_sound = packet.hop_limit() == icmpv6::HOP_LIMIT && has_right_sum(frame, &headers, src, dst);
    let heard = Heard { src, frame_src: headers.src, target, said };
    (is_possible && is_sound && !target.is_multicast()).then_some(heard)
}

/// Whether the message is of code 0 and has a right checksum.
fn has_right_sum(frame: &[u8], headers: &Parsed, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
    let end = usize::from(headers.l3) + usize::from(headers.l3_len);
    let message = frame.get(usize::from(headers.l4)..end).map(icmpv6::Message::new_checked);
    message.is_some_and(|message| message.is_ok_and(|m| m.code() == 0 && m.verify_checksum(src, dst)))
}
