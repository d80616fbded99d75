//! lookup: the flow table, in two passes over the batch: compare tags and prefetch, then compare keys.

use table::FlowSlot;

use crate::{
    batch::{Batch, Class, Meta},
    brain::Brain,
    flow::Recipe,
    stage::track,
    tally::Tally,
};

/// The second loop.
#[inline(never)]
pub(crate) fn batch(batch: &mut Batch, brain: &Brain) {
    for meta in &mut batch.meta[..batch.frames.len()] {
        if let Class::Flow = meta.class {
            brain.flows.candidates(&mut meta.probe);
        }
    }
}

/// The cached decision about a frame, if there is one that still holds and the hit loop can follow; the hit is counted.
#[inline(always)]
pub(crate) fn hit(meta: &Meta, brain: &mut Brain, tally: &mut Tally) -> Option<Recipe> {
    let (_, entry) = brain.flows.find_entry(&meta.probe, &meta.key.0)?;
    let recipe = Recipe::decode(entry.recipe());
    if !recipe.is_light() {
        return None;
    }
    let checked_at = entry.checked_at();
    if checked_at != brain.epoch {
        if !brain.is_untouched(meta.ingress, &meta.key, checked_at) {
            return recheck(meta, brain, tally);
        }
        entry.set_checked_at(brain.epoch);
    }
    track::count(entry, meta, brain.now, tally);
    Some(recipe)
}

/// The same where something near has changed since the decision was last found right.
#[cold]
#[inline(never)]
fn recheck(meta: &Meta, brain: &mut Brain, tally: &mut Tally) -> Option<Recipe> {
    let (slot, recipe) = find(meta, brain).filter(|(_, recipe)| recipe.is_light())?;
    track::count(brain.flows.entry(slot), meta, brain.now, tally);
    Some(recipe)
}

/// The cached decision about a frame, if there is one that still holds.
#[inline]
pub(crate) fn find(meta: &Meta, brain: &mut Brain) -> Option<(FlowSlot, Recipe)> {
    let (slot, entry) = brain.flows.find_entry(&meta.probe, &meta.key.0)?;
    let (recipe, is_fresh) = (entry.recipe(), entry.checked_at() == brain.epoch);
    (is_fresh || brain.still_holds(slot, &meta.key)).then(|| (slot, Recipe::decode(recipe)))
}
