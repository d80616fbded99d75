//! Somebody in the underlay says that packets are too long: the tunnel takes less for a while, and senders are told.

use api::{Mtus, PathMtu, Reply, Request};
use wire::{
    Dscp, Mac, OuterParams, OuterTemplate, Vni, ipv4, protocol,
    too_big::{ANSWER_MAX, Report, answer, report},
};

use super::{A1, REMOTE, UPLINK_MAC, frame, resolve, rig::Rig, with_uplink};

/// A station behind the tunnel.
const B: Mac = Mac::new([2, 0, 0, 0, 0x0b, 1]);

/// A UDP packet of that many octets from a1 to B, not to be fragmented.
fn packet(octets: usize) -> Vec<u8> {
    let repr = ipv4::Repr {
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 0, 2].into(),
        protocol: protocol::UDP,
        payload_len: octets as u16 - 20,
        tos: 0,
        ttl: 64,
        id: 0,
        dont_fragment: true,
    };
    let mut frame = [&B.octets()[..], &A1.octets(), &[8, 0], &vec![0; octets]].concat();
    repr.emit(&mut ipv4::Packet::new_unchecked(&mut frame[14..34]));
    frame[38..40].copy_from_slice(&(octets as u16 - 20).to_be_bytes());
    frame
}

/// Lets B say something through the tunnel.
fn hear_b(rig: &mut Rig) {
    let params = OuterParams {
        dst_mac: UPLINK_MAC,
        src_mac: REMOTE,
        src: [192, 0, 2, 2].into(),
        dst: [192, 0, 2, 1].into(),
        udp_dst: 4789,
        ttl: 64,
        dscp: Dscp::Fixed(0),
        df: true,
        checksum: false,
        vni: Vni::new(4096).unwrap(),
    };
    let outer = OuterTemplate::new(&params).unwrap();
    let mut sent = [&vec![0; outer.len()][..], &frame(A1, B, 1)].concat();
    assert!(outer.write(&mut sent, 50_000, 0, 0));
    rig.send("up0", &sent);
    rig.run_ms(30);
    assert_eq!(rig.received("a1"), [frame(A1, B, 1)]);
}

fn mtus(rig: &mut Rig) -> Mtus {
    match rig.ask(Request::ShowMtu).unwrap() {
        Reply::Mtus(mtus) => mtus,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_router_says_reaches_who_sends_into_the_tunnel() {
    let mut rig = Rig::new(&with_uplink(1));
    resolve(&mut rig);
    hear_b(&mut rig);
    rig.received("up0");
    rig.send("a1", &packet(1450));
    rig.run_ms(30);
    let outer = rig.received("up0").into_iter().find(|frame| frame.len() == 1514).expect("the uplink takes 1500");
    let before = mtus(&mut rig);
    assert_eq!((before.paths, before.too_big), (vec![], vec![]));

    let mut error = [0; ANSWER_MAX];
    let len = answer(&outer, &wire::parse(&outer).unwrap(), 1400, &mut error).unwrap();
    rig.send("up0", &error[..len]);
    rig.run_ms(30);
    let path = PathMtu {
        tunnel: "to-b".into(),
        uplink: "up0".into(),
        networks: vec!["blue".into()],
        mtu: 1400,
        inner: 1350,
        left_s: 599,
    };
    assert_eq!(mtus(&mut rig).paths, [path]);
    let Ok(Reply::Tunnels(tunnels)) = rig.ask(Request::ShowTunnels) else { panic!("no tunnels") };
    assert_eq!(tunnels.tunnels[0].mtu, 1350);

    rig.received("up0");
    rig.send("a1", &packet(1351));
    rig.run_ms(30);
    let told = rig.received("a1").pop().expect("a1 is told");
    let Report { mtu, len, .. } = report(&told, &wire::parse(&told).unwrap()).unwrap();
    assert_eq!((mtu, len), (1350, 1351));
    let last = mtus(&mut rig).too_big.remove(0);
    assert_eq!((last.answered, last.port.as_str(), last.octets, last.mtu), (1, "a1", 1351, 1350));
    rig.send("a1", &packet(1350));
    rig.run_ms(30);
    assert!(rig.received("up0").iter().any(|frame| frame.len() == 1414), "what fits goes");
    assert!(rig.ledger().balanced);
    rig.stop();
}
