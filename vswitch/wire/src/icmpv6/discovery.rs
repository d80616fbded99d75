//! Neighbour solicitations and advertisements as the switch sends them itself (RFC 4861 sections 4.3 and 4.4).

use std::net::{IpAddr, Ipv6Addr};

use super::{NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, field};
use crate::{Mac, checksum::Sum, ethernet, field::put, ipv6, protocol};

/// The hop limit of every such message; with less it has passed a router and is not believed (RFC 4861 section 7.1).
pub const HOP_LIMIT: u8 = 255;

/// Octets of a message with one link-layer address option.
const MESSAGE_LEN: usize = 32;
const IPV6_AT: usize = ethernet::HEADER_LEN;
const MESSAGE_AT: usize = IPV6_AT + ipv6::HEADER_LEN;
const OPTION: usize = 24;

/// Octets of a frame with such a message.
const FRAME_LEN: usize = MESSAGE_AT + MESSAGE_LEN;

/// Asks who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// Who asks.
    pub src: Ipv6Addr,
    /// Where that is.
    pub source_mac: Mac,
    /// Whose hardware address is wanted.
    pub target: Ipv6Addr,
}

impl Solicitation {
    /// The frame that asks everybody who may have the target (`None`), or the station that is believed to have it.
    pub fn to_frame(&self, to: Option<Mac>) -> [u8; FRAME_LEN] {
        let group = ipv6::solicited_node(self.target);
        let (dst_mac, dst) = to.map_or((ipv6::multicast_mac(group), group), |mac| (mac, self.target));
        let link = ethernet::Repr { dst: dst_mac, src: self.source_mac, ethertype: ethernet::IPV6 };
        frame(link, self.src, dst, &message(NEIGHBOUR_SOLICITATION, 0, self.target, 1, self.source_mac))
    }
}

/// Says who has an address: whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// The address.
    pub target: Ipv6Addr,
    /// Where it is.
    pub target_mac: Mac,
    /// Who asked; `None` where the asker has no address yet, and everybody is told.
    pub asker: Option<Ipv6Addr>,
}

impl Advertisement {
    /// The frame to the asker's MAC, with the flags that RFC 4861 section 7.2.4 wants.
    pub fn to_frame(&self, asker_mac: Mac) -> [u8; FRAME_LEN] {
        let everybody = (ipv6::multicast_mac(ipv6::ALL_NODES), ipv6::ALL_NODES, field::OVERRIDE);
        let told = |asker| (asker_mac, asker, field::SOLICITED | field::OVERRIDE);
        let (dst_mac, dst, flags) = self.asker.map_or(everybody, told);
        let link = ethernet::Repr { dst: dst_mac, src: self.target_mac, ethertype: ethernet::IPV6 };
        frame(link, self.target, dst, &message(NEIGHBOUR_ADVERTISEMENT, flags, self.target, 2, self.target_mac))
    }
}

/// A message without its checksum: one target, one link-layer address option of type `option`.
fn message(kind: u8, flags: u8, target: Ipv6Addr, option: u8, mac: Mac) -> [u8; MESSAGE_LEN] {
    let mut message = [0; MESSAGE_LEN];
    put(&mut message, field::KIND, [kind]);
    put(&mut message, field::FLAGS, [flags]);
    put(&mut message, field::TARGET, target.octets());
    put(&mut message, OPTION, [option, 1]);
    put(&mut message, OPTION + 2, mac.octets());
    message
}

fn frame(link: ethernet::Repr, src: Ipv6Addr, dst: Ipv6Addr, message: &[u8; MESSAGE_LEN]) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    link.emit(&mut ethernet::Header::new_unchecked(&mut frame[..]));
    let (next_header, payload_len) = (protocol::ICMPV6, MESSAGE_LEN as u16);
    let network =
        ipv6::Repr { src, dst, next_header, payload_len, traffic_class: 0, flow_label: 0, hop_limit: HOP_LIMIT };
    network.emit(&mut ipv6::Packet::new_unchecked(&mut frame[IPV6_AT..]));
    put(&mut frame, MESSAGE_AT, *message);
    let pseudo = Sum::ZERO.addresses(IpAddr::V6(src), IpAddr::V6(dst)).word(next_header.into()).word(payload_len);
    put(&mut frame, MESSAGE_AT + field::CHECKSUM, pseudo.bytes(message).finish().to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        icmpv6::{Message, Neighbour, neighbour},
        parse,
    };

    const OURS: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
    const PEER: Mac = Mac::new([2, 0, 0, 0, 0, 2]);

    fn address(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xab, last)
    }

    /// What a frame says, with its checksum and hop limit found right.
    fn read(frame: &[u8]) -> (Ipv6Addr, Ipv6Addr, Neighbour) {
        let parsed = parse(frame).unwrap();
        let packet = ipv6::Packet::new_checked(&frame[14..]).unwrap();
        assert_eq!(packet.hop_limit(), 255);
        let message = Message::new_checked(packet.payload()).unwrap();
        assert!(message.verify_checksum(packet.src(), packet.dst()));
        (packet.src(), packet.dst(), neighbour(frame, &parsed).unwrap().unwrap())
    }

    #[test]
    fn a_solicitation_goes_to_the_group_of_its_target_or_to_the_target_itself() {
        let question = Solicitation { src: address(1), source_mac: OURS, target: address(2) };
        let frame = question.to_frame(None);
        assert_eq!(frame[..14], [0x33, 0x33, 0xff, 0xab, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd]);
        let (src, dst, said) = read(&frame);
        assert_eq!((src, dst.to_string().as_str()), (address(1), "ff02::1:ffab:2"));
        assert_eq!((said.kind, said.target, said.source_link_layer), (135, Some(address(2)), Some(OURS)));
        assert_eq!(said.target_link_layer, None);
        let frame = question.to_frame(Some(PEER));
        assert_eq!((&frame[..6], read(&frame).1), (&PEER.octets()[..], address(2)));
    }

    #[test]
    fn an_advertisement_answers_the_asker_or_tells_everybody() {
        let answer = Advertisement { target: address(1), target_mac: OURS, asker: Some(address(2)) };
        let frame = answer.to_frame(PEER);
        let (src, dst, said) = read(&frame);
        assert_eq!((&frame[..6], src, dst), (&PEER.octets()[..], address(1), address(2)));
        assert_eq!((said.kind, said.target, said.target_link_layer), (136, Some(address(1)), Some(OURS)));
        assert!(said.is_solicited && said.overrides);
        let frame = Advertisement { asker: None, ..answer }.to_frame(PEER);
        let (_, dst, said) = read(&frame);
        assert_eq!((frame[..6].to_vec(), dst.to_string().as_str()), (vec![0x33, 0x33, 0, 0, 0, 1], "ff02::1"));
        assert!(!said.is_solicited && said.overrides);
    }
}
