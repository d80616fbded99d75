//! Neighbour discovery: what is asked, and what is believed (RFC 4861 section 7).

use std::net::Ipv6Addr;

use super::*;
use wire::icmpv6::{Advertisement, Solicitation};

const OURS: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
const PEER: Mac = Mac::new([2, 0, 0, 0, 0, 2]);
const OTHER: Mac = Mac::new([2, 0, 0, 0, 0, 3]);
const OUR_IP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const PEER_IP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);
const UPLINK: PortId = PortId(0);

/// Flags of an advertisement.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn next_hop() -> NextHop {
    NextHop { uplink: UPLINK, address: PEER_IP.into() }
}

fn wanting(address: Ipv6Addr) -> Neighbours {
    let own = [("192.0.2.1", 24), ("2001:db8:9::1", 64), ("2001:db8::1", 64), ("fe80::ff:fe00:1", 64)];
    let addresses = own.map(|(address, bits)| (address.parse().unwrap(), bits)).to_vec();
    let attachment = Attachment { mac: OURS, mtu: 1500, addresses, gateway: None, gateway6: None };
    let mut neighbours = Neighbours::new();
    neighbours.configure(&BTreeMap::from([(UPLINK, attachment)]));
    neighbours.want(&BTreeSet::from([NextHop { uplink: UPLINK, address: address.into() }]), ms(0));
    neighbours
}

fn resolver() -> Neighbours {
    wanting(PEER_IP)
}

/// A resolver that has asked and been answered by [`PEER`].
fn acquainted() -> Neighbours {
    let mut neighbours = resolver();
    sent(&mut neighbours, ms(0));
    neighbours.receive(UPLINK, &reply(PEER), ms(0));
    assert!(neighbours.take_changed());
    neighbours
}

/// An advertisement of the peer's address for `mac`, with these flags, to `dst`.
fn advertisement(mac: Option<Mac>, flags: u8, dst: Ipv6Addr) -> Vec<u8> {
    let target_mac = mac.unwrap_or(PEER);
    let mut frame = Advertisement { target: PEER_IP, target_mac, asker: Some(dst) }.to_frame(OURS).to_vec();
    frame[58] = flags;
    if mac.is_none() {
        frame.truncate(frame.len() - 8);
        frame[18..20].copy_from_slice(&24u16.to_be_bytes());
    }
    seal(&mut frame);
    frame
}

/// Puts the right ICMPv6 checksum into a frame.
fn seal(frame: &mut [u8]) {
    frame[56..58].fill(0);
    let [src, dst] = [22, 38].map(|at| IpAddr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).unwrap()));
    let len = (frame.len() - 54) as u16;
    let sum = wire::checksum::Sum::ZERO.addresses(src, dst).word(58).word(len).bytes(&frame[54..]);
    frame[56..58].copy_from_slice(&sum.finish().to_be_bytes());
}

fn reply(mac: Mac) -> Vec<u8> {
    advertisement(Some(mac), SOLICITED | OVERRIDE, OUR_IP)
}

fn their_question(mac: Mac) -> Vec<u8> {
    Solicitation { src: PEER_IP, source_mac: mac, target: OUR_IP }.to_frame(None).to_vec()
}

fn sent(neighbours: &mut Neighbours, now: Duration) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    neighbours.poll(now, |_| true, |_, frame| frames.push(frame.to_vec()));
    frames
}

/// To which MACs questions go out between two times, in steps of 10 ms.
fn timeline(neighbours: &mut Neighbours, from_ms: u64, to_ms: u64) -> Vec<(u64, Mac)> {
    let asked = |now| sent(neighbours, ms(now)).into_iter().map(move |f| (now, Mac::new(f[..6].try_into().unwrap())));
    (from_ms..to_ms).step_by(10).flat_map(asked).collect()
}

/// The solicited-node group of the peer, as a MAC.
const GROUP: Mac = Mac::new([0x33, 0x33, 0xff, 0, 0, 2]);

#[test]
fn the_question_goes_to_the_solicited_node_group_from_the_address_in_the_same_prefix() {
    let expected = Solicitation { src: OUR_IP, source_mac: OURS, target: PEER_IP }.to_frame(None).to_vec();
    assert_eq!(sent(&mut resolver(), ms(0)), [expected]);
    let router: Ipv6Addr = "fe80::1".parse().unwrap();
    let expected = Solicitation { src: LINK_LOCAL, source_mac: OURS, target: router }.to_frame(None).to_vec();
    assert_eq!(sent(&mut wanting(router), ms(0)), [expected]);
}

#[test]
fn an_answer_is_learned_and_asked_again_by_unicast_until_it_fails_three_times() {
    let mut neighbours = resolver();
    assert_eq!(timeline(&mut neighbours, 0, 1000), [(0, GROUP), (200, GROUP), (400, GROUP), (600, GROUP)]);
    neighbours.receive(UPLINK, &reply(PEER), ms(1000));
    assert_eq!(neighbours.mac(next_hop()), Some(PEER));
    assert!(neighbours.take_changed());
    assert_eq!(timeline(&mut neighbours, 1000, 21_010), [(21_000, PEER)]);
    // An answer to a question by unicast may leave the MAC out.
    neighbours.receive(UPLINK, &advertisement(None, SOLICITED, OUR_IP), ms(21_010));
    assert!(!neighbours.take_changed());
    let expected = [(41_010, PEER), (42_010, PEER), (43_010, PEER), (44_010, GROUP), (44_210, GROUP)];
    assert_eq!(timeline(&mut neighbours, 21_010, 44_220), expected);
    assert_eq!(neighbours.mac(next_hop()), None);
}

#[test]
fn whatever_names_the_mac_is_learned_where_nothing_is_known() {
    let all_nodes = wire::ipv6::ALL_NODES;
    for frame in [
        advertisement(Some(PEER), SOLICITED, OUR_IP),
        advertisement(Some(PEER), OVERRIDE, all_nodes),
        advertisement(Some(PEER), 0, all_nodes),
        their_question(PEER),
    ] {
        let mut neighbours = resolver();
        neighbours.receive(UPLINK, &frame, ms(1));
        assert_eq!(neighbours.mac(next_hop()), Some(PEER), "{frame:02x?}");
    }
    let mut neighbours = resolver();
    neighbours.receive(UPLINK, &advertisement(None, SOLICITED, OUR_IP), ms(1));
    assert_eq!(neighbours.mac(next_hop()), None, "it names none");
}

#[test]
fn an_unasked_claim_of_another_mac_is_checked_before_it_is_believed() {
    for claim in [reply(OTHER), their_question(OTHER), advertisement(Some(OTHER), 0, wire::ipv6::ALL_NODES)] {
        let mut neighbours = acquainted();
        neighbours.receive(UPLINK, &claim, ms(5000));
        assert_eq!(neighbours.mac(next_hop()), Some(PEER));
        assert_eq!(timeline(&mut neighbours, 5000, 5500), [(5000, GROUP)]);
        neighbours.receive(UPLINK, &reply(OTHER), ms(5600));
        assert_eq!(neighbours.mac(next_hop()), Some(OTHER));
    }
}

#[test]
fn without_the_override_flag_an_answer_does_not_replace_what_is_known() {
    let mut neighbours = acquainted();
    timeline(&mut neighbours, 0, 20_010);
    neighbours.receive(UPLINK, &advertisement(Some(OTHER), SOLICITED, OUR_IP), ms(20_010));
    assert_eq!(neighbours.mac(next_hop()), Some(PEER));
    assert_eq!(timeline(&mut neighbours, 20_010, 21_100), [(21_000, GROUP)], "but everybody is asked");
    neighbours.receive(UPLINK, &advertisement(Some(PEER), SOLICITED, OUR_IP), ms(21_100));
    assert_eq!(timeline(&mut neighbours, 21_100, 41_000), [], "and whoever we knew has answered");
}

#[test]
fn an_unsolicited_advertisement_with_the_override_flag_moves_the_next_hop() {
    let mut neighbours = acquainted();
    neighbours.receive(UPLINK, &advertisement(Some(OTHER), OVERRIDE, wire::ipv6::ALL_NODES), ms(20));
    assert_eq!(neighbours.mac(next_hop()), Some(OTHER));
    assert!(neighbours.take_changed());
}

#[test]
fn only_an_answer_confirms() {
    for unasked in [their_question(PEER), advertisement(Some(PEER), OVERRIDE, wire::ipv6::ALL_NODES)] {
        let mut neighbours = acquainted();
        neighbours.receive(UPLINK, &unasked, ms(10_000));
        assert_eq!(timeline(&mut neighbours, 10_000, 20_010), [(20_000, PEER)]);
    }
}

#[test]
fn what_rfc_4861_section_7_1_does_not_let_through_is_ignored() {
    let good = reply(PEER);
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 9] = [
        ("hop limit", |frame| frame[21] = 254),
        ("checksum", |frame| frame[57] ^= 1),
        ("code", |frame| frame[55] = 1),
        ("target is a group", |frame| frame[62..64].copy_from_slice(&[0xff, 2])),
        ("solicited to a group", |frame| frame[38..54].copy_from_slice(&wire::ipv6::ALL_NODES.octets())),
        ("an option of no length", |frame| frame[79] = 0),
        ("cut", |frame| frame.truncate(80)),
        ("our own MAC", |frame| frame[80..86].copy_from_slice(&OURS.octets())),
        ("a group's MAC", |frame| frame[80..86].copy_from_slice(&GROUP.octets())),
    ];
    for (what, damage) in damages {
        let mut frame = good.clone();
        damage(&mut frame);
        if !matches!(what, "checksum" | "cut") {
            seal(&mut frame);
        }
        let mut neighbours = resolver();
        neighbours.receive(UPLINK, &frame, ms(1));
        assert!(neighbours.resolved().is_empty(), "{what}");
    }
    let mut neighbours = resolver();
    neighbours.receive(PortId(7), &good, ms(1));
    assert!(neighbours.resolved().is_empty(), "another uplink");
    neighbours.receive(UPLINK, &good, ms(1));
    assert_eq!(neighbours.mac(next_hop()), Some(PEER), "and the whole one is believed");
}

#[test]
fn a_next_hop_of_each_family_is_found_on_one_uplink() {
    let mut neighbours = resolver();
    let ipv4 = NextHop { uplink: UPLINK, address: IpAddr::from([192, 0, 2, 2]) };
    neighbours.want(&BTreeSet::from([next_hop(), ipv4]), ms(0));
    let ethertypes: Vec<_> = sent(&mut neighbours, ms(0)).iter().map(|frame| [frame[12], frame[13]]).collect();
    assert_eq!(ethertypes, [[8, 6], [0x86, 0xdd]]);
    let question = wire::arp::Repr::request(OTHER, [192, 0, 2, 2].into(), [192, 0, 2, 1].into());
    neighbours.receive(UPLINK, &question.reply(OTHER).to_frame(OURS), ms(1));
    neighbours.receive(UPLINK, &question.to_frame(Mac::BROADCAST), ms(1));
    neighbours.receive(UPLINK, &reply(PEER), ms(1));
    assert_eq!(neighbours.resolved(), BTreeMap::from([(next_hop(), PEER), (ipv4, OTHER)]));
}
