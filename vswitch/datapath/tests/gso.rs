//! Frames that come with work left: they go whole to who takes them, and are finished for who does not.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use datapath::{Cause, MemberKind, Paths, WorkerReading};
use frame::{Offload, SUPER_MAX, Takes, Transport};
use rig::*;

const TCP: Option<Offload> = Some(Offload { transport: Transport::Tcp, segment: 1400 });
const ALL: Takes = Takes { checksum: true, tcp4: true, tcp6: true, udp: true, tunnel: false };
const CHECKSUM: Takes = Takes { checksum: true, tcp4: false, tcp6: false, udp: false, tunnel: false };
/// Octets of the headers of [`tcp`].
const HEADERS: usize = 14 + 20 + 20;

fn datagram(dst: u8, src: u8, len: usize) -> Vec<u8> {
    let packet = ipv4(address(src), address(dst), 17, &udp(4000, 5000, &octets(len)));
    ethernet(mac(dst), mac(src), 0x0800, &packet)
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

/// Sends a packet with work left and lets it go its way.
fn send(rig: &mut Rig, port: u16, packet: &[u8], offload: Option<Offload>) {
    assert!(rig.peers[&port].send_unfinished(packet, offload));
    rig.settle();
}

/// All that has come out of a port, of which nothing is left to be done.
fn finished(rig: &Rig, port: u16) -> Vec<Vec<u8>> {
    let all = std::iter::from_fn(|| rig.peers[&port].recv_unfinished());
    all.map(|(packet, offload)| offload.is_none().then_some(packet).expect("the port takes nothing")).collect()
}

fn split(rig: &Rig) -> u64 {
    let WorkerReading { split, .. } = rig.total();
    split
}

#[test]
fn a_super_frame_goes_whole_to_who_takes_it_and_in_segments_to_who_does_not() {
    for workers in [1, 2] {
        let mut rig = acquainted(workers);
        let packet = tcp(2, 1, 60_000);
        let before = rig.reading(workers - 1).1[2].offered;
        rig.peers[&2].take(ALL);
        send(&mut rig, 1, &packet, TCP);
        assert_eq!(rig.peers[&2].recv_unfinished(), Some((packet.clone(), TCP)));
        assert_eq!((rig.peers[&2].recv(), split(&rig)), (None, 0));
        // The guest came back with another driver.
        for (nth, takes) in [Takes::default(), CHECKSUM, Takes { tcp4: false, ..ALL }].into_iter().enumerate() {
            rig.peers[&2].take(takes);
            send(&mut rig, 1, &packet, TCP);
            let segments = read(finished(&rig, 2));
            assert_eq!((segments.len(), segments.concat()), (43, octets(60_000)), "{takes:?}");
            assert!(segments[..42].iter().all(|segment| segment.len() == 1400));
            assert_eq!(split(&rig), 42 * (nth as u64 + 1), "all but the first are new");
        }
        rig.assert_at_rest();
        let (books, ports) = rig.reading(workers - 1);
        assert_eq!((ports[2].offered - before, ports[2].offered, books.split), (3 * 43 + 1, ports[2].tx, 3 * 42));
    }
}

#[test]
fn a_super_frame_leaves_by_a_tunnel_in_segments_whatever_the_uplink_takes() {
    for takes in [Takes::default(), ALL] {
        let mut rig = acquainted(1);
        rig.peers[&0].take(takes);
        send(&mut rig, 1, &tcp(9, 1, SUPER_MAX - HEADERS), TCP);
        let packets = finished(&rig, 0);
        assert!(packets.iter().all(|packet| packet.len() <= 1400 + HEADERS + 50));
        assert_eq!(read(inner(packets)).concat(), octets(SUPER_MAX - HEADERS));
        assert_eq!(split(&rig), 46);
        rig.assert_at_rest();
    }
}

#[test]
fn a_super_frame_leaves_by_a_tunnel_whole_where_the_uplink_finishes_both_headers() {
    let mut rig = acquainted(1);
    rig.peers[&0].take(Takes { tunnel: true, ..ALL });
    let packet = tcp(9, 1, 20_000);
    send(&mut rig, 1, &packet, TCP);
    let (sent, offload) = rig.peers[&0].recv_unfinished().unwrap();
    assert_eq!((inner(vec![sent]), offload, split(&rig)), (vec![packet], TCP, 0));
    rig.peers[&0].take(Takes { tunnel: true, ..CHECKSUM });
    send(&mut rig, 1, &tcp(9, 1, 20_000), TCP);
    assert_eq!(read(inner(finished(&rig, 0))).concat(), octets(20_000), "one that only sums");
    rig.assert_at_rest();
}

#[test]
fn a_super_frame_comes_out_of_a_tunnel_whole() {
    let mut rig = acquainted(1);
    let packet = tcp(1, 9, 20_000);
    rig.peers[&1].take(ALL);
    send(&mut rig, 0, &Tunnelled::default().around(&packet), TCP);
    assert_eq!(rig.peers[&1].recv_unfinished(), Some((packet, TCP)));
    rig.assert_at_rest();
}

#[test]
fn a_checksum_is_completed_where_nobody_else_does() {
    for (packet, transport) in [(tcp(2, 1, 99), Transport::Tcp), (datagram(2, 1, 99), Transport::Udp)] {
        for segment in [0, 99, u16::MAX] {
            let offload = Some(Offload { transport, segment });
            let mut rig = acquainted(1);
            send(&mut rig, 1, &packet, offload);
            assert_eq!(read(finished(&rig, 2)), [octets(99)]);
            rig.peers[&2].take(CHECKSUM);
            send(&mut rig, 1, &packet, offload);
            let left = Some(Offload { transport, segment: 0 });
            assert_eq!(rig.peers[&2].recv_unfinished(), Some((packet.clone(), left)), "it is no super-frame");
            send(&mut rig, 1, &[&packet[..], &[0; 9]].concat(), offload);
            assert_eq!(rig.peers[&2].recv_unfinished(), Some(([&packet[..], &[0; 9]].concat(), left)));
            assert_eq!(split(&rig), 0);
            rig.assert_at_rest();
        }
    }
    let mut rig = acquainted(1);
    send(&mut rig, 1, &tcp(9, 1, 99), Some(Offload { transport: Transport::Tcp, segment: 0 }));
    assert_eq!(read(inner(finished(&rig, 0))), [octets(99)]);
}

#[test]
fn a_row_of_datagrams_is_cut_into_datagrams() {
    let mut rig = acquainted(1);
    let offload = Some(Offload { transport: Transport::Udp, segment: 1200 });
    send(&mut rig, 1, &datagram(2, 1, 2500), offload);
    assert_eq!(read(finished(&rig, 2)), [&octets(2500)[..1200], &octets(2500)[1200..2400], &octets(2500)[2400..]]);
    rig.peers[&2].take(Takes { udp: true, ..CHECKSUM });
    send(&mut rig, 1, &datagram(2, 1, 2500), offload);
    assert_eq!(rig.peers[&2].recv_unfinished(), Some((datagram(2, 1, 2500), offload)));
    rig.assert_at_rest();
}

#[test]
fn copies_of_a_flooded_super_frame_are_finished_each_for_its_port() {
    let mut rig = acquainted(1);
    rig.peers[&2].take(ALL);
    let (packet, before) = (tcp(77, 1, 5000), rig.total());
    send(&mut rig, 1, &packet, TCP);
    assert_eq!(rig.peers[&2].recv_unfinished(), Some((packet, TCP)));
    assert_eq!(read(finished(&rig, 3)).concat(), octets(5000));
    assert_eq!(read(inner(finished(&rig, 0))).concat(), octets(5000));
    assert_eq!((rig.total().copied - before.copied, split(&rig)), (2, 2 * 3));
    rig.assert_at_rest();
}

#[test]
fn what_the_pool_has_no_buffers_for_is_dropped_as_one_and_the_ledger_holds() {
    let mut rig = Rig::new(Size { frames: 20, ..Size::default() });
    rig.send(2, &plain(1, 2));
    rig.pass(1);
    let before = rig.total();
    send(&mut rig, 1, &tcp(2, 1, 1400 * 40), TCP);
    let segments = read(finished(&rig, 2));
    // One buffer holds the super-frame.
    assert_eq!((segments.len(), segments.concat()), (19, octets(1400 * 19)));
    assert_eq!((rig.dropped(Cause::SplitOutOfFrames), split(&rig)), (1, 19));
    assert_eq!(rig.total().tx - before.tx, 19);
    rig.assert_at_rest();
}

/// A way to `port` that leaves room for packets of `mtu` octets.
fn narrow(rig: &mut Rig, port: usize, mtu: u16) {
    rig.change(|snapshot, stamp| {
        let spec = snapshot.ports[port].as_mut().unwrap();
        (spec.frame_max, spec.generation) = (mtu + 14, stamp);
        if let MemberKind::Vtep { paths: Paths::One(path) } = &mut snapshot.members[4].as_mut().unwrap().kind {
            path.frame_max = if port == 0 { mtu + 14 } else { path.frame_max };
        }
    });
}

#[test]
fn the_length_that_counts_is_that_of_a_segment() {
    for takes in [Takes::default(), ALL] {
        for (to, port, room) in [(2, 2, 1440), (9, 0, 1440 + 50)] {
            let mut rig = acquainted(1);
            rig.peers[&2].take(takes);
            narrow(&mut rig, port.into(), room);
            send(&mut rig, 1, &tcp(to, 1, 30_000), TCP);
            assert_ne!(rig.peers[&port].recv(), None);
            rig.out();
            narrow(&mut rig, port.into(), room - 1);
            send(&mut rig, 1, &tcp(to, 1, 30_000), TCP);
            assert_eq!(rig.peers[&port].recv(), None);
            let told = rig.peers[&1].recv().expect("its sender is told");
            let (icmp, quoted) = told[34..].split_at(8);
            assert_eq!(icmp, [&[3, 4][..], &icmp[2..4], &[0, 0], &1439u16.to_be_bytes()].concat());
            assert_eq!(quoted[20..22], 4000u16.to_be_bytes());
            let total = rig.total();
            assert_eq!((total.too_big_octets, total.too_big_mtu, total.too_big_answered), (1440, 1439, 1));
            rig.assert_at_rest();
        }
    }
}

#[test]
fn who_says_of_a_packet_what_it_is_not_is_dropped_by_name() {
    let left = |transport, segment| Some(Offload { transport, segment });
    let (tcp_left, udp_left) = (left(Transport::Tcp, 0), left(Transport::Udp, 0));
    let mut fragment = tcp(2, 1, 999);
    fragment[14 + 6] = 0x20;
    let many = tcp(2, 1, 8 * 512 + 1);
    for (cause, packet, offload) in [
        (Cause::OffloadHeaders, tcp(2, 1, 9), udp_left),
        (Cause::OffloadHeaders, datagram(2, 1, 9), tcp_left),
        (Cause::OffloadHeaders, plain(2, 1), tcp_left),
        (Cause::OffloadHeaders, arp(1, 1), tcp_left),
        (Cause::OffloadHeaders, fragment, tcp_left),
        (Cause::OffloadSegments, tcp(2, 1, 3000), left(Transport::Tcp, 1)),
        (Cause::OffloadSegments, tcp(2, 1, 3000), left(Transport::Tcp, 7)),
        (Cause::OffloadSegments, many, left(Transport::Tcp, 8)),
    ] {
        for takes in [Takes::default(), ALL] {
            let mut rig = acquainted(1);
            rig.peers[&2].take(takes);
            send(&mut rig, 1, &packet, offload);
            assert_eq!((rig.out(), rig.dropped(cause)), ([0; 5], 1), "{cause:?} of {offload:?}");
            let (_, ports) = rig.reading(0);
            assert_eq!(ports[1].dropped_total(), 1, "it is booked where it came from");
            rig.assert_at_rest();
        }
    }
}

#[test]
fn a_packet_for_the_node_itself_has_nothing_left_to_be_done() {
    let mut rig = acquainted(1);
    let mut question = arp(50, 50);
    question[..6].copy_from_slice(&UPLINK_MAC.octets());
    send(&mut rig, 0, &question, Some(Offload { transport: Transport::Tcp, segment: 0 }));
    assert_eq!((rig.take_punts(), rig.dropped(Cause::OffloadHeaders)), (0, 1), "ARP is no TCP");
    rig.assert_at_rest();
}
