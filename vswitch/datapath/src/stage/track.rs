//! track: what a flow's hit leaves behind. Counters and the time it was last seen.

use table::{FlowEntry, Tick};

use crate::{batch::Meta, flow::KEY_WORDS, tally::Tally};

/// Counts one frame on its flow.
#[inline]
pub(crate) fn count(entry: &FlowEntry<KEY_WORDS>, meta: &Meta, now: Tick, tally: &mut Tally) {
    entry.hit(u64::from(meta.inner_len), now);
    tally.worker.flow_hits += 1;
}
