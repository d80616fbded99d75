//! A frame that is too long for its way: it is dropped by name, and its sender is told what would fit (RFC 1191,
//! RFC 8201), so that the next ones do.
//!
//! Only the way to a destination that is known counts: a copy of a flooded frame that is too long for one member says
//! nothing about the others. How many answers there are is bounded; frames without one are drops like any other.

use frame::{Frame, Pool, Port};
use table::{MemberId, Tick};
use wire::too_big;

use crate::{
    Cause, MemberKind, Worker,
    batch::Meta,
    brain::Brain,
    feature::{gso, vxlan},
    stage::{dispatch, rewrite},
};

/// What a frame has in front of the packet that an MTU bounds.
const ETHERNET_LEN: u16 = wire::ethernet::HEADER_LEN as u16;

/// Answers a worker gives in a tick of 100 ms, and at once: a thousand a second, as Linux does.
const ANSWERS_A_TICK: u32 = 100;

/// A token bucket: what a worker may still answer.
pub(crate) struct Answers {
    tokens: u32,
    filled: Tick,
}

impl Answers {
    pub(crate) fn new() -> Answers {
        Answers { tokens: ANSWERS_A_TICK, filled: Tick(0) }
    }

    /// Whether one more answer may be given now.
    fn admit(&mut self, now: Tick) -> bool {
        if now.since(self.filled) > 0 {
            *self = Answers { tokens: ANSWERS_A_TICK, filled: now };
        }
        let admitted = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        admitted
    }
}

/// Drops a stripped frame that cannot go `to` a member for the reason `cause`. Where that is its length, the sender is told.
#[cold]
#[inline(never)]
pub(crate) fn refuse<P: Port, M: Pool>(
    cause: Cause,
    to: MemberId,
    frame: Frame,
    place: usize,
    worker: &mut Worker<P, M>,
) {
    if matches!(cause, Cause::MtuExceeded | Cause::MtuExceededUnderlay) {
        let meta = worker.batch.meta[place];
        if let Some(mtu) = fitting(to, &frame, &meta, &worker.brain) {
            note(mtu, &frame, &meta, worker);
            if is_known_at(to, &meta, &mut worker.brain) {
                answer(mtu, &frame, &meta, worker);
            }
        }
    }
    dispatch::drop(cause.into(), frame, place, worker);
}

/// The longest packet that would have gone to the member behind these tags, in octets.
fn fitting(to: MemberId, frame: &Frame, meta: &Meta, brain: &Brain) -> Option<u16> {
    match &brain.snapshot.member(to)?.kind {
        // Tags do not count.
        MemberKind::Local { port, .. } => brain.snapshot.port(*port)?.frame_max.checked_sub(ETHERNET_LEN),
        // Those inside a tunnel do.
        MemberKind::Vtep { paths } => {
            let path = paths.of(vxlan::source_port_of(frame, meta)).ok()?;
            path.frame_max.checked_sub(path.outer.len() as u16)?.checked_sub(meta.headers.l3)
        }
    }
}

/// Leaves in the books what the last such frame was.
fn note<P, M>(mtu: u16, frame: &Frame, meta: &Meta, worker: &mut Worker<P, M>) {
    let books = &mut worker.tally.worker;
    books.too_big_port = u64::from(meta.port.0);
    books.too_big_octets = gso::longest(frame, meta).saturating_sub(usize::from(meta.headers.l3)) as u64;
    books.too_big_mtu = u64::from(mtu);
}

/// Whether the frame's destination is known to be behind that member.
fn is_known_at(to: MemberId, meta: &Meta, brain: &mut Brain) -> bool {
    let Some(network) = brain.snapshot.member(meta.ingress).map(|member| member.network) else { return false };
    brain.locate(network, meta.headers.dst).is_some_and(|(_, at)| at == to)
}

/// Tells the sender, the way the frame came.
fn answer<P: Port, M: Pool>(mtu: u16, frame: &Frame, meta: &Meta, worker: &mut Worker<P, M>) {
    let mut octets = [0; too_big::ANSWER_MAX];
    let Some(octets) = too_big::answer(frame.data(), &meta.headers, mtu, &mut octets).map(|len| &octets[..len]) else {
        return;
    };
    let Ok(headers) = wire::parse(octets) else { return };
    if !worker.answers.admit(worker.brain.now) {
        worker.tally.worker.too_big_limited += 1;
        return;
    }
    let Some(mut answer) = worker.pool.alloc() else { return };
    if !answer.write(octets) {
        return worker.bury(answer);
    }
    let back = Meta { headers, outer_len: 0, inner_len: octets.len() as u16, ecn_mark: 0, ..*meta };
    worker.tally.worker.injected += 1;
    worker.tally.worker.too_big_answered += 1;
    let left = match rewrite::towards(meta.ingress, &mut answer, &back, &mut worker.brain) {
        Ok(port) => dispatch::send(port, answer, worker),
        Err(cause) => Err((cause, answer)),
    };
    if let Err((cause, answer)) = left {
        worker.tally.drop_unattributed(cause.into(), 1);
        worker.bury(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_answers_a_tick_and_no_more() {
        let mut answers = Answers::new();
        let given = |answers: &mut Answers, now| (0..1000).filter(|_| answers.admit(now)).count();
        assert_eq!(given(&mut answers, Tick(5)), 100);
        assert_eq!(given(&mut answers, Tick(5)), 0);
        assert_eq!(given(&mut answers, Tick(6)), 100);
        assert_eq!(given(&mut answers, Tick(600)), 100, "silence saves nothing up");
    }
}
