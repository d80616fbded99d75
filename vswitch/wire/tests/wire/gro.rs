//! Segments put together: what was cut becomes what it was, and what is not of one row stays apart.

use proptest::prelude::*;
use wire::{
    checksum::Sum,
    gro::Row,
    gso::{Cut, Layout, complete},
    parse, protocol,
};

use crate::{
    gso::{Shape, Wrap, shapes, unfinished},
    samples::*,
};

const SUPER_MAX: usize = 65_407;

fn octets(len: usize) -> Vec<u8> {
    Random(len as u64).bytes(len)
}

/// All segments of a packet.
fn cut(frame: &[u8], segment: u16) -> Vec<Vec<u8>> {
    let cut = Cut::new(frame, Layout::behind(frame, 0, protocol::TCP).unwrap(), segment).unwrap();
    let write = |nth| {
        let mut out = vec![0; cut.len_of(nth)];
        assert!(cut.write(nth, &mut out));
        out
    };
    (0..cut.count()).map(write).collect()
}

/// Merges as many of these as make one row: how many, and the super-frame.
fn merged(frames: &[Vec<u8>]) -> Option<(usize, Vec<u8>, u16)> {
    let (first, rest) = frames.split_first()?;
    let mut row = Row::begin(first, true)?;
    let mut out = row.unpadded(first).to_vec();
    let mut count = 1_usize;
    for frame in rest {
        let Some(payload) = row.append(&out, frame, true, SUPER_MAX) else { break };
        out.extend_from_slice(payload);
        count += 1;
        // It may be finished at any time, and go on all the same.
        assert!(!count.is_multiple_of(3) || row.finish(&mut out));
    }
    assert!(row.finish(&mut out) && row.has_several() == (count > 1));
    (count > 1).then_some((count, out, row.segment()))
}

/// A TCP packet to be cut, without the flags that end a row: with them, the last segment has them.
fn tcp_shapes() -> impl Iterator<Item = Shape> {
    shapes().filter(|shape| shape.tcp && shape.wrap == Wrap::None)
}

/// The packet with the sum of its pseudo header where its checksum will be.
fn half_summed(shape: Shape, payload: &[u8]) -> Vec<u8> {
    let (mut frame, _) = unfinished(shape, payload);
    let headers = parse(&frame).unwrap();
    let (src, dst) = headers.addresses(&frame).unwrap();
    let l4 = usize::from(headers.l4);
    let sum = !Sum::ZERO.addresses(src, dst).word(6).word((frame.len() - l4) as u16).finish();
    frame[l4 + 16..l4 + 18].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[test]
fn what_is_cut_is_put_together_to_what_it_was() {
    for shape in tcp_shapes() {
        for segment in [536u16, 1440, 1448] {
            let whole = usize::from(segment);
            for len in [whole + 1, 2 * whole, 5 * whole - 1, 5 * whole + 1, 40 * whole] {
                let frame = half_summed(shape, &octets(len));
                let segments = cut(&frame, segment);
                assert_eq!(merged(&segments), Some((segments.len(), frame, segment)), "{shape:?} {len}");
            }
        }
    }
}

#[test]
fn a_super_frame_gets_no_longer_than_a_buffer() {
    let shape = tcp_shapes().next().unwrap();
    let rest = |segments: &[Vec<u8>]| merged(segments).unwrap();
    let (frame, _) = unfinished(shape, &octets(SUPER_MAX - 54));
    let mut segments = cut(&frame, 1448);
    assert_eq!(rest(&segments).1.len(), SUPER_MAX);
    let last = segments.last_mut().unwrap();
    last.push(7);
    let len = (last.len() - 14) as u16;
    last[16..18].copy_from_slice(&len.to_be_bytes());
    seal(last);
    assert_eq!(rest(&segments).0, segments.len() - 1);
}

/// Two segments of a row, the second changed, its checksums right again unless `edit` says otherwise.
fn pair(shape: Shape, edit: impl Fn(&mut Vec<u8>)) -> Option<usize> {
    let frame = half_summed(shape, &octets(3000));
    let mut segments = cut(&frame, 1000);
    segments.truncate(2);
    edit(&mut segments[1]);
    merged(&segments).map(|(count, ..)| count)
}

/// Puts the checksums of a segment right.
fn seal(frame: &mut [u8]) {
    if frame[12..14] == [8, 0] {
        frame[24..26].fill(0);
        let sum = checksum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    if let Ok(layout) = Layout::behind(frame, 0, protocol::TCP) {
        complete(frame, &layout);
    }
}

#[test]
fn whatever_differs_keeps_segments_apart() {
    for shape in tcp_shapes() {
        assert_eq!(pair(shape, |_| {}), Some(2));
        let l4 = if shape.ipv6 { 54 } else { 34 };
        let headers = l4 + 20 + shape.options;
        // What is made right again, and lengths: a shorter packet is one that is padded.
        let (network, length) = if shape.ipv6 { (18..20, 18..20) } else { (24..26, 16..18) };
        let transport = l4 + 16..l4 + 18;
        let counts = |at: &usize| ![&network, &length, &transport].into_iter().any(|range| range.contains(at));
        for at in (0..headers).filter(counts) {
            for bit in 0..8 {
                let change = |frame: &mut Vec<u8>| {
                    frame[at] ^= 1 << bit;
                    seal(frame);
                };
                // PSH and FIN end a row, and this makes the identification that of the first.
                let may = at == l4 + 13 && [0, 3].contains(&bit) || !shape.ipv6 && (at, bit) == (19, 0);
                let merges = pair(shape, change).is_some();
                assert_eq!(merges, may, "octet {at}, bit {bit} of {shape:?}");
            }
        }
        assert_eq!(pair(shape, |frame| frame[headers + 9] ^= 1), None, "a wrong checksum");
        if !shape.ipv6 {
            assert_eq!(pair(shape, |frame| frame[25] ^= 1), None, "a wrong header checksum");
        }
    }
}

#[test]
fn a_row_ends_with_a_push_and_with_a_shorter_segment() {
    let shape = tcp_shapes().next().unwrap();
    let frame = half_summed(shape, &octets(4000));
    let flags = 34 + 13;
    for (what, nth, edit) in [
        ("a push", 1, (|frame: &mut Vec<u8>| frame[34 + 13] |= 8) as fn(&mut Vec<u8>)),
        ("an end", 2, |frame| frame[34 + 13] |= 1),
    ] {
        let mut segments = cut(&frame, 1000);
        edit(&mut segments[nth]);
        seal(&mut segments[nth]);
        let (count, out, _) = merged(&segments).unwrap();
        assert_eq!((count, out[flags]), (nth + 1, 0x90 | segments[nth][flags] & 9), "{what}");
    }
    let mut segments = cut(&frame, 1000);
    segments[1].truncate(54 + 999);
    let len = (segments[1].len() - 14) as u16;
    segments[1][16..18].copy_from_slice(&len.to_be_bytes());
    seal(&mut segments[1]);
    for segment in &mut segments[2..] {
        let sequence = u32::from_be_bytes(*segment[38..42].first_chunk().unwrap()).wrapping_sub(1);
        segment[38..42].copy_from_slice(&sequence.to_be_bytes());
        seal(segment);
    }
    assert_eq!(merged(&segments).unwrap().0, 2, "a shorter one is the last");
    assert_eq!(merged(&segments[1..]), None, "and a longer one does not follow it");
}

#[test]
fn segments_that_all_have_one_identification_are_a_row_where_it_means_nothing() {
    let shape = tcp_shapes().next().unwrap();
    let frame = half_summed(shape, &octets(3000));
    let with = |ids: [u16; 3], flags: u8| {
        let mut segments = cut(&frame, 1000);
        for (segment, id) in segments.iter_mut().zip(ids) {
            segment[18..20].copy_from_slice(&id.to_be_bytes());
            segment[20] = flags;
            seal(segment);
        }
        merged(&segments).map_or(1, |(count, ..)| count)
    };
    for (ids, dont_fragment, may_fragment) in [
        ([7, 7, 7], 3, 1),
        ([7, 8, 9], 3, 3),
        ([65_535, 0, 1], 3, 3),
        ([7, 8, 8], 2, 2),
        ([7, 7, 8], 2, 1),
        ([7, 6, 5], 1, 1),
    ] {
        assert_eq!((with(ids, 0x40), with(ids, 0)), (dont_fragment, may_fragment), "{ids:?}");
    }
}

#[test]
fn what_begins_no_row_is_left_alone() {
    let shape = tcp_shapes().next().unwrap();
    let frame = half_summed(shape, &octets(100));
    let begins = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = frame.clone();
        frame[34 + 13] = 0x10;
        edit(&mut frame);
        Row::begin(&frame, true).is_some()
    };
    assert!(begins(&|_| {}) && begins(&|frame| frame[47] = 0x90) && begins(&|frame| frame[47] = 0x50));
    for flags in [0x18, 0x11, 0x12, 0x14, 0x30, 0x00] {
        assert!(!begins(&|frame| frame[47] = flags), "flags {flags:#x}");
    }
    assert!(
        !begins(&|frame| frame[23] = 17) && !begins(&|frame| frame[14] = 0x46) && !begins(&|frame| frame[20] = 0x20)
    );
    assert!(!begins(&|frame| frame.truncate(100)) && !begins(&|frame| frame[46] = 0x40));
    let (empty, _) = unfinished(shape, &[]);
    assert!(Row::begin(&empty, true).is_none(), "an acknowledgement alone");
}

proptest! {
    #[test]
    fn any_two_frames_are_merged_as_they_were_cut_or_not_at_all(
        choice: prop::sample::Index,
        changes in prop::collection::vec((0usize..2, 0usize..100, any::<u8>()), 0..3),
        len in 1usize..300,
        seals: bool,
    ) {
        let shapes: Vec<Shape> = shapes().filter(|shape| shape.wrap == Wrap::None).collect();
        let shape = *choice.get(&shapes);
        let (frame, _) = unfinished(shape, &octets(len));
        let layout = Layout::behind(&frame, 0, shape.protocol()).unwrap();
        let cut_up = Cut::new(&frame, layout, 100).unwrap();
        let mut frames: Vec<Vec<u8>> = (0..cut_up.count()).map(|nth| vec![0; cut_up.len_of(nth)]).collect();
        frames.iter_mut().enumerate().for_each(|(nth, out)| assert!(cut_up.write(nth, out)));
        for (which, at, value) in changes {
            let which = which % frames.len();
            let at = at % frames[which].len();
            frames[which][at] = value;
            if seals && frames[which].len() > 40 {
                seal(&mut frames[which]);
            }
        }
        if let Some((count, out, segment)) = merged(&frames) {
            let again = cut(&out, segment);
            prop_assert_eq!(again.len(), count);
            for (again, frame) in again.iter().zip(&frames) {
                // The identification may stand still, and a frame may be padded.
                let counts = |at: &usize| shape.ipv6 || ![18, 19, 24, 25].contains(at);
                prop_assert!((0..again.len()).filter(counts).all(|at| again[at] == frame[at]));
            }
        }
    }
}
