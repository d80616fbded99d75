//! Every way in which a sender leaves work undone, to every receiver, through everything that can be in between, at every MTU:
//! each octet arrives once and in order, under right checksums, and what is too long is answered.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use std::net::IpAddr;

use datapath::{Cause, MemberKind, Paths, PortId, Vlans};
use frame::{HeapPool, Offload, Takes, Transport};
use rig::*;
use table::MemberId;
use wire::{Dscp, OuterParams, OuterTemplate, Parsed, checksum::Sum, vlan::VlanId};

/// What is between sender and receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    Vlan,
    Vxlan4,
    Vxlan6,
}

/// What a sender leaves to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    Nothing,
    Checksums,
    Segments,
}

/// One flow: transport and IP version.
#[derive(Clone, Copy, Debug)]
struct Flow {
    transport: Transport,
    is_ipv6: bool,
}

const NONE: Takes = Takes { checksum: false, tcp4: false, tcp6: false, udp: false, tunnel: false };
const SUMS: Takes = Takes { checksum: true, ..NONE };
const RECEIVERS: [Takes; 7] = [
    NONE,
    SUMS,
    Takes { tcp4: true, ..SUMS },
    Takes { tcp6: true, ..SUMS },
    Takes { udp: true, ..SUMS },
    Takes { tcp4: true, tcp6: true, udp: true, ..SUMS },
    Takes { tcp4: true, tcp6: true, tunnel: true, ..SUMS },
];
const FLOWS: [Flow; 4] = [
    Flow { transport: Transport::Tcp, is_ipv6: false },
    Flow { transport: Transport::Tcp, is_ipv6: true },
    Flow { transport: Transport::Udp, is_ipv6: false },
    Flow { transport: Transport::Udp, is_ipv6: true },
];

impl Between {
    /// The port by which it is left, the station there, and octets of outer header within the MTU.
    fn end(self) -> (u16, u8, u16) {
        match self {
            Between::Nothing | Between::Vlan => (2, 2, 0),
            Between::Vxlan4 => (0, 9, 50),
            Between::Vxlan6 => (0, 9, 70),
        }
    }

    /// A switch that knows both stations, and whose way out has this MTU.
    fn switch(self, mtu: u16) -> Rig {
        let mut rig = Rig::over(HeapPool::new(8192, 9216), Size::default()).with_picture();
        speak_ipv6(&mut rig);
        rig.change(|snapshot, stamp| {
            for port in snapshot.ports.iter_mut().flatten() {
                (port.frame_max, port.generation) = (mtu + 14, stamp);
            }
            let member = snapshot.members[4].as_mut().unwrap();
            let MemberKind::Vtep { paths: Paths::One(path) } = &mut member.kind else { unreachable!("a tunnel") };
            path.frame_max = mtu + 14;
            let ipv6 =
                OuterParams { src: LOCAL6.into(), dst: REMOTE6.into(), checksum: true, ..outer_params(Dscp::Inherit) };
            path.outer = if self == Between::Vxlan6 { OuterTemplate::new(&ipv6).unwrap() } else { path.outer };
            if self == Between::Vlan {
                let (vlan, member) = (VlanId::new(7).unwrap(), MemberId(2));
                snapshot.members[2].as_mut().unwrap().kind = MemberKind::Local { port: PortId(2), vlan: Some(vlan) };
                snapshot.ports[2].as_mut().unwrap().vlans =
                    Vlans { untagged: None, tagged: vec![(vlan, member)], transparent: false };
            }
        });
        let hello = plain(1, 2);
        rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
        rig.send(
            2,
            &if self == Between::Vlan { [&hello[..12], &[0x81, 0, 0, 7], &hello[12..]].concat() } else { hello },
        );
        rig.send(1, &plain(2, 1));
        rig.pass(1);
        rig.out();
        rig
    }
}

impl Flow {
    /// Octets in front of the payload of a packet.
    fn headers(self) -> u16 {
        (if self.is_ipv6 { 40 } else { 20 }) + if self.transport == Transport::Tcp { 20 } else { 8 }
    }

    /// The packet from station 1 to `dst` with the payload at `from`, its checksum that of the pseudo header alone or right.
    fn packet(self, dst: u8, from: usize, payload: &[u8], is_summed: bool) -> Vec<u8> {
        let (mut segment, at) = match self.transport {
            Transport::Tcp => {
                let fixed = [0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0];
                ([&[0x0f, 0xa0, 0x13, 0x88], &(from as u32).to_be_bytes()[..], &fixed, payload].concat(), 16)
            }
            Transport::Udp => (udp(4000, 5000, payload), 6),
        };
        let pseudo = self.pseudo(dst, segment.len());
        let sum = if is_summed { pseudo.bytes(&segment).finish_udp() } else { !pseudo.finish() };
        segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        let protocol = self.transport.protocol();
        match self.addresses(dst) {
            [IpAddr::V4(src), IpAddr::V4(to)] => {
                ethernet(mac(dst), mac(1), 0x0800, &ipv4(src.octets(), to.octets(), protocol, &segment))
            }
            [IpAddr::V6(src), IpAddr::V6(to)] => ethernet(mac(dst), mac(1), 0x86dd, &ipv6(src, to, protocol, &segment)),
            _ => unreachable!("one family"),
        }
    }

    fn addresses(self, dst: u8) -> [IpAddr; 2] {
        [1, dst].map(|station| match self.is_ipv6 {
            true => format!("fd00::{station}").parse().unwrap(),
            false => address(station).into(),
        })
    }

    fn pseudo(self, dst: u8, octets: usize) -> Sum {
        let [src, dst] = self.addresses(dst);
        Sum::ZERO.addresses(src, dst).word(self.transport.protocol().into()).word(octets as u16)
    }

    /// What a sender gives to its port of a payload that is to go in segments of `most` octets.
    fn sent(self, leaves: Leaves, dst: u8, payload: &[u8], most: u16) -> Vec<(Vec<u8>, Option<Offload>)> {
        let offload = |segment| Some(Offload { transport: self.transport, segment });
        if leaves == Leaves::Segments {
            return vec![(self.packet(dst, 0, payload, false), offload(most))];
        }
        let parts = payload.chunks(most.into()).enumerate();
        let is_summed = leaves == Leaves::Nothing;
        let left = if is_summed { None } else { offload(0) };
        parts.map(|(nth, part)| (self.packet(dst, nth * usize::from(most), part, is_summed), left)).collect()
    }

    /// The payload of what a receiver was given, if it is as it should be.
    fn read(self, dst: u8, packet: &[u8], offload: Option<Offload>, takes: Takes, mtu: u16) -> Vec<u8> {
        let Parsed { l3, l4, l3_len, .. } = wire::parse(packet).unwrap();
        let (l3, l4, end) = (usize::from(l3), usize::from(l4), usize::from(l3 + l3_len));
        let segment = &packet[l4..end];
        let pseudo = self.pseudo(dst, segment.len());
        if !self.is_ipv6 {
            assert_eq!(wire::checksum::of(&packet[l3..l4]), 0, "the header's checksum");
        }
        match offload {
            None => assert_eq!(pseudo.bytes(segment).finish(), 0, "the checksum"),
            Some(Offload { segment: most, .. }) => {
                let at = if self.transport == Transport::Tcp { 16 } else { 6 };
                assert_eq!(segment[at..at + 2], (!pseudo.finish()).to_be_bytes(), "the sum of the pseudo header");
                assert!(if most == 0 { takes.checksum } else { takes.super_frames(self.transport, self.is_ipv6) });
            }
        }
        let most = offload.map_or(0, |offload| usize::from(offload.segment));
        let longest = if most == 0 { end - l3 } else { most + usize::from(self.headers()) };
        assert!(longest <= usize::from(mtu), "{longest} octets through {mtu}");
        packet[l3 + usize::from(self.headers())..end].to_vec()
    }
}

/// The packet behind outer headers, which are right where nobody else is to finish them.
fn stripped(between: Between, packet: Vec<u8>, is_finished: bool) -> Vec<u8> {
    if matches!(between, Between::Nothing | Between::Vlan) {
        return packet;
    }
    let headers = wire::parse(&packet).unwrap();
    let (l3, l4) = (usize::from(headers.l3), usize::from(headers.l4));
    if is_finished && between == Between::Vxlan4 {
        assert_eq!(wire::checksum::of(&packet[l3..l4]), 0, "the outer header's checksum");
    } else if is_finished {
        let (src, dst) = headers.addresses(&packet).unwrap();
        let pseudo = Sum::ZERO.addresses(src, dst).word(17).word((packet.len() - l4) as u16);
        assert_eq!(pseudo.bytes(&packet[l4..]).finish(), 0, "the outer checksum");
    }
    // As long as what it takes of the MTU: the inner Ethernet header is in there, and the outer one is not.
    packet[between.end().2.into()..].to_vec()
}

/// What an ICMP or ICMPv6 error says would fit.
fn told(answer: &[u8]) -> u32 {
    let headers = wire::parse(answer).unwrap();
    let message = &answer[usize::from(headers.l4)..];
    match (headers.protocol, &message[..2]) {
        (1, [3, 4]) => u16::from_be_bytes([message[6], message[7]]).into(),
        (58, [2, 0]) => u32::from_be_bytes([message[4], message[5], message[6], message[7]]),
        other => panic!("no such error: {other:?}"),
    }
}

#[test]
fn every_octet_arrives_through_everything_whoever_finishes_the_packets() {
    let mut cells = 0;
    for between in [Between::Nothing, Between::Vlan, Between::Vxlan4, Between::Vxlan6] {
        for mtu in [1400, 1500, 9000] {
            let (port, station, outer) = between.end();
            let mut rig = between.switch(mtu);
            for takes in RECEIVERS {
                rig.peers[&port].take(takes);
                for flow in FLOWS {
                    for leaves in [Leaves::Nothing, Leaves::Checksums, Leaves::Segments] {
                        let most = mtu - outer - flow.headers();
                        let payload = octets(3 * usize::from(most) + 100);
                        for (packet, offload) in flow.sent(leaves, station, &payload, most) {
                            assert!(rig.peers[&1].send_unfinished(&packet, offload));
                        }
                        rig.settle();
                        let takes = takes.behind(outer.into());
                        let all = std::iter::from_fn(|| rig.peers[&port].recv_unfinished());
                        let arrived = all.flat_map(|(packet, offload)| {
                            let packet = stripped(between, packet, offload.is_none());
                            flow.read(station, &packet, offload, takes, mtu - outer)
                        });
                        let cell = format!("{between:?} {mtu} {takes:?} {flow:?} {leaves:?}");
                        assert_eq!(arrived.collect::<Vec<u8>>(), payload, "{cell}: {:?}", rig.drops());
                        cells += 1;
                    }
                }
            }
            rig.assert_at_rest();
        }
    }
    assert_eq!(cells, 4 * 3 * 7 * 4 * 3);
}

#[test]
fn what_is_an_octet_too_long_is_dropped_by_name_and_answered_whoever_would_have_cut_it() {
    for between in [Between::Nothing, Between::Vlan, Between::Vxlan4, Between::Vxlan6] {
        for mtu in [1400, 1500, 9000] {
            let (port, station, outer) = between.end();
            let mut rig = between.switch(mtu);
            let cause = if outer == 0 { Cause::MtuExceeded } else { Cause::MtuExceededUnderlay };
            for (takes, leaves) in
                RECEIVERS.into_iter().flat_map(|takes| [(takes, Leaves::Checksums), (takes, Leaves::Segments)])
            {
                rig.peers[&port].take(takes);
                for flow in FLOWS {
                    let before = rig.dropped(cause);
                    let most = mtu - outer - flow.headers() + 1;
                    let payload = octets(if leaves == Leaves::Segments { 20_000 } else { most.into() });
                    let [(packet, offload)] = &flow.sent(leaves, station, &payload, most)[..] else {
                        unreachable!("one")
                    };
                    assert!(rig.peers[&1].send_unfinished(packet, *offload));
                    rig.settle();
                    let cell = format!("{between:?} {mtu} {takes:?} {flow:?} {leaves:?}");
                    let answer = rig.peers[&1].recv().unwrap_or_else(|| panic!("no answer: {cell}"));
                    assert_eq!(told(&answer), u32::from(mtu - outer), "{cell}");
                    assert_eq!((rig.dropped(cause), rig.out()), (before + 1, [0; 5]), "{cell}");
                }
            }
            rig.assert_at_rest();
        }
    }
}
