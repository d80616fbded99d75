//! In a network that tells its flows apart by their five-tuples, each connection is a flow; what becomes of its packets is
//! what would in any other network.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use datapath::{FlowView, Profile};
use proptest::prelude::*;
use rig::*;

/// A switch whose network 0 tells its flows apart so, with stations 1 and 2 learned.
fn rig_with(size: Size, profile: Profile) -> Rig {
    let mut rig = Rig::new(size);
    set(&mut rig, profile);
    rig.send(2, &plain(1, 2));
    rig.send(1, &plain(2, 1));
    rig.out();
    rig
}

fn set(rig: &mut Rig, profile: Profile) {
    rig.change(|snapshot, stamp| {
        let network = snapshot.networks[0].as_mut().unwrap();
        (network.generation, network.profile) = (stamp, profile);
    });
}

fn by_tuple() -> Rig {
    rig_with(Size::default(), Profile::FiveTuple)
}

/// A UDP datagram of station 1 to station 2 over either IP.
fn datagram(is_ipv6: bool, ports: (u16, u16), len: usize) -> Vec<u8> {
    let payload = udp(ports.0, ports.1, &vec![0; len]);
    if is_ipv6 {
        return ethernet(mac(2), mac(1), 0x86dd, &ipv6(v6(1), v6(2), 17, &payload));
    }
    ethernet(mac(2), mac(1), 0x0800, &ipv4(address(1), address(2), 17, &payload))
}

fn v6(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number)
}

/// Source, destination, protocol and ports.
type Who = (IpAddr, IpAddr, u8, Option<(u16, u16)>);

/// Flows with a five-tuple, by that.
fn tuples(rig: &Rig) -> BTreeMap<Who, FlowView> {
    let flows = rig.workers.iter().flat_map(|worker| worker.view().flows().collect::<Vec<_>>());
    let keyed = flows.filter_map(|flow| {
        let tuple = flow.tuple?;
        let (source, destination) = tuple.addresses();
        Some(((source, destination, tuple.protocol(), tuple.ports()), flow))
    });
    keyed.collect()
}

#[test]
fn each_connection_is_a_flow_with_its_own_counts() {
    for is_ipv6 in [false, true] {
        let mut rig = by_tuple();
        for (port, count) in [(1000, 3), (1001, 1), (1002, 7)] {
            for _ in 0..count {
                assert_eq!(rig.through(1, &datagram(is_ipv6, (port, 53), 40)), [0, 0, 1, 0, 0]);
            }
        }
        let flows = tuples(&rig);
        let [source, destination] = match is_ipv6 {
            true => [v6(1), v6(2)].map(IpAddr::from),
            false => [address(1), address(2)].map(IpAddr::from),
        };
        let packets = |port| {
            let flow = &flows[&(source, destination, 17, Some((port, 53)))];
            assert_eq!(
                (flow.source, flow.bytes),
                (Some(source), flow.packets * datagram(is_ipv6, (1, 1), 40).len() as u64)
            );
            flow.packets
        };
        assert_eq!((flows.len(), [1000, 1001, 1002].map(packets)), (3, [3, 1, 7]));
        let reading = rig.total();
        assert_eq!((reading.flow_misses, reading.flow_hits), (2 + 3, 8));
        rig.assert_at_rest();
    }
}

#[test]
fn by_macs_they_are_one_flow() {
    let mut rig = rig_with(Size::default(), Profile::L2);
    for port in 1000..1010 {
        assert_eq!(rig.through(1, &datagram(port % 2 == 0, (port, 53), 40)), [0, 0, 1, 0, 0]);
    }
    let flows: Vec<_> = rig.workers[0].view().flows().filter(|flow| flow.src == mac(1)).collect();
    assert_eq!((flows.len(), flows[0].packets, flows[0].tuple, flows[0].source), (1, 11, None, None));
    rig.assert_at_rest();
}

#[test]
fn a_connection_is_one_flow_whichever_way_its_packets_take() {
    for is_ipv6 in [false, true] {
        let mut rig = by_tuple();
        let plain = datagram(is_ipv6, (1000, 53), 40);
        let mut other = plain.clone();
        if is_ipv6 {
            // Destination options that say nothing: behind them is what was there before.
            let options = [17, 0, 1, 4, 0, 0, 0, 0];
            other.splice(54..54, options);
            let length = u16::from_be_bytes([other[18], other[19]]) + options.len() as u16;
            other[20] = 60;
            other[18..20].copy_from_slice(&length.to_be_bytes());
        } else {
            other.splice(34..34, [1, 1, 1, 0]);
            let total = (other.len() - 14) as u16;
            other[14] = 0x46;
            other[16..18].copy_from_slice(&total.to_be_bytes());
        }
        for frame in [&plain, &other, &plain, &other] {
            assert_eq!(rig.through(1, frame), [0, 0, 1, 0, 0]);
        }
        let flows = tuples(&rig);
        assert_eq!(flows.values().map(|flow| flow.packets).collect::<Vec<_>>(), [4], "{flows:?}");
        rig.assert_at_rest();
    }
}

#[test]
fn what_has_no_ports_has_a_key_all_the_same() {
    let mut rig = by_tuple();
    let packet =
        |protocol, payload: &[u8]| ethernet(mac(2), mac(1), 0x0800, &ipv4(address(1), address(2), protocol, payload));
    let mut first = packet(17, &udp(1000, 53, &[0; 16]));
    first[20] = 0x20;
    let mut later = packet(17, &[7; 24]);
    later[21] = 3;
    let ping = |kind, number| packet(1, &[kind, 0, 0, 0, 1, 1, 0, number]);
    let gre = packet(47, &[0; 20]);
    for frame in [&first, &later, &ping(8, 1), &ping(8, 2), &ping(0, 1), &gre, &plain(2, 1), &arp(1, 1)] {
        rig.send(1, frame);
    }
    let flows: Vec<_> = rig.workers[0].view().flows().filter(|flow| flow.src == mac(1)).collect();
    let of = |protocol, is_fragment, icmp| {
        let is_it = |flow: &&FlowView| {
            flow.tuple.is_some_and(|t| (t.protocol(), t.is_fragment(), t.icmp()) == (protocol, is_fragment, icmp))
        };
        flows.iter().filter(is_it).map(|flow| flow.packets).collect::<Vec<_>>()
    };
    assert_eq!(of(17, true, None), [2], "fragments with ports and without");
    assert_eq!((of(1, false, Some((8, 0))), of(1, false, Some((0, 0)))), (vec![2], vec![1]));
    assert_eq!(of(47, false, None), [1]);
    let bare: Vec<_> = flows.iter().filter(|flow| flow.tuple.is_none()).map(|flow| flow.packets).collect();
    assert_eq!(bare, [2], "what is not IP, by its MACs; ARP is looked at every time");
    rig.assert_at_rest();
}

#[test]
fn out_of_one_tunnel_each_network_has_its_own_keys() {
    let mut rig = by_tuple();
    rig.change(|snapshot, _| hear(&mut snapshot.vteps, REMOTE, 8, 5));
    let inner = |dst: u8, port: u16| {
        let datagram = udp(port, 53, &[0; 40]);
        ethernet(mac(dst), mac(9), 0x0800, &ipv4(address(9), address(dst), 17, &datagram))
    };
    rig.send(4, &plain(9, 6));
    for port in 1000..1004 {
        for _ in 0..3 {
            rig.send(0, &Tunnelled::default().around(&inner(1, port)));
            rig.send(0, &Tunnelled { vni: 8, ..Tunnelled::default() }.around(&inner(6, port)));
        }
    }
    let from_9: Vec<_> = rig.workers[0].view().flows().filter(|flow| flow.src == mac(9)).collect();
    let packets = |is_tuple: bool| {
        let flows = from_9.iter().filter(|flow| flow.tuple.is_some() == is_tuple);
        flows.map(|flow| flow.packets).collect::<Vec<_>>()
    };
    assert_eq!((packets(true), packets(false)), (vec![3; 4], vec![12]));
    rig.assert_at_rest();
}

#[test]
fn a_station_that_moves_takes_all_its_connections_along() {
    let mut rig = by_tuple();
    let frames: Vec<_> = (0..40).map(|n| datagram(n % 2 == 0, (1000 + n, 53), 40)).collect();
    frames.iter().for_each(|frame| assert_eq!(rig.through(1, frame), [0, 0, 1, 0, 0]));
    rig.send(0, &Tunnelled::default().around(&plain(1, 2)));
    let before = rig.total();
    frames.iter().for_each(|frame| assert_eq!(rig.through(1, frame), [1, 0, 0, 0, 0]));
    let after = rig.total();
    assert_eq!(after.flow_redecided - before.flow_redecided, 40);
    rig.send(3, &udp_frame(1, 3, 3, 10));
    frames.iter().for_each(|frame| assert_eq!(rig.through(1, frame), [1, 0, 0, 0, 0]));
    assert_eq!(rig.total().flow_redecided, after.flow_redecided, "what is learned elsewhere touches none of them");
    rig.assert_at_rest();
}

#[test]
fn what_flows_are_told_apart_by_can_change_while_they_flow() {
    let mut rig = by_tuple();
    for profile in [Profile::L2, Profile::FiveTuple, Profile::L2] {
        set(&mut rig, profile);
        for port in [1000, 1001] {
            assert_eq!(rig.through(1, &datagram(false, (port, 53), 40)), [0, 0, 1, 0, 0]);
        }
    }
    assert_eq!(tuples(&rig).values().map(|flow| flow.packets).collect::<Vec<_>>(), [1, 1]);
    rig.pass(FLOW_IDLE_TICKS + 20);
    assert!(tuples(&rig).is_empty(), "what nobody looks up any more ages");
    rig.assert_at_rest();
}

#[test]
fn a_station_bound_to_its_address_is_held_to_it_by_the_five_tuple_too() {
    let mut rig = by_tuple();
    for _ in 0..2 {
        assert_eq!(rig.through(3, &udp_frame(2, 3, 3, 40)), [0, 0, 1, 0, 0]);
        assert_eq!(rig.through(3, &udp_frame(2, 3, 1, 40)), [0; 5]);
        let hidden = ethernet(mac(2), mac(3), 0x0026, &[0xaa; 46]);
        assert_eq!(rig.through(3, &hidden), [0; 5]);
    }
    assert_eq!(rig.drops(), [("spoof-unverifiable", 2), ("spoofed-address", 2)].into());
    rig.assert_at_rest();
}

#[test]
fn a_table_full_of_connections_forwards_what_it_cannot_hold() {
    let mut rig = rig_with(Size { flows: 64, ..Size::default() }, Profile::FiveTuple);
    let count = 2000;
    for port in 0..count {
        assert!(rig.peers[&1].send(&datagram(port % 2 == 0, (port, 53), 40)));
        rig.settle();
    }
    assert_eq!(rig.out()[2], usize::from(count));
    let view = rig.workers[0].view();
    assert!(view.flows_held() <= 64 && rig.total().flow_evicted > 1900);
    assert_eq!(tuples(&rig).len(), view.flows().filter(|flow| flow.tuple.is_some()).count(), "each is one whole key");
    assert!(rig.drops().is_empty());
    rig.assert_at_rest();
}

/// Any frame of station 1 or 9, good or bad: two addresses and ports of few, over either IP, cut and changed.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let shape = (any::<bool>(), 1u8..4, 0u16..3, 0u16..3, prop::sample::select(vec![1u8, 6, 17, 47, 58, 132]));
    let damage = prop::collection::vec((12usize..70, any::<u8>()), 0..3);
    (shape, damage, 0usize..30).prop_map(|((is_ipv6, dst, from, to, protocol), damage, cut)| {
        let payload = [udp(from, to, &[0; 20]), vec![0x50; 20]].concat();
        let packet = match is_ipv6 {
            true => ethernet(mac(dst), mac(1), 0x86dd, &ipv6(v6(from), v6(to), protocol, &payload)),
            false => {
                ethernet(mac(dst), mac(1), 0x0800, &ipv4(address(from as u8), address(to as u8), protocol, &payload))
            }
        };
        let mut packet = packet;
        damage.into_iter().for_each(|(at, octet)| packet[at] = octet);
        packet.truncate(packet.len() - cut.saturating_sub(15));
        packet
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_flows_are_told_apart_by_changes_nothing_but_that(frames in prop::collection::vec((any_frame(), any::<bool>()), 1..60)) {
        let mut rigs = [Profile::L2, Profile::FiveTuple].map(|profile| rig_with(Size::default(), profile));
        for (frame, is_tunnelled) in frames {
            let mut sent = rigs.iter_mut().map(|rig| {
                match is_tunnelled {
                    true => rig.send(0, &Tunnelled::default().around(&frame)),
                    false => rig.send(1, &frame),
                }
                rig.take_punts();
                let out = PORTS.map(|port| std::iter::from_fn(|| rig.peers[&port].recv()).map(without_id).collect::<Vec<_>>());
                (out, rig.drops())
            });
            prop_assert_eq!(sent.next(), sent.next());
        }
        rigs.iter_mut().for_each(Rig::assert_at_rest);
    }
}

/// A packet without what differs from one switch to the next: identification and checksum of an outer header.
fn without_id(mut packet: Vec<u8>) -> Vec<u8> {
    if packet.len() > 50 && packet[36..38] == 4789u16.to_be_bytes() {
        packet[18..20].fill(0);
        packet[24..26].fill(0);
    }
    packet
}

/// In a table of 4096 slots nearly all these flows are at home, one of 64 is nearly full, and one of 256 is between.
#[test]
fn however_full_the_table_is_each_packet_is_a_hit_of_its_own_flow_or_decided_about() {
    let all: Vec<_> =
        (0..40).map(|flow| datagram(flow % 2 == 1, (1000 + flow / 2, 53), 40 + usize::from(flow))).collect();
    for profile in [Profile::L2, Profile::FiveTuple] {
        for flows in [4096, 256, 64] {
            let mut rig = rig_with(Size { flows, ..Size::default() }, profile);
            for round in 1..=3 {
                let before = rig.total();
                all.iter().for_each(|packet| assert!(rig.peers[&1].send(packet)));
                rig.settle();
                let sent: Vec<_> = std::iter::from_fn(|| rig.peers[&2].recv()).collect();
                assert_eq!(sent, all, "{profile:?}, {flows} slots, round {round}: each once, in their order");
                let after = rig.total();
                let (hits, misses) = (after.flow_hits - before.flow_hits, after.flow_misses - before.flow_misses);
                assert_eq!(hits + misses, 40);
                assert!(round == 1 || flows == 64 || misses == 0, "{profile:?}, {flows} slots: {misses} misses");
            }
            if (profile, flows) != (Profile::FiveTuple, 64) {
                let packets: u64 = tuples(&rig).values().map(|flow| flow.packets).sum();
                assert_eq!(packets, if profile == Profile::L2 { 0 } else { 120 }, "each is counted on its flow");
            }
            rig.assert_at_rest();
        }
    }
}
