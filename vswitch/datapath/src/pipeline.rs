//! The order of the verbs, written here and nowhere else.
//!
//! ```text
//!  parse ─► admit ─► steer ─► lookup ─┬─ hit ──────────────► track ─► rewrite ─► dispatch
//!                                     └─ miss ─► decide ─────┘
//! ```
//!
//! The verbs are fused into three loops over one batch: (1) parse, admit, key and hash, prefetch the entry where the flow most
//! likely is; (2) find out whether it is there, else prefetch the entries that that one names; (3) compare key and epoch,
//! count, rewrite, place in a lane. Plain packets go through all three by themselves, without a question that does not concern
//! them; any other is looked at closely, out of line. What needs a decision or copies leaves for a list that runs afterwards.

use std::{ops::Range, sync::Arc};

use frame::{Drain, Frame, Pool, Port};

use crate::{
    Worker,
    batch::{Class, Run},
    feature::flood,
    flow::Recipe,
    stage::{
        decide::{self, Course},
        dispatch::{self, Short},
        lookup, parse, rewrite,
    },
    way::Way,
};

/// Decisions that frames which need none may wait for before they are sent: one takes as long as ten such frames, and
/// sending twice in a turn has its price, too.
const FEW: usize = 8;

/// Takes every frame of the batch to where it belongs. Afterwards the batch is empty.
pub(crate) fn run<P: Port, M: Pool>(worker: &mut Worker<P, M>) {
    match worker.brain.keys.any_by_tuple {
        true => loops::<P, M, true>(worker),
        false => loops::<P, M, false>(worker),
    }
    if worker.batch.rest.len() > FEW {
        worker.lanes.flush(&mut worker.tally, &mut worker.pool);
    }
    decide_rest(worker);
    if !worker.backlog.is_empty() {
        flood::go_on(worker);
    }
    worker.release_dead();
}

/// The three loops. They are there twice: where no network tells its flows apart by their five-tuples (`TUPLES`), nobody asks.
#[inline(always)]
fn loops<P: Port, M: Pool, const TUPLES: bool>(worker: &mut Worker<P, M>) {
    parse::batch::<TUPLES>(&mut worker.batch, &worker.brain);
    lookup::batch::<TUPLES>(&mut worker.batch, &worker.brain);
    act::<P, M, TUPLES>(worker);
}

/// The third loop: what is decided already.
#[inline(never)]
fn act<P: Port, M: Pool, const TUPLES: bool>(worker: &mut Worker<P, M>) {
    let Some(mut frames) = worker.batch.frames.take() else { return };
    let mut left = frames.drain();
    let mut place = 0;
    for run in 0..worker.batch.runs.len() {
        let Run { port, frames, octets } = worker.batch.runs[run];
        let end = place + usize::from(frames);
        let mut forwarded = 0;
        while place < end {
            let (sent, met) = send_hits::<P, M, TUPLES>(&mut left, place..end, worker);
            (place, forwarded) = (place + sent, forwarded + sent as u64);
            match met {
                Met::End => break,
                Met::Other(frame) => look_closely(frame, place, worker),
                Met::Short(frame, short) => {
                    worker.tally.worker.flow_hits += 1;
                    dispatch::come_short(frame, short, place, worker);
                }
            }
            place += 1;
        }
        worker.tally.worker.flow_hits += forwarded;
        let books = worker.tally.port(port);
        books.rx += u64::from(frames);
        books.rx_bytes += u64::from(octets);
        books.forwarded += forwarded;
    }
    drop(left);
    worker.batch.runs.clear();
    worker.batch.frames = Some(frames);
}

/// What comes behind frames that have been sent.
enum Met {
    /// No frame.
    End,
    /// One that is not plain, or whose flow is not known.
    Other(Frame),
    /// One whose way is known, and that is in no lane.
    Short(Frame, Short),
}

/// Sends plain packets of known flows until there comes another frame; how many, and what came. Nothing else is looked at in
/// this loop, so that what it works with stays in registers.
#[inline(always)]
fn send_hits<P: Port, M: Pool, const TUPLES: bool>(
    left: &mut Drain<'_>,
    places: Range<usize>,
    worker: &mut Worker<P, M>,
) -> (usize, Met) {
    let Worker { batch, brain, lanes, tally, pool, .. } = worker;
    let frames = places.len();
    let mut metas = batch.meta[places].iter_mut();
    let met = loop {
        let Some(meta) = metas.next() else { return (frames, Met::End) };
        let Some(mut frame) = left.next() else { break Met::End };
        let Some((member, &Way { kind, port, .. })) = lookup::way::<TUPLES>(meta, brain) else {
            break Met::Other(frame);
        };
        if let Err(cause) = rewrite::plain(kind, member, &mut frame, meta, brain) {
            break Met::Short(frame, Short::Unfit(cause));
        }
        if let Err(frame) = lanes.offer(port, frame, tally, pool) {
            break Met::Short(frame, Short::Elsewhere(port));
        }
    };
    (frames - metas.len() - 1, met)
}

/// A frame that is not like nearly all.
#[inline(never)]
fn look_closely<P: Port, M: Pool>(frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let meta = &mut worker.batch.meta[place];
    if meta.class.is_plain() && meta.probe.is_vain() {
        // A new flow. What is decided about it asks for no more than its key.
        return put_aside(frame, place, worker);
    }
    parse::describe(&frame, meta);
    match meta.class {
        Class::Plain | Class::PlainTuple | Class::Flow => match lookup::hit(meta, &mut worker.brain, &mut worker.tally)
        {
            Some(recipe) => dispatch::follow(recipe, frame, place, worker),
            None => put_aside(frame, place, worker),
        },
        Class::Slow => put_aside(frame, place, worker),
        Class::Punt => dispatch::punt(frame, place, worker),
        Class::Drop(reason) => dispatch::drop(reason, frame, place, worker),
    }
}

#[inline(never)]
fn put_aside<P: Port, M: Pool>(frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let batch = &mut worker.batch;
    worker.brain.flows.expect_room(&batch.meta[place].probe);
    batch.rest_meta[batch.rest.len()] = place as u8;
    if batch.rest.push(frame).is_err() {
        unreachable!("a batch puts aside at most what it holds");
    }
}

/// Misses, floods, ARP and ND. A flow's first frame may have been decided a moment ago in this very list.
///
/// No more than a batch holds, so about 64 flows at most, some microseconds. None of them waits for a later
/// turn: the next frame of its flow, which would find the decision of another one before it, would overtake it.
#[inline(never)]
fn decide_rest<P: Port, M: Pool>(worker: &mut Worker<P, M>) {
    if !worker.batch.rest.is_empty() {
        decide_each(worker);
    }
}

/// Apart, so that a batch without any does not pay for it.
#[inline(never)]
fn decide_each<P: Port, M: Pool>(worker: &mut Worker<P, M>) {
    let snapshot = Arc::clone(&worker.brain.snapshot);
    let mut rest = std::mem::take(&mut worker.batch.rest);
    worker.batch.newcomers = 0;
    decide::expect(&rest, &worker.batch, &worker.brain);
    for (nth, frame) in rest.drain().enumerate() {
        let place = usize::from(worker.batch.rest_meta[nth]);
        match decide::course(&frame, place, &snapshot, worker) {
            Course::Now(recipe) => follow(recipe, frame, place, worker),
            Course::Behind(member) => flood::behind(member, frame, place, worker),
        }
    }
}

/// Does what was decided to a frame that may be plain still.
#[inline(always)]
fn follow<P: Port, M: Pool>(recipe: Recipe, mut frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let meta = &mut worker.batch.meta[place];
    if meta.class.is_plain()
        && let Recipe::Forward(member) = recipe
        && let Some(&Way { kind, port, .. }) = lookup::simple_way(member, meta, &worker.brain)
    {
        if let Err(cause) = rewrite::plain(kind, member, &mut frame, meta, &mut worker.brain) {
            return dispatch::come_short(frame, Short::Unfit(cause), place, worker);
        }
        return match worker.lanes.offer(port, frame, &mut worker.tally, &mut worker.pool) {
            Ok(()) => worker.tally.port(meta.port).forwarded += 1,
            Err(frame) => dispatch::come_short(frame, Short::Elsewhere(port), place, worker),
        };
    }
    parse::describe(&frame, meta);
    dispatch::follow(recipe, frame, place, worker);
}
