//! The order of the verbs, written here and nowhere else.
//!
//! ```text
//!  parse ─► admit ─► steer ─► lookup ─┬─ hit ──────────────► track ─► rewrite ─► dispatch
//!                                     └─ miss ─► decide ─────┘
//! ```
//!
//! The verbs are fused into three loops over one batch: (1) parse, admit, key and hash, prefetch the tags; (2) compare
//! tags, prefetch the entry; (3) compare key and epoch, count, rewrite, place in a lane. Plain packets go through all three
//! by themselves, without a question that does not concern them; any other is looked at closely, out of line. What needs a
//! decision or copies leaves for a list that runs afterwards.

use std::sync::Arc;

use frame::{Frame, Pool, Port};

use crate::{
    Worker,
    batch::{Class, Run},
    feature::flood,
    flow::Recipe,
    stage::{
        decide::{self, Course},
        dispatch, lookup, parse,
    },
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
    let mut left = frames.drain().enumerate();
    for run in 0..worker.batch.runs.len() {
        let Run { port, frames } = worker.batch.runs[run];
        let (mut hits, mut forwarded) = (0, 0);
        for (place, frame) in left.by_ref().take(usize::from(frames)) {
            let meta = &worker.batch.meta[place];
            if let Class::Plain = meta.class
                && let Some(way) = lookup::way(meta, &worker.brain)
            {
                hits += 1;
                forwarded += u64::from(dispatch::express(way, frame, place, worker));
            } else if TUPLES
                && let Class::PlainTuple = meta.class
                && let Some(way) = lookup::tuple_way(meta, &worker.brain)
            {
                hits += 1;
                forwarded += u64::from(dispatch::express(way, frame, place, worker));
            } else {
                look_closely(frame, place, worker);
            }
        }
        worker.tally.worker.flow_hits += hits;
        worker.tally.port(port).forwarded += forwarded;
    }
    drop(left);
    worker.batch.runs.clear();
    worker.batch.frames = Some(frames);
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
    if worker.batch.rest.is_empty() {
        return;
    }
    let snapshot = Arc::clone(&worker.brain.snapshot);
    let mut rest = std::mem::take(&mut worker.batch.rest);
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
fn follow<P: Port, M: Pool>(recipe: Recipe, frame: Frame, place: usize, worker: &mut Worker<P, M>) {
    let meta = &mut worker.batch.meta[place];
    if meta.class.is_plain()
        && let Recipe::Forward(member) = recipe
        && let Some(way) = lookup::simple_way(member, meta, &worker.brain)
    {
        let port = meta.port;
        worker.tally.port(port).forwarded += u64::from(dispatch::express((member, way), frame, place, worker));
        return;
    }
    parse::describe(&frame, meta);
    dispatch::follow(recipe, frame, place, worker);
}
