//! flood: broadcast, unknown unicast and multicast go to every other member, local ports and VTEPs (head-end
//! replication), but never from one VTEP to another.
//!
//! A network may have thousands of members and a batch be floods throughout, so floods stand in line and some of their
//! copies are made in each turn: an established flow waits for so many at most. What is known by then of where a frame goes
//! does not let it overtake the floods of its flow: it stands in the same line.

use std::sync::Arc;

use frame::{Frame, Pool, Port};
use table::{MemberId, NetworkId};

use crate::{
    Cause, MemberKind, PortId, Snapshot, Worker,
    backlog::{BACKLOG_MAX_OF_PORT, Errand, Waiting, pair},
    batch::{AT_HAND, Meta},
    stage::{decide, dispatch, parse},
};

/// Copies made in one turn: as long as the decisions a turn may take. One of more than [`LONG`] octets counts for several.
const COPIES_A_TURN: usize = 128;
/// Octets that are copied while a short frame is made ready.
const LONG: usize = 2048;

/// Has a stripped frame sent to all who may have one.
pub(crate) fn flood<P: Port, M: Pool>(network: NetworkId, frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let Meta { port, ingress, .. } = worker.batch.meta[place];
    let (brain, next) = (&worker.brain, MemberId(0));
    if targets(&brain.snapshot, network, ingress, next).next().is_none() {
        return dispatch::drop(Cause::FloodNobody.into(), frame, place, worker);
    }
    if brain.snapshot.port(port).is_some_and(|spec| !worker.storms.admit(port, spec, brain.now)) {
        return dispatch::drop(Cause::StormControl.into(), frame, place, worker);
    }
    stand_in_line(Errand::Flood { network, next }, frame, place, worker);
}

/// Has a frame sent to a member behind floods of its flow, which it would overtake.
#[cold]
#[inline(never)]
pub(crate) fn behind<P: Port, M: Pool>(to: MemberId, mut frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let meta = &mut worker.batch.meta[place];
    parse::describe(&frame, meta);
    dispatch::unpack(&mut frame, place, worker);
    stand_in_line(Errand::Forward(to), frame, place, worker);
}

fn stand_in_line<P: Port, M: Pool>(errand: Errand, frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let meta = worker.batch.meta[place];
    let since = worker.brain.epoch;
    if worker.tally.port(meta.port).held >= BACKLOG_MAX_OF_PORT {
        return dispatch::drop(Cause::FloodBacklog.into(), frame, place, worker);
    }
    let pair = pair(meta.ingress, decide::ends(&meta));
    match worker.backlog.join(pair, Waiting { frame, meta, errand, since }) {
        Ok(()) => worker.tally.hold(meta.port),
        Err(frame) => dispatch::drop(Cause::FloodBacklog.into(), frame, place, worker),
    }
}

/// Does a turn's share of what stands in line.
#[cold]
#[inline(never)]
pub(crate) fn go_on<P: Port, M: Pool>(worker: &mut Worker<P, M>) {
    // Nobody waits for the copies of others.
    worker.lanes.flush(&mut worker.tally, &mut worker.pool);
    let snapshot = Arc::clone(&worker.brain.snapshot);
    let mut budget = COPIES_A_TURN;
    while budget > 0
        && let Some((pair, mut waiting)) = worker.backlog.next()
    {
        let Waiting { meta, errand, since, .. } = waiting;
        worker.batch.meta[AT_HAND] = meta;
        let left = match errand {
            _ if !worker.brain.scopes.is_current(&snapshot, meta.ingress, since) => Left::Nobody(Cause::PortUnknown),
            Errand::Forward(to) if worker.brain.scopes.is_current(&snapshot, to, since) => Left::Last(to),
            Errand::Forward(_) => Left::Nobody(Cause::PortUnknown),
            Errand::Flood { network, next } => {
                let targets = targets(&snapshot, network, meta.ingress, next);
                copy_to_all_but_one(targets, &waiting.frame, &mut budget, worker)
            }
        };
        if let (Left::More(next), Errand::Flood { network, .. }) = (left, errand) {
            waiting.errand = Errand::Flood { network, next };
            return worker.backlog.put_back(pair, waiting);
        }
        budget = budget.saturating_sub(price(&waiting.frame));
        leave(left, waiting.frame, meta.port, worker);
    }
}

/// What is left to be done to a frame at the head of the line.
#[derive(Clone, Copy)]
enum Left {
    /// Copies for those from this member on, in another turn.
    More(MemberId),
    /// It goes to this member itself.
    Last(MemberId),
    /// Those it was for have gone.
    Nobody(Cause),
}

/// What one more frame like this one takes of a turn's copies.
fn price(frame: &Frame) -> usize {
    1 + frame.len() / LONG
}

fn copy_to_all_but_one<P: Port, M: Pool>(
    mut targets: impl Iterator<Item = MemberId>,
    frame: &Frame,
    budget: &mut usize,
    worker: &mut Worker<P, M>,
) -> Left {
    let Some(mut target) = targets.next() else { return Left::Nobody(Cause::FloodNobody) };
    for next in targets {
        if *budget == 0 {
            return Left::More(target);
        }
        *budget = budget.saturating_sub(price(frame));
        copy_to(target, frame, worker);
        target = next;
    }
    if *budget == 0 { Left::More(target) } else { Left::Last(target) }
}

/// The frame at the head of the line leaves it.
fn leave<P: Port, M: Pool>(left: Left, frame: Frame, port: PortId, worker: &mut Worker<P, M>) {
    worker.tally.release(port);
    match left {
        Left::Last(to) | Left::More(to) => dispatch::forward(to, frame, AT_HAND, worker),
        Left::Nobody(cause) => dispatch::drop(cause.into(), frame, AT_HAND, worker),
    }
}

/// The members from `next` on that get a flood from `ingress`.
fn targets(
    snapshot: &Snapshot,
    network: NetworkId,
    ingress: MemberId,
    next: MemberId,
) -> impl Iterator<Item = MemberId> {
    let is_vtep = |id| snapshot.member(id).is_some_and(|m| matches!(m.kind, MemberKind::Vtep { .. }));
    let from_vtep = is_vtep(ingress);
    let members = snapshot.network(network).map_or(&[][..], |n| &n.members);
    let rest = &members[members.partition_point(|&id| id < next)..];
    rest.iter().copied().filter(move |&id| id != ingress && !(from_vtep && is_vtep(id)))
}

fn copy_to<P: Port, M: Pool>(target: MemberId, frame: &Frame, worker: &mut Worker<P, M>) {
    let port = worker.batch.meta[AT_HAND].port;
    worker.tally.worker.copied += 1;
    worker.tally.port(port).copied += 1;
    match worker.pool.copy(frame) {
        Some(copy) => dispatch::forward(target, copy, AT_HAND, worker),
        None => worker.tally.drop_from(port, Cause::OutOfFrames.into()),
    }
}
