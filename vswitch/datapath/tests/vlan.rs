//! VLANs octet by octet: tags come off and go on, the node and bridged networks share an uplink, floods are bounded.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::{Cause, Inject, Member, MemberKind, PortId, Role, Snapshot, Vlans};
use frame::{Offload, Transport};
use rig::*;
use table::{MemberId, NetworkId};
use wire::{Mac, vlan::VlanId};

fn vlan(id: u16) -> VlanId {
    VlanId::new(id).unwrap()
}

fn member(network: u16, port: u16, id: u16, generation: u64) -> Option<Member> {
    let kind = MemberKind::Local { port: PortId(port), vlan: Some(vlan(id)) };
    Some(Member { generation, network: NetworkId(network), kind })
}

/// Port 1 is a trunk: network 0 in VLAN 10, network 1 in VLAN 20. The node is in VLAN 100 of the uplink, and network 0 in
/// VLAN 30 there.
fn vlans(snapshot: &mut Snapshot, stamp: u64) {
    snapshot.members[1] = member(0, 1, 10, stamp);
    snapshot.members.extend([member(1, 1, 20, stamp), member(0, 0, 30, stamp)]);
    snapshot.networks[0] = network(7, &[1, 2, 3, 4, 8]);
    snapshot.networks[1] = network(8, &[6, 7]);
    let trunk = snapshot.ports[1].as_mut().unwrap();
    let tagged = vec![(vlan(10), MemberId(1)), (vlan(20), MemberId(7))];
    (trunk.vlans, trunk.generation) = (Vlans { untagged: None, tagged, transparent: false }, stamp);
    let uplink = snapshot.ports[0].as_mut().unwrap();
    let tagged = vec![(vlan(30), MemberId(8))];
    (uplink.vlans, uplink.generation) = (Vlans { untagged: None, tagged, transparent: false }, stamp);
    own_vlan(snapshot, 100);
}

fn own_vlan(snapshot: &mut Snapshot, id: u16) {
    let uplink = snapshot.ports[0].as_mut().unwrap();
    let Role::Uplink { vlan: own, .. } = &mut uplink.role else { panic!("port 0 is the uplink") };
    *own = Some(vlan(id));
}

fn rig() -> Rig {
    let mut rig = Rig::new(Size::default());
    rig.change(vlans);
    rig
}

/// The frame with a tag of that control information in front.
fn tag(tci: u16, frame: &[u8]) -> Vec<u8> {
    service_tag(0x8100, tci, frame)
}

fn service_tag(ethertype: u16, tci: u16, frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &ethertype.to_be_bytes(), &tci.to_be_bytes(), &frame[12..]].concat()
}

/// What comes out of `port` when `packet` goes in by `from`.
fn sent(rig: &mut Rig, from: u16, packet: &[u8], port: u16) -> Vec<Vec<u8>> {
    rig.out();
    rig.send(from, packet);
    let peer = &rig.peers[&port];
    std::iter::from_fn(|| peer.recv()).collect()
}

#[test]
fn a_tag_comes_off_on_receipt_and_goes_on_before_sending() {
    let mut rig = rig();
    assert_eq!(sent(&mut rig, 1, &tag(10, &plain(2, 1)), 2), [plain(2, 1)]);
    assert_eq!(sent(&mut rig, 2, &plain(1, 2), 1), [tag(10, &plain(1, 2))]);
    // Again, by the cached decision.
    assert_eq!(sent(&mut rig, 2, &plain(1, 2), 1), [tag(10, &plain(1, 2))]);
    rig.assert_at_rest();
}

#[test]
fn each_vlan_of_a_trunk_is_a_network_of_its_own() {
    let mut rig = rig();
    // Two copies leave by the uplink: to the VTEP in the node's VLAN, and bridged.
    assert_eq!(rig.through(1, &tag(10, &plain(99, 1))), [2, 0, 1, 1, 0]);
    assert_eq!(rig.through(1, &tag(20, &plain(99, 1))), [0, 0, 0, 0, 1]);
    assert_eq!(sent(&mut rig, 4, &plain(1, 4), 1), [tag(20, &plain(1, 4))]);
    rig.assert_at_rest();
}

#[test]
fn a_priority_does_not_change_where_a_frame_belongs() {
    let mut rig = rig();
    assert_eq!(sent(&mut rig, 1, &tag(0xa00a, &plain(2, 1)), 2), [plain(2, 1)]);
    rig.send(1, &tag(0xa000, &plain(2, 1)));
    assert_eq!(rig.dropped(Cause::VlanRefused), 1, "a priority tag is no VLAN, and nothing untagged is let in");
    rig.change(|snapshot, stamp| {
        let trunk = snapshot.ports[1].as_mut().unwrap();
        trunk.vlans.tagged.remove(0);
        (trunk.vlans.untagged, trunk.generation) = (Some(MemberId(1)), stamp);
    });
    assert_eq!(sent(&mut rig, 1, &tag(0xa000, &plain(2, 1)), 2), [plain(2, 1)]);
    assert_eq!(sent(&mut rig, 1, &plain(2, 1), 2), [plain(2, 1)]);
    rig.assert_at_rest();
}

#[test]
fn what_is_in_no_vlan_of_a_trunk_is_refused() {
    let mut rig = rig();
    let refused = [plain(2, 1), tag(11, &plain(2, 1)), tag(0x0fff, &plain(2, 1)), tag(11, &tag(10, &plain(2, 1)))];
    for (before, frame) in refused.iter().enumerate() {
        assert_eq!(rig.through(1, frame), [0; 5]);
        assert_eq!(rig.dropped(Cause::VlanRefused), before as u64 + 1);
    }
    assert_eq!(rig.through(0, &plain(2, 9)), [0; 5], "the uplink has no untagged frames either");
    assert_eq!(rig.dropped(Cause::VlanRefused), 5);
    rig.assert_at_rest();
}

#[test]
fn inner_tags_are_payload() {
    let mut rig = rig();
    let inner = tag(7, &plain(2, 1));
    assert_eq!(sent(&mut rig, 1, &tag(10, &inner), 2), std::slice::from_ref(&inner));
    assert_eq!(sent(&mut rig, 1, &service_tag(0x88a8, 10, &inner), 2), [inner]);
    // Port 2 looks at no tags at all.
    let inner = tag(20, &plain(1, 2));
    assert_eq!(sent(&mut rig, 2, &inner, 1), [tag(10, &inner)]);
    rig.assert_at_rest();
}

#[test]
fn a_network_is_on_the_wire_in_its_vlan_of_the_uplink() {
    let mut rig = rig();
    rig.send(0, &tag(30, &plain(99, 9)));
    assert_eq!(sent(&mut rig, 2, &plain(9, 2), 0), [tag(30, &plain(9, 2))], "learned behind the uplink");
    assert_eq!(sent(&mut rig, 0, &tag(30, &plain(2, 9)), 2), [plain(2, 9)]);
    // What came by the wire goes to the VTEP, too: these are two members.
    let out = sent(&mut rig, 0, &tag(30, &plain(99, 9)), 0);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0][12..16], [0x81, 0, 0, 100]);
    rig.assert_at_rest();
}

#[test]
fn the_nodes_own_vlan_carries_vxlan_and_what_the_host_says() {
    let mut rig = rig();
    let packet = Tunnelled::default().around(&plain(2, 9));
    assert_eq!(sent(&mut rig, 0, &tag(100, &packet), 2), [plain(2, 9)]);
    assert_eq!(rig.through(0, &packet), [0; 5]);
    assert_eq!(rig.dropped(Cause::VlanRefused), 1, "not without the tag");
    let out = sent(&mut rig, 2, &plain(9, 2), 0);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0][12..18], [0x81, 0, 0, 100, 8, 0]);
    assert_eq!(out[0][out[0].len() - plain(9, 2).len()..], plain(9, 2));

    let arp = ethernet(UPLINK_MAC, mac(200), 0x0806, &arp(200, 200)[14..]);
    rig.send(0, &tag(100, &arp));
    let punt = rig.wires[0].punts.pop().unwrap();
    assert_eq!(punt.frame.data(), arp);
    assert!(rig.wires[0].injects.push(Inject { port: PortId(0), frame: punt.frame }).is_ok());
    rig.settle();
    assert_eq!(rig.peers[&0].recv().unwrap(), tag(100, &arp));
    rig.assert_at_rest();
}

#[test]
fn node_and_network_share_a_vlan() {
    let mut rig = rig();
    rig.change(|snapshot, stamp| {
        own_vlan(snapshot, 30);
        snapshot.ports[0].as_mut().unwrap().generation = stamp;
    });
    let packet = Tunnelled::default().around(&plain(2, 9));
    assert_eq!(sent(&mut rig, 0, &tag(30, &packet), 2), [plain(2, 9)]);
    let mut asks = arp(200, 200);
    assert_eq!(rig.through(0, &tag(30, &asks)), [1, 1, 1, 1, 0], "whoever else is asked for may be in the network");
    assert_eq!(rig.take_punts(), 0);
    asks[38..42].copy_from_slice(&LOCAL);
    assert_eq!(rig.through(0, &tag(30, &asks)), [0; 5]);
    assert_eq!(rig.take_punts(), 1, "the node is asked for");
    assert_eq!(sent(&mut rig, 0, &tag(30, &plain(2, 55)), 2), [plain(2, 55)]);
    assert_eq!(sent(&mut rig, 2, &plain(55, 2), 0), [tag(30, &plain(55, 2))]);
    rig.assert_at_rest();
}

#[test]
fn a_port_floods_no_more_a_second_than_it_may() {
    let mut rig = Rig::new(Size::default());
    rig.change(|snapshot, stamp| {
        let port = snapshot.ports[1].as_mut().unwrap();
        (port.storm_max, port.generation) = (Some(50), stamp);
    });
    let flood = ethernet(Mac::BROADCAST, mac(1), 0x88b5, &[0; 46]);
    let burst = |rig: &mut Rig| {
        rig.out();
        (0..30).for_each(|_| rig.send(1, &flood));
        rig.out()[2]
    };
    burst(&mut rig);
    assert_eq!(burst(&mut rig), 0, "the tick's share is spent");
    rig.pass(1);
    assert_eq!(burst(&mut rig), 5);
    rig.pass(20);
    assert_eq!(burst(&mut rig), 10, "no more than two ticks' worth is saved");
    assert_eq!(rig.through(2, &plain(1, 2)), [0, 1, 0, 0, 0], "others may flood and answer");
    assert_eq!(rig.through(1, &plain(2, 1)), [0, 0, 1, 0, 0], "what is known is no storm");
    assert!(rig.dropped(Cause::StormControl) >= 75);
    rig.assert_at_rest();
}

#[test]
fn each_segment_of_a_super_frame_gets_the_tag_of_where_it_goes() {
    let mut rig = rig();
    // Station 1 is on the trunk, 8 bridged to the uplink, 9 behind the tunnel.
    rig.send(1, &tag(10, &plain(99, 1)));
    rig.send(0, &tag(30, &plain(99, 8)));
    rig.send(0, &tag(100, &Tunnelled::default().around(&plain(99, 9))));
    rig.out();
    let offload = Some(Offload { transport: Transport::Tcp, segment: 1000 });
    for (dst, port, vlan, is_tunnelled) in [(1, 1, 10, false), (8, 0, 30, false), (9, 0, 100, true)] {
        // With a tag of its own inside, too.
        for packet in [tcp(dst, 2, 9500), tag(7, &tcp(dst, 2, 9500))] {
            assert!(rig.peers[&2].send_unfinished(&packet, offload));
            rig.settle();
            let segments: Vec<_> = std::iter::from_fn(|| rig.peers[&port].recv()).collect();
            assert!(segments.iter().all(|segment| segment[12..16] == [0x81, 0, 0, vlan]));
            let untagged = || segments.iter().map(|segment| [&segment[..12], &segment[16..]].concat()).collect();
            let packets = if is_tunnelled { inner(untagged()) } else { segments.clone() };
            assert_eq!((packets.len(), read(packets).concat()), (10, octets(9500)), "to station {dst}");
        }
    }
    rig.assert_at_rest();
}
