//! Random and mutated frames: nothing panics, no offset leaves the frame, every reason is reached.

use std::collections::BTreeMap;

use wire::{L3, Malformed, Parsed, flow_hash, icmpv6, is_plain, parse, parse_outer, plain_hash_and_tos};

use crate::samples::{Random, all};

/// Frames in a normal run; `MILLRACE_FUZZ=N` makes it N.
const FRAMES: u64 = 100_000;

/// Prints the frame in hand when a test panics over it.
struct InHand<'a>(u64, &'a [u8]);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("frame {}: {:02x?}", self.0, self.1);
        }
    }
}

pub(crate) fn frames_wanted() -> u64 {
    match std::env::var("MILLRACE_FUZZ") {
        Ok(text) => text.parse().expect("MILLRACE_FUZZ is a number of frames"),
        Err(_) => FRAMES,
    }
}

/// Frame `n`: mostly a sample with a few octets changed, cut or grown, sometimes noise.
pub(crate) fn frame(n: u64, samples: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(n.wrapping_mul(0x2545_f491_4f6c_dd1d));
    if random.below(16) == 0 {
        let len = random.below(160);
        return random.bytes(len);
    }
    if random.below(4096) == 0 {
        return vec![n as u8; 65_530 + random.below(12)];
    }
    let mut frame = samples[random.below(samples.len())].clone();
    for _ in 0..random.below(4) {
        mutate(&mut frame, &mut random);
    }
    frame
}

/// Values at which comparisons turn.
const EDGES: [u8; 9] = [0, 1, 60, 0x45, 0x60, 0x7f, 0x80, 0xfe, 0xff];

fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    // Headers come first, and so do most mutations.
    let at = random.below(frame.len() + 1).min(random.below(frame.len() + 1));
    match random.below(7) {
        0 if at < frame.len() => frame[at] ^= 1 << random.below(8),
        1 if at < frame.len() => frame[at] = random.next() as u8,
        2 if at < frame.len() => frame[at] = EDGES[random.below(EDGES.len())],
        3 => frame.truncate(random.below(frame.len() + 1)),
        4 => {
            // The same eight octets once more: chains of headers and options grow.
            let block = frame[at..(at + 8).min(frame.len())].to_vec();
            frame.splice(at..at, block);
        }
        5 => frame.extend(vec![0; random.below(40)]),
        _ => frame.insert(at, random.next() as u8),
    }
}

/// The room on one frame as the packet path uses it. Returns the reasons met.
fn drive(frame: &[u8], stranger: &Parsed) -> Vec<Malformed> {
    // Offsets of another frame give nonsense, but no panic.
    let _ = (parse_outer(frame, stranger), flow_hash(frame, stranger), icmpv6::neighbour(frame, stranger));
    let _ = (stranger.addresses(frame), stranger.ports(frame), stranger.arp(frame), stranger.outer_tag(frame));
    let parsed = match parse(frame) {
        Ok(parsed) => parsed,
        Err(reason) => return vec![reason],
    };
    check(frame, &parsed);
    let mut reasons = Vec::new();
    reasons.extend(icmpv6::neighbour(frame, &parsed).err());
    match parse_outer(frame, &parsed) {
        Err(reason) => reasons.push(reason),
        Ok(None) => {}
        Ok(Some(outer)) => {
            assert!(outer.inner + outer.inner_len <= usize::from(parsed.l3 + parsed.l3_len));
            let inner = &frame[outer.inner..outer.inner + outer.inner_len];
            reasons.extend(parse(inner).err());
        }
    }
    reasons
}

/// What must hold of every frame that was parsed.
fn check(frame: &[u8], parsed: &Parsed) {
    let (l3, l4) = (usize::from(parsed.l3), usize::from(parsed.l4));
    let end = l3 + usize::from(parsed.l3_len);
    assert_eq!(l3, 14 + 4 * usize::from(parsed.tags));
    assert!(l3 <= end && end <= frame.len());
    assert!(l4 == 0 || (l3 + 20 <= l4 && l4 + 4 <= end), "a transport header outside its packet");
    let is_ip = matches!(parsed.l3_kind, L3::Ipv4 | L3::Ipv6);
    assert_eq!(parsed.addresses(frame).is_some(), is_ip);
    assert_eq!(parsed.arp(frame).is_some(), parsed.l3_kind == L3::Arp);
    assert_eq!(parsed.ports(frame).is_some(), l4 != 0 && matches!(parsed.protocol, 6 | 17 | 132));
    assert_eq!(parsed.outer_tag(frame).is_some(), parsed.tags > 0);
    // Nothing behind the packet counts, and a second look sees the same.
    let trimmed = &frame[..end];
    assert_eq!(parse(trimmed).as_ref(), Ok(parsed));
    assert_eq!(flow_hash(trimmed, parsed), flow_hash(frame, parsed));
    let (hash, tos) = plain_hash_and_tos(frame);
    assert!(!is_plain(frame) || (hash, Some(tos)) == (flow_hash(frame, parsed), parsed.tos(frame)));
}

#[test]
fn random_and_mutated_frames_never_panic_and_reach_every_reason() {
    let samples = all();
    let strangers: Vec<_> = samples.iter().map(|sample| parse(sample).unwrap()).collect();
    let mut met = BTreeMap::new();
    for n in 0..frames_wanted() {
        let frame = frame(n, &samples);
        let _in_hand = InHand(n, &frame);
        for reason in drive(&frame, &strangers[n as usize % strangers.len()]) {
            *met.entry(reason).or_insert(0u64) += 1;
        }
    }
    // Only a frame that changed since it was parsed can have it; `outer.rs` covers that.
    met.insert(Malformed::OuterUdpLength, 0);
    let missing: Vec<_> = Malformed::ALL.iter().filter(|reason| !met.contains_key(reason)).collect();
    assert!(missing.is_empty() || frames_wanted() < FRAMES, "never met: {missing:?} of {met:?}");
}
