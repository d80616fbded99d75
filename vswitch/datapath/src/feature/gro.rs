//! TCP segments of one flow that stand one behind the other in front of a port that takes super-frames are sent as one
//! (generic receive offload). Nothing is held back for it: only what leaves in the same turn is looked at.

use frame::{Burst, Frame, Offload, Pool, SUPER_MAX, Takes, Transport};
use wire::gro::Row;

use crate::tally::Tally;

/// Whether a port that takes so much may be given what is merged.
#[inline]
pub(crate) fn suits(takes: Takes) -> bool {
    [false, true].into_iter().any(|is_ipv6| takes.super_frames(Transport::Tcp, is_ipv6))
}

/// Merges what waits for a port. `row` is the one that the first frame is already, where more may come to it, and then the one
/// that the last frame is.
#[inline(never)]
pub(crate) fn merge(waiting: &mut Burst, row: &mut Option<Row>, takes: Takes, pool: &mut impl Pool, tally: &mut Tally) {
    let (mut before, mut merged) = (std::mem::take(waiting), Burst::new());
    let mut frames = before.drain();
    if row.is_some() {
        frames.next().into_iter().for_each(|whole| put(waiting, whole, pool));
    }
    for frame in frames {
        match join(row, waiting, &frame, pool) {
            true => put(&mut merged, frame, pool),
            false => {
                finish(*row, waiting);
                *row = begin(&frame, takes);
                put(waiting, frame, pool);
            }
        }
    }
    finish(*row, waiting);
    tally.worker.merged += merged.len() as u64;
    pool.release(&mut merged);
}

/// Appends to a burst that has room, for no frame is in two places.
fn put(burst: &mut Burst, frame: Frame, pool: &mut impl Pool) {
    burst.push(frame).unwrap_or_else(|frame| pool.release_one(frame));
}

/// A row of one frame, where it can be the first of one that the port takes.
fn begin(frame: &Frame, takes: Takes) -> Option<Row> {
    let row = Row::begin(frame.data(), is_summed(frame)?)?;
    takes.super_frames(Transport::Tcp, row.is_ipv6()).then_some(row)
}

/// Puts the payload of `frame` behind the last frame that waits, if that is the row and this its next; the frame is not needed
/// any more then. Where the pool has no long buffers left, frames go as they are.
fn join(row: &mut Option<Row>, waiting: &mut Burst, frame: &Frame, pool: &mut impl Pool) -> bool {
    let (Some(row), Some(whole)) = (row, waiting.as_mut_slice().last_mut()) else { return false };
    let Some(is_summed) = is_summed(frame) else { return false };
    let mut longer = *row;
    let Some(payload) = longer.append(whole.data(), frame.data(), is_summed, SUPER_MAX) else { return false };
    if !row.has_several() {
        let Some(long) = lengthen(row, whole, pool) else { return false };
        pool.release_one(std::mem::replace(whole, long));
    }
    let before = whole.len();
    if !whole.set_len(longer.len()) {
        return false;
    }
    whole.data_mut()[before..].copy_from_slice(payload);
    *row = longer;
    true
}

/// The first frame of a row in a buffer that has room for more.
fn lengthen(row: &Row, first: &Frame, pool: &mut impl Pool) -> Option<Frame> {
    let mut long = pool.alloc_super()?;
    if long.write(row.unpadded(first.data())) {
        long.set_offload(Some(Offload { transport: Transport::Tcp, segment: row.segment() }));
        return Some(long);
    }
    pool.release_one(long);
    None
}

/// Makes a super-frame of the last frame that waits, if that is a row of several segments.
fn finish(row: Option<Row>, waiting: &mut Burst) {
    if let Some(row) = row.filter(Row::has_several)
        && let Some(whole) = waiting.as_mut_slice().last_mut()
    {
        let is_done = row.finish(whole.data_mut());
        debug_assert!(is_done, "a row is as long as its frame");
    }
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
