//! Real workers over in-memory ports, stepped by hand.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use datapath::{
    Books, ControlWires, DropReason, Order, PortId, Report, Snapshot, Turn, Worker, WorkerConfig, WorkerId,
    WorkerReading, connect,
};
use frame::{HeapPool, MemPort, MemPortPeer, Offload, Pool, Takes, Transport};
use table::Tick;
use wire::{HashKey, L3, Mac};

use crate::{craft, gso, reference::Fate, traffic::Packet};

/// Packets a port's queues hold.
const DEPTH: usize = 4096;
/// Buffers of the pool.
const FRAMES: usize = 8192;
/// Longest packet.
const DATA_MAX: usize = 2048;
/// Turns after which a rack that still has something to do will always have.
const TURNS_MAX: usize = 10_000;

/// All workers of one switch and what stands for the world around them.
pub struct Rack {
    workers: Vec<Worker<MemPort, HeapPool>>,
    wires: Vec<ControlWires<MemPort>>,
    peers: BTreeMap<PortId, MemPortPeer>,
    holders: HashMap<PortId, WorkerId>,
    takes: BTreeMap<PortId, Takes>,
    books: Books,
    pool: HeapPool,
    dropped: Vec<u64>,
    now: Tick,
}

/// What came of some frames: everything that left, and why the rest did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// By port, in the order in which they left.
    pub sent: BTreeMap<PortId, Vec<Vec<u8>>>,
    /// By port, in order.
    pub punted: BTreeMap<PortId, Vec<Vec<u8>>>,
    /// By reason, none at zero.
    pub dropped: BTreeMap<&'static str, u64>,
}

impl Outcome {
    /// The outcome of these fates, `is_uplink` ports' IPv4 headers made canonical.
    pub fn of(fates: impl IntoIterator<Item = Fate>) -> Outcome {
        let mut outcome = Outcome::default();
        for fate in fates {
            match fate {
                Fate::Sent(port, bytes) => outcome.sent.entry(port).or_default().push(bytes),
                Fate::Punted(port, bytes) => outcome.punted.entry(port).or_default().push(bytes),
                Fate::Dropped(reason) => *outcome.dropped.entry(reason.name()).or_default() += 1,
            }
        }
        outcome
    }

    /// The same with the packets of each port in an order of their own, for comparing as multisets.
    pub fn sorted(mut self) -> Outcome {
        self.sent.values_mut().chain(self.punted.values_mut()).for_each(|packets| packets.sort());
        self
    }

    /// The packets of each port by what a switch keeps in order: one flow of one source.
    pub fn flows(&self) -> BTreeMap<(PortId, Vec<u8>), Vec<Vec<u8>>> {
        let mut flows: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
        for (&port, packets) in &self.sent {
            for packet in packets {
                flows.entry((port, flow_of(packet))).or_default().push(packet.clone());
            }
        }
        flows
    }
}

/// What tells the flows of one port apart, as octets: outer addresses and VNI, MACs, network protocol, its source, and
/// whether it is a neighbour's word or that something was too big, which the switch says in its name.
fn flow_of(packet: &[u8]) -> Vec<u8> {
    let Ok(headers) = wire::parse(packet) else { return Vec::new() };
    let tunnelled = headers.ports(packet).is_some_and(|(_, port)| port == 4789 || port == 8472);
    if tunnelled && let Ok(Some(outer)) = wire::parse_outer(packet, &headers) {
        let inner = flow_of(&packet[outer.inner..outer.inner + outer.inner_len]);
        return [format!("{} {} {}", outer.dst, outer.udp_dst, outer.vni).into_bytes(), inner].concat();
    }
    let source = headers.addresses(packet).map(|(source, _)| source);
    let is_nd = matches!(wire::icmpv6::neighbour(packet, &headers), Ok(Some(_)));
    let kind = (headers.protocol, packet.get(usize::from(headers.l4)));
    let is_told = headers.l4 != 0 && matches!(kind, (1, Some(3)) | (58, Some(2)));
    format!("{} {} {:?} {source:?} {is_nd} {is_told}", headers.dst, headers.src, headers.l3_kind).into_bytes()
}

impl Rack {
    /// A switch of that many workers, without configuration.
    ///
    /// # Panics
    /// Where the machine has no memory for the tables.
    pub fn new(workers: usize, macs_max: usize, flows_max: usize, flow_idle_ticks: u32) -> Rack {
        let books = Books::create("rack-books", workers).expect("a test machine has memory for the books");
        let (worker_wires, wires) = connect(workers);
        let pool = HeapPool::new(FRAMES, DATA_MAX);
        let workers = worker_wires.into_iter().enumerate().map(|(id, wires)| {
            let config = WorkerConfig {
                id: WorkerId(id as u8),
                switch: "rack".into(),
                flows_max,
                macs_max,
                flow_idle_ticks,
                burst: 32,
                hash_key: HashKey([0x9e37_79b9_7f4a_7c15 ^ id as u64, 0xd1b5_4a32_d192_ed03]),
                huge: false,
            };
            Worker::new(&config, wires, pool.clone(), books.clone()).expect("a test machine has memory for the tables")
        });
        Rack {
            workers: workers.collect(),
            wires,
            peers: BTreeMap::new(),
            holders: HashMap::new(),
            takes: BTreeMap::new(),
            books,
            pool,
            dropped: vec![0; DropReason::all().count()],
            now: Tick(0),
        }
    }

    /// What time it is.
    pub fn now(&self) -> Tick {
        self.now
    }

    /// Puts a snapshot in force on all workers and gives each port to the worker that shall hold it, in the order in
    /// which control does it: what goes is detached, the snapshot installed, what comes is attached.
    pub fn install(&mut self, snapshot: &Arc<Snapshot>, ports: &BTreeMap<PortId, WorkerId>) {
        let gone: Vec<PortId> =
            self.holders.iter().filter(|(port, at)| ports.get(port) != Some(at)).map(|(&port, _)| port).collect();
        for port in gone {
            let holder = self.holders.remove(&port).unwrap_or(WorkerId(0));
            self.order(holder, Order::Detach { port });
            self.peers.remove(&port);
        }
        for worker in 0..self.workers.len() {
            self.order(WorkerId(worker as u8), Order::Install(Arc::clone(snapshot)));
        }
        for (&port, &worker) in ports {
            if self.holders.insert(port, worker).is_none() {
                let (queue, peer) = MemPort::pair(self.pool.clone(), DEPTH);
                self.peers.insert(port, peer);
                self.order(worker, Order::Attach { port, queue });
            }
        }
        self.settle();
    }

    /// Sends one order and lets all workers turn.
    ///
    /// # Panics
    /// Where the mailbox is full, which it never is.
    pub fn order(&mut self, worker: WorkerId, order: Order<MemPort>) {
        let refused = self.wires[worker.index()].mail.send(order).is_err();
        assert!(!refused, "a mailbox read every turn is never full");
        self.turn();
    }

    /// Says what ports do by themselves from now on.
    pub fn take(&mut self, takes: BTreeMap<PortId, Takes>) {
        takes
            .iter()
            .filter_map(|(port, &takes)| Some((self.peers.get(port)?, takes)))
            .for_each(|(peer, takes)| peer.take(takes));
        self.takes = takes;
    }

    /// Puts a packet on a port's wire; `false` where the port is not there.
    pub fn send(&self, packet: &Packet) -> bool {
        let Packet { port, bytes, offload } = packet;
        self.peers.get(port).is_some_and(|peer| peer.send_unfinished(bytes, *offload))
    }

    /// One turn of each worker, in order; whether any was busy.
    pub fn turn(&mut self) -> bool {
        let mut busy = false;
        for (worker, wires) in self.workers.iter_mut().zip(&mut self.wires) {
            busy |= worker.turn(self.now) == Turn::Busy;
            worker.publish();
            while let Some(report) = wires.mail.recv() {
                drop::<Report<MemPort>>(report);
            }
        }
        busy
    }

    /// Turns until nothing moves any more.
    ///
    /// # Panics
    /// Where that never happens.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..TURNS_MAX {
            quiet = if self.turn() { 0 } else { quiet + 1 };
            if quiet == 2 {
                return;
            }
        }
        panic!("the workers never come to rest");
    }

    /// Lets `ticks` pass, in steps, with turns enough that both tables are walked whole once a second.
    pub fn pass(&mut self, ticks: u32) {
        let turns = self.workers.iter().map(|w| w.view()).map(|v| v.macs_capacity().max(v.flows_capacity())).max();
        let turns = turns.unwrap_or(0).div_ceil(64) + 2;
        let mut left = ticks;
        while left > 0 {
            let step = left.min(5);
            self.now = self.now.after(step);
            left -= step;
            for _ in 0..turns {
                self.turn();
            }
        }
        self.settle();
    }

    /// Everything that came out since the last call, as it stands on a wire when the ports have done what they take.
    ///
    /// # Panics
    /// Where a port was given what it does not take.
    pub fn collect(&mut self) -> Outcome {
        let mut fates = Vec::new();
        for (&port, peer) in &self.peers {
            let takes = self.takes.get(&port).copied().unwrap_or_default();
            let received = std::iter::from_fn(|| peer.recv_unfinished());
            let packets = received.flat_map(|(bytes, offload)| received_by(takes, &bytes, offload));
            fates.extend(packets.map(|bytes| Fate::Sent(port, bytes)));
        }
        for wires in &mut self.wires {
            while let Some(punt) = wires.punts.pop() {
                fates.push(Fate::Punted(punt.port, punt.frame.data().to_vec()));
                self.pool.release_one(punt.frame);
            }
        }
        for (index, reason) in DropReason::all().enumerate() {
            let total = self.readings().iter().map(|reading| reading.dropped[index]).sum::<u64>();
            fates.extend((self.dropped[index]..total).map(|_| Fate::Dropped(reason)));
            self.dropped[index] = total;
        }
        Outcome::of(fates)
    }

    /// The books of all workers.
    ///
    /// # Panics
    /// Where a worker publishes while nobody turns it.
    pub fn readings(&self) -> Vec<WorkerReading> {
        let read = |worker| self.books.read(WorkerId(worker as u8), &[]).expect("nobody writes between turns").0;
        (0..self.workers.len()).map(read).collect()
    }

    /// The MACs a worker knows, as [`crate::reference::Reference::macs`] gives them.
    pub fn macs(&self, worker: usize) -> BTreeMap<(u16, Mac), (table::MemberId, bool)> {
        let view = self.workers[worker].view();
        let macs = view.macs().map(|mac| ((mac.network.0, mac.mac), (mac.member, mac.is_static)));
        macs.collect()
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Asserts what must hold whenever the workers rest: all books balance, what was handed was taken, no frame is out,
    /// none was lost.
    ///
    /// # Panics
    /// Where it does not hold.
    pub fn assert_conserved(&self) {
        let ports: Vec<PortId> = (0..64).map(PortId).collect();
        let mut totals = (0, 0);
        for id in 0..self.workers.len() {
            let (worker, ports) = self.books.read(WorkerId(id as u8), &ports).expect("nobody writes between turns");
            assert!(worker.balanced(), "worker {id} does not balance: {worker:?}");
            for (port, reading) in ports.iter().enumerate() {
                assert!(reading.balanced(), "port {port} does not balance on worker {id}: {reading:?}");
            }
            totals = (totals.0 + ports.iter().map(|p| p.rx).sum::<u64>(), totals.1 + worker.rx);
        }
        assert_eq!(totals.0, totals.1, "what ports received is what workers received");
        self.assert_handoffs();
        assert_eq!(self.pool.used(), 0, "frames are out though the workers rest");
        assert_eq!(frame::lost_frames(), 0);
    }

    fn assert_handoffs(&self) {
        let readings = self.readings();
        for (a, from) in readings.iter().enumerate() {
            for (b, to) in readings.iter().enumerate() {
                assert_eq!(from.handed_to[b], to.taken_from[a], "handed from {a} to {b} and taken there");
            }
        }
    }
}

/// What a port that takes so much puts on its wire.
fn received_by(takes: Takes, bytes: &[u8], offload: Option<Offload>) -> Vec<Vec<u8>> {
    let Some(left) = offload else { return vec![bytes.to_vec()] };
    let headers = wire::parse(bytes).expect("what has work left is well-formed");
    let is_taken = match (left.transport, headers.l3_kind) {
        _ if left.segment == 0 => true,
        (Transport::Tcp, L3::Ipv4) => takes.tcp4,
        (Transport::Tcp, _) => takes.tcp6,
        (Transport::Udp, _) => takes.udp,
    };
    assert!(is_taken && takes.checksum, "{left:?} for a port that takes {takes:?}");
    gso::finish(bytes, &headers, offload)
}

/// A packet with an outer IPv4 header in front made comparable: identification 0, checksum accordingly. Others stay.
///
/// # Panics
/// Where the header's checksum is wrong.
pub fn canonical(mut packet: Vec<u8>) -> Vec<u8> {
    let ip_at = if packet.get(12..14) == Some(&craft::VLAN.to_be_bytes()) { 18 } else { 14 };
    let is_ipv4 = packet.get(ip_at - 2..ip_at + 1) == Some(&[0x08, 0x00, 0x45]);
    if is_ipv4 && packet.get(ip_at + 9) == Some(&17) {
        let sum = craft::internet_checksum(&packet[ip_at..ip_at + 20]);
        assert_eq!(sum, 0, "an outer header with a wrong checksum: {packet:02x?}");
        packet[ip_at + 4..ip_at + 6].fill(0);
        craft::seal_ipv4(&mut packet[ip_at..]);
    }
    packet
}
