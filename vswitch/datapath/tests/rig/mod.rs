//! Workers over in-memory ports, a small snapshot, and the frames the tests of this folder send.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

mod frames;
mod picture;
mod stock;

use std::{collections::BTreeMap, sync::Arc};

use datapath::{
    Books, Cause, ControlWires, DropReason, Order, PortId, PortReading, Report, Snapshot, Turn, Worker, WorkerConfig,
    WorkerId, WorkerReading, connect,
};
use frame::{HeapPool, MemPort, MemPortPeer, Pool};
use table::Tick;
use wire::HashKey;

pub(crate) use frames::*;
pub(crate) use picture::*;
pub(crate) use stock::{ScriptPort, Stock};

/// What a rig is made with.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) workers: usize,
    pub(crate) frames: usize,
    pub(crate) depth: usize,
    pub(crate) flows: usize,
    pub(crate) macs: usize,
}

impl Default for Size {
    fn default() -> Size {
        Size { workers: 1, frames: 8192, depth: 4096, flows: 1024, macs: 1024 }
    }
}

/// Ticks after which the rigs' workers forget a flow.
pub(crate) const FLOW_IDLE_TICKS: u32 = 50;

/// The wires to `workers` workers, the workers and their books.
pub(crate) fn workers<P: frame::Port + Send, M: Pool + Clone>(
    size: Size,
    pool: &M,
) -> (Vec<Worker<P, M>>, Vec<ControlWires<P>>, Books) {
    let books = Books::create("rig", size.workers).unwrap();
    let (ends, wires) = connect(size.workers);
    let workers = ends.into_iter().enumerate().map(|(id, ends)| {
        let config = WorkerConfig {
            id: WorkerId(id as u8),
            switch: "rig".into(),
            flows_max: size.flows,
            macs_max: size.macs,
            flow_idle_ticks: FLOW_IDLE_TICKS,
            burst: 32,
            hash_key: HashKey([0x9e37_79b9_7f4a_7c15 ^ id as u64, 0xd1b5_4a32_d192_ed03]),
            huge: false,
        };
        Worker::new(&config, ends, pool.clone(), books.clone()).unwrap()
    });
    (workers.collect(), wires, books)
}

/// A switch on the bench.
pub(crate) struct Rig {
    pub(crate) workers: Vec<Worker<MemPort, HeapPool>>,
    pub(crate) wires: Vec<ControlWires<MemPort>>,
    pub(crate) peers: BTreeMap<u16, MemPortPeer>,
    pub(crate) books: Books,
    pub(crate) pool: HeapPool,
    pub(crate) snapshot: Snapshot,
    pub(crate) now: Tick,
    /// Queue pairs that workers gave back.
    pub(crate) returned: Vec<(PortId, MemPort)>,
    depth: usize,
}

impl Rig {
    /// A switch without ports that works by no snapshot.
    pub(crate) fn bare(size: Size) -> Rig {
        Rig::over(HeapPool::new(size.frames, 2048), size)
    }

    /// The same with frames of this pool.
    pub(crate) fn over(pool: HeapPool, size: Size) -> Rig {
        let (workers, wires, books) = workers(size, &pool);
        let (peers, now, returned) = (BTreeMap::new(), Tick(1), Vec::new());
        let snapshot = Snapshot::default();
        Rig { workers, wires, peers, books, pool, snapshot, now, returned, depth: size.depth }
    }

    /// A switch by [`picture`], with all its ports on the workers the picture says.
    pub(crate) fn new(size: Size) -> Rig {
        Rig::bare(size).with_picture()
    }

    /// The same in a rig without ports.
    pub(crate) fn with_picture(mut self) -> Rig {
        self.install(picture());
        for port in PORTS {
            let home = self.snapshot.port(PortId(port)).unwrap().workers[0];
            self.attach(port, usize::from(home.0) % self.workers.len());
        }
        self
    }

    /// Puts a snapshot in force everywhere.
    pub(crate) fn install(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
        let snapshot = Arc::new(self.snapshot.clone());
        for wires in &mut self.wires {
            assert!(wires.mail.send(Order::Install(Arc::clone(&snapshot))).is_ok());
        }
        self.turn();
    }

    /// Changes the snapshot in force; `edit` is given the new generation to stamp what it changes.
    pub(crate) fn change(&mut self, edit: impl FnOnce(&mut Snapshot, u64)) {
        let mut snapshot = self.snapshot.clone();
        snapshot.generation += 1;
        let generation = snapshot.generation;
        edit(&mut snapshot, generation);
        self.install(snapshot);
    }

    /// Gives a new in-memory port to a worker.
    pub(crate) fn attach(&mut self, port: u16, worker: usize) {
        let (queue, peer) = MemPort::pair(self.pool.clone(), self.depth);
        self.peers.insert(port, peer);
        assert!(self.wires[worker].mail.send(Order::Attach { port: PortId(port), queue }).is_ok());
        self.turn();
    }

    /// Sends an order to a worker, to be carried out in its next turn.
    pub(crate) fn order(&mut self, worker: usize, order: Order<MemPort>) {
        assert!(self.wires[worker].mail.send(order).is_ok());
    }

    /// One turn of every worker.
    pub(crate) fn turn(&mut self) {
        (0..self.workers.len()).for_each(|worker| drop(self.turn_one(worker)));
    }

    /// One turn of one worker, and what it reports.
    pub(crate) fn turn_one(&mut self, worker: usize) -> (Turn, Vec<&'static str>) {
        let turn = self.workers[worker].turn(self.now);
        self.workers[worker].publish();
        let mut reports = Vec::new();
        while let Some(report) = self.wires[worker].mail.recv() {
            reports.push(match report {
                Report::Installed { .. } => "installed",
                Report::Stopped => "stopped",
                Report::Detached { port, queue } => {
                    self.returned.push((port, queue));
                    "detached"
                }
            });
        }
        (turn, reports)
    }

    /// Turns until nothing moves.
    pub(crate) fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            let busy = (0..self.workers.len()).fold(false, |busy, w| busy | (self.turn_one(w).0 == Turn::Busy));
            quiet = if busy { 0 } else { quiet + 1 };
        }
    }

    /// Lets ticks pass in which all tables are walked whole.
    pub(crate) fn pass(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.now = self.now.after(1);
            (0..20).for_each(|_| self.turn());
        }
    }

    /// Sends a packet in by a port and lets it go its way.
    pub(crate) fn send(&mut self, port: u16, packet: &[u8]) {
        assert!(self.peers[&port].send(packet));
        self.settle();
    }

    /// How many packets have come out of each of [`PORTS`] since the last call.
    pub(crate) fn out(&mut self) -> [usize; PORTS.len()] {
        PORTS.map(|port| self.peers.get(&port).map_or(0, |peer| std::iter::from_fn(|| peer.recv()).count()))
    }

    /// Sends a packet and says how many came out where.
    pub(crate) fn through(&mut self, port: u16, packet: &[u8]) -> [usize; PORTS.len()] {
        self.out();
        self.send(port, packet);
        self.out()
    }

    /// The sum of all workers' books.
    pub(crate) fn total(&self) -> WorkerReading {
        let mut total = WorkerReading::default();
        (0..self.workers.len()).for_each(|worker| total += &self.reading(worker).0);
        total
    }

    /// One worker's books and its ports'.
    pub(crate) fn reading(&self, worker: usize) -> (WorkerReading, Vec<PortReading>) {
        let ports: Vec<PortId> = (0..16).map(PortId).collect();
        self.books.read(WorkerId(worker as u8), &ports).unwrap()
    }

    /// Frames dropped so far, by reason, none at zero.
    pub(crate) fn drops(&self) -> BTreeMap<&'static str, u64> {
        let total = self.total();
        let all = DropReason::all().map(|reason| (reason.name(), total.dropped[reason.index()]));
        all.filter(|&(_, count)| count > 0).collect()
    }

    /// Frames dropped so far for one cause.
    pub(crate) fn dropped(&self, cause: Cause) -> u64 {
        self.total().dropped[DropReason::from(cause).index()]
    }

    /// Releases what waits for the host stack; how many that was.
    pub(crate) fn take_punts(&mut self) -> usize {
        let mut taken = 0;
        for wires in &mut self.wires {
            while let Some(punt) = wires.punts.pop() {
                self.pool.release_one(punt.frame);
                taken += 1;
            }
        }
        taken
    }

    /// Asserts that nothing disappeared: every worker's and port's books balance.
    pub(crate) fn assert_balanced(&self) {
        for worker in 0..self.workers.len() {
            let (reading, ports) = self.reading(worker);
            assert!(reading.balanced(), "worker {worker}: {reading:?}");
            for (port, reading) in ports.iter().enumerate() {
                assert!(reading.balanced(), "port {port} on worker {worker}: {reading:?}");
            }
        }
    }

    /// Asserts, of workers at rest, that nothing is under way any more either.
    pub(crate) fn assert_at_rest(&mut self) {
        self.settle();
        self.take_punts();
        self.assert_balanced();
        let total = self.total();
        assert_eq!(total.handed, total.taken);
        assert_eq!(self.pool.used(), 0, "frames are out");
        assert_eq!(frame::lost_frames(), 0);
    }
}
