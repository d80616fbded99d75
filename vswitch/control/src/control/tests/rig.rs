//! A switch in one thread: control, real workers, ports in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use datapath::{Books, Worker, WorkerConfig, WorkerId, connect};
use frame::{HeapPool, MemPort, MemPortPeer};
use table::Tick;
use wire::{HashKey, Mac};

use crate::{
    config::{self, Port, Sourced},
    control::{Answer, Control, Identity, Opened, PortFactory, WorkerLink},
};

/// The MAC of every uplink of the rig.
pub(super) const UPLINK_MAC: Mac = Mac::new([2, 0, 0, 0, 0xff, 1]);

/// What the factory did, and the far ends of its ports.
#[derive(Default)]
pub(super) struct World {
    pub(super) peers: BTreeMap<String, Vec<MemPortPeer>>,
    pub(super) events: Vec<String>,
    /// Interfaces and devices that cannot be opened.
    pub(super) broken: BTreeSet<String>,
    /// The uplinks' MAC, where somebody has changed it.
    pub(super) uplink_mac: Option<Mac>,
    /// Ports that cannot be changed.
    pub(super) stubborn: BTreeSet<String>,
    /// Ports without a link.
    pub(super) down: BTreeSet<String>,
    /// Ports whose devices have gone.
    pub(super) gone: BTreeSet<String>,
}

pub(super) struct MemFactory {
    pool: HeapPool,
    world: Arc<Mutex<World>>,
}

fn device(port: &Port) -> String {
    match &port.kind {
        config::Kind::Eth { device } => device.clone(),
        config::Kind::Tap { interface, .. } => interface.clone(),
        config::Kind::VhostUser { socket, .. } => socket.display().to_string(),
    }
}

impl PortFactory for MemFactory {
    type Queue = MemPort;

    fn open(&mut self, port: &Port) -> Result<Opened<MemPort>, String> {
        let mut world = self.world.lock().unwrap();
        if world.broken.contains(&device(port)) {
            return Err(format!("no such device: {}", device(port)));
        }
        world.events.push(format!("open {} {}", port.name, device(port)));
        let pairs = (0..port.queues).map(|_| MemPort::pair(self.pool.clone(), 1024));
        let (queues, peers) = pairs.unzip();
        world.peers.insert(port.name.to_string(), peers);
        let mac = port.is_uplink().then_some(UPLINK_MAC);
        Ok(Opened { queues, mac, mtu: port.mtu, detail: "in memory".into() })
    }

    fn change(&mut self, old: &Port, new: &Port) -> Result<(), String> {
        let mut world = self.world.lock().unwrap();
        if world.stubborn.contains(new.name.as_str()) {
            return Err("the device does not like it".into());
        }
        world.events.push(format!("change {} {} {}", new.name, old.mtu, new.mtu));
        Ok(())
    }

    fn close(&mut self, name: &str, queues: Vec<MemPort>) {
        self.world.lock().unwrap().events.push(format!("close {name} {}", queues.len()));
    }

    fn gone(&self, name: &str) -> Option<String> {
        self.world.lock().unwrap().gone.contains(name).then(|| "it was taken away".to_owned())
    }

    fn mac(&self, _name: &str) -> Option<Mac> {
        self.world.lock().unwrap().uplink_mac
    }

    fn link(&self, name: &str) -> api::Link {
        if self.world.lock().unwrap().down.contains(name) { api::Link::Down } else { api::Link::Up }
    }
}

pub(super) struct Rig {
    pub(super) control: Control<MemFactory>,
    pub(super) workers: Vec<Worker<MemPort, HeapPool>>,
    pub(super) world: Arc<Mutex<World>>,
    pool: HeapPool,
    now: Duration,
    /// A worker that has no turn, and in which steps from now.
    stalled: (usize, std::ops::Range<u32>),
}

fn worker_config(id: usize) -> WorkerConfig {
    WorkerConfig {
        id: WorkerId(id as u8),
        switch: "rig".into(),
        flows_max: 1024,
        macs_max: 1024,
        flow_idle_ticks: 300,
        burst: 32,
        hash_key: HashKey([1, 2]),
        huge: false,
    }
}

impl Rig {
    /// A switch with that configuration, brought up.
    pub(super) fn new(text: &str) -> Rig {
        let mut rig = Rig::try_new(text, World::default()).unwrap_or_else(|(error, _)| panic!("{error}"));
        rig.settle();
        rig
    }

    pub(super) fn try_new(text: &str, world: World) -> Result<Rig, (String, Arc<Mutex<World>>)> {
        let source = Sourced::load(text, "rig.toml").unwrap_or_else(|errors| panic!("{errors:?}"));
        let count = source.config.workers.count();
        let pool = HeapPool::new(4096, 2048);
        let books = Books::create("rig", count).unwrap();
        let (worker_wires, control_wires) = connect(count);
        let mut workers = Vec::new();
        let mut links = Vec::new();
        for (id, (wires, control)) in worker_wires.into_iter().zip(control_wires).enumerate() {
            let worker = Worker::new(&worker_config(id), wires, pool.clone(), books.clone()).unwrap();
            links.push(WorkerLink { wires: control, view: worker.view(), cpu: None });
            workers.push(worker);
        }
        let world = Arc::new(Mutex::new(world));
        let factory = MemFactory { pool: pool.clone(), world: Arc::clone(&world) };
        let identity = Identity { version: "0.1.0".into(), ..Identity::default() };
        let boxed = Box::new(pool.clone());
        match Control::start(identity, source, factory, links, books, boxed, Duration::ZERO) {
            Ok(control) => Ok(Rig { control, workers, world, pool, now: Duration::ZERO, stalled: (0, 0..0) }),
            Err(error) => Err((error, world)),
        }
    }

    /// 10 ms of the switch's life: every worker has eight turns, control one tick.
    pub(super) fn step(&mut self) {
        self.now += Duration::from_millis(10);
        let tick = Tick((self.now.as_millis() / 100) as u32);
        let (stalled, steps) = &mut self.stalled;
        for (index, worker) in self.workers.iter_mut().enumerate() {
            let turns = if steps.contains(&0) && index == *stalled { 0 } else { 8 };
            for _ in 0..turns {
                worker.turn(tick);
                worker.publish();
            }
        }
        *steps = steps.start.saturating_sub(1)..steps.end.saturating_sub(1);
        self.control.tick(self.now);
    }

    /// One worker's turn, and nobody else's.
    pub(super) fn turn(&mut self, worker: usize) {
        self.workers[worker].turn(Tick((self.now.as_millis() / 100) as u32));
        self.workers[worker].publish();
    }

    /// Gives a worker no turn in these steps from now.
    pub(super) fn stall(&mut self, worker: usize, steps: std::ops::Range<u32>) {
        self.stalled = (worker, steps);
    }

    pub(super) fn run_ms(&mut self, ms: u64) {
        (0..ms / 10).for_each(|_| self.step());
    }

    /// Runs until the configuration is in force everywhere.
    pub(super) fn settle(&mut self) {
        for _ in 0..500 {
            if self.control.is_settled() {
                return self.step();
            }
            self.step();
        }
        panic!("the transaction does not end");
    }

    pub(super) fn send(&self, port: &str, packet: &[u8]) {
        assert!(self.world.lock().unwrap().peers[port][0].send(packet));
    }

    /// Sends unless the port's queue is full.
    pub(super) fn offer(&self, port: &str, packet: &[u8]) {
        self.world.lock().unwrap().peers[port][0].send(packet);
    }

    /// The port's device loses the oldest packet it took.
    pub(super) fn lose(&self, port: &str) {
        assert!(self.world.lock().unwrap().peers[port][0].lose());
    }

    pub(super) fn received(&self, port: &str) -> Vec<Vec<u8>> {
        let world = self.world.lock().unwrap();
        world.peers[port].iter().flat_map(|peer| std::iter::from_fn(|| peer.recv())).collect()
    }

    /// Takes a port's link away, or gives it back.
    pub(super) fn set_link(&self, port: &str, up: bool) {
        let down = &mut self.world.lock().unwrap().down;
        if up {
            down.remove(port)
        } else {
            down.insert(port.into())
        };
    }

    pub(super) fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.world.lock().unwrap().events)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&mut self, request: api::Request) -> Result<api::Reply, api::RpcError> {
        let ticket = match self.control.handle(request, None) {
            Answer::Now(answer) => return answer,
            Answer::Later(ticket) => ticket,
        };
        for _ in 0..500 {
            if let Some(answer) = self.control.answer_later(ticket) {
                return answer;
            }
            self.step();
        }
        panic!("no answer");
    }

    pub(super) fn apply(&mut self, text: &str) -> Result<api::Applied, api::RpcError> {
        let request =
            api::Request::Apply { config: text.into(), file: "rig.toml".into(), dry_run: false, base_revision: None };
        match self.ask(request)? {
            api::Reply::Applied(applied) => Ok(applied),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn ledger(&mut self) -> api::Ledger {
        match self.ask(api::Request::ShowLedger).unwrap() {
            api::Reply::Ledger(ledger) => ledger,
            other => panic!("{other:?}"),
        }
    }

    /// Stops the switch and checks that nothing is left over.
    pub(super) fn stop(mut self) -> Vec<String> {
        let ledger = self.ledger();
        assert!(ledger.balanced, "{ledger:?}");
        self.events();
        self.control.stop();
        for _ in 0..500 {
            if self.control.is_stopped() {
                break;
            }
            self.step();
        }
        assert!(self.control.is_stopped());
        let events = self.events();
        let Rig { control, workers, pool, .. } = self;
        drop((control, workers));
        assert_eq!(pool.used(), 0, "frames are left over");
        events
    }
}
