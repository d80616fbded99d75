//! What a sender left to its device, of packets that leave by a port that does not do it either: checksums are completed and
//! super-frames cut here, at the end of their way, so that 64 KiB are looked up once (generic segmentation offload).
//!
//! What a port takes is asked where its queue pair is held, of frames that have work left only. They are never plain: the fast
//! way knows nothing of them.

use frame::{Frame, Offload, Pool, Takes};
use wire::gso::{Cut, Layout, Refused, complete};

use crate::{Cause, batch::Meta};

impl From<Refused> for Cause {
    fn from(refused: Refused) -> Cause {
        match refused {
            Refused::Headers => Cause::OffloadHeaders,
            Refused::Segments => Cause::OffloadSegments,
        }
    }
}

/// Whether what is left of a frame that came in can be done at all: whoever passes it on need not look again.
#[inline]
pub(crate) fn admit(frame: &Frame, meta: &Meta) -> Result<(), Cause> {
    if frame.is_unfinished() { admit_unfinished(frame, meta) } else { Ok(()) }
}

#[inline(never)]
fn admit_unfinished(frame: &Frame, meta: &Meta) -> Result<(), Cause> {
    let inner = frame.data().get(usize::from(meta.outer_len)..).unwrap_or_default();
    // Half an offload is none that anybody knows.
    let offload = frame.offload().ok_or(Cause::OffloadHeaders)?;
    Ok(Layout::of(inner, &meta.headers, offload.transport.protocol())?.check(offload.segment)?)
}

/// Octets of the longest frame that comes of a stripped one, which is what its way must have room for.
#[inline]
pub(crate) fn longest(frame: &Frame, meta: &Meta) -> usize {
    match frame.offload().filter(|offload| offload.segment > 0) {
        Some(offload) => Layout::of(frame.data(), &meta.headers, offload.transport.protocol())
            .map_or(frame.len(), |layout| layout.longest(frame.len(), offload.segment)),
        None => frame.len(),
    }
}

/// What is to be done to an unfinished frame before it may be offered to a device.
pub(crate) enum Work {
    /// Nothing, or nothing any more.
    Done,
    /// It must be cut.
    Cut(Layout, u16),
}

/// Completes the checksum of an unfinished frame where its port does not, and says what else is to be done.
pub(crate) fn finish(frame: &mut Frame, takes: Takes) -> Result<Work, Cause> {
    let Some(offload) = frame.offload() else { return Ok(Work::Done) };
    let outer = frame.outer_len();
    let takes = takes.behind(outer);
    if offload.segment == 0 && takes.checksum {
        return Ok(Work::Done);
    }
    let layout = Layout::behind(frame.data(), outer, offload.transport.protocol())?;
    if layout.is_cut_by(offload.segment) {
        let is_taken = takes.super_frames(offload.transport, layout.is_ipv6());
        return Ok(if is_taken { Work::Done } else { Work::Cut(layout, offload.segment) });
    }
    if takes.checksum {
        frame.set_offload(Some(Offload { segment: 0, ..offload }));
    } else {
        complete(frame.data_mut(), &layout);
        frame.set_offload(None);
    }
    Ok(Work::Done)
}

/// One segment in a frame of its own; `None` where the pool has none for it.
#[inline]
pub(crate) fn segment(cut: &Cut<'_>, nth: usize, pool: &mut impl Pool) -> Option<Frame> {
    let mut frame = pool.alloc()?;
    if frame.set_len(cut.len_of(nth)) && cut.write(nth, frame.data_mut()) {
        return Some(frame);
    }
    pool.release_one(frame);
    None
}
