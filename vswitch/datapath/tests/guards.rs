//! What a port bound to addresses may send, and the ways around that are closed.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::Cause;
use rig::*;
use wire::Mac;

/// A frame of station 3, whose port is bound to its MAC and address.
fn of_station_3(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(Mac::BROADCAST, mac(3), ethertype, payload)
}

/// How many copies of a frame of port 3 came out.
fn through(rig: &mut Rig, frame: &[u8]) -> usize {
    rig.through(3, frame).iter().sum()
}

#[test]
fn ip_behind_llc_and_snap_headers_does_not_get_past_the_guard() {
    let mut rig = Rig::new(Size::default());
    // First what may pass and has the same MACs: its cached decision must not open the way.
    assert_eq!(through(&mut rig, &of_station_3(0x88b5, &[0; 46])), 3);
    let stolen = ipv4(address(1), [255; 4], 17, &udp(1, 2, &[0; 8]));
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &stolen].concat();
    let length = snap.len() as u16;
    let tagged = [&[0, 0][..], &length.to_be_bytes(), &snap].concat();
    for frame in [of_station_3(length, &snap), of_station_3(0, &snap), of_station_3(0x8100, &tagged)] {
        assert_eq!(through(&mut rig, &frame), 0);
    }
    assert_eq!(rig.dropped(Cause::SpoofUnverifiable), 3);
    assert_eq!(through(&mut rig, &of_station_3(0x88b5, &[0; 46])), 3);
    let free = ethernet(Mac::BROADCAST, mac(1), length, &snap);
    assert_eq!(rig.through(1, &free), [1, 0, 1, 1, 0], "nobody said what port 1 may send");
    rig.assert_at_rest();
}

#[test]
fn a_bound_station_may_ask_for_its_address_by_dhcp_and_send_nothing_else_from_nowhere() {
    let mut rig = Rig::new(Size::default());
    let from_nowhere = |dst: [u8; 4], ports: (u16, u16)| {
        of_station_3(0x0800, &ipv4([0; 4], dst, 17, &udp(ports.0, ports.1, &[0; 240])))
    };
    let request = from_nowhere([255; 4], (68, 67));
    let mut fragment = request.clone();
    fragment[14 + 6] = 0x20;
    let others = [from_nowhere([255; 4], (68, 68)), from_nowhere(address(1), (68, 67)), fragment];
    for _ in 0..2 {
        assert_eq!(through(&mut rig, &request), 3);
        others.iter().for_each(|frame| assert_eq!(through(&mut rig, frame), 0));
    }
    assert_eq!(rig.dropped(Cause::SpoofedAddress), 6);
    rig.assert_at_rest();
}
