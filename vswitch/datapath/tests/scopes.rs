//! A cached decision is made anew when, and only when, something it rests on has changed; who is busy is not forgotten.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::Cause;
use rig::*;
use table::MemberId;
use wire::Mac;

#[test]
fn what_is_learned_touches_no_broadcast_and_no_refusal() {
    let mut rig = Rig::new(Size::default());
    let broadcast = ethernet(Mac::BROADCAST, mac(1), 0x88b5, &[0; 46]);
    let spoofed = udp_frame(1, 3, 77, 10);
    for _ in 0..2 {
        rig.send(1, &broadcast);
        rig.send(3, &spoofed);
    }
    let before = rig.total();
    assert_eq!((before.flow_misses, before.flow_hits, rig.dropped(Cause::SpoofedAddress)), (2, 2, 2));
    rig.send(2, &plain(1, 2));
    rig.send(1, &broadcast);
    rig.send(3, &spoofed);
    assert_eq!(rig.total().flow_redecided, before.flow_redecided);
    assert_eq!(rig.dropped(Cause::SpoofedAddress), 3);
    rig.assert_at_rest();
}

#[test]
fn a_split_horizon_drop_ends_with_the_member_it_rests_on() {
    let mut rig = Rig::new(Size::default());
    rig.change(|snapshot, _| {
        snapshot.members.push(vtep(0, 7, SILENT, true));
        snapshot.networks[0] = network(7, &[1, 2, 3, 4, 7]);
        hear(&mut snapshot.vteps, SILENT, 7, 7);
    });
    let from_the_other = Tunnelled { remote: SILENT, ..Tunnelled::default() }.around(&plain(9, 8));
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    assert_eq!(rig.through(0, &from_the_other), [0; 5]);
    assert_eq!(rig.dropped(Cause::SplitHorizon), 1);
    // Who is a member does not count as a change of the network.
    rig.change(|snapshot, _| {
        snapshot.members[4] = None;
        snapshot.networks[0].as_mut().unwrap().members.retain(|&id| id != MemberId(4));
    });
    assert_eq!(rig.through(0, &from_the_other), [0, 1, 1, 1, 0], "nobody knows station 9 now: flooded to local ports");
    rig.assert_at_rest();
}

#[test]
fn an_age_shorter_than_the_walks_take_forgets_nobody_who_is_busy() {
    for workers in [1, 2] {
        let mut rig = Rig::new(Size { workers, ..Size::default() });
        rig.change(|snapshot, stamp| {
            let network = snapshot.networks[0].as_mut().unwrap();
            (network.age_ticks, network.generation) = (10, stamp);
        });
        rig.send(1, &plain(2, 1));
        rig.send(2, &plain(1, 2));
        for _ in 0..100 {
            rig.pass(1);
            assert_eq!(rig.through(1, &plain(2, 1)), [0, 0, 1, 0, 0]);
            assert_eq!(rig.through(2, &plain(1, 2)), [0, 1, 0, 0, 0]);
        }
        assert_eq!(rig.total().mac_aged, 0, "{workers} workers");
        rig.pass(120);
        assert!(rig.workers.iter().all(|worker| worker.view().macs().count() == 0), "who is silent is forgotten");
    }
}
