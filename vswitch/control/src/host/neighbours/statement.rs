//! What a frame says about where an address is, and how much that is worth.

use std::net::IpAddr;

use wire::{Mac, arp, ethernet, icmpv6::NEIGHBOUR_ADVERTISEMENT};

use crate::host::discovery;

/// A statement about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) address: IpAddr,
    /// Where it is said to be; `None` where the frame says only that it is there.
    pub(super) mac: Option<Mac>,
    pub(super) claim: Claim,
}

/// How much a claim about a next hop's MAC is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// A reply addressed to us.
    Reply,
    /// The same, which shall not replace what we know (a neighbour advertisement without the O flag).
    ModestReply,
    /// An announcement to everybody.
    Gratuitous,
    /// Anything else that names the sender.
    Hearsay,
}

/// What a frame states, if it is ARP or valid neighbour discovery; we are at `our_mac`.
pub(super) fn statement(frame: &[u8], our_mac: Mac) -> Option<Statement> {
    arp_statement(frame, our_mac).or_else(|| nd_statement(frame))
}

fn arp_statement(frame: &[u8], our_mac: Mac) -> Option<Statement> {
    let header = ethernet::Header::new_checked(frame).ok()?;
    if header.ethertype() != ethernet::ARP {
        return None;
    }
    let packet = arp::Repr::parse(&arp::Packet::new_checked(header.payload()).ok()?);
    let claim = match packet.operation {
        _ if packet.sender_ip == packet.target_ip => Claim::Gratuitous,
        arp::Operation::Reply if packet.target_mac == our_mac => Claim::Reply,
        _ => Claim::Hearsay,
    };
    Some(Statement { address: packet.sender_ip.into(), mac: Some(packet.sender_mac), claim })
}

/// RFC 4861 sections 7.2.3 and 7.2.5. An answer to a question by unicast may leave its MAC out (section 4.4); nothing
/// else may, for it would say nothing.
fn nd_statement(frame: &[u8]) -> Option<Statement> {
    let heard = discovery::read(frame)?;
    let said = heard.said;
    if said.kind != NEIGHBOUR_ADVERTISEMENT {
        return Some(Statement {
            address: heard.src.into(),
            mac: Some(said.source_link_layer?),
            claim: Claim::Hearsay,
        });
    }
    let (address, mac) = (heard.target.into(), said.target_link_layer);
    let claim = match (said.is_solicited, said.overrides) {
        (true, true) => Claim::Reply,
        (true, false) => Claim::ModestReply,
        (false, true) => Claim::Gratuitous,
        (false, false) => Claim::Hearsay,
    };
    (mac.is_some() || said.is_solicited).then_some(Statement { address, mac, claim })
}
