//! TCP segments of one flow that stand one behind the other in front of a port that takes super-frames are sent as one
//! (generic receive offload). Nothing is held back for it: only what leaves together anyway is looked at.

use frame::{BURST_MAX, Burst, Frame, Offload, Pool, SUPER_MAX, Takes, Transport};
use wire::gro::Row;

use crate::tally::Tally;

/// Whether a port that takes so much may be given what is merged.
#[inline]
pub(crate) fn suits(takes: Takes) -> bool {
    [false, true].into_iter().any(|is_ipv6| takes.super_frames(Transport::Tcp, is_ipv6))
}

/// Merges what waits for a port.
#[inline(never)]
pub(crate) fn merge(waiting: &mut Burst, takes: Takes, pool: &mut impl Pool, tally: &mut Tally) {
    let mut merged = Burst::new();
    let (mut counts, mut rows, mut at) = ([1; BURST_MAX], 0, 0);
    let frames = waiting.as_slice();
    while at < frames.len() {
        // Where the pool has no long buffers left, the rest goes as it is.
        let Some(count) = row(&frames[at..], takes, pool, &mut merged) else { break };
        (counts[rows], rows, at) = (count, rows + 1, at + count);
    }
    if !merged.is_empty() {
        replace(waiting, &counts, &mut merged, pool, tally);
    }
}

/// How many of `frames`, from the first on, are one row; where there are more than one, their super-frame is appended to
/// `merged`. `None` where there is no buffer for it.
fn row(frames: &[Frame], takes: Takes, pool: &mut impl Pool, merged: &mut Burst) -> Option<usize> {
    let Some((first, rest)) = frames.split_first() else { return Some(1) };
    let begin = |is_summed| Row::begin(first.data(), is_summed);
    let is_taken = |row: &Row| takes.super_frames(Transport::Tcp, row.is_ipv6());
    let Some(mut row) = is_summed(first).and_then(begin).filter(is_taken) else { return Some(1) };
    let append = |frame: &Frame| {
        is_summed(frame).is_some_and(|is_summed| row.append(first.data(), frame.data(), is_summed, SUPER_MAX))
    };
    let count = 1 + rest.iter().map(append).take_while(|&is_next| is_next).count();
    if count > 1 {
        let whole = whole(&row, &frames[..count], pool)?;
        merged.push(whole).unwrap_or_else(|whole| pool.release_one(whole)); // never: there are fewer than frames
    }
    Some(count)
}

/// Whether a frame's checksum is there, or only what is left to a device; `None` where more is left.
#[inline]
fn is_summed(frame: &Frame) -> Option<bool> {
    match frame.offload() {
        None => Some(true),
        Some(Offload { transport: Transport::Tcp, segment: 0 }) => Some(false),
        Some(_) => None,
    }
}

/// The super-frame that a row comes to.
fn whole(row: &Row, frames: &[Frame], pool: &mut impl Pool) -> Option<Frame> {
    let mut whole = pool.alloc_super()?;
    if whole.set_len(row.len()) && row.write(frames.iter().map(Frame::data), whole.data_mut()) {
        whole.set_offload(Some(Offload { transport: Transport::Tcp, segment: row.segment() }));
        return Some(whole);
    }
    pool.release_one(whole);
    None
}

/// Puts the super-frames in place of the frames they were made of, as many of each as `counts` says.
fn replace(waiting: &mut Burst, counts: &[usize], merged: &mut Burst, pool: &mut impl Pool, tally: &mut Tally) {
    let mut before = std::mem::take(waiting);
    let (mut frames, mut merged) = (before.drain(), merged.drain());
    for &count in counts {
        let next = if count > 1 { merged.next() } else { frames.next() };
        let Some(frame) = next else { break };
        waiting.push(frame).unwrap_or_else(|frame| pool.release_one(frame)); // never: there are fewer than before
        if count > 1 {
            frames.by_ref().take(count).for_each(|frame| pool.release_one(frame));
            tally.worker.merged += count as u64 - 1;
        }
    }
}
