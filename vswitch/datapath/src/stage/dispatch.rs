//! dispatch: where a frame's way through the worker ends: a lane, another worker's ring, the host stack, or the pool.

use frame::{Frame, Pool, Port};
use table::MemberId;

use crate::{
    Cause, DropReason, PortId, Punt, Worker,
    feature::{flood, mss, too_big},
    flow::Recipe,
    stage::{rewrite, steer},
    wiring::Handoff,
};

/// Does to a frame what was decided.
#[inline(always)]
pub(crate) fn follow<P: Port, M: Pool>(recipe: Recipe, mut frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    unpack(&mut frame, place, worker);
    match recipe {
        Recipe::Forward(member) => forward(member, frame, place, worker),
        Recipe::Flood(network) => flood::flood(network, frame, place, worker),
        Recipe::Drop(reason) => drop(reason, frame, place, worker),
    }
}

/// Takes off a frame what it came in, and corrects what it says where that is not for this network.
#[inline(always)]
pub(crate) fn unpack<P, M>(frame: &mut Frame, place: usize, worker: &mut Worker<P, M>) {
    rewrite::strip(frame, &worker.batch.meta[place]);
    mss::clamp(frame, place, worker);
}

/// Sends a stripped frame to a member.
#[inline(always)]
pub(crate) fn forward<P: Port, M: Pool>(to: MemberId, mut frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    match rewrite::towards(to, &mut frame, &worker.batch.meta[place], &mut worker.brain) {
        Ok(port) => leave(port, frame, place, worker),
        Err(cause) => too_big::refuse(cause, to, frame, place, worker),
    }
}

/// Why a plain packet whose way is known is in no lane.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Short {
    /// It cannot be made ready for its way.
    Unfit(Cause),
    /// Another worker serves the port, made ready for which it is.
    Elsewhere(PortId),
}

/// Sees to a plain packet that no lane has taken.
#[inline(never)]
pub(crate) fn come_short<P: Port, M: Pool>(frame: Frame, short: Short, place: usize, worker: &mut Worker<P, M>) {
    match short {
        Short::Unfit(cause) => drop(cause.into(), frame, place, worker),
        Short::Elsewhere(port) => hand_over(port, frame, place, worker),
    }
}

/// Sends a frame, as it is, by a port: here or on the worker that serves it.
#[inline]
fn leave<P: Port, M: Pool>(port: PortId, frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let from = worker.batch.meta[place].port;
    match worker.lanes.offer_any(port, frame, &mut worker.tally, &mut worker.pool) {
        Ok(()) => worker.tally.port(from).forwarded += 1,
        Err(frame) => hand_over(port, frame, place, worker),
    }
}

/// Gives a frame to the worker that serves `port`.
#[inline(never)]
fn hand_over<P: Port, M: Pool>(port: PortId, frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let from = worker.batch.meta[place].port;
    match hand(port, frame, worker) {
        Ok(()) => worker.tally.port(from).forwarded += 1,
        Err((cause, frame)) => drop(cause.into(), frame, place, worker),
    }
}

/// Sends a frame that came in by no port.
pub(crate) fn send<P: Port, M: Pool>(
    port: PortId,
    frame: Frame,
    worker: &mut Worker<P, M>,
) -> Result<(), (Cause, Frame)> {
    let offered = worker.lanes.offer_any(port, frame, &mut worker.tally, &mut worker.pool);
    offered.or_else(|frame| hand(port, frame, worker))
}

fn hand<P, M>(port: PortId, frame: Frame, worker: &mut Worker<P, M>) -> Result<(), (Cause, Frame)> {
    let home = worker.brain.snapshot.port(port).and_then(steer::home);
    let peer = home.and_then(|home| Some((home, worker.wires.peers.get_mut(home.index())?.as_mut()?)));
    let Some((home, peer)) = peer else { return Err((Cause::TxUnserved, frame)) };
    peer.to.push(Handoff { frame, port }).map_err(|Handoff { frame, .. }| (Cause::HandoffFull, frame))?;
    worker.tally.worker.handed += 1;
    worker.tally.worker.handed_to[home.index()] += 1;
    Ok(())
}

/// Gives a frame to the host stack.
pub(crate) fn punt<P, M: Pool>(frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let port = worker.batch.meta[place].port;
    match worker.wires.punts.push(Punt { port, frame }) {
        Ok(()) => {
            worker.told = true;
            worker.tally.worker.punted += 1;
            worker.tally.port(port).punted += 1;
        }
        Err(Punt { frame, .. }) => drop(Cause::PuntFull.into(), frame, place, worker),
    }
}

/// Books the drop and keeps the frame for the bulk release.
#[inline]
pub(crate) fn drop<P, M: Pool>(reason: DropReason, frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    worker.tally.drop_from(worker.batch.meta[place].port, reason);
    worker.bury(frame);
}
