//! The whole life of a worker: one turn, again and again.

use std::iter;

use frame::{BURST_MAX, Frame, Pool, Port, lost_frames};
use sync::RegionError;
use table::{Fdb, FlowTable, Tick};
use wire::HashKey;

use crate::{
    Books, Inject, Order, PORTS_MAX, PortChanges, PortId, PortSpec, Report, WorkerId,
    backlog::Backlog,
    batch::{Batch, Run},
    brain::Brain,
    feature::{learn, storm::Buckets, too_big::Answers, vlan},
    lanes::Lanes,
    pipeline,
    sweep::{Pace, Sweeper},
    tally::Tally,
    view::WorkerView,
    wiring::WorkerWires,
};

/// What a worker is given at birth and keeps.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Which worker it is.
    pub id: WorkerId,
    /// The switch's name, a part of its regions' names.
    pub switch: String,
    /// Cached decisions it can hold.
    pub flows_max: usize,
    /// FDB entries it can hold.
    pub macs_max: usize,
    /// Ticks (100 ms) without a frame after which a cached decision goes.
    pub flow_idle_ticks: u32,
    /// Frames taken from one port before the next is asked, 1 to [`BURST_MAX`].
    pub burst: usize,
    /// The key of the flow hash; random per start, so that nobody can aim at a bucket.
    pub hash_key: HashKey,
    /// Whether to put the tables on hugepages where there are any.
    pub huge: bool,
}

/// What a turn was worth, for whoever decides whether the worker may rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Frames or orders were handled, or frames wait for a moment for others to the same port.
    Busy,
    /// Nothing was there.
    Idle,
    /// An [`Order::Stop`] has been carried out; further turns only return ports and send what others hand over.
    Stopped,
}

/// Batches of one turn at most: as a rule the last row of a turn is cut short by its end, and sending a super-frame costs much the
/// same however long it is.
const BATCHES_A_TURN: usize = 16;
/// Deltas heard in one turn from one other worker.
const DELTAS_A_TURN: usize = 32;
/// Turns between two questions to a device about its losses.
const DEVICE_TICKS: u32 = 2;

/// One worker: polls its ports, decides, sends, ages. `P` is the port and `M` the pool of the process.
pub struct Worker<P, M> {
    pub(crate) id: WorkerId,
    pub(crate) pool: M,
    pub(crate) wires: WorkerWires<P>,
    pub(crate) lanes: Lanes<P>,
    pub(crate) brain: Brain,
    pub(crate) tally: Tally,
    pub(crate) batch: Batch,
    pub(crate) backlog: Backlog,
    pub(crate) storms: Buckets,
    pub(crate) answers: Answers,
    books: Books,
    sweeper: Sweeper,
    device_asked: Tick,
    /// An order that frames in hand are in the way of.
    postponed: Option<Order<P>>,
    /// Control was told something that nobody has asked [`Worker::has_told`] about yet.
    pub(crate) told: bool,
    stopped: bool,
}

impl<P: Port, M: Pool> Worker<P, M> {
    /// A worker without ports or configuration; both come by mail.
    pub fn new(config: &WorkerConfig, wires: WorkerWires<P>, pool: M, books: Books) -> Result<Self, RegionError> {
        let name = |what: &str| format!("{}-{what}-{}", config.switch, config.id.0);
        let flows = FlowTable::create(&name("flows"), config.flows_max, config.hash_key, config.huge)?;
        let fdb = Fdb::create(&name("fdb"), config.macs_max, config.hash_key, config.huge)?;
        let batch = Batch::new(flows.probe(0));
        Ok(Worker {
            id: config.id,
            pool,
            wires,
            lanes: Lanes::new(config.burst),
            brain: Brain::new(flows, fdb),
            tally: Tally::new(),
            batch,
            backlog: Backlog::new(),
            storms: Buckets::new(),
            answers: Answers::new(),
            books,
            sweeper: Sweeper::new(config.flow_idle_ticks),
            device_asked: Tick(0),
            postponed: None,
            told: false,
            stopped: false,
        })
    }

    /// What other threads may see of this worker's tables.
    pub fn view(&self) -> WorkerView {
        WorkerView::new(self.id, self.brain.flows.reader(), self.brain.fdb.reader())
    }

    /// How aging walks the flow table, as the snapshot in force wants it.
    pub fn pace(&self) -> Pace {
        self.sweeper.pace(self.brain.flows.capacity())
    }

    /// How often ports came and went: whoever watches them has something to do when that has changed.
    pub fn port_changes(&self) -> PortChanges {
        self.lanes.lookout.changes()
    }

    /// Offers the ports that are not watched to `watch`, which says whether it watches one: whether [`Worker::wake`] will be
    /// called for it when something comes. One that is watched is not looked at while it is dry ([`Port::is_dry`]).
    pub fn watch(&mut self, watch: impl FnMut(PortId, &P) -> bool) {
        self.lanes.watch(watch);
    }

    /// Nobody watches the ports any more: each is looked at in every turn.
    pub fn unwatch(&mut self) {
        self.lanes.unwatch();
    }

    /// Something has come to `port`: it is looked at again. Of no consequence where the port is not held, or awake.
    pub fn wake(&mut self, port: PortId) {
        self.lanes.lookout.wake(port);
    }

    /// Whether there are ports that will not be looked at unless they are woken.
    #[inline]
    pub fn any_port_sleeps(&self) -> bool {
        self.lanes.lookout.any_sleeps()
    }

    /// Whether the turns since the last call have told control something, by mail or by a frame for the node itself: whoever
    /// turns the worker may have to wake it.
    #[inline]
    pub fn has_told(&mut self) -> bool {
        std::mem::take(&mut self.told)
    }

    /// One turn. `now` is coarse time that never runs backwards. Work per turn is bounded.
    pub fn turn(&mut self, now: Tick) -> Turn {
        self.brain.begin_turn(now);
        self.tally.begin_turn(&self.books, self.id);
        let before = self.tally.worker.credit();
        let mail = self.read_mail();
        self.work_off();
        self.hear_others();
        self.take_injected();
        let gathers = self.end_lanes();
        let idle = !mail && self.tally.worker.credit() == before && self.backlog.is_empty();
        self.sweeper.step(idle, &mut self.brain, &mut self.tally, &mut self.wires.peers);
        match self.finish(idle, mail) {
            Turn::Idle if gathers => Turn::Busy,
            turn => turn,
        }
    }

    /// Sends what waits. Whether something waits still, for more to come; nothing does in a worker that has stopped.
    #[inline]
    fn end_lanes(&mut self) -> bool {
        if self.stopped {
            self.flush();
        }
        self.lanes.end_turn(&mut self.tally, &mut self.pool)
    }

    fn finish(&mut self, idle: bool, mail: bool) -> Turn {
        let worker = &mut self.tally.worker;
        worker.turns += 1;
        worker.idle_turns += u64::from(idle);
        if self.brain.now.since(self.device_asked) >= DEVICE_TICKS {
            self.device_asked = self.brain.now;
            // Worker 0 books what the process has lost, so that it counts once.
            worker.lost = if self.id.0 == 0 { lost_frames() } else { 0 };
            self.lanes.ask_device(&mut self.tally);
        }
        if idle || mail || self.tally.is_due() {
            self.publish();
        }
        match (self.stopped, idle) {
            (true, true) => Turn::Stopped,
            (_, true) => Turn::Idle,
            (_, false) => Turn::Busy,
        }
    }

    /// Sends what waits for others, for whoever takes no further turn.
    pub fn flush(&mut self) {
        self.lanes.flush(&mut self.tally, &mut self.pool);
    }

    /// Lets others see the books as they are now, between two turns. Turns do it by themselves: each without frames, and of
    /// a busy worker every few, for it costs as much as a frame or two.
    pub fn publish(&mut self) {
        self.measure_rings();
        self.tally.publish(&self.books, self.id);
    }

    /// Books what waits in the handoff rings: measured, so that the ledger between two workers proves something.
    #[inline]
    fn measure_rings(&mut self) {
        let books = &mut self.tally.worker;
        for (index, peer) in self.wires.peers.iter().enumerate() {
            let Some(peer) = peer else { continue };
            books.waiting_to[index] = peer.to.len() as u64;
            books.waiting_from[index] = peer.from.len() as u64;
        }
    }

    /// Carries out at most one order a turn, so that no burst waits for a pile of them.
    fn read_mail(&mut self) -> bool {
        if !self.wires.mail.has_mail() && self.postponed.is_none() {
            return false;
        }
        let Some(order) = self.postponed.take().or_else(|| self.wires.mail.recv()) else { return false };
        if self.must_wait(&order) {
            self.postponed = Some(order);
            return true;
        }
        let report = match order {
            Order::Install(snapshot) => {
                let generation = snapshot.generation;
                let old = self.brain.install(snapshot);
                self.sweeper.install(&self.brain.snapshot);
                Some(Report::Installed { generation, old })
            }
            Order::Attach { port, queue } => {
                self.lanes.attach(port, queue).err().map(|queue| Report::Detached { port, queue })
            }
            Order::Detach { port } => {
                self.lanes.detach(port, &mut self.tally, &mut self.pool).map(|queue| Report::Detached { port, queue })
            }
            Order::Stop => Some(Report::Stopped),
        };
        if let Some(report) = report {
            self.told = true;
            if self.wires.mail.send(report).is_err() {
                unreachable!("control keeps at most as many orders open as reports fit the mailbox");
            }
        }
        true
    }

    /// Whether frames received before have to leave first, so that none is dropped or overtaken. No more are received.
    fn must_wait(&mut self, order: &Order<P>) -> bool {
        match order {
            Order::Detach { port } if port.index() < PORTS_MAX && self.tally.port(*port).held > 0 => {
                self.lanes.silence(*port);
                true
            }
            Order::Stop => {
                self.stopped = true;
                !self.backlog.is_empty()
            }
            _ => false,
        }
    }

    /// Receives and sees to what has come. Goes on while there is more and it may become part of a super-frame that has begun:
    /// the longer they get, the fewer there are to be sent. Whatever else waits is sent meanwhile. Not behind a flood: a turn
    /// makes no more copies than a batch may.
    #[inline]
    fn work_off(&mut self) {
        let copied = self.tally.worker.copied;
        for _ in 0..BATCHES_A_TURN {
            let is_more = self.receive();
            pipeline::run(self);
            let has_copied = self.tally.worker.copied != copied;
            if !is_more || has_copied || !self.may_merge_more() {
                break;
            }
        }
    }

    /// Whether a super-frame has begun that may get longer; then it is all that waits.
    #[inline]
    fn may_merge_more(&mut self) -> bool {
        self.lanes.may_merge() && self.lanes.relieve(&mut self.tally, &mut self.pool)
    }

    /// Receives a batch. Whether there may be more.
    #[inline(never)]
    fn receive(&mut self) -> bool {
        if self.stopped {
            return false;
        }
        let Batch { frames: Some(frames), runs, .. } = &mut self.batch else { return false };
        let tally = &mut self.tally;
        self.lanes.receive(frames, |port, received| {
            tally.worker.rx += received as u64;
            runs.push(Run { port, frames: received as u8, octets: 0 });
        })
    }

    /// What other workers have for this one: frames that are ready for ports served here, and what they have learned.
    #[inline]
    fn hear_others(&mut self) {
        for (from, peer) in self.wires.peers.iter_mut().enumerate() {
            let Some(peer) = peer else { continue };
            for handoff in iter::from_fn(|| peer.from.pop()).take(BURST_MAX) {
                self.tally.worker.taken += 1;
                self.tally.worker.taken_from[from] += 1;
                self.lanes.place(handoff.port, handoff.frame, &mut self.tally, &mut self.pool);
            }
            for delta in iter::from_fn(|| peer.hear.pop()).take(DELTAS_A_TURN) {
                learn::heard(&delta, &mut self.brain, &mut self.tally);
            }
        }
    }

    /// Frames of the host stack.
    fn take_injected(&mut self) {
        for _ in 0..BURST_MAX {
            let Some(inject) = self.wires.injects.pop() else { break };
            self.tally.worker.injected += 1;
            let Inject { port, mut frame } = inject;
            let vlan = self.brain.snapshot.port(port).and_then(PortSpec::own_vlan);
            if let Err(cause) = vlan::push(&mut frame, vlan) {
                self.tally.drop_unattributed(cause.into(), 1);
                self.pool.release_one(frame);
                continue;
            }
            self.lanes.place(port, frame, &mut self.tally, &mut self.pool);
        }
    }
}

impl<P, M: Pool> Worker<P, M> {
    /// Keeps a frame whose way has ended for the bulk release.
    #[inline]
    pub(crate) fn bury(&mut self, frame: Frame) {
        if let Err(frame) = self.batch.dead.push(frame) {
            self.pool.release(&mut self.batch.dead);
            self.pool.release_one(frame);
        }
    }

    pub(crate) fn release_dead(&mut self) {
        if !self.batch.dead.is_empty() {
            self.pool.release(&mut self.batch.dead);
        }
    }
}
