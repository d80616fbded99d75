//! lookup: the flow table, in two passes over the batch: where the flow is (at home, or where tags say), then whether it is it.

use frame::BURST_MAX;
use table::{FlowEntry, FlowSlot, FlowTable, MemberId};

use crate::{
    batch::{Batch, Class, Meta},
    brain::Brain,
    flow::{KEY_WORDS, Recipe},
    stage::track,
    tally::Tally,
    way::Way,
};

/// The second loop. `TAGS`: where they are compared of all frames, which parse has asked for.
#[inline(never)]
pub(crate) fn batch<const TUPLES: bool, const TAGS: bool>(batch: &mut Batch, brain: &Brain) {
    let (flows, frames) = (&brain.flows, batch.frames.as_ref().map_or(0, |frames| frames.len()));
    let metas = &mut batch.meta[..frames];
    // Nobody asks whether a frame has a key: where it has none, an older one is looked up, which does no harm.
    match TAGS {
        true => metas.iter_mut().for_each(|meta| compare_tags::<TUPLES>(meta, flows)),
        false => look_home::<TUPLES>(metas, flows),
    }
}

/// In a table where most are at home: tags are compared of the others only.
#[inline(always)]
fn look_home<const TUPLES: bool>(metas: &mut [Meta], flows: &FlowTable<KEY_WORDS>) {
    let mut elsewhere = 0u64;
    for (place, meta) in metas.iter_mut().enumerate() {
        let is_at_home = match TUPLES {
            true => flows.is_at_home(&mut meta.probe, &meta.key.0),
            false => flows.is_at_home_by_front(&mut meta.probe, &meta.key.0),
        };
        if !is_at_home {
            elsewhere |= 1 << place;
        } else if TUPLES && meta.key.is_long() {
            flows.expect_tail(&meta.probe);
        }
    }
    if elsewhere != 0 {
        look_elsewhere::<TUPLES>(elsewhere, metas, flows);
    }
}

/// For frames in these places, whose flows are not at home, or nowhere.
#[inline(never)]
fn look_elsewhere<const TUPLES: bool>(mut places: u64, metas: &mut [Meta], flows: &FlowTable<KEY_WORDS>) {
    const { assert!(BURST_MAX <= u64::BITS as usize, "a place is a bit") }
    while places != 0 {
        if let Some(meta) = metas.get_mut(places.trailing_zeros() as usize) {
            compare_tags::<TUPLES>(meta, flows);
        }
        places &= places - 1;
    }
}

#[inline(always)]
fn compare_tags<const TUPLES: bool>(meta: &mut Meta, flows: &FlowTable<KEY_WORDS>) {
    flows.candidates(&mut meta.probe);
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

/// The member a plain packet goes to and the way there, if that is decided, still holds, and nothing else is to be done to
/// the packet; then the hit is counted on its flow. `TUPLES`: where some packets are keyed by their five-tuples.
#[inline(always)]
pub(crate) fn way<'b, const TUPLES: bool>(meta: &Meta, brain: &'b Brain) -> Option<(MemberId, &'b Way)> {
    let entry = match meta.class {
        Class::Plain => brain.flows.find_by_front(&meta.probe, &meta.key.0)?,
        Class::PlainTuple if TUPLES => entry(meta, &brain.flows)?.1,
        _ => return None,
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
