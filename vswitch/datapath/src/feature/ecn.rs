//! Congestion that the underlay has marked, handed on to the overlay (RFC 6040).

use frame::Frame;
use wire::ecn;

use crate::{Cause, batch::Meta};

/// The mark that an inner packet must get, by its own and the outer header's TOS or traffic class; 0 where it stays as it
/// is, for nothing is ever changed to "not capable". What is not IP has no marks.
#[inline]
pub(crate) fn mark_of(outer_tos: u8, inner_tos: Option<u8>) -> Result<u8, Cause> {
    let Some(tos) = inner_tos.filter(|_| outer_tos & ecn::MASK != 0) else { return Ok(0) };
    let combined = ecn::combine(tos, outer_tos).ok_or(Cause::EcnNotCapable)?;
    Ok(if combined == tos & ecn::MASK { 0 } else { combined })
}

/// Writes the mark into a stripped frame.
#[inline]
pub(crate) fn mark(frame: &mut Frame, meta: &Meta) {
    if meta.ecn_mark != 0 {
        let data = frame.data_mut();
        let tos = meta.headers.tos(data).unwrap_or(0) & !ecn::MASK | meta.ecn_mark;
        meta.headers.set_tos(data, tos);
    }
}
