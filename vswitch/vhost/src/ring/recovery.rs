//! Taking up a packed ring where a switch that was killed left it (see [`crate::InflightMemory`]).

use super::{
    fault::RingFault,
    packed::{Position, is_available},
};
use crate::{GuestArray, GuestMemory, Record, RingAddresses, inflight::Standing};

/// Where the ring stands by its record, a burst that was being shown shown first; `None` where the record has nothing to
/// say. Only for a ring that no worker has.
pub(crate) fn recover(
    record: &Record,
    memory: &GuestMemory,
    addresses: &RingAddresses,
    size: u16,
) -> Result<Option<u32>, RingFault> {
    let Some(standing) = record.standing() else { return Ok(None) };
    let place = |word| Position::of(word, size).ok_or(RingFault::Record(u64::from(word)));
    let (at, after) = (place(standing.at)?, place(standing.after)?);
    if standing.open > 0 {
        let descriptors = memory.array::<u64>(addresses.descriptors, 2 * usize::from(size));
        let descriptors = descriptors.ok_or(RingFault::Outside("descriptor ring"))?;
        let flags = (u64::from_le(descriptors.load(2 * usize::from(at.index) + 1)) >> 48) as u16;
        if is_available(flags, at.wrap) {
            show(record, standing, at, &descriptors, size)?;
        }
    }
    Ok(Some(u32::from(after.word()) | u32::from(after.word()) << 16))
}

/// Stores the open burst's descriptors, the first one last.
fn show(
    record: &Record,
    standing: Standing,
    at: Position,
    descriptors: &GuestArray<u64>,
    size: u16,
) -> Result<(), RingFault> {
    let entry = |entry| {
        let (index, word) = record.entry(entry).ok_or(RingFault::Record(u64::from(standing.open)))?;
        let index = u16::try_from(index).ok().filter(|&index| index < size).ok_or(RingFault::Record(index))?;
        Ok((index, word))
    };
    let first = entry(0)?;
    if first.0 != at.index {
        return Err(RingFault::Record(u64::from(first.0)));
    }
    // Nothing is stored before all of them are known to be there.
    (1..standing.open).try_for_each(|number| entry(number).map(|_| ()))?;
    let store = |(index, word): (u16, u64)| descriptors.store(2 * usize::from(index) + 1, word.to_le());
    for number in 1..standing.open {
        store(entry(number)?);
    }
    std::sync::atomic::fence(std::sync::atomic::Ordering::Release);
    store(first);
    Ok(())
}
