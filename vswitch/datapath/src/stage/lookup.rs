//! lookup: the flow table, in two passes over the batch: where the flow is (at home, or where its home says), then whether it is
//! it.

use table::{FlowEntry, FlowSlot, FlowTable, MemberId};

use crate::{
    batch::{Batch, Class, Meta},
    brain::Brain,
    flow::{KEY_WORDS, Recipe},
    stage::track,
    tally::Tally,
    way::Way,
};

/// The second loop.
#[inline(never)]
pub(crate) fn batch<const TUPLES: bool>(batch: &mut Batch, brain: &Brain) {
    let (flows, frames) = (&brain.flows, batch.frames.as_ref().map_or(0, |frames| frames.len()));
    // Nobody asks whether a frame has a key: where it has none, an older one is looked up, which does no harm.
    for meta in &mut batch.meta[..frames] {
        look::<TUPLES>(meta, flows);
    }
}

/// Finds out where a frame's flow is, if it is anywhere.
#[inline(always)]
fn look<const TUPLES: bool>(meta: &mut Meta, flows: &FlowTable<KEY_WORDS>) {
    let is_at_home = match TUPLES {
        true => flows.is_at_home(&mut meta.probe, &meta.key.0),
        false => flows.is_at_home_by_front(&mut meta.probe, &meta.key.0),
    };
    if !is_at_home {
        flows.ask_guests(&mut meta.probe);
    }
    if TUPLES && meta.key.is_long() {
        flows.expect_tail(&meta.probe);
    }
}

/// The entry of a frame's flow, if there is one.
#[inline(always)]
pub(crate) fn entry<'f>(meta: &Meta, flows: &'f FlowTable<KEY_WORDS>) -> Option<(FlowSlot, &'f FlowEntry<KEY_WORDS>)> {
    match meta.key.is_long() {
        true => flows.find_long(&meta.probe, &meta.key.0, &meta.tail),
        false => flows.find_entry(&meta.probe, &meta.key.0),
    }
}

/// Where a frame's flow is by now, if it is anywhere.
#[inline]
pub(crate) fn slot_now(meta: &Meta, flows: &FlowTable<KEY_WORDS>) -> Option<FlowSlot> {
    match meta.key.is_long() {
        true => flows.find_long_now(&meta.probe, &meta.key.0, &meta.tail),
        false => flows.find_now(&meta.probe, &meta.key.0),
    }
}

/// The member a plain packet goes to and the way there, if that is decided, still holds, and nothing else is to be done to
/// the packet; then the hit is counted on its flow. Where the flow is not known, `meta` says so. `TUPLES`: where some packets are
/// keyed by their five-tuples.
#[inline(always)]
pub(crate) fn way<'b, const TUPLES: bool>(meta: &mut Meta, brain: &'b Brain) -> Option<(MemberId, &'b Way)> {
    let found = match meta.class {
        Class::Plain => brain.flows.find_by_front(&meta.probe, &meta.key.0),
        Class::PlainTuple if TUPLES => entry(meta, &brain.flows).map(|(_, entry)| entry),
        _ => return None,
    };
    let Some(entry) = found else {
        meta.probe.give_up();
        return None;
    };
    let Recipe::Forward(member) = Recipe::decode(entry.recipe()) else { return None };
    let way = simple_way(member, meta, brain)?;
    if !holds(entry, member, meta, brain) {
        return None;
    }
    entry.hit(u64::from(meta.inner_len), brain.now);
    Some((member, way))
}

/// The way to a member, if nothing but what is to be done on it is to be done to a plain packet.
#[inline(always)]
pub(crate) fn simple_way<'b>(member: MemberId, meta: &Meta, brain: &'b Brain) -> Option<&'b Way> {
    let way = brain.ways.to(member);
    (meta.inner_len <= way.frame_max && meta.ecn_mark == 0).then_some(way)
}

/// The cached decision about a frame, if there is one that still holds and the hit loop can follow; the hit is counted.
#[inline(always)]
pub(crate) fn hit(meta: &Meta, brain: &mut Brain, tally: &mut Tally) -> Option<Recipe> {
    let (_, entry) = entry(meta, &brain.flows)?;
    let recipe = Recipe::decode(entry.recipe());
    if !recipe.is_light() {
        return None;
    }
    let checked_at = entry.checked_at();
    let holds = checked_at == brain.epoch || confirm(entry, brain, is_untouched(meta, brain, checked_at));
    if !holds {
        return recheck(meta, brain, tally);
    }
    track::count(entry, meta, brain.now, tally);
    Some(recipe)
}

/// Whether a cached decision to send frames to `member` holds as of now, as far as that is to be seen at a glance.
#[inline(always)]
fn holds(entry: &FlowEntry<KEY_WORDS>, member: MemberId, meta: &Meta, brain: &Brain) -> bool {
    let checked_at = entry.checked_at();
    if checked_at == brain.epoch {
        return true;
    }
    let is_concerned = brain.stirs.is_either_after(meta.ingress, member, checked_at);
    confirm(entry, brain, !is_concerned || is_untouched(meta, brain, checked_at))
}

/// [`Brain::is_untouched`], apart from the hit loop, which has no register left.
#[inline(never)]
fn is_untouched(meta: &Meta, brain: &Brain, checked_at: u32) -> bool {
    brain.is_untouched(meta.ingress, &meta.key, checked_at)
}

/// Notes that a cached decision was found right just now, if it was.
#[inline(always)]
fn confirm(entry: &FlowEntry<KEY_WORDS>, brain: &Brain, is_untouched: bool) -> bool {
    if is_untouched {
        entry.set_checked_at(brain.epoch);
    }
    is_untouched
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
    let (slot, _) = entry(meta, &brain.flows)?;
    brain.holds(slot, &meta.key).then(|| (slot, Recipe::decode(brain.flows.entry(slot).recipe())))
}
