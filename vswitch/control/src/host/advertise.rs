//! Answers neighbour solicitations for the node's own addresses (RFC 4861 section 7.2.4).
//!
//! smoltcp has its own answers, but leaves solicitations that are sent to the address itself unanswered: with those
//! Linux and every router find out whether a neighbour is still there.

use std::net::IpAddr;

use wire::icmpv6::{Advertisement, NEIGHBOUR_SOLICITATION};

use super::{Attachment, discovery};

/// The answer to a frame, if that is a valid solicitation for an address of ours.
pub(super) fn answer(own: &Attachment, frame: &[u8]) -> Option<Vec<u8>> {
    let heard = discovery::read(frame).filter(|heard| heard.said.kind == NEIGHBOUR_SOLICITATION)?;
    let is_ours = own.addresses.iter().any(|&(address, _)| address == IpAddr::V6(heard.target));
    let asker_mac = heard.said.source_link_layer.unwrap_or(heard.frame_src);
    if !is_ours || !asker_mac.is_unicast() {
        return None;
    }
    let asker = Some(heard.src).filter(|src| !src.is_unspecified());
    Some(Advertisement { target: heard.target, target_mac: own.mac, asker }.to_frame(asker_mac).to_vec())
}
