use wire::{
    Dscp, Mac, OuterParams, OuterTemplate, Vni,
    too_big::{ANSWER_MAX, answer},
};

use super::*;

const LOCAL: [u8; 4] = [192, 0, 2, 1];
const REMOTE: [u8; 4] = [198, 51, 100, 2];
const SOURCE_PORT: u16 = 50_000;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn between() -> Between {
    (LOCAL.into(), REMOTE.into())
}

fn six() -> Between {
    ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap())
}

fn mtus() -> PathMtus {
    let mut mtus = PathMtus::default();
    mtus.configure([between(), six()].map(|between| Sent { between, udp_port: 4789 }).into());
    mtus
}

/// A packet of that many octets that a tunnel sends.
fn packet((src, dst): Between, udp_dst: u16, source_port: u16, octets: usize) -> Vec<u8> {
    let params = OuterParams {
        dst_mac: Mac::new([2, 0, 0, 0, 0, 9]),
        src_mac: Mac::new([2, 0, 0, 0, 0, 1]),
        src,
        dst,
        udp_dst,
        ttl: 64,
        dscp: Dscp::Fixed(0),
        df: true,
        checksum: true,
        vni: Vni::new(7).unwrap(),
    };
    let outer = OuterTemplate::new(&params).unwrap();
    let mut packet = vec![0; 14 + octets];
    assert!(outer.write(&mut packet, source_port, 0, 0));
    packet
}

/// The error with which a router answers `packet`.
fn error(packet: &[u8], mtu: u16) -> Vec<u8> {
    let mut out = [0; ANSWER_MAX];
    let len = answer(packet, &wire::parse(packet).unwrap(), mtu, &mut out).expect("it is too long");
    out[..len].to_vec()
}

fn told(mtu: u16) -> Vec<u8> {
    error(&packet(between(), 4789, SOURCE_PORT, 1500), mtu)
}

#[test]
fn an_error_about_a_packet_of_ours_lowers_its_mtu_for_ten_minutes() {
    let mut mtus = mtus();
    mtus.receive(&told(1400), second(5)).unwrap();
    assert_eq!(mtus.lowered()[&between()], Lowered { mtu: 1400, until: second(605) });
    assert!(mtus.take_changed() && !mtus.take_changed());
    mtus.poll(second(604));
    assert!(!mtus.take_changed());
    mtus.poll(second(605));
    assert!(mtus.take_changed() && mtus.lowered().is_empty());
}

#[test]
fn it_is_lowered_again_and_confirmed_and_never_raised() {
    let mut mtus = mtus();
    for (at, says, mtu, until, changed) in [
        (0, 1400, 1400, 600, true),
        (10, 1400, 1400, 610, false),
        (20, 1450, 1400, 610, false),
        (30, 1300, 1300, 630, true),
        (40, 68, 576, 640, true),
        (50, 0, 576, 650, false),
    ] {
        mtus.receive(&told(says), second(at)).unwrap();
        let expected = Lowered { mtu, until: second(until) };
        assert_eq!((mtus.lowered()[&between()], mtus.take_changed()), (expected, changed), "{says}");
    }
}

#[test]
fn over_ipv6_nobody_who_says_less_than_1280_is_believed() {
    let mut mtus = mtus();
    let packet = packet(six(), 4789, SOURCE_PORT, 1500);
    assert_eq!(mtus.receive(&error(&packet, 1279), second(0)), Err(Refused::NotOurPacket));
    mtus.receive(&error(&packet, 1280), second(0)).unwrap();
    assert_eq!(mtus.lowered()[&six()].mtu, 1280);
}

#[test]
fn about_packets_that_we_cannot_have_sent_nothing_is_believed() {
    let (local, remote): Between = between();
    let other: IpAddr = [203, 0, 113, 7].into();
    let sound = || packet(between(), 4789, SOURCE_PORT, 1500);
    let mut mtus = mtus();
    for (why, forged) in [
        ("another source", error(&packet((other, remote), 4789, SOURCE_PORT, 1500), 1400)),
        ("another destination", error(&packet((local, other), 4789, SOURCE_PORT, 1500), 1400)),
        ("the other way round", error(&packet((remote, local), 4789, SOURCE_PORT, 1500), 1400)),
        ("another port", error(&packet(between(), 8472, SOURCE_PORT, 1500), 1400)),
        ("a source port of nobody", error(&packet(between(), 4789, 49_151, 1500), 1400)),
        ("a packet that fits", {
            // Its length says so: in the quote, behind Ethernet, IPv4 and ICMP; both sums are made good.
            let mut forged = error(&sound(), 1400);
            forged[14 + 28 + 2..14 + 28 + 4].copy_from_slice(&1400u16.to_be_bytes());
            forged[14 + 22..14 + 24].fill(0);
            let end = 14 + usize::from(u16::from_be_bytes([forged[16], forged[17]]));
            let sum = wire::checksum::of(&forged[14 + 20..end]);
            forged[14 + 22..14 + 24].copy_from_slice(&sum.to_be_bytes());
            forged
        }),
    ] {
        assert_eq!(mtus.receive(&forged, second(0)), Err(Refused::NotOurPacket), "{why}");
    }
    assert!(mtus.lowered().is_empty() && !mtus.take_changed());
    mtus.receive(&sound(), second(0)).expect("what is no such error is for others to judge");
}

#[test]
fn what_is_no_longer_sent_is_forgotten() {
    let mut mtus = mtus();
    mtus.receive(&told(1400), second(0)).unwrap();
    mtus.configure([Sent { between: between(), udp_port: 8472 }].into());
    assert_eq!(mtus.lowered().len(), 1, "the way is the same for every port");
    mtus.configure(BTreeSet::new());
    assert!(mtus.lowered().is_empty());
}
