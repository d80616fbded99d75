//! A switch in this process: one worker over ports made of a shelf of frames, which does one kind of work for ever.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use datapath::{
    Books, Guard, Member, MemberKind, Network, Order, Path, Paths, PortId, PortSpec, Profile, Role, Snapshot, Vlans,
    VtepKey, VtepTable, Worker, WorkerConfig, WorkerId, connect,
};
use frame::{Burst, Frame, HeapPool, Pool, Port, Sent};
use table::{MemberId, NetworkId, Tick};
use wire::{Dscp, HashKey, OuterParams, OuterTemplate, Vni};

use super::Job;
use crate::load::{INNER_LEN, LOCAL_VTEP, LOCAL_VTEP_MAC, Load, NETWORK, REMOTE_VTEP, REMOTE_VTEP_MAC, Shape, mac};

/// The ports.
const IN: PortId = PortId(0);
const OUT: PortId = PortId(1);
/// Who is behind them, where they are no uplinks, and behind the tunnel.
const SENDER: MemberId = MemberId(1);
const RECEIVER: MemberId = MemberId(2);
const REMOTE: MemberId = MemberId(3);
/// Pairs of MACs that talk.
const PAIRS: u32 = 64;
/// Five-tuples.
const FLOWS: u32 = 1000;
/// Turns before those that count: what is looked up once is looked up by then.
const WARM_UP: usize = 512;
/// Nothing ages: what a pass of the tables costs depends on the clock.
const NOW: Tick = Tick(1);
/// The hash must not differ from run to run.
const KEY: HashKey = HashKey([0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03]);

/// Frames, by turns on the shelf and in the switch. In the order in which they were put there, so that a port that takes
/// from it replays them.
#[derive(Clone)]
struct Shelf(Arc<Mutex<VecDeque<Frame>>>);

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Frame>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool for Shelf {
    fn alloc(&mut self) -> Option<Frame> {
        self.lock().pop_front()
    }

    fn release(&mut self, burst: &mut Burst) {
        self.lock().extend(burst.drain());
    }

    fn release_one(&mut self, frame: Frame) {
        self.lock().push_back(frame);
    }

    fn available(&self) -> usize {
        self.lock().len()
    }

    fn capacity(&self) -> usize {
        self.lock().capacity()
    }
}

/// One end of the switch: hands out `burst` frames of the shelf at a time, each made again what it was, and puts back what
/// is sent. Its own instructions count as no stage's.
struct ShelfPort {
    shelf: Shelf,
    burst: usize,
    /// Octets of each packet, and in front of it while it is on the shelf.
    len: usize,
    /// Where the frame as it was begins in one that comes back.
    change: Change,
}

/// What the switch has done to the frames that come back.
#[derive(Clone, Copy)]
enum Change {
    None,
    Longer(usize),
    Shorter(usize),
}

impl Port for ShelfPort {
    #[inline(never)]
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let mut shelf = self.shelf.lock();
        let take = max.min(self.burst).min(shelf.len());
        for frame in shelf.drain(..take) {
            if let Err(frame) = burst.push(frame) {
                unreachable!("a worker asks for what it has room for, not {frame:?}");
            }
        }
        take
    }

    #[inline(never)]
    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        let mut shelf = self.shelf.lock();
        let mut sent = Sent::default();
        for mut frame in burst.drain() {
            sent.frames += 1;
            sent.bytes += frame.len() as u64;
            let is_restored = match self.change {
                Change::None => true,
                Change::Longer(by) => frame.pull_front(by),
                Change::Shorter(by) => frame.push_front(by).is_some(),
            };
            assert!(is_restored && frame.len() == self.len, "a frame came back that is not what was to be made of it");
            shelf.push_back(frame);
        }
        sent
    }
}

/// A worker at work, and its books.
pub(super) struct Bench {
    worker: Worker<ShelfPort, Shelf>,
    books: Books,
    /// Control's end: reports pile up behind it.
    _wires: Vec<datapath::ControlWires<ShelfPort>>,
    shelf: Shelf,
    heap: HeapPool,
}

impl Bench {
    /// A switch that has done `job` for a while.
    pub(super) fn new(job: Job, burst: usize) -> Bench {
        let mut heap = HeapPool::new(1 << 17, 256);
        let packets = job.packets();
        let len = packets[0].len();
        let frames = packets.iter().map(|packet| {
            let mut frame = heap.alloc().expect("the pool is larger than any load");
            assert!(frame.write(packet), "the pool's frames are longer than the load's");
            frame
        });
        let shelf = Shelf(Arc::new(Mutex::new(frames.collect())));
        let books = Books::create("count", 1).expect("memory for the books");
        let (mut ends, mut wires) = connect(1);
        let config = WorkerConfig {
            id: WorkerId(0),
            switch: "count".into(),
            flows_max: job.flows_max(),
            macs_max: 1 << 12,
            flow_idle_ticks: 100,
            burst,
            hash_key: KEY,
            huge: false,
        };
        let ends = ends.pop().expect("one worker was asked for");
        let mut worker = Worker::new(&config, ends, shelf.clone(), books.clone()).expect("memory for the tables");
        let mut order = |order| assert!(wires[0].mail.send(order).is_ok(), "the mailbox takes four orders");
        order(Order::Install(Arc::new(snapshot(job))));
        let (shelf_in, shelf_out) = (shelf.clone(), shelf.clone());
        order(Order::Attach { port: OUT, queue: ShelfPort { shelf: shelf_out, burst: 0, len, change: job.change() } });
        for _ in 0..WARM_UP {
            worker.turn(NOW);
        }
        order(Order::Attach { port: IN, queue: ShelfPort { shelf: shelf_in, burst, len, change: Change::None } });
        for _ in 0..job.warm_up() {
            worker.turn(NOW);
        }
        Bench { worker, books, _wires: wires, shelf, heap }
    }

    /// So many turns, and nothing else: the only thing that callgrind looks at.
    #[inline(never)]
    pub(super) fn measured_turns(&mut self, turns: usize) {
        for _ in 0..turns {
            self.worker.turn(NOW);
        }
    }

    /// Frames received, and of those, sent; that is all of them where all is well.
    pub(super) fn frames(&mut self) -> (u64, u64) {
        self.worker.publish();
        let (reading, _) = self.books.read(WorkerId(0), &[]).expect("nobody writes now");
        (reading.rx, reading.tx)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.shelf.lock().drain(..).for_each(|frame| self.heap.release_one(frame));
    }
}

impl Job {
    fn packets(self) -> Vec<Vec<u8>> {
        let shape = if self.is_decap() { Shape::Vxlan } else { Shape::Plain };
        let load = match self {
            // Every station of one side with every one of the other, so that no frame has a decision.
            Job::Miss | Job::Churn => Load { shape, flows: PAIRS * PAIRS * 8, mac_pairs: PAIRS, seed: 1 },
            _ => Load { shape, flows: FLOWS, mac_pairs: PAIRS, seed: 1 },
        };
        let mut packets: Vec<_> = load.packets().collect();
        if matches!(self, Job::Miss | Job::Churn) {
            for (nth, packet) in (0..).zip(&mut packets) {
                packet[..6].copy_from_slice(&mac(2, nth % PAIRS).octets());
                packet[6..12].copy_from_slice(&mac(1, nth / PAIRS).octets());
            }
        }
        packets
    }

    /// Flows the table is for.
    fn flows_max(self) -> usize {
        match self {
            Job::L2Full => 4 * PAIRS as usize,
            Job::Churn => 1 << 12,
            _ => 1 << 17,
        }
    }

    /// Turns with frames before those that count. One round where a flow is to be known; for misses only the first.
    fn warm_up(self) -> usize {
        match self {
            Job::Miss => 1,
            // Of bursts of eight, until every place in the table has been taken.
            Job::Churn => 8 * WARM_UP,
            _ => WARM_UP,
        }
    }

    fn change(self) -> Change {
        match self {
            Job::L2 | Job::L2Full | Job::Miss | Job::Churn => Change::None,
            Job::VxlanEncap | Job::EncapTuple => Change::Longer(wire::outer::OUTER_IPV4_LEN),
            Job::VxlanDecap | Job::DecapTuple => Change::Shorter(wire::outer::OUTER_IPV4_LEN),
        }
    }

    fn egress(self) -> MemberId {
        if self.is_encap() { REMOTE } else { RECEIVER }
    }
}

/// The configuration in which a job is done: that of `perf replay`, as workers see it.
fn snapshot(job: Job) -> Snapshot {
    let (local, remote) = (IpAddr::V4(LOCAL_VTEP), IpAddr::V4(REMOTE_VTEP));
    let vni = Vni::new(NETWORK).expect("the constant is below 2^24");
    let uplink = if job.is_encap() { OUT } else { IN };
    let mut vteps = VtepTable::default();
    vteps.insert(VtepKey { uplink, local, remote, udp_port: wire::vxlan::PORT }, vni, REMOTE);
    let params = OuterParams {
        dst_mac: REMOTE_VTEP_MAC,
        src_mac: LOCAL_VTEP_MAC,
        src: local,
        dst: remote,
        udp_dst: wire::vxlan::PORT,
        ttl: 64,
        dscp: Dscp::Fixed(0),
        df: true,
        checksum: false,
        vni,
    };
    let outer = OuterTemplate::new(&params).expect("both VTEPs have an IPv4 address");
    let paths = Paths::spread(vec![Path { uplink, outer, frame_max: 1514 }], datapath::Cause::NoUplink);
    Snapshot {
        generation: 1,
        ports: vec![port(job.is_decap(), SENDER), port(job.is_encap(), RECEIVER)],
        networks: vec![Some(network(job, vni))],
        members: vec![
            None,
            member(MemberKind::Local { port: IN, vlan: None }),
            member(MemberKind::Local { port: OUT, vlan: None }),
            member(MemberKind::Vtep { paths }),
        ],
        vteps,
    }
}

fn port(is_uplink: bool, behind: MemberId) -> Option<PortSpec> {
    let (role, vlans) = match is_uplink {
        true => {
            let addresses = vec![LOCAL_VTEP.into()];
            (Role::Uplink { mac: LOCAL_VTEP_MAC, addresses, vlan: None }, Vlans::default())
        }
        false => (Role::Access { guard: Guard::default() }, Vlans::transparent(behind)),
    };
    Some(PortSpec { generation: 1, role, vlans, frame_max: 1514, storm_max: None, workers: vec![WorkerId(0)] })
}

fn member(kind: MemberKind) -> Option<Member> {
    Some(Member { generation: 1, network: NetworkId(0), kind })
}

fn network(job: Job, vni: Vni) -> Network {
    let members = match job {
        Job::L2 | Job::L2Full | Job::Miss | Job::Churn => vec![SENDER, RECEIVER],
        Job::VxlanEncap | Job::EncapTuple => vec![SENDER, REMOTE],
        Job::VxlanDecap | Job::DecapTuple => vec![RECEIVER, REMOTE],
    };
    let statics = (0..PAIRS).map(|pair| (mac(2, pair), job.egress()));
    Network {
        generation: 1,
        vni,
        macs_max: 4096,
        age_ticks: 3000,
        tcp_mtu: None,
        profile: if matches!(job, Job::EncapTuple | Job::DecapTuple) { Profile::FiveTuple } else { Profile::L2 },
        members,
        statics: statics.collect(),
    }
}

const _: () = assert!(INNER_LEN + wire::outer::OUTER_IPV4_LEN < 256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_every_job_is_received_and_sent() {
        for job in Job::ALL {
            let mut bench = Bench::new(job, 32);
            let before = bench.frames();
            bench.measured_turns(100);
            let after = bench.frames();
            assert_eq!((after.0 - before.0, after.1 - before.1), (3200, 3200), "{job:?}");
        }
    }

    #[test]
    fn a_miss_is_a_miss_and_all_else_is_a_hit() {
        for job in Job::ALL {
            let mut bench = Bench::new(job, 32);
            let flows = |bench: &Bench| {
                let (reading, _) = bench.books.read(WorkerId(0), &[]).unwrap();
                (reading.flow_hits, reading.flow_misses)
            };
            let before = flows(&bench);
            bench.measured_turns(100);
            let after = flows(&bench);
            let expected = if matches!(job, Job::Miss | Job::Churn) { (0, 3200) } else { (3200, 0) };
            assert_eq!((after.0 - before.0, after.1 - before.1), expected, "{job:?}");
        }
    }
}
