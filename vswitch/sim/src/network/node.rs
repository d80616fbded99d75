//! One switch: control, workers, and ports in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use control::{
    config::{Port, Sourced},
    control::{Control, Identity, Opened, PortFactory, Ticket, WorkerLink},
};
use datapath::{Books, PortId, Worker, WorkerConfig, WorkerId, WorkerReading, connect};
use frame::{HeapPool, MemPort, MemPortPeer};
use table::Tick;
use wire::{HashKey, Mac};

/// The name of the uplink in every configuration.
pub const UPLINK: &str = "up0";

/// Packets a port's queues hold.
const DEPTH: usize = 1024;
/// Buffers of the pool.
const FRAMES: usize = 8192;
/// Turns of each worker in a step.
const TURNS: usize = 3;

/// The far ends of a node's ports, by name, and what may not be lost when one closes.
#[derive(Debug, Default)]
struct Outside {
    peers: BTreeMap<String, Vec<MemPortPeer>>,
}

/// Opens ports in memory.
pub(super) struct MemFactory {
    pool: HeapPool,
    outside: Arc<Mutex<Outside>>,
    mac: Mac,
}

fn lock(outside: &Mutex<Outside>) -> MutexGuard<'_, Outside> {
    outside.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PortFactory for MemFactory {
    type Queue = MemPort;

    fn open(&mut self, port: &Port) -> Result<Opened<MemPort>, String> {
        let (queues, peers) = (0..port.queues).map(|_| MemPort::pair(self.pool.clone(), DEPTH)).unzip();
        lock(&self.outside).peers.insert(port.name.to_string(), peers);
        let mac = port.is_uplink().then_some(self.mac);
        Ok(Opened { queues, mac, mtu: port.mtu, detail: "in memory".into() })
    }

    fn change(&mut self, _old: &Port, _new: &Port) -> Result<(), String> {
        Ok(())
    }

    fn close(&mut self, name: &str, _queues: Vec<MemPort>) {
        lock(&self.outside).peers.remove(name);
    }

    fn link(&self, _name: &str) -> api::Link {
        api::Link::Up
    }
}

/// A switch.
pub struct Node {
    control: Control<MemFactory>,
    workers: Vec<Worker<MemPort, HeapPool>>,
    outside: Arc<Mutex<Outside>>,
    books: Books,
    pool: HeapPool,
    ticket: Option<Ticket>,
}

impl Node {
    /// A switch with that number by that configuration.
    ///
    /// # Panics
    /// Where the configuration is refused.
    pub fn start(number: u8, text: &str) -> Node {
        let source = load(text);
        let (count, pool) = (source.config.workers.count(), HeapPool::new(FRAMES, 2048));
        let books = Books::create("node", count).expect("a test machine has memory for the books");
        let (worker_wires, control_wires) = connect(count);
        let (mut workers, mut links) = (Vec::new(), Vec::new());
        for (id, (wires, control)) in worker_wires.into_iter().zip(control_wires).enumerate() {
            let worker = Worker::new(&worker_config(number, id), wires, pool.clone(), books.clone());
            let worker = worker.expect("a test machine has memory for the tables");
            links.push(WorkerLink { wires: control, view: worker.view(), cpu: None });
            workers.push(worker);
        }
        let outside = Arc::new(Mutex::new(Outside::default()));
        let mac = Mac::new([2, 0xee, 0, 0, 0, number]);
        let factory = MemFactory { pool: pool.clone(), outside: Arc::clone(&outside), mac };
        let (identity, own_pool) = (Identity::default(), Box::new(pool.clone()));
        let control = Control::start(identity, source, factory, links, books.clone(), own_pool, Duration::ZERO)
            .unwrap_or_else(|error| panic!("the switch does not start: {error}"));
        Node { control, workers, outside, books, pool, ticket: None }
    }

    /// One step: control says what it has to say, every worker turns a few times.
    ///
    /// # Panics
    /// Where a transaction fails.
    pub fn step(&mut self, now: Duration) {
        let tick = Tick((now.as_millis() / 100) as u32);
        for worker in &mut self.workers {
            for _ in 0..TURNS {
                worker.turn(tick);
            }
            worker.publish();
        }
        self.control.tick(now);
        if let Some(ticket) = self.ticket
            && let Some(outcome) = self.control.outcome(ticket)
        {
            self.ticket = None;
            outcome.unwrap_or_else(|error| panic!("a transaction failed: {error:?}"));
        }
    }

    /// Starts to bring another configuration into force; `false` where one is still under way.
    ///
    /// # Panics
    /// Where the configuration is refused.
    pub fn apply(&mut self, text: &str) -> bool {
        if !self.is_settled() {
            return false;
        }
        self.ticket = Some(self.control.apply(load(text), None).unwrap_or_else(|error| panic!("refused: {error:?}")));
        true
    }

    /// Whether no change is under way.
    pub fn is_settled(&self) -> bool {
        self.ticket.is_none() && self.control.is_settled()
    }

    /// Puts a packet on a port's wire. A full or missing port loses it, as a NIC would.
    pub fn send(&self, port: &str, packet: &[u8]) {
        if let Some(peer) = lock(&self.outside).peers.get(port).and_then(|peers| peers.first()) {
            peer.send(packet);
        }
    }

    /// What has come out of a port.
    pub fn received(&self, port: &str) -> Vec<Vec<u8>> {
        let outside = lock(&self.outside);
        let peers = outside.peers.get(port).into_iter().flatten();
        peers.flat_map(|peer| std::iter::from_fn(|| peer.recv())).collect()
    }

    /// Starts to stop.
    pub fn stop(&mut self) {
        self.control.stop();
    }

    /// Whether the switch has stopped.
    pub fn is_stopped(&self) -> bool {
        self.control.is_stopped()
    }

    /// The books of one worker.
    ///
    /// # Panics
    /// Where there is no such worker.
    pub fn reading(&self, worker: usize) -> WorkerReading {
        self.books.read(WorkerId(worker as u8), &[]).expect("nobody writes between steps").0
    }

    /// The books of all workers, summed.
    pub fn total(&self) -> WorkerReading {
        let mut total = WorkerReading::default();
        (0..self.workers.len()).for_each(|worker| total += &self.reading(worker));
        total
    }

    /// Asserts that every worker's and every port's books balance, and that what was handed was taken.
    ///
    /// # Panics
    /// Where they do not.
    pub fn assert_balanced(&self) {
        let ports: Vec<PortId> = (0..32).map(PortId).collect();
        for id in 0..self.workers.len() {
            let (worker, ports) = self.books.read(WorkerId(id as u8), &ports).expect("nobody writes between steps");
            assert!(worker.balanced(), "worker {id}: {worker:?}");
            ports.iter().for_each(|port| assert!(port.balanced(), "{port:?}"));
            for (other, &handed) in worker.handed_to.iter().enumerate().take(self.workers.len()) {
                assert_eq!(handed, self.reading(other).taken_from[id], "handed from {id} and taken by {other}");
            }
        }
    }

    /// Asserts that no frame is out of the pool and none was lost.
    ///
    /// # Panics
    /// Where one is.
    pub fn assert_empty(&self) {
        assert_eq!(self.pool.used(), 0, "frames are out though the switch has stopped");
        assert_eq!(frame::lost_frames(), 0);
    }
}

fn load(text: &str) -> Sourced {
    Sourced::load(text, "sim.toml").unwrap_or_else(|errors| panic!("{errors:?} in\n{text}"))
}

fn worker_config(number: u8, id: usize) -> WorkerConfig {
    WorkerConfig {
        id: WorkerId(id as u8),
        switch: format!("sim-{number}"),
        flows_max: 1024,
        macs_max: 1024,
        flow_idle_ticks: 50,
        burst: 32,
        hash_key: HashKey([0x9e37_79b9_7f4a_7c15 ^ id as u64, 0xd1b5_4a32_d192_ed03 ^ u64::from(number)]),
        huge: false,
    }
}
