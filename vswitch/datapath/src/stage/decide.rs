//! decide: misses only. Guard, learn, look the destination up, and say what becomes of the flow.
//!
//! What is a function of the key is decided here once and not rechecked on a hit.

use frame::Frame;
use table::{FdbSlot, FlowValue};

use crate::{
    Cause, MemberKind, Role, Worker,
    batch::{Class, Meta},
    brain::Brain,
    feature::{guard, learn},
    flow::Recipe,
    stage::{lookup, track},
    tally::Tally,
    wiring::Peer,
};

/// A decision, and the FDB entry it rests on.
struct Decision {
    recipe: Recipe,
    dst_slot: Option<FdbSlot>,
}

/// What becomes of the frame whose meta is at `place`: the cached decision where one holds, a new one otherwise.
pub(crate) fn recipe<P, M>(frame: &Frame, place: usize, worker: &mut Worker<P, M>) -> Recipe {
    let meta = worker.batch.meta[place];
    let cached = matches!(meta.class, Class::Flow);
    if cached {
        worker.batch.meta[place].probe = worker.brain.flows.probe(meta.hash);
        worker.brain.flows.candidates(&mut worker.batch.meta[place].probe);
        if let Some((slot, recipe)) = lookup::find(&worker.batch.meta[place], &mut worker.brain) {
            track::count(worker.brain.flows.entry(slot), &meta, worker.brain.now, &mut worker.tally);
            return recipe;
        }
    }
    let data = &frame.data()[usize::from(meta.outer_len)..];
    let decision = decide(data, &meta, &mut worker.brain, &mut worker.tally, &mut worker.wires.peers);
    if cached {
        remember(&meta, &decision, &mut worker.brain, &mut worker.tally);
    }
    decision.recipe
}

fn decide(data: &[u8], meta: &Meta, brain: &mut Brain, tally: &mut Tally, peers: &mut [Option<Peer>]) -> Decision {
    let drop = |cause: Cause| Decision { recipe: Recipe::Drop(cause.into()), dst_slot: None };
    let snapshot = std::sync::Arc::clone(&brain.snapshot);
    let Some(member) = snapshot.member(meta.ingress) else { return drop(Cause::PortUnknown) };
    let Some(network) = snapshot.network(member.network) else { return drop(Cause::PortUnknown) };
    let src = meta.headers.src;
    if src.is_multicast() || src.to_u64() == 0 {
        return drop(Cause::SourceMacInvalid);
    }
    if let Some(Role::Access { guard, .. }) = snapshot.port(meta.port).map(|port| &port.role)
        && let Err(cause) = guard::check(guard, data, &meta.headers)
    {
        return drop(cause);
    }
    learn::seen(member.network, network, src, meta.ingress, brain, tally, peers);
    let dst = meta.headers.dst;
    if is_reserved(dst) {
        return drop(Cause::ReservedMac);
    }
    if dst.is_multicast() {
        return Decision { recipe: Recipe::Flood(member.network), dst_slot: None };
    }
    let Some((slot, egress)) = brain.locate(member.network, dst) else {
        return Decision { recipe: Recipe::Flood(member.network), dst_slot: None };
    };
    let from_vtep = matches!(member.kind, MemberKind::Vtep { .. });
    let to_vtep = snapshot.member(egress).is_some_and(|m| matches!(m.kind, MemberKind::Vtep { .. }));
    let recipe = match egress {
        _ if egress == meta.ingress => Recipe::Drop(Cause::SamePort.into()),
        _ if from_vtep && to_vtep => Recipe::Drop(Cause::SplitHorizon.into()),
        _ => Recipe::Forward(egress),
    };
    Decision { recipe, dst_slot: Some(slot) }
}

/// Whether bridges keep frames to this address to themselves: 01-80-C2-00-00-00 to -0F (IEEE 802.1Q-2018, table 8-1).
fn is_reserved(mac: wire::Mac) -> bool {
    mac.to_u64() >> 4 == 0x0180_c200_0000 >> 4
}

fn remember(meta: &Meta, decision: &Decision, brain: &mut Brain, tally: &mut Tally) {
    let value = FlowValue {
        recipe: decision.recipe.encode(),
        dst_slot: decision.dst_slot,
        checked_at: brain.epoch,
        last_seen: brain.now,
    };
    tally.worker.flow_misses += 1;
    let inserted = brain.flows.insert(meta.hash, &meta.key.0, value);
    tally.worker.flow_evicted += u64::from(inserted.evicted);
    tally.worker.flow_redecided += u64::from(inserted.replaced);
    brain.flows.entry(inserted.slot).hit(u64::from(meta.inner_len), brain.now);
}
