//! TCP segments that leave together by a port that takes super-frames leave as one.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use frame::{Offload, Takes, Transport};
use rig::*;
use wire::{
    gso::{Cut, Layout},
    protocol,
};

const TCP: Takes = Takes { checksum: true, tcp4: true, tcp6: true, udp: false, tunnel: false };
const SEGMENT: u16 = 1400;

/// The segments of `len` octets from station `src` to station `dst`, whole.
fn segments(dst: u8, src: u8, len: usize) -> Vec<Vec<u8>> {
    let frame = tcp(dst, src, len);
    let cut = Cut::new(&frame, Layout::behind(&frame, 0, protocol::TCP).unwrap(), SEGMENT).unwrap();
    let write = |nth| {
        let mut out = vec![0; cut.len_of(nth)];
        assert!(cut.write(nth, &mut out));
        out
    };
    (0..cut.count()).map(write).collect()
}

/// A switch that knows stations 1 and 2 on their ports and station 9 behind the tunnel, and whose port 2 takes super-frames.
fn acquainted(size: Size) -> Rig {
    let mut rig = Rig::new(size);
    rig.send(0, &Tunnelled::default().around(&plain(1, 9)));
    for (dst, src) in [(9, 1), (1, 2)] {
        rig.send(src.into(), &plain(dst, src));
    }
    rig.pass(1);
    rig.out();
    rig.peers[&2].take(TCP);
    rig
}

/// Sends packets at once and lets them go their way.
fn send(rig: &mut Rig, port: u16, packets: &[Vec<u8>]) {
    packets.iter().for_each(|packet| assert!(rig.peers[&port].send(packet)));
    rig.settle();
}

/// What has come out of port 2: octets of payload, and of each segment where it is a super-frame.
fn out(rig: &Rig) -> Vec<(usize, Option<u16>)> {
    let all = std::iter::from_fn(|| rig.peers[&2].recv_unfinished());
    let read = |(packet, offload): (Vec<u8>, Option<Offload>)| {
        let headers = wire::parse(&packet).unwrap();
        let payload = usize::from(headers.l3 + headers.l3_len) - usize::from(headers.l4) - 20;
        (payload, offload.map(|Offload { segment, .. }| segment))
    };
    all.map(read).collect()
}

#[test]
fn what_leaves_together_leaves_as_one_from_a_tunnel_too() {
    for workers in [1, 2] {
        for (port, src) in [(1, 1), (0, 9)] {
            let mut rig = acquainted(Size { workers, ..Size::default() });
            let mut packets = segments(2, src, 20 * 1400 + 1);
            let whole = tcp(2, src, 20 * 1400 + 1);
            if port == 0 {
                packets = packets.iter().map(|inner| Tunnelled::default().around(inner)).collect();
            }
            let before = rig.total();
            send(&mut rig, port, &packets);
            let (got, offload) = rig.peers[&2].recv_unfinished().unwrap();
            assert_eq!(offload, Some(Offload { transport: Transport::Tcp, segment: SEGMENT }));
            assert_eq!((got.len(), &got[54..]), (whole.len(), &whole[54..]));
            assert_eq!(rig.peers[&2].recv(), None);
            let total = rig.total();
            assert_eq!((total.merged - before.merged, total.tx - before.tx), (20, 1));
            rig.assert_at_rest();
        }
    }
}

#[test]
fn who_does_not_take_super_frames_gets_none() {
    for takes in [Takes::default(), Takes { checksum: true, ..Takes::default() }, Takes { tcp4: false, ..TCP }] {
        let mut rig = acquainted(Size::default());
        rig.peers[&2].take(takes);
        send(&mut rig, 1, &segments(2, 1, 3000));
        assert_eq!(out(&rig), [(1400, None), (1400, None), (200, None)]);
        assert_eq!(rig.total().merged, 0);
    }
}

#[test]
fn other_packets_keep_their_place_among_those_that_are_merged() {
    let mut rig = acquainted(Size::default());
    let [a, b, c, d]: [Vec<u8>; 4] = segments(2, 1, 4 * 1400).try_into().unwrap();
    let other = || udp_frame(2, 1, 1, 12);
    send(&mut rig, 1, &[other(), a, b, other(), other(), c, d, other()]);
    let super_frame = (2 * 1400, Some(SEGMENT));
    let packets = out(&rig);
    assert_eq!([packets[1], packets[4]], [super_frame; 2]);
    assert_eq!((packets.len(), rig.total().merged), (6, 2));
    assert!([0, 2, 3, 5].iter().all(|&nth| packets[nth].1.is_none()));
    rig.assert_at_rest();
}

#[test]
fn two_flows_by_turns_are_not_merged_and_lose_nothing() {
    let mut rig = acquainted(Size::default());
    rig.send(3, &udp_frame(1, 3, 3, 20));
    rig.out();
    let pairs = segments(2, 1, 4200).into_iter().zip(segments(2, 1, 4200));
    let by_turns: Vec<_> = pairs
        .flat_map(|(a, mut b)| {
            b[36] ^= 1; // another port: its checksum is wrong now, and nobody here minds
            [a, b]
        })
        .collect();
    send(&mut rig, 1, &by_turns);
    assert_eq!((out(&rig), rig.total().merged), (vec![(1400, None); 6], 0));
    rig.assert_at_rest();
}

#[test]
fn a_segment_with_a_wrong_checksum_goes_as_it_came() {
    let mut rig = acquainted(Size::default());
    let mut packets = segments(2, 1, 5 * 1400);
    packets[2][99] ^= 1;
    send(&mut rig, 1, &packets);
    assert_eq!(out(&rig), [(2800, Some(SEGMENT)), (1400, None), (2800, Some(SEGMENT))]);
    rig.assert_at_rest();
}

#[test]
fn segments_whose_checksum_is_left_are_merged_and_super_frames_are_left_alone() {
    let mut rig = acquainted(Size::default());
    let left = |segment| Some(Offload { transport: Transport::Tcp, segment });
    for mut packet in segments(2, 1, 3 * 1400) {
        packet[50] ^= 0xff;
        assert!(rig.peers[&1].send_unfinished(&packet, left(0)));
    }
    assert!(rig.peers[&1].send_unfinished(&tcp(2, 1, 9000), left(1000)));
    rig.settle();
    assert_eq!(out(&rig), [(4200, Some(SEGMENT)), (9000, Some(1000))]);
    rig.assert_at_rest();
}

#[test]
fn where_there_is_no_long_buffer_segments_go_as_they_are() {
    // All frames there are hold the segments.
    let mut rig = acquainted(Size { frames: 4, ..Size::default() });
    send(&mut rig, 1, &segments(2, 1, 4 * 1400));
    assert_eq!((out(&rig), rig.total().merged), (vec![(1400, None); 4], 0));
    send(&mut rig, 1, &segments(2, 1, 3 * 1400));
    assert_eq!((out(&rig), rig.total().merged), (vec![(4200, Some(SEGMENT))], 2));
    rig.assert_at_rest();
}

#[test]
fn rows_are_not_cut_short_by_the_end_of_a_batch() {
    let mut rig = acquainted(Size::default());
    let packets = vec![segments(2, 1, 46 * 1400); 10].concat();
    send(&mut rig, 1, &packets);
    assert_eq!(out(&rig), vec![(46 * 1400, Some(SEGMENT)); 10]);
    rig.assert_at_rest();
}

#[test]
fn a_row_goes_on_over_batches_and_where_a_full_lane_was_sent() {
    for others in [0, 30, 63] {
        let mut rig = acquainted(Size::default());
        let before = rig.total();
        let mut packets = vec![udp_frame(2, 1, 1, 12); others];
        packets.extend(segments(2, 1, 46 * 1400));
        send(&mut rig, 1, &packets);
        let packets = out(&rig);
        assert_eq!((packets.len(), packets[others]), (others + 1, (46 * 1400, Some(SEGMENT))), "behind {others}");
        assert!(packets[..others].iter().all(|(_, segment)| segment.is_none()));
        assert_eq!(rig.total().merged - before.merged, 45);
        rig.assert_at_rest();
    }
}
