//! Frames that are too big for their way: dropped by name, and their senders told what fits.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::{Cause, MemberKind, Paths};
use rig::*;
use wire::too_big::Report;

/// Octets of the packet in a frame of [`big`].
const BIG: usize = 1400;

/// A packet of [`BIG`] octets between two stations, not to be fragmented.
fn big(dst: u8, src: u8) -> Vec<u8> {
    udp_frame(dst, src, src, BIG - 28)
}

/// A switch that knows stations 1 and 2 on their ports and station 9 behind the tunnel.
fn acquainted(workers: usize) -> Rig {
    let mut rig = Rig::new(Size { workers, ..Size::default() });
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    for (dst, src) in [(9, 1), (1, 2)] {
        rig.send(src.into(), &plain(dst, src));
    }
    rig.pass(1);
    rig.out();
    rig
}

/// Lets packets of `mtu` octets out by a port.
fn narrow_port(rig: &mut Rig, port: usize, mtu: u16) {
    rig.change(|snapshot, stamp| {
        let port = snapshot.ports[port].as_mut().unwrap();
        (port.frame_max, port.generation) = (mtu + 14, stamp);
    });
}

/// Lets outer packets of `mtu` octets go to the other VTEP.
fn narrow_path(rig: &mut Rig, mtu: u16) {
    rig.change(|snapshot, _| match &mut snapshot.members[4].as_mut().unwrap().kind {
        MemberKind::Vtep { paths: Paths::One(path) } => path.frame_max = mtu + 14,
        other => panic!("member 4 is behind a tunnel: {other:?}"),
    });
}

/// What comes out of a port, as reports about packets.
fn told(rig: &Rig, port: u16) -> Vec<(u32, usize)> {
    let report = |frame: Vec<u8>| {
        let Report { mtu, len, udp_src, udp_dst, .. } =
            wire::too_big::report(&frame, &wire::parse(&frame).unwrap()).expect("nothing else comes");
        assert_eq!((udp_src, udp_dst), (4000, 5000));
        (mtu, len)
    };
    std::iter::from_fn(|| rig.peers[&port].recv()).map(report).collect()
}

#[test]
fn who_sends_too_much_for_a_port_is_told_what_fits() {
    for workers in [1, 2] {
        let mut rig = acquainted(workers);
        narrow_port(&mut rig, 2, 1300);
        rig.send(1, &big(2, 1));
        assert_eq!(told(&rig, 1), [(1300, BIG)], "{workers} workers");
        assert_eq!(rig.out(), [0; 5], "and nobody else hears anything");
        assert_eq!((rig.dropped(Cause::MtuExceeded), rig.total().injected), (1, 1));
        let books = (0..workers).map(|worker| rig.reading(worker).0).find(|books| books.too_big_octets > 0).unwrap();
        assert_eq!((books.too_big_port, books.too_big_octets, books.too_big_mtu), (1, BIG as u64, 1300));
        rig.assert_at_rest();
    }
}

#[test]
fn a_tunnel_takes_what_its_path_leaves() {
    let mut rig = acquainted(1);
    narrow_path(&mut rig, 1450);
    assert_eq!(rig.through(1, &big(9, 1)), [1, 0, 0, 0, 0], "1400 and 50 are 1450");
    narrow_path(&mut rig, 1449);
    rig.send(1, &big(9, 1));
    assert_eq!(told(&rig, 1), [(1399, BIG)]);
    assert_eq!(rig.dropped(Cause::MtuExceededUnderlay), 1);
    // A tag of the guest's own is inside the outer packet.
    narrow_path(&mut rig, 1453);
    let mut tagged = big(9, 1);
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    rig.send(1, &tagged);
    assert_eq!(told(&rig, 1), [(1399, BIG)]);
    rig.assert_at_rest();
}

#[test]
fn what_came_out_of_a_tunnel_is_answered_through_it() {
    let mut rig = acquainted(1);
    narrow_port(&mut rig, 1, 1300);
    rig.send(0, &Tunnelled::default().around(&big(1, 9)));
    let outer = rig.peers[&0].recv().unwrap();
    let headers = wire::parse(&outer).unwrap();
    let tunnel = wire::parse_outer(&outer, &headers).unwrap().unwrap();
    let inner = &outer[tunnel.inner..tunnel.inner + tunnel.inner_len];
    let report = wire::too_big::report(inner, &wire::parse(inner).unwrap()).unwrap();
    assert_eq!((tunnel.dst, report.mtu, report.src), (REMOTE.into(), 1300, address(9).into()));
    assert_eq!(rig.out(), [0; 5]);
    rig.assert_at_rest();
}

#[test]
fn a_copy_of_what_is_flooded_tells_nobody() {
    let mut rig = acquainted(1);
    narrow_port(&mut rig, 2, 1300);
    assert_eq!(rig.through(1, &big(77, 1)), [1, 0, 0, 1, 0], "the tunnel and port 3 take it");
    assert_eq!((rig.dropped(Cause::MtuExceeded), rig.total().injected), (1, 0));
    rig.assert_at_rest();
}

#[test]
fn what_must_not_be_answered_is_dropped_by_the_same_name() {
    let mut rig = acquainted(1);
    narrow_port(&mut rig, 2, 1300);
    let mut may_be_fragmented = big(2, 1);
    may_be_fragmented[14 + 6] = 0;
    may_be_fragmented[14 + 10..14 + 12].fill(0);
    let sum = wire::checksum::of(&may_be_fragmented[14..34]);
    may_be_fragmented[14 + 10..14 + 12].copy_from_slice(&sum.to_be_bytes());
    let no_ip = ethernet(mac(2), mac(1), 0x88b5, &[0; BIG]);
    for frame in [may_be_fragmented, no_ip] {
        assert_eq!(rig.through(1, &frame), [0; 5]);
    }
    assert_eq!((rig.dropped(Cause::MtuExceeded), rig.total().injected), (2, 0));
    rig.assert_at_rest();
}

#[test]
fn a_thousand_a_second_are_told_and_the_rest_is_counted() {
    let mut rig = acquainted(1);
    narrow_port(&mut rig, 2, 1300);
    for _ in 0..3 {
        rig.now = rig.now.after(1);
        (0..250).for_each(|_| assert!(rig.peers[&1].send(&big(2, 1))));
        rig.settle();
        assert_eq!(told(&rig, 1).len(), 100);
    }
    let total = rig.total();
    assert_eq!((total.too_big_answered, total.too_big_limited, total.injected), (300, 450, 300));
    rig.assert_at_rest();
}
