//! Ports that are watched are looked at while there may be something, and none is forgotten.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::{Order, PortId};
use rig::*;

/// A switch whose ports are all watched, and dry.
fn watched() -> Rig {
    let mut rig = Rig::new(Size::default());
    rig.workers[0].watch(|_, _| true);
    rig.settle();
    assert!(rig.workers[0].any_port_sleeps());
    rig
}

#[test]
fn a_dry_port_that_is_watched_is_looked_at_when_it_is_woken_and_not_before() {
    let mut rig = watched();
    assert_eq!(rig.through(1, &plain(2, 1)), [0; 5]);
    assert_eq!(rig.peers[&1].backlog(), 1);
    rig.workers[0].wake(PortId(2));
    rig.settle();
    assert_eq!(rig.peers[&1].backlog(), 1, "it was another one that was woken");
    rig.workers[0].wake(PortId(1));
    rig.settle();
    assert_eq!((rig.peers[&1].backlog(), rig.out()[2]), (0, 1));
    rig.assert_at_rest();
}

#[test]
fn what_does_not_fit_one_batch_needs_no_second_word() {
    let mut rig = watched();
    for port in [1, 2] {
        (0..300).for_each(|_| assert!(rig.peers[&port].send(&plain(3 - port as u8, port as u8))));
        rig.workers[0].wake(PortId(port));
    }
    rig.settle();
    assert_eq!((rig.peers[&1].backlog(), rig.peers[&2].backlog()), (0, 0));
    rig.assert_at_rest();
}

#[test]
fn a_look_that_finds_no_buffer_puts_nobody_to_sleep() {
    let mut rig = watched();
    let all: Vec<_> = std::iter::from_fn(|| frame::Pool::alloc(&mut rig.pool)).collect();
    assert!(rig.peers[&1].send(&plain(2, 1)));
    rig.workers[0].wake(PortId(1));
    rig.settle();
    assert_eq!(rig.peers[&1].backlog(), 1);
    all.into_iter().for_each(|frame| frame::Pool::release_one(&mut rig.pool, frame));
    rig.settle();
    assert_eq!(rig.peers[&1].backlog(), 0);
    rig.assert_at_rest();
}

#[test]
fn whoever_takes_the_place_of_a_sleeper_is_looked_at_and_so_is_everybody_whom_nobody_watches_any_more() {
    let mut rig = watched();
    let before = rig.workers[0].port_changes();
    rig.order(0, Order::Detach { port: PortId(1) });
    rig.settle();
    rig.attach(1, 0);
    let after = rig.workers[0].port_changes();
    assert_eq!((after.came - before.came, after.left - before.left), (1, 1));
    assert_eq!(rig.through(1, &plain(2, 1))[2], 1);
    assert_eq!(rig.through(2, &plain(1, 2)), [0; 5], "that one is watched still");
    let mut offered = Vec::new();
    rig.workers[0].watch(|port, _| {
        offered.push(port.0);
        false
    });
    assert_eq!(offered, [1]);
    rig.workers[0].unwatch();
    rig.settle();
    assert_eq!((rig.peers[&2].backlog(), rig.out()[1]), (0, 1));
    rig.assert_at_rest();
}
