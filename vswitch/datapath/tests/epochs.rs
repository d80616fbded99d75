//! A cached decision lives exactly as long as what it rests on.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::{Cause, Guard, MemberKind, Role, Snapshot};
use rig::*;
use table::{MemberId, NetworkId};

/// What [`Rig::out`] gives of a frame of port 1: flooded, to port 2 only, to the uplink only, nowhere.
const FLOODED: [usize; 5] = [1, 0, 1, 1, 0];
const TO_PORT_2: [usize; 5] = [0, 0, 1, 0, 0];
const TO_PORT_3: [usize; 5] = [0, 0, 0, 1, 0];
const TO_UPLINK: [usize; 5] = [1, 0, 0, 0, 0];
const NOWHERE: [usize; 5] = [0; 5];

/// A switch that has learned station 1 at port 1, with a cached flow from there to station 2.
fn with_flow() -> Rig {
    let mut rig = Rig::new(Size::default());
    assert_eq!(rig.through(1, &plain(2, 1)), FLOODED);
    rig
}

/// The same, and station 2 learned at port 2.
fn with_two() -> Rig {
    let mut rig = with_flow();
    assert_eq!(rig.through(2, &plain(1, 2)), [0, 1, 0, 0, 0]);
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2);
    rig
}

fn count_macs(rig: &Rig) -> usize {
    rig.workers[0].view().macs().count()
}

fn count_flows(rig: &Rig) -> usize {
    rig.workers[0].view().flows().count()
}

fn edit_port(snapshot: &mut Snapshot, stamp: u64, port: usize, edit: impl FnOnce(&mut datapath::PortSpec)) {
    let spec = snapshot.ports[port].as_mut().unwrap();
    spec.generation = stamp;
    edit(spec);
}

fn edit_network(snapshot: &mut Snapshot, stamp: u64, edit: impl FnOnce(&mut datapath::Network)) {
    let network = snapshot.networks[0].as_mut().unwrap();
    network.generation = stamp;
    edit(network);
}

#[test]
fn a_learned_mac_turns_a_cached_flood_into_a_forward() {
    let mut rig = with_flow();
    assert_eq!(rig.through(1, &plain(2, 1)), FLOODED);
    assert!(rig.total().flow_hits > 0, "the flood was cached");
    rig.send(2, &plain(1, 2));
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2);
    rig.assert_at_rest();
}

#[test]
fn a_moved_mac_takes_its_flows_along() {
    let mut rig = with_two();
    let moved = Tunnelled::default().around(&plain(1, 2));
    assert_eq!(rig.through(0, &moved), [0, 1, 0, 0, 0]);
    assert_eq!(rig.through(1, &plain(2, 1)), TO_UPLINK);
    assert_eq!(rig.total().mac_moved, 1);
    assert_eq!(rig.through(2, &plain(1, 2)), [0, 1, 0, 0, 0], "a cached flow of the old place moves it back");
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2);
    assert_eq!(rig.total().mac_moved, 2);
    rig.assert_at_rest();
}

#[test]
fn learning_elsewhere_touches_no_flow_that_forwards() {
    let mut rig = with_two();
    let before = rig.total().flow_redecided;
    rig.send(3, &udp_frame(1, 3, 3, 10));
    rig.send(4, &plain(2, 1));
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2);
    assert_eq!(rig.total().flow_redecided, before, "only floods rest on what is not known");
}

#[test]
fn a_new_guard_refuses_what_a_cached_flow_let_through() {
    let mut rig = with_two();
    rig.change(|snapshot, stamp| {
        let guard = Guard { macs: Some(vec![mac(77)]), addresses: None };
        edit_port(snapshot, stamp, 1, |port| port.role = Role::Access { guard });
    });
    assert_eq!(rig.through(1, &plain(2, 1)), NOWHERE);
    assert_eq!(rig.dropped(Cause::SpoofedMac), 1);
    rig.change(|snapshot, stamp| {
        edit_port(snapshot, stamp, 1, |port| port.role = Role::Access { guard: Guard::default() });
    });
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2, "and lets through what a cached refusal dropped");
    rig.assert_at_rest();
}

#[test]
fn a_shorter_mtu_holds_for_the_next_frame_of_a_cached_flow() {
    let mut rig = with_two();
    rig.change(|snapshot, stamp| edit_port(snapshot, stamp, 2, |port| port.frame_max = 100));
    assert_eq!(rig.through(1, &udp_frame(2, 1, 1, 200)), [0, 1, 0, 0, 0], "its sender is told");
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2);
    assert_eq!(rig.dropped(Cause::MtuExceeded), 1);
}

#[test]
fn a_next_hop_lost_and_found_holds_for_the_next_frame() {
    let mut rig = with_flow();
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    assert_eq!(rig.through(1, &plain(9, 1)), TO_UPLINK);
    let redecided = rig.total().flow_redecided;
    // No generation moves: what is decided rests on the member, not on the way to it.
    let resolve = |resolved| move |snapshot: &mut Snapshot, _| snapshot.members[4] = vtep(0, 7, REMOTE, resolved);
    rig.change(resolve(false));
    assert_eq!(rig.through(1, &plain(9, 1)), NOWHERE);
    assert_eq!(rig.dropped(Cause::NextHopUnresolved), 1);
    rig.change(resolve(true));
    assert_eq!(rig.through(1, &plain(9, 1)), TO_UPLINK, "the MAC was not forgotten meanwhile");
    assert_eq!(rig.total().flow_redecided, redecided);
}

#[test]
fn a_member_that_goes_takes_its_macs_along() {
    let mut rig = with_two();
    rig.change(|snapshot, stamp| {
        snapshot.members[2] = None;
        snapshot.ports[2] = None;
        edit_network(snapshot, stamp, |network| network.members.retain(|&id| id != MemberId(2)));
    });
    assert_eq!(rig.through(1, &plain(2, 1)), [1, 0, 0, 1, 0], "flooded to those who are left");
    rig.pass(11);
    assert_eq!(count_macs(&rig), 1, "and the sweep forgets them");
    rig.assert_at_rest();
}

#[test]
fn whoever_gets_a_free_id_inherits_nothing() {
    let mut rig = with_two();
    rig.change(|snapshot, stamp| edit_network(snapshot, stamp, |n| n.members.retain(|&id| id != MemberId(2))));
    rig.change(|snapshot, _| snapshot.members[2] = None);
    rig.change(|snapshot, stamp| {
        snapshot.members[2] = local(0, 2);
        snapshot.members[2].as_mut().unwrap().generation = stamp;
        edit_network(snapshot, stamp, |network| network.members.insert(1, MemberId(2)));
    });
    assert_eq!(rig.through(1, &plain(2, 1)), FLOODED);
}

#[test]
fn a_port_that_moves_to_another_network_leaves_its_macs_behind() {
    let mut rig = with_two();
    rig.change(|snapshot, stamp| {
        snapshot.members[2] = local(1, 2);
        snapshot.members[2].as_mut().unwrap().generation = stamp;
        edit_network(snapshot, stamp, |network| network.members.retain(|&id| id != MemberId(2)));
        snapshot.networks[1].as_mut().unwrap().members.push(MemberId(2));
    });
    assert_eq!(rig.through(1, &plain(2, 1)), [1, 0, 0, 1, 0], "nothing crosses from one network into another");
    assert_eq!(rig.through(4, &plain(2, 4)), [0, 0, 1, 0, 0], "where it is now, it is flooded to");
}

#[test]
fn a_removed_network_forwards_nothing_and_keeps_nothing() {
    let mut rig = with_two();
    rig.change(|snapshot, _| {
        snapshot.networks[0] = None;
        (1..=4).for_each(|member| snapshot.members[member] = None);
    });
    assert_eq!(rig.through(1, &plain(2, 1)), NOWHERE);
    assert_eq!(rig.dropped(Cause::PortUnknown), 1);
    rig.pass(11);
    assert_eq!((count_macs(&rig), count_flows(&rig)), (0, 0));
    rig.assert_at_rest();
}

#[test]
fn a_static_entry_holds_from_the_next_turn_and_learning_does_not_move_it() {
    let mut rig = with_two();
    rig.change(|snapshot, stamp| {
        edit_network(snapshot, stamp, |network| network.statics = vec![(mac(2), MemberId(3))]);
    });
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_3);
    rig.send(2, &plain(1, 2));
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_3);
    rig.pass(2 * AGE_TICKS);
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_3, "nor does age");
}

#[test]
fn a_static_entry_taken_out_is_gone_within_a_second_and_may_be_learned() {
    let mut rig = with_two();
    let set = |statics: Vec<(wire::Mac, MemberId)>| {
        move |snapshot: &mut Snapshot, stamp| edit_network(snapshot, stamp, |network| network.statics = statics)
    };
    rig.change(set(vec![(mac(2), MemberId(3))]));
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_3);
    rig.change(set(Vec::new()));
    rig.pass(11);
    assert_eq!(rig.through(1, &plain(2, 1)), FLOODED);
    rig.send(2, &plain(1, 2));
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2);
}

#[test]
fn an_idle_flow_goes_and_the_mac_it_rests_on_stays() {
    let mut rig = with_two();
    assert_eq!(count_flows(&rig), 2);
    rig.pass(FLOW_IDLE_TICKS + 12);
    assert_eq!((count_flows(&rig), count_macs(&rig)), (0, 2));
    assert_eq!(rig.total().flow_aged, 2);
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2);
}

#[test]
fn a_silent_mac_is_forgotten_and_a_busy_one_never_is() {
    let mut rig = with_two();
    for _ in 0..(AGE_TICKS / 5) * 3 {
        rig.pass(5);
        rig.send(1, &plain(2, 1));
    }
    assert_eq!(count_macs(&rig), 1, "station 1 has sent all the time, station 2 not at all");
    assert_eq!(rig.through(1, &plain(2, 1)), FLOODED);
    assert_eq!(rig.total().mac_aged, 1);
    rig.assert_at_rest();
}

#[test]
fn a_full_network_learns_nothing_more_until_there_is_room() {
    let mut rig = with_two();
    rig.change(|snapshot, stamp| edit_network(snapshot, stamp, |network| network.macs_max = 2));
    rig.send(3, &udp_frame(1, 3, 3, 10));
    assert_eq!(rig.total().mac_refused_network, 1);
    assert_eq!(rig.through(1, &plain(3, 1)), FLOODED, "frames to who is not learned flood");
    rig.change(|snapshot, stamp| edit_network(snapshot, stamp, |network| network.macs_max = 3));
    rig.send(3, &udp_frame(1, 3, 3, 10));
    assert_eq!(rig.through(1, &plain(3, 1)), TO_PORT_3);
}

#[test]
fn a_sender_whose_frames_are_dropped_is_learned_as_soon_as_there_is_room() {
    let mut rig = Rig::new(Size::default());
    rig.change(|snapshot, stamp| edit_network(snapshot, stamp, |network| network.macs_max = 1));
    rig.send(1, &plain(99, 1));
    let reserved = ethernet(wire::Mac::new([1, 0x80, 0xc2, 0, 0, 0]), mac(2), 0x88cc, &[0; 46]);
    for _ in 0..AGE_TICKS / 5 + 5 {
        rig.send(2, &reserved);
        rig.pass(5);
    }
    let known: Vec<_> = rig.workers[0].view().macs().map(|found| found.mac).collect();
    assert_eq!(known, [mac(2)], "station 1 has aged, station 2 has its place");
}

#[test]
fn a_full_table_refuses_floods_and_counts() {
    let mut rig = Rig::new(Size { macs: 8, ..Size::default() });
    (1..=200).for_each(|station| rig.send(1, &plain(250, station)));
    let total = rig.total();
    assert!(total.mac_refused_table > 0 && total.mac_learned + total.mac_refused_table >= 200, "{total:?}");
    assert_eq!(count_macs(&rig) as u64, total.mac_learned);
    rig.assert_at_rest();
}

#[test]
fn a_full_flow_table_evicts_and_forwards_all_the_same() {
    let mut rig = Rig::new(Size { flows: 16, ..Size::default() });
    rig.send(2, &plain(1, 2));
    for station in 3..=200 {
        assert_eq!(rig.through(1, &plain(2, station)), TO_PORT_2);
    }
    assert!(rig.total().flow_evicted > 100);
    rig.assert_at_rest();
}

#[test]
fn two_networks_keep_one_mac_in_two_places() {
    let mut rig = with_two();
    rig.send(4, &plain(99, 2));
    assert_eq!(rig.through(1, &plain(2, 1)), TO_PORT_2);
    let at = |network| rig.workers[0].view().macs().find(|m| (m.network, m.mac) == (NetworkId(network), mac(2)));
    assert_eq!(at(0).map(|found| found.member), Some(MemberId(2)));
    assert_eq!(at(1).map(|found| found.member), Some(MemberId(6)));
}

#[test]
fn a_member_that_turns_from_tunnel_to_port_under_one_id_is_another() {
    let mut rig = with_flow();
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    rig.change(|snapshot, stamp| {
        let member = snapshot.members[4].as_mut().unwrap();
        member.generation = stamp;
        member.kind = MemberKind::Local { port: datapath::PortId(4), vlan: None };
    });
    assert_eq!(rig.through(1, &plain(9, 1)), [0, 0, 1, 1, 1], "flooded, for who station 9 was behind is no more");
}
