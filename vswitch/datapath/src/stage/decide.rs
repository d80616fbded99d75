//! decide: misses only. Guard, learn, look the destination up, and say what becomes of the flow.
//!
//! What is a function of the key is decided here once and not rechecked on a hit.

use frame::{Burst, Frame};
use table::{FdbSlot, FlowSlot, FlowValue, MemberId};
use wire::Mac;

use crate::{
    Cause, Guard, Member, MemberKind, Role, Snapshot, Worker,
    backlog::pair,
    batch::{Batch, Class, Meta},
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

impl Decision {
    fn drop(cause: Cause) -> Decision {
        Decision { recipe: Recipe::Drop(cause.into()), dst_slot: None }
    }
}

/// Asks for what decisions about these frames will write, so that memory answers once for all of them.
pub(crate) fn expect(rest: &Burst, batch: &Batch, brain: &Brain) {
    let metas = batch.rest_meta[..rest.len()].iter().map(|&place| &batch.meta[usize::from(place)]);
    metas.filter(|meta| meta.class.has_key()).for_each(|meta| brain.flows.expect(&meta.probe));
}

/// When what was decided is done.
pub(crate) enum Course {
    Now(Recipe),
    /// The frame goes to this member behind floods of its flow that wait still.
    Behind(MemberId),
}

/// What becomes of the frame whose meta is at `place`: the cached decision where one holds, a new one otherwise. `snapshot`
/// is the one in force.
#[inline]
pub(crate) fn course<P, M>(frame: &Frame, place: usize, snapshot: &Snapshot, worker: &mut Worker<P, M>) -> Course {
    let Worker { batch, brain, tally, wires, backlog, .. } = worker;
    let meta = &mut batch.meta[place];
    let is_behind = |meta: &Meta| !backlog.is_empty() && backlog.has(pair(meta.ingress, ends(meta)));
    if let Class::Slow = meta.class {
        return match decide(frame, meta, snapshot, brain, tally, &mut wires.peers).recipe {
            Recipe::Forward(member) if is_behind(meta) => Course::Behind(member),
            recipe => Course::Now(recipe),
        };
    }
    // Once more: the flow's first frame may have been decided about since.
    let known = match meta.probe.is_vain() && batch.newcomers & meta.probe.bit() == 0 {
        true => None,
        false => lookup::slot_now(meta, &brain.flows),
    };
    if let Some(slot) = known
        && brain.holds(slot, &meta.key)
    {
        let entry = brain.flows.entry(slot);
        track::count(entry, meta, brain.now, tally);
        return Course::Now(Recipe::decode(entry.recipe()));
    }
    let decision = decide(frame, meta, snapshot, brain, tally, &mut wires.peers);
    if let Recipe::Forward(member) = decision.recipe
        && is_behind(meta)
    {
        // Not remembered: hits do not ask who waits.
        return Course::Behind(member);
    }
    remember(known, meta, &decision, brain, tally);
    batch.newcomers |= meta.probe.bit();
    Course::Now(decision.recipe)
}

fn decide(
    frame: &Frame,
    meta: &Meta,
    snapshot: &Snapshot,
    brain: &mut Brain,
    tally: &mut Tally,
    peers: &mut [Option<Peer>],
) -> Decision {
    let Some(member) = snapshot.member(meta.ingress) else { return Decision::drop(Cause::PortUnknown) };
    let Some(network) = snapshot.network(member.network) else { return Decision::drop(Cause::PortUnknown) };
    let (dst, src) = ends(meta);
    if src.is_multicast() || src.to_u64() == 0 {
        return Decision::drop(Cause::SourceMacInvalid);
    }
    if let Some(Role::Access { guard, .. }) = snapshot.port(meta.port).map(|port| &port.role)
        && let Err(cause) = check(guard, frame, meta)
    {
        return Decision::drop(cause);
    }
    learn::seen(member.network, network, src, meta.ingress, brain, tally, peers);
    if is_reserved(dst) {
        return Decision::drop(Cause::ReservedMac);
    }
    if dst.is_multicast() {
        return Decision { recipe: Recipe::Flood(member.network), dst_slot: None };
    }
    let Some((slot, egress)) = brain.locate(member.network, dst) else {
        return Decision { recipe: Recipe::Flood(member.network), dst_slot: None };
    };
    let recipe = match egress {
        _ if egress == meta.ingress => Recipe::Drop(Cause::SamePort.into()),
        _ if is_remote(member) && snapshot.member(egress).is_some_and(is_remote) => {
            Recipe::Drop(Cause::SplitHorizon.into())
        }
        _ => Recipe::Forward(egress),
    };
    Decision { recipe, dst_slot: Some(slot) }
}

/// Both MACs, destination first; of a plain packet the key alone knows them.
pub(crate) fn ends(meta: &Meta) -> (Mac, Mac) {
    match meta.class.is_plain() {
        true => (meta.key.dst(), meta.key.src()),
        false => (meta.headers.dst, meta.headers.src),
    }
}

/// Whether a port with this guard may send this frame.
fn check(guard: &Guard, frame: &Frame, meta: &Meta) -> Result<(), Cause> {
    if meta.class.is_plain() {
        // Only ports whose addresses are not checked let packets in as plain, and those are neither ARP nor ND.
        return if guard::may_be(guard, meta.key.src()) { Ok(()) } else { Err(Cause::SpoofedMac) };
    }
    guard::check(guard, &frame.data()[usize::from(meta.outer_len)..], &meta.headers)
}

fn is_remote(member: &Member) -> bool {
    matches!(member.kind, MemberKind::Vtep { .. })
}

/// Whether bridges keep frames to this address to themselves: 01-80-C2-00-00-00 to -0F (IEEE 802.1Q-2018, table 8-1).
fn is_reserved(mac: Mac) -> bool {
    mac.to_u64() >> 4 == 0x0180_c200_0000 >> 4
}

/// Writes the decision down: in the place of the one that does not hold any more, or as a new one.
fn remember(known: Option<FlowSlot>, meta: &Meta, decision: &Decision, brain: &mut Brain, tally: &mut Tally) {
    let value = FlowValue {
        recipe: decision.recipe.encode(),
        dst_slot: decision.dst_slot,
        checked_at: brain.epoch,
        last_seen: brain.now,
    };
    tally.worker.flow_misses += 1;
    let slot = match known {
        Some(slot) => {
            brain.flows.update(slot, value);
            tally.worker.flow_redecided += 1;
            slot
        }
        None => {
            let inserted = match meta.key.is_long() {
                true => brain.flows.insert_long(&meta.probe, &meta.key.0, &meta.tail, value),
                false => brain.flows.insert_new(&meta.probe, &meta.key.0, value),
            };
            tally.worker.flow_evicted += u64::from(inserted.evicted);
            inserted.slot
        }
    };
    brain.flows.entry(slot).hit(u64::from(meta.inner_len), brain.now);
}
