//! Openings of TCP connections say no more than their network has room for, wherever they come from.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use frame::{Offload, Transport};
use rig::*;

/// A SYN from station `src` to station `dst` with a maximum segment size of `mss`.
fn opening(dst: u8, src: u8, mss: u16) -> Vec<u8> {
    let [high, low] = mss.to_be_bytes();
    let fixed = [0x0f, 0xa0, 0x13, 0x88, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 1, 0, 0, 0, 0, 0, 2, 4, high, low];
    let pseudo = wire::checksum::Sum::ZERO.bytes(&address(src)).bytes(&address(dst)).word(6).word(24);
    let mut segment = fixed.to_vec();
    segment[16..18].copy_from_slice(&pseudo.bytes(&fixed).finish().to_be_bytes());
    ethernet(mac(dst), mac(src), 0x0800, &ipv4(address(src), address(dst), 6, &segment))
}

/// The maximum segment size that an opening says, its checksums verified.
fn said(packet: &[u8]) -> u16 {
    assert_eq!(read([packet.to_vec()]).concat()[..2], [2, 4]);
    u16::from_be_bytes([packet[56], packet[57]])
}

/// A switch that knows station 1 and 2 on their ports and station 9 behind the tunnel, in a network with room for `tcp_mtu`.
fn acquainted(tcp_mtu: Option<u16>) -> Rig {
    let mut rig = Rig::new(Size { workers: 1, ..Size::default() });
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    for (dst, src) in [(9, 1), (1, 2)] {
        rig.send(src.into(), &plain(dst, src));
    }
    rig.change(|snapshot, _| snapshot.networks[0].as_mut().unwrap().tcp_mtu = tcp_mtu);
    rig.pass(1);
    rig.out();
    rig
}

#[test]
fn both_ways_through_a_tunnel_and_between_ports_they_say_what_fits() {
    for (tcp_mtu, expected, clamped) in [(Some(1450), 1410, 3), (None, 1460, 0), (Some(1500), 1460, 0)] {
        let mut rig = acquainted(tcp_mtu);
        rig.send(1, &opening(2, 1, 1460));
        assert_eq!(said(&rig.peers[&2].recv().unwrap()), expected, "to another port");
        rig.send(1, &opening(9, 1, 1460));
        assert_eq!(said(&inner(vec![rig.peers[&0].recv().unwrap()])[0]), expected, "into the tunnel");
        rig.send(0, &Tunnelled::default().around(&opening(1, 9, 1460)));
        assert_eq!(said(&rig.peers[&1].recv().unwrap()), expected, "out of it");
        assert_eq!(rig.total().mss_clamped, clamped);
        rig.send(1, &opening(2, 1, 1400));
        assert_eq!(said(&rig.peers[&2].recv().unwrap()), 1400, "who says less is left alone");
        assert_eq!(rig.total().mss_clamped, clamped);
        rig.assert_at_rest();
    }
}

#[test]
fn in_a_flow_that_is_known_openings_are_found_all_the_same() {
    let mut rig = acquainted(Some(1450));
    for _ in 0..3 {
        rig.send(1, &tcp(2, 1, 100));
        rig.send(1, &opening(2, 1, 1460));
        assert_eq!(rig.peers[&2].recv().unwrap().len(), 154);
        assert_eq!(said(&rig.peers[&2].recv().unwrap()), 1410);
    }
    assert!(rig.total().flow_hits > 3);
    rig.assert_at_rest();
}

#[test]
fn an_opening_whose_checksum_is_left_to_others_leaves_with_a_right_one() {
    let mut rig = acquainted(Some(1450));
    let mut packet = opening(2, 1, 1460);
    let pseudo = wire::checksum::Sum::ZERO.bytes(&address(1)).bytes(&address(2)).word(6).word(24);
    packet[50..52].copy_from_slice(&(!pseudo.finish()).to_be_bytes());
    assert!(rig.peers[&1].send_unfinished(&packet, Some(Offload { transport: Transport::Tcp, segment: 0 })));
    rig.settle();
    assert_eq!(said(&rig.peers[&2].recv().unwrap()), 1410);
    rig.assert_at_rest();
}
