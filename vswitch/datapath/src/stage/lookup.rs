//! lookup: the flow table, in two passes over the batch: compare tags and prefetch, then compare keys.

use table::FlowSlot;

use crate::{
    batch::{Batch, Class, Meta},
    brain::Brain,
    flow::Recipe,
};

/// The second loop.
pub(crate) fn batch(batch: &mut Batch, brain: &Brain) {
    for meta in &mut batch.meta[..batch.frames.len()] {
        if let Class::Flow = meta.class {
            brain.flows.candidates(&mut meta.probe);
        }
    }
}

/// The cached decision about a frame, if there is one and it still holds.
#[inline(always)]
pub(crate) fn find(meta: &Meta, brain: &mut Brain) -> Option<(FlowSlot, Recipe)> {
    let slot = brain.flows.find(&meta.probe, &meta.key.0)?;
    brain.holds(slot, &meta.key).then(|| (slot, Recipe::decode(brain.flows.entry(slot).recipe())))
}
