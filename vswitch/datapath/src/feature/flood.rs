//! flood: broadcast, unknown unicast and multicast go to every other member, local ports and VTEPs (head-end
//! replication), but never from one VTEP to another.

use std::sync::Arc;

use frame::{Frame, Pool, Port};
use table::{MemberId, NetworkId};

use crate::{Cause, MemberKind, Snapshot, Worker, stage::dispatch};

/// Sends copies of a stripped frame to all who may have one, and the frame itself to the last of them.
pub(crate) fn flood<P: Port, M: Pool>(network: NetworkId, frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let snapshot = Arc::clone(&worker.brain.snapshot);
    let ingress = worker.batch.meta[place].ingress;
    let mut targets = targets(&snapshot, network, ingress);
    let Some(mut target) = targets.next() else {
        return dispatch::drop(Cause::FloodNobody.into(), frame, place, worker);
    };
    let port = worker.batch.meta[place].port;
    if snapshot.port(port).is_some_and(|spec| !worker.storms.admit(port, spec, worker.brain.now)) {
        return dispatch::drop(Cause::StormControl.into(), frame, place, worker);
    }
    for next in targets {
        copy_to(target, &frame, place, worker);
        target = next;
    }
    dispatch::forward(target, frame, place, worker);
}

fn targets(snapshot: &Snapshot, network: NetworkId, ingress: MemberId) -> impl Iterator<Item = MemberId> {
    let is_vtep = |id| snapshot.member(id).is_some_and(|m| matches!(m.kind, MemberKind::Vtep { .. }));
    let from_vtep = is_vtep(ingress);
    let members = snapshot.network(network).map_or(&[][..], |n| &n.members);
    members.iter().copied().filter(move |&id| id != ingress && !(from_vtep && is_vtep(id)))
}

fn copy_to<P: Port, M: Pool>(target: MemberId, frame: &Frame, place: usize, worker: &mut Worker<P, M>) {
    let port = worker.batch.meta[place].port;
    worker.tally.worker.copied += 1;
    worker.tally.port(port).copied += 1;
    match worker.pool.copy(frame) {
        Some(copy) => dispatch::forward(target, copy, place, worker),
        None => worker.tally.drop_from(port, Cause::OutOfFrames.into()),
    }
}
