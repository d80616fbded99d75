//! track: what a flow's hit leaves behind. Counters and the time it was last seen.

use table::FlowSlot;

use crate::{batch::Meta, brain::Brain, tally::Tally};

/// Counts one frame on its flow.
#[inline]
pub(crate) fn count(slot: FlowSlot, meta: &Meta, brain: &Brain, tally: &mut Tally) {
    brain.flows.entry(slot).hit(u64::from(meta.inner_len), brain.now);
    tally.worker.flow_hits += 1;
}
