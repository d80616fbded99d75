//! Says where the node's own addresses are: to those who ask by neighbour solicitation (RFC 4861 section 7.2.4), and to
//! everybody when an address has moved.
//!
//! smoltcp has its own answers, but leaves solicitations that are sent to the address itself unanswered: with those
//! Linux and every router find out whether a neighbour is still there.

use std::net::IpAddr;

use wire::{
    Mac, arp,
    icmpv6::{Advertisement, NEIGHBOUR_SOLICITATION},
};

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

/// The frame that tells a whole link that `address` is at `mac` now: an ARP announcement (RFC 5227 section 3), or an
/// unsolicited advertisement with the O flag (RFC 4861 section 7.2.6).
pub(crate) fn announcement(mac: Mac, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(own) => arp::Repr::request(mac, own, own).to_frame(Mac::BROADCAST).to_vec(),
        IpAddr::V6(target) => Advertisement { target, target_mac: mac, asker: None }.to_frame(Mac::BROADCAST).to_vec(),
    }
}
