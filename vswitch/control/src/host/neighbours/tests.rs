use super::*;

const OURS: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
const PEER: Mac = Mac::new([2, 0, 0, 0, 0, 2]);
const OTHER: Mac = Mac::new([2, 0, 0, 0, 0, 3]);
const OUR_IP: [u8; 4] = [192, 0, 2, 1];
const PEER_IP: [u8; 4] = [192, 0, 2, 2];
const UPLINK: PortId = PortId(0);
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn next_hop() -> NextHop {
    NextHop { uplink: UPLINK, address: IpAddr::from(PEER_IP) }
}

fn sources() -> BTreeMap<PortId, Attachment> {
    let addresses = vec![(IpAddr::from([10, 0, 0, 1]), 8), (IpAddr::from(OUR_IP), 24)];
    BTreeMap::from([(UPLINK, Attachment { mac: OURS, mtu: 1500, addresses, gateway: None, gateway6: None })])
}

fn resolver() -> Neighbours {
    let mut neighbours = Neighbours::new();
    neighbours.configure(&sources());
    neighbours.want(&BTreeSet::from([next_hop()]), ms(0));
    neighbours
}

/// An ARP frame, octet by octet (RFC 826).
fn arp(to: Mac, operation: u8, sender: (Mac, [u8; 4]), target: (Mac, [u8; 4])) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to.octets());
    frame.extend(sender.0.octets());
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(sender.0.octets());
    frame.extend(sender.1);
    frame.extend(target.0.octets());
    frame.extend(target.1);
    frame
}

fn reply(mac: Mac) -> Vec<u8> {
    arp(OURS, REPLY, (mac, PEER_IP), (OURS, OUR_IP))
}

fn sent(neighbours: &mut Neighbours, now: Duration) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    neighbours.poll(
        now,
        |uplink| uplink == UPLINK,
        |port, frame| {
            assert_eq!(port, UPLINK);
            frames.push(frame.to_vec());
        },
    );
    frames
}

/// When requests go out between two times, in steps of 10 ms, and to whom.
fn timeline(neighbours: &mut Neighbours, from_ms: u64, to_ms: u64) -> Vec<(u64, Mac)> {
    let mut times = Vec::new();
    for now in (from_ms..to_ms).step_by(10) {
        for frame in sent(neighbours, ms(now)) {
            times.push((now, Mac::new(frame[..6].try_into().unwrap())));
        }
    }
    times
}

#[test]
fn the_question_is_a_broadcast_arp_request_from_the_address_in_the_same_prefix() {
    let expected = arp(Mac::BROADCAST, REQUEST, (OURS, OUR_IP), (Mac::ZERO, PEER_IP));
    assert_eq!(sent(&mut resolver(), ms(0)), [expected]);
}

#[test]
fn an_unknown_next_hop_is_asked_for_quickly_at_first_and_then_every_second() {
    let times: Vec<u64> = timeline(&mut resolver(), 0, 3700).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [0, 200, 400, 600, 1600, 2600, 3600]);
}

#[test]
fn nothing_is_asked_on_an_uplink_that_is_not_ready() {
    let mut neighbours = resolver();
    neighbours.poll(ms(0), |_| false, |_, _| panic!("asked"));
    assert_eq!(sent(&mut neighbours, ms(300)).len(), 1, "the question has waited");
}

#[test]
fn an_answer_is_learned_and_asked_again_by_unicast_until_it_fails_three_times() {
    let mut neighbours = resolver();
    assert_eq!(timeline(&mut neighbours, 0, 100).len(), 1);
    assert!(!neighbours.take_changed());
    neighbours.receive(UPLINK, &reply(PEER), ms(100));
    assert_eq!(neighbours.mac(next_hop()), Some(PEER));
    assert!(neighbours.take_changed() && !neighbours.take_changed());
    assert_eq!(timeline(&mut neighbours, 100, 20_110), [(20_100, PEER)]);
    neighbours.receive(UPLINK, &reply(PEER), ms(20_110));
    assert!(!neighbours.take_changed());
    let (to_peer, to_all) = (PEER, Mac::BROADCAST);
    let expected = [(40_110, to_peer), (41_110, to_peer), (42_110, to_peer), (43_110, to_all), (43_310, to_all)];
    assert_eq!(timeline(&mut neighbours, 20_110, 43_320), expected);
    assert_eq!(neighbours.mac(next_hop()), None);
    assert!(neighbours.take_changed());
}

#[test]
fn nothing_is_learned_about_strangers_or_on_other_uplinks() {
    let mut neighbours = resolver();
    let stranger = arp(OURS, REPLY, (OTHER, [192, 0, 2, 9]), (OURS, OUR_IP));
    neighbours.receive(UPLINK, &stranger, ms(1));
    neighbours.receive(PortId(7), &reply(PEER), ms(1));
    assert!(neighbours.resolved().is_empty());
    assert!(!neighbours.take_changed());
}

#[test]
fn impossible_senders_are_not_believed() {
    let mut neighbours = resolver();
    for mac in [Mac::ZERO, Mac::BROADCAST, Mac::new([1, 0, 0, 0, 0, 2]), OURS] {
        neighbours.receive(UPLINK, &reply(mac), ms(1));
    }
    assert!(neighbours.resolved().is_empty());
}

#[test]
fn the_next_hops_own_request_is_learned_from() {
    let mut neighbours = resolver();
    neighbours.receive(UPLINK, &arp(Mac::BROADCAST, REQUEST, (PEER, PEER_IP), (Mac::ZERO, OUR_IP)), ms(1));
    assert_eq!(neighbours.mac(next_hop()), Some(PEER));
}

#[test]
fn an_unasked_claim_of_another_mac_is_checked_before_it_is_believed() {
    for claim in [reply(OTHER), arp(Mac::BROADCAST, REQUEST, (OTHER, PEER_IP), (Mac::ZERO, OUR_IP))] {
        let mut neighbours = resolver();
        sent(&mut neighbours, ms(0));
        neighbours.receive(UPLINK, &reply(PEER), ms(10));
        neighbours.receive(UPLINK, &claim, ms(5000));
        assert_eq!(neighbours.mac(next_hop()), Some(PEER));
        assert_eq!(timeline(&mut neighbours, 5000, 5500), [(5000, Mac::BROADCAST)]);
        // More claims provoke no more than one question a second.
        neighbours.receive(UPLINK, &claim_again(), ms(5500));
        neighbours.receive(UPLINK, &reply(PEER), ms(5600));
        neighbours.receive(UPLINK, &claim_again(), ms(5700));
        assert_eq!(timeline(&mut neighbours, 5700, 6500), [(6000, Mac::BROADCAST)]);
        // It did move: its answer says so.
        neighbours.receive(UPLINK, &reply(OTHER), ms(6500));
        assert_eq!(neighbours.mac(next_hop()), Some(OTHER));
    }
}

fn claim_again() -> Vec<u8> {
    arp(Mac::BROADCAST, REQUEST, (OTHER, PEER_IP), (Mac::ZERO, OUR_IP))
}

#[test]
fn a_gratuitous_announcement_of_a_wanted_next_hop_moves_it() {
    for operation in [REQUEST, REPLY] {
        let mut neighbours = resolver();
        neighbours.receive(UPLINK, &reply(PEER), ms(10));
        neighbours.take_changed();
        neighbours.receive(UPLINK, &arp(Mac::BROADCAST, operation, (OTHER, PEER_IP), (Mac::ZERO, PEER_IP)), ms(20));
        assert_eq!(neighbours.mac(next_hop()), Some(OTHER));
        assert!(neighbours.take_changed());
    }
}

#[test]
fn what_is_no_longer_wanted_is_forgotten_and_what_stays_is_kept() {
    let mut neighbours = resolver();
    neighbours.receive(UPLINK, &reply(PEER), ms(10));
    let second = NextHop { uplink: UPLINK, address: IpAddr::from([192, 0, 2, 3]) };
    neighbours.want(&BTreeSet::from([next_hop(), second]), ms(20));
    assert_eq!(neighbours.resolved(), BTreeMap::from([(next_hop(), PEER)]));
    assert_eq!(neighbours.next_due(), Some(ms(20)));
    neighbours.take_changed();
    neighbours.want(&BTreeSet::new(), ms(30));
    assert!(neighbours.resolved().is_empty() && neighbours.take_changed());
    assert_eq!(neighbours.next_due(), None);
}

#[test]
fn damaged_arp_frames_are_ignored() {
    let whole = reply(PEER);
    for len in 0..whole.len() {
        let mut neighbours = resolver();
        neighbours.receive(UPLINK, &whole[..len], ms(1));
        assert!(neighbours.resolved().is_empty(), "cut to {len} octets");
    }
    for at in 12..20 {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        let mut neighbours = resolver();
        neighbours.receive(UPLINK, &damaged, ms(1));
        assert!(neighbours.resolved().is_empty(), "octet {at} changed");
    }
}

#[test]
fn behind_a_link_that_was_away_only_an_answer_is_believed() {
    let mut neighbours = resolver();
    neighbours.receive(UPLINK, &reply(PEER), ms(5));
    assert!(neighbours.take_changed());
    neighbours.forget(UPLINK, ms(10));
    assert!(neighbours.take_changed());
    assert_eq!(neighbours.mac(next_hop()), None);
    let request = arp(Mac::BROADCAST, REQUEST, (PEER, PEER_IP), (Mac::ZERO, OUR_IP));
    let announcement = arp(Mac::BROADCAST, REQUEST, (PEER, PEER_IP), (Mac::ZERO, PEER_IP));
    for hearsay in [request, announcement] {
        neighbours.receive(UPLINK, &hearsay, ms(15));
        assert_eq!(neighbours.mac(next_hop()), None, "it may hear us not");
    }
    assert_eq!(timeline(&mut neighbours, 20, 30), [(20, Mac::BROADCAST)]);
    neighbours.receive(UPLINK, &reply(PEER), ms(30));
    assert_eq!(neighbours.mac(next_hop()), Some(PEER));
}
