//! Type of service through tunnels: ECN goes in and comes out by RFC 6040, DSCP as the tunnel says.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::{MemberKind, Paths};
use rig::*;
use wire::{Dscp, L3, OuterTemplate};

// The numbers of RFC 3168, not the product's own.
const NOT_ECT: u8 = 0;
const ECT1: u8 = 1;
const ECT0: u8 = 2;
const CE: u8 = 3;

/// A frame between two stations with that TOS or traffic class, its IPv4 header checksum right.
fn inner(l3: L3, dst: u8, src: u8, tos: u8) -> Vec<u8> {
    let mut frame = match l3 {
        L3::Ipv4 => udp_frame(dst, src, src, 20),
        _ => ethernet(mac(dst), mac(src), 0x86dd, &ipv6(REMOTE6, LOCAL6, 17, &udp(1, 2, &[0; 20]))),
    };
    set_tos(&mut frame, tos);
    frame
}

/// Sets the TOS of a frame's outermost IP header.
fn set_tos(frame: &mut [u8], tos: u8) {
    wire::parse(frame).unwrap().set_tos(frame, tos);
}

/// The TOS of a frame's outermost IP header; its IPv4 checksum must be right.
fn tos(frame: &[u8]) -> u8 {
    let headers = wire::parse(frame).unwrap();
    if headers.l3_kind == L3::Ipv4 {
        assert!(wire::ipv4::Packet::new_checked(&frame[14..]).unwrap().verify_checksum(), "{frame:02x?}");
    }
    headers.tos(frame).unwrap()
}

/// What port 1 gets when the VTEP sends `frame` in an outer packet with that TOS.
fn decapped(rig: &mut Rig, frame: &[u8], outer_tos: u8) -> Option<Vec<u8>> {
    let mut packet = Tunnelled::default().around(frame);
    set_tos(&mut packet, outer_tos);
    rig.send(0, &packet);
    rig.peers[&1].recv()
}

/// What the VTEP gets when port 1 sends `frame`.
fn encapped(rig: &mut Rig, frame: &[u8]) -> Vec<u8> {
    rig.send(1, frame);
    rig.peers[&0].recv().unwrap()
}

#[test]
fn congestion_marks_come_out_of_a_tunnel_and_the_rest_stays() {
    let dscp = 46 << 2;
    for l3 in [L3::Ipv4, L3::Ipv6] {
        let mut rig = Rig::new(Size::default());
        rig.send(1, &plain(9, 1));
        rig.peers[&0].recv().unwrap();
        for (inside, outside, expected) in [
            (ECT0, NOT_ECT, ECT0),
            (ECT0, CE, CE),
            (ECT1, CE, CE),
            (ECT0, ECT1, ECT1),
            (ECT1, ECT0, ECT1),
            (CE, NOT_ECT, CE),
            (NOT_ECT, ECT0, NOT_ECT),
        ] {
            let got = decapped(&mut rig, &inner(l3, 1, 9, dscp | inside), outside | 8 << 2).unwrap();
            assert_eq!(got, inner(l3, 1, 9, dscp | expected), "{l3:?}: inner {inside:02b}, outer {outside:02b}");
            assert_eq!(tos(&got), dscp | expected);
        }
        // On a cached flow too, frame by frame: the mark belongs to the frame.
        assert_eq!(tos(&decapped(&mut rig, &inner(l3, 1, 9, ECT0), NOT_ECT).unwrap()), ECT0);
        assert!(rig.drops().is_empty());
        assert_eq!(decapped(&mut rig, &inner(l3, 1, 9, dscp), CE), None, "nobody would understand the mark");
        assert_eq!(rig.drops(), [("ecn-not-capable", 1)].into());
        rig.assert_at_rest();
    }
}

#[test]
fn what_is_not_ip_has_no_marks_and_passes() {
    let mut rig = Rig::new(Size::default());
    rig.send(1, &plain(9, 1));
    for frame in [plain(1, 9), arp(9, 9)] {
        assert_eq!(decapped(&mut rig, &frame, CE), Some(frame));
    }
    rig.peers[&0].recv().unwrap();
    assert_eq!(tos(&encapped(&mut rig, &plain(9, 1))), 0);
}

#[test]
fn the_inner_ecn_is_the_outer_one_and_dscp_is_fixed_or_inherited() {
    for l3 in [L3::Ipv4, L3::Ipv6] {
        for (dscp, expected) in [(Dscp::Fixed(0), 0), (Dscp::Fixed(10), 10 << 2), (Dscp::Inherit, 46 << 2)] {
            let mut rig = Rig::new(Size::default());
            rig.change(|snapshot, stamp| {
                let member = snapshot.members[4].as_mut().unwrap();
                let MemberKind::Vtep { paths: Paths::One(path) } = &mut member.kind else {
                    unreachable!("member 4 is the tunnel")
                };
                path.outer = OuterTemplate::new(&outer_params(dscp)).unwrap();
                member.generation = stamp;
            });
            for ecn in [NOT_ECT, ECT1, ECT0, CE] {
                let sent = inner(l3, 9, 1, 46 << 2 | ecn);
                let packet = encapped(&mut rig, &sent);
                assert_eq!(tos(&packet), expected | ecn, "{dscp} of {l3:?}");
                assert_eq!(packet[50..], sent, "the inner frame is not touched");
            }
        }
    }
}
