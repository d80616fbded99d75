//! The node answers neighbour solicitations and ICMPv6 echo.

use wire::{
    checksum::Sum,
    ethernet,
    icmpv6::{self, Solicitation},
    ipv6,
};

use super::*;

const UPLINK: PortId = PortId(3);
const OURS: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
const PEER: Mac = Mac::new([2, 0, 0, 0, 0, 2]);
const OUR_IP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const PEER_IP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

fn host() -> Host {
    let addresses = vec![([192, 0, 2, 1].into(), 24), (OUR_IP.into(), 64), (ipv6::link_local(OURS).into(), 64)];
    let router = Some("fe80::fe".parse().unwrap());
    let attachment = Attachment { mac: OURS, mtu: 1500, addresses, gateway: None, gateway6: router };
    let mut host = Host::new();
    host.configure(&BTreeMap::from([(UPLINK, attachment)]), Duration::ZERO);
    host
}

/// What the node sends when it has heard a frame.
fn answers(host: &mut Host, frame: &[u8], now: Duration) -> Vec<Vec<u8>> {
    host.receive(UPLINK, frame).unwrap();
    let mut sent = Vec::new();
    host.poll(now, |_, frame| sent.push(frame.to_vec()));
    sent
}

fn solicitation(target: Ipv6Addr, to: Option<Mac>) -> Vec<u8> {
    Solicitation { src: PEER_IP, source_mac: PEER, target }.to_frame(to).to_vec()
}

/// An ICMPv6 message in a frame to the node.
fn message(src: Ipv6Addr, kind: u8, body: &[u8]) -> Vec<u8> {
    let payload_len = (4 + body.len()) as u16;
    let network =
        ipv6::Repr { src, dst: OUR_IP, next_header: 58, payload_len, traffic_class: 0, flow_label: 0, hop_limit: 64 };
    let mut frame = vec![0; 54];
    ethernet::Repr { dst: OURS, src: PEER, ethertype: ethernet::IPV6 }
        .emit(&mut ethernet::Header::new_unchecked(&mut frame[..]));
    network.emit(&mut ipv6::Packet::new_unchecked(&mut frame[14..]));
    let message = [&[kind, 0, 0, 0], body].concat();
    let sum = Sum::ZERO.addresses(src.into(), OUR_IP.into()).word(58).word(payload_len).bytes(&message);
    frame.extend_from_slice(&message);
    frame[56..58].copy_from_slice(&sum.finish().to_be_bytes());
    frame
}

fn said(frame: &[u8]) -> (Mac, discovery::Heard) {
    (Mac::new(frame[..6].try_into().unwrap()), discovery::read(frame).unwrap())
}

#[test]
fn a_solicitation_is_answered_whether_it_asks_everybody_or_us() {
    for to in [None, Some(OURS)] {
        for target in [OUR_IP, ipv6::link_local(OURS)] {
            let sent = answers(&mut host(), &solicitation(target, to), Duration::ZERO);
            let (dst, answer) = said(&sent[0]);
            assert_eq!((sent.len(), dst, answer.src, answer.target), (1, PEER, target, target));
            assert_eq!(answer.said.target_link_layer, Some(OURS));
            assert!(answer.said.is_solicited && answer.said.overrides);
        }
    }
}

#[test]
fn who_has_no_address_yet_is_told_by_telling_everybody() {
    let probe = Solicitation { src: Ipv6Addr::UNSPECIFIED, source_mac: PEER, target: OUR_IP };
    let mut frame = probe.to_frame(None)[..78].to_vec();
    frame[18..20].copy_from_slice(&24u16.to_be_bytes());
    frame[56..58].fill(0);
    let group = ipv6::solicited_node(OUR_IP);
    let sum = Sum::ZERO.addresses(probe.src.into(), group.into()).word(58).word(24).bytes(&frame[54..]);
    frame[56..58].copy_from_slice(&sum.finish().to_be_bytes());
    let (dst, answer) = said(&answers(&mut host(), &frame, Duration::ZERO)[0]);
    assert_eq!(dst.to_string(), "33:33:00:00:00:01");
    assert!(!answer.said.is_solicited && answer.said.overrides);
    // With a source link-layer option it would be invalid.
    assert!(answers(&mut host(), &probe.to_frame(None), Duration::ZERO).is_empty());
}

#[test]
fn solicitations_for_others_and_invalid_ones_are_not_answered() {
    let mut from_afar = solicitation(OUR_IP, None);
    from_afar[21] = 64;
    let mut damaged = solicitation(OUR_IP, None);
    damaged[57] ^= 1;
    for frame in [solicitation(PEER_IP, None), from_afar, damaged] {
        assert!(answers(&mut host(), &frame, Duration::ZERO).is_empty());
    }
}

#[test]
fn a_ping_is_answered_once_the_sender_is_found() {
    let mut host = host();
    let ping = message(PEER_IP, icmpv6::ECHO_REQUEST, &[0, 7, 0, 1, 1, 2, 3]);
    let sent = answers(&mut host, &ping, Duration::ZERO);
    let (_, question) = said(&sent[0]);
    assert_eq!((sent.len(), question.target, question.said.kind), (1, PEER_IP, 135));
    let advertisement = icmpv6::Advertisement { target: PEER_IP, target_mac: PEER, asker: Some(question.src) };
    let sent = answers(&mut host, &advertisement.to_frame(OURS), Duration::from_millis(1));
    assert_eq!(sent.len(), 1);
    assert_eq!((&sent[0][..6], sent[0][54], &sent[0][58..]), (&PEER.octets()[..], 129, &ping[58..]));
    assert_eq!(host.next_due(), None);
    assert_eq!(answers(&mut host, &ping, Duration::from_millis(2)).len(), 1, "and the next one at once");
}

#[test]
fn no_router_is_obeyed() {
    for kind in [icmpv6::ROUTER_SOLICITATION, icmpv6::ROUTER_ADVERTISEMENT, icmpv6::REDIRECT] {
        let frame = message("fe80::fe".parse().unwrap(), kind, &[0; 36]);
        assert_eq!(host().receive(UPLINK, &frame), Err(Refused::NotSpoken));
    }
}
