//! Random and mutated frames through whole turns: no panic, and every one of them is accounted for.
//!
//! `MILLRACE_FUZZ=n` sends that many.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod rig;

use frame::{Offload, Takes, Transport};
use rig::*;
use wire::Mac;

/// Frames sent at once.
const BATCH: u64 = 100;

struct Noise(u64);

impl Noise {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Whole frames to start from: one of each header there is.
fn corpus() -> Vec<Vec<u8>> {
    let ipv6 = |next: u8, payload: &[u8]| {
        let mut packet = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 64];
        packet.extend_from_slice(&[0xfd; 32]);
        [packet, payload.to_vec()].concat()
    };
    let solicitation = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &[0xfd; 16], &[1, 1, 2, 0, 0, 0, 0, 1]].concat();
    let extensions = [&[60, 0, 1, 4, 0, 0, 0, 0][..], &[17, 0, 1, 4, 0, 0, 0, 0], &udp(1, 2, &[0; 8])].concat();
    let tcp = [&[0, 80, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0, 9, 0, 0, 0, 0][..], &[2, 4, 5, 0xb4]].concat();
    let inner = [
        plain(2, 1),
        udp_frame(2, 1, 1, 40),
        udp_frame(1, 3, 3, 1400),
        arp(1, 1),
        ethernet(mac(2), mac(1), 0x0800, &ipv4(address(1), address(2), 6, &tcp)),
        ethernet(mac(2), mac(1), 0x0800, &ipv4(address(1), address(2), 132, &[0; 12])),
        ethernet(mac(2), mac(1), 0x8100, &[&[0, 5, 8, 0][..], &ipv4(address(1), address(2), 1, &[8; 8])].concat()),
        ethernet(mac(2), mac(1), 0x86dd, &ipv6(58, &solicitation)),
        ethernet(mac(2), mac(1), 0x86dd, &ipv6(0, &extensions)),
        ethernet(Mac::BROADCAST, mac(1), 0x0026, &[0xaa; 38]),
    ];
    let tunnelled = inner.iter().map(|inner| Tunnelled::default().around(inner));
    let twice = Tunnelled::default().around(&Tunnelled::default().around(&plain(1, 9)));
    inner.iter().cloned().chain(tunnelled).chain([twice]).collect()
}

fn hostile(noise: &mut Noise, corpus: &[Vec<u8>]) -> Vec<u8> {
    if noise.below(10) == 0 {
        return (0..noise.below(300) + 1).map(|_| noise.next() as u8).collect();
    }
    let mut frame = corpus[noise.below(corpus.len())].clone();
    for _ in 0..noise.below(6) {
        let at = if noise.below(4) > 0 { noise.below(frame.len().min(110)) } else { noise.below(frame.len()) };
        frame[at] = match noise.below(4) {
            0 => 0,
            1 => 0xff,
            2 => frame[at] ^ 1 << noise.below(8),
            _ => noise.next() as u8,
        };
    }
    match noise.below(8) {
        0 => frame.truncate(noise.below(frame.len()) + 1),
        1 => frame.resize(frame.len() + noise.below(600), 0),
        _ => {}
    }
    frame.truncate(2048); // what a buffer of the rig holds
    frame
}

/// What is said to be left to be done to one frame in four; seldom is it so.
fn lie(noise: &mut Noise) -> Option<Offload> {
    let transport = if noise.below(2) == 0 { Transport::Tcp } else { Transport::Udp };
    let segment = [0, 1, 7, 8, 20, 536, 1448, u16::MAX, noise.next() as u16][noise.below(9)];
    (noise.below(4) == 0).then_some(Offload { transport, segment })
}

#[test]
fn a_hundred_thousand_hostile_frames_are_all_accounted_for() {
    let frames = std::env::var("MILLRACE_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let (mut noise, corpus) = (Noise(frames), corpus());
    let mut rig = Rig::new(Size { workers: 2, macs: 256, flows: 256, ..Size::default() });
    let mut sent = 0;
    while sent < frames {
        for _ in 0..BATCH {
            let port = PORTS[noise.below(PORTS.len())];
            let offload = lie(&mut noise);
            assert!(rig.peers[&port].send_unfinished(&hostile(&mut noise, &corpus), offload));
        }
        let [checksum, tcp4, tcp6, udp] = [0, 1, 2, 3].map(|bit| noise.next() >> bit & 1 > 0);
        rig.peers[&PORTS[noise.below(PORTS.len())]].take(Takes { checksum, tcp4, tcp6, udp, tunnel: checksum });
        sent += BATCH;
        rig.now = rig.now.after(1);
        rig.settle();
        rig.take_punts();
        rig.out();
        assert_eq!(rig.pool.used(), 0);
    }
    rig.assert_at_rest();
    let total = rig.total();
    assert_eq!(total.rx, sent);
    assert!(rig.drops().len() > 30, "the frames are not hostile enough: {:?}", rig.drops());
    assert!(total.tx > sent / 10, "nor all too broken: {total:?}");
}

/// Every prefix of every frame, by every port.
#[test]
fn every_truncation_is_accounted_for() {
    let mut rig = Rig::new(Size::default());
    let mut sent = 0;
    for frame in corpus() {
        for len in 1..=frame.len().min(200) {
            for port in [0, 1, 3] {
                assert!(rig.peers[&port].send(&frame[..len]));
                sent += 1;
            }
            rig.settle();
            rig.take_punts();
        }
        rig.out();
    }
    rig.assert_at_rest();
    assert_eq!(rig.total().rx, sent);
}
