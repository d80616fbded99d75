//! The pipeline equals the naive reference switch, on random configurations and traffic, while the configuration
//! changes and time passes.
//!
//! `MILLRACE_SEED=n` runs one seed again, `MILLRACE_SEEDS=n` runs that many.

use std::{collections::BTreeMap, sync::Arc};

use datapath::{Snapshot, WorkerReading};
use sim::{
    Dice, SeedNote,
    rack::{Outcome, Rack, canonical},
    reference::{Fate, Reference},
    seeds,
    traffic::{Packet, World},
};

/// Rounds of one seed: each is a burst, a change or some time.
const ROUNDS: usize = 60;
/// Ticks by which a MAC may go early or late: the sweep sees each entry once a second, what a flow's hits say reaches
/// the FDB by the sweep before that, and other workers' replicas by one more.
const AGE_SLACK: u32 = 45;
/// Ticks in which a change has reached every table entry.
const CHANGE_TICKS: u32 = 25;

/// Moments of five ticks in which replicas agree.
const MOMENTS: u32 = 20;
/// Such moments in the longest age there is.
const MOMENTS_IN_AN_AGE: u32 = 640;

/// The same switch twice.
struct Twins {
    world: World,
    rack: Rack,
    reference: Reference,
    snapshot: Arc<Snapshot>,
    dice: Dice,
}

impl Twins {
    fn new(seed: u64, workers: u8) -> Twins {
        let mut dice = Dice::new(seed);
        let world = World::new(dice.any(), workers);
        let rack = Rack::new(workers.into(), 1024, 1024, 50);
        let snapshot = Arc::new(Snapshot::default());
        let mut twins = Twins { world, rack, reference: Reference::new(), snapshot, dice };
        twins.install();
        twins
    }

    fn install(&mut self) {
        self.snapshot = self.world.plan.compile(&self.snapshot);
        self.rack.install(&self.snapshot, &self.world.plan.ports());
        self.rack.take(self.world.plan.takes());
        self.reference.install(Arc::clone(&self.snapshot));
        self.pass(CHANGE_TICKS);
    }

    /// Lets time pass and agrees on what has aged. Replicas of several workers may differ for a moment, so a moment more
    /// passes until they do not. Where one has forgotten a MAC just before it was told that the MAC is alive, and its
    /// network is full by then, the replica lacks it (and floods) until the others forget it too: the only difference
    /// that may last.
    fn pass(&mut self, ticks: u32) {
        let refused_before = self.refused();
        self.rack.pass(ticks);
        for moment in 0.. {
            let first = self.rack.macs(0);
            if (1..self.rack.workers()).all(|worker| self.rack.macs(worker) == first) {
                let knows = format!("{:?}", self.reference.macs());
                if let Err(why) = self.reference.agree_on_ages(self.rack.now(), AGE_SLACK, &first) {
                    panic!("{why}\nreference knows {knows}\nworker 0 knows {first:?}\n{:#?}", self.world.plan);
                }
                return;
            }
            let may_last = self.refused() > refused_before;
            if moment == if may_last { MOMENTS_IN_AN_AGE } else { MOMENTS } {
                panic!("the replicas never agree: {:?} and {:?}", self.rack.macs(0), self.rack.macs(1));
            }
            self.rack.pass(5);
        }
    }

    /// MACs that found their network full so far, on any worker.
    fn refused(&self) -> u64 {
        self.rack.readings().iter().map(|reading| reading.mac_refused_network).sum()
    }

    /// Sends frames, at once where their order does not matter, one by one otherwise.
    fn burst(&mut self) {
        let count = self.dice.between(1, 40);
        let mut frames: Vec<_> = (0..count).map(|_| self.world.frame()).collect();
        if self.dice.chance(30) {
            frames.extend(self.world.row());
        }
        if self.dice.chance(50) && self.reference.is_order_free(self.rack.now(), &frames) {
            self.compare(&frames);
        } else {
            frames.chunks(1).for_each(|frame| self.compare(frame));
        }
    }

    fn compare(&mut self, frames: &[Packet]) {
        let now = self.rack.now();
        let mut fates = Vec::new();
        for packet in frames {
            if self.rack.send(packet) {
                fates.extend(self.reference.frame(now, packet));
            }
        }
        self.rack.settle();
        let expected = self.comparable(Outcome::of(fates));
        let got = self.rack.collect();
        let got = self.comparable(got);
        let knows_the_same = (0..self.rack.workers()).all(|worker| self.rack.macs(worker) == self.reference.macs());
        let sends_the_same = got.clone().sorted() == expected.clone().sorted() && got.flows() == expected.flows();
        if !knows_the_same || !sends_the_same {
            self.explain(frames, &expected, &got);
        }
    }

    /// Clears what may differ: the IPv4 identification of outer headers.
    fn comparable(&self, mut outcome: Outcome) -> Outcome {
        for (port, packets) in &mut outcome.sent {
            if self.world.plan.uplinks.contains_key(&port.0) {
                packets.iter_mut().for_each(|packet| *packet = canonical(std::mem::take(packet)));
            }
        }
        outcome
    }

    fn explain(&self, frames: &[Packet], expected: &Outcome, got: &Outcome) -> ! {
        let short = |bytes: &[u8]| format!("{} octets {:02x?}", bytes.len(), &bytes[..bytes.len().min(120)]);
        for Packet { port, bytes, offload } in frames {
            eprintln!("in  {port:?} {offload:?} {}", short(bytes));
            eprintln!("    {:?}", wire::parse(bytes));
        }
        for (title, outcome) in [("expected", expected), ("got", got)] {
            eprintln!("{title}: dropped {:?}", outcome.dropped);
            for (port, packets) in &outcome.sent {
                packets.iter().for_each(|bytes| eprintln!("    {port:?} {}", short(bytes)));
            }
            let punted: BTreeMap<_, _> = outcome.punted.iter().map(|(port, packets)| (port, packets.len())).collect();
            eprintln!("    punted {punted:?}");
        }
        eprintln!("reference knows {:?}", self.reference.macs());
        self.rack.readings().iter().for_each(|r| {
            eprintln!("learned {} moved {} aged {}", r.mac_learned, r.mac_moved, r.mac_aged);
            eprintln!("refused {} and {}", r.mac_refused_network, r.mac_refused_table);
        });
        (0..self.rack.workers()).for_each(|worker| eprintln!("worker {worker} knows {:?}", self.rack.macs(worker)));
        eprintln!("{:#?}", self.world.plan);
        panic!("the pipeline and the reference differ");
    }
}

/// One seed, whole; the books at its end.
fn run(seed: u64, workers: u8) -> Vec<WorkerReading> {
    let _note = SeedNote::new(seed, "reference");
    // Another world for another number of workers.
    let mut twins = Twins::new(seed ^ u64::from(workers - 1) << 29, workers);
    for _ in 0..ROUNDS {
        match twins.dice.below(100) {
            0..12 => {
                twins.world.change();
                twins.install();
            }
            12..22 => {
                let ticks = *twins.dice.pick(&[1, 3, 20, 40, 160]);
                twins.pass(ticks);
            }
            _ => twins.burst(),
        }
        twins.rack.assert_conserved();
    }
    let refused: u64 = twins.rack.readings().iter().map(|reading| reading.mac_refused_table).sum();
    assert_eq!(refused, 0, "the table was made too small for the comparison");
    twins.rack.readings()
}

#[test]
fn one_worker_does_what_the_reference_does() {
    let books: Vec<_> = seeds(60).into_iter().flat_map(|seed| run(seed, 1)).collect();
    let sum = |term: fn(&WorkerReading) -> u64| books.iter().map(term).sum::<u64>();
    let are_cut_and_made = sum(|books| books.split) > 0 && sum(|books| books.merged) > 0;
    assert!(are_cut_and_made || books.len() < 60, "super-frames are cut and made");
}

#[test]
fn two_workers_do_what_the_reference_does() {
    seeds(40).into_iter().for_each(|seed| drop(run(seed, 2)));
}

/// Whether a frame tells its sender that a packet was too big.
fn is_told(frame: &[u8]) -> bool {
    wire::parse(frame).is_ok_and(|headers| wire::too_big::report(frame, &headers).is_some())
}

/// A comparison that never meets a rule proves nothing about it.
#[test]
fn the_traffic_meets_every_rule() {
    let mut met: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 1..=25 {
        let mut twins = Twins::new(seed, 1);
        for _ in 0..8 {
            for _ in 0..100 {
                let packet = twins.world.frame();
                for fate in twins.reference.frame(twins.rack.now(), &packet) {
                    let name = match fate {
                        Fate::Sent(_, data) if is_told(&data) => "told",
                        Fate::Sent(port, _) if twins.world.plan.uplinks.contains_key(&port.0) => "encapsulated",
                        Fate::Sent(..) => "delivered",
                        Fate::Punted(..) => "punted",
                        Fate::Dropped(reason) => reason.name(),
                    };
                    *met.entry(name.into()).or_default() += 1;
                }
            }
            twins.world.change();
            twins.snapshot = twins.world.plan.compile(&twins.snapshot);
            twins.reference.install(Arc::clone(&twins.snapshot));
        }
    }
    let wanted = [
        "encapsulated delivered punted source-mac-invalid spoofed-mac spoofed-address spoofed-neighbour",
        "spoof-unverifiable reserved-mac same-port split-horizon flood-nobody mtu-exceeded mtu-exceeded-underlay",
        "next-hop-unresolved no-uplink uplink-other-mac uplink-other-address uplink-protocol uplink-udp-port unknown-vtep",
        "unknown-vni outer-udp-checksum outer-ipv4-checksum outer-fragment vxlan-no-vni ipv4-total-length",
        "told ethernet-truncated udp-length vlan-refused outer-udp-zero-checksum ecn-not-capable",
        "offload-headers offload-segments",
    ];
    for name in wanted.iter().flat_map(|line| line.split(' ')) {
        assert!(met.contains_key(name), "no frame met {name}: {met:#?}");
    }
}
