//! Every ring between control and the workers and among the workers, made in one place.

use sync::{Consumer, ControlEnd, Producer, WorkerEnd, mailbox, ring};
use table::{MemberId, NetworkId, Tick};
use wire::Mac;

use frame::Frame;

use crate::{Inject, Order, PortId, Punt, Report};

/// Frames that fit between two workers: several batches, so that a short pause of the receiver loses nothing.
const HANDOFF_RING: usize = 1024;
/// FDB deltas that fit between two workers; what does not fit is told again by the next sweep.
const DELTA_RING: usize = 1024;
/// Frames for the node itself that may wait for the control thread, per worker.
const HOST_RING: usize = 256;
/// Orders or reports that may wait.
const MAIL: usize = 64;

/// A frame on its way to the worker that serves `port`, rewritten and ready to be sent.
#[derive(Debug)]
pub(crate) struct Handoff {
    pub(crate) frame: Frame,
    pub(crate) port: PortId,
}

/// What one worker tells the others about a MAC it has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FdbDelta {
    pub(crate) network: NetworkId,
    pub(crate) mac: Mac,
    pub(crate) member: MemberId,
    pub(crate) seen: Tick,
}

/// A worker's rings to and from one other worker.
pub(crate) struct Peer {
    pub(crate) to: Producer<Handoff>,
    pub(crate) from: Consumer<Handoff>,
    pub(crate) tell: Producer<FdbDelta>,
    pub(crate) hear: Consumer<FdbDelta>,
    /// Passes of the sweep in which every MAC learned here is told, not only the active ones: a delta did not fit.
    pub(crate) passes_behind: u8,
}

/// A worker's ends of all its rings.
pub struct WorkerWires<P> {
    pub(crate) mail: WorkerEnd<Order<P>, Report<P>>,
    pub(crate) punts: Producer<Punt>,
    pub(crate) injects: Consumer<Inject>,
    /// By worker; `None` at the worker's own place.
    pub(crate) peers: Vec<Option<Peer>>,
}

/// Control's ends of the rings to one worker.
pub struct ControlWires<P> {
    /// Orders out, reports in.
    pub mail: ControlEnd<Order<P>, Report<P>>,
    /// Frames for the node itself.
    pub punts: Consumer<Punt>,
    /// Frames of the node itself.
    pub injects: Producer<Inject>,
}

/// Octets that the rings between `workers` workers and control take.
pub(crate) fn bytes(workers: usize) -> usize {
    let between = HANDOFF_RING * size_of::<Handoff>() + DELTA_RING * size_of::<FdbDelta>();
    let to_control = HOST_RING * (size_of::<Punt>() + size_of::<Inject>());
    workers * (workers.saturating_sub(1) * between + to_control)
}

/// Wires `workers` workers to control and to each other.
pub fn connect<P: Send>(workers: usize) -> (Vec<WorkerWires<P>>, Vec<ControlWires<P>>) {
    let (mut worker_ends, control_ends): (Vec<_>, Vec<_>) = (0..workers).map(|_| pair(workers)).unzip();
    for a in 0..workers {
        for b in a + 1..workers {
            let (a_side, b_side) = peers();
            worker_ends[a].peers[b] = Some(a_side);
            worker_ends[b].peers[a] = Some(b_side);
        }
    }
    (worker_ends, control_ends)
}

fn pair<P: Send>(workers: usize) -> (WorkerWires<P>, ControlWires<P>) {
    let (control_mail, worker_mail) = mailbox(MAIL);
    let (punt_in, punt_out) = ring(HOST_RING);
    let (inject_in, inject_out) = ring(HOST_RING);
    let peers = (0..workers).map(|_| None).collect();
    (
        WorkerWires { mail: worker_mail, punts: punt_in, injects: inject_out, peers },
        ControlWires { mail: control_mail, punts: punt_out, injects: inject_in },
    )
}

fn peers() -> (Peer, Peer) {
    let (frames_ab, from_a) = ring(HANDOFF_RING);
    let (frames_ba, from_b) = ring(HANDOFF_RING);
    let (tell_b, hear_a) = ring(DELTA_RING);
    let (tell_a, hear_b) = ring(DELTA_RING);
    (
        Peer { to: frames_ab, from: from_b, tell: tell_b, hear: hear_b, passes_behind: 0 },
        Peer { to: frames_ba, from: from_a, tell: tell_a, hear: hear_a, passes_behind: 0 },
    )
}
