//! The thinnest line: frames in, frames out, books balanced.

use std::sync::Arc;

use frame::{HeapPool, MemPort, MemPortPeer};
use table::{MemberId, NetworkId, Tick};
use wire::{HashKey, Mac, Vni};

use crate::*;

fn snapshot(ports: u16) -> Snapshot {
    let port = |id: u16| PortSpec {
        generation: 1,
        role: Role::Access { guard: Guard::default() },
        vlans: Vlans::transparent(MemberId(u32::from(id))),
        storm_max: None,
        frame_max: 1514,
        workers: vec![WorkerId(0)],
    };
    let member = |id: u16| Member {
        generation: 1,
        network: NetworkId(0),
        kind: MemberKind::Local { port: PortId(id), vlan: None },
    };
    let network = Network {
        generation: 1,
        vni: Vni::new(7).unwrap(),
        macs_max: 100,
        age_ticks: 3000,
        members: (0..u32::from(ports)).map(MemberId).collect(),
        statics: Vec::new(),
    };
    Snapshot {
        generation: 1,
        ports: (0..ports).map(|id| Some(port(id))).collect(),
        networks: vec![Some(network)],
        members: (0..ports).map(|id| Some(member(id))).collect(),
        vteps: VtepTable::default(),
    }
}

fn ethernet(dst: Mac, src: Mac) -> Vec<u8> {
    [&dst.octets()[..], &src.octets(), &[0x88, 0xb5], &[0; 46]].concat()
}

fn switch(ports: u16, pool: &HeapPool) -> (Worker<MemPort, HeapPool>, Vec<MemPortPeer>, Books) {
    switch_taking(32, ports, pool)
}

/// A switch whose worker takes at most `burst` frames from a port before it looks at the next.
fn switch_taking(burst: usize, ports: u16, pool: &HeapPool) -> (Worker<MemPort, HeapPool>, Vec<MemPortPeer>, Books) {
    let books = Books::create("test", 1).unwrap();
    let (mut workers, mut controls) = connect(1);
    let config = WorkerConfig {
        id: WorkerId(0),
        switch: "test".into(),
        flows_max: 1024,
        macs_max: 1024,
        flow_idle_ticks: 300,
        burst,
        hash_key: HashKey([1, 2]),
        huge: false,
    };
    let mut worker = Worker::new(&config, workers.remove(0), pool.clone(), books.clone()).unwrap();
    let mail = &mut controls[0].mail;
    mail.send(Order::Install(Arc::new(snapshot(ports)))).unwrap();
    let peers = (0..ports).map(|id| {
        let (queue, peer) = MemPort::pair(pool.clone(), 64);
        assert!(mail.send(Order::Attach { port: PortId(id), queue }).is_ok());
        peer
    });
    let peers = peers.collect();
    for _ in 0..=ports {
        worker.turn(Tick(1));
    }
    (worker, peers, books)
}

#[test]
fn a_clock_of_changes_that_goes_round_forgets_nobody() {
    let pool = HeapPool::new(100, 2048);
    let (mut worker, peers, _) = switch(3, &pool);
    let [a, b] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));
    peers[1].send(&ethernet(a, b));
    let mut now = Tick(1);
    // As if a MAC had moved so often: two billion moves take an attacker half an hour.
    for _ in 0..24 {
        worker.brain.epoch = worker.brain.epoch.wrapping_add(1 << 28);
        for _ in 0..25 {
            now = now.after(1);
            peers[0].send(&ethernet(b, a));
            (0..20).for_each(|_| _ = worker.turn(now));
            peers[1].send(&ethernet(a, b));
            worker.turn(now);
        }
        let (hits, copied) = (worker.tally.worker.flow_hits, worker.tally.worker.copied);
        peers[0].send(&ethernet(b, a));
        worker.turn(now);
        assert_eq!(
            (worker.tally.worker.flow_hits, worker.tally.worker.copied),
            (hits + 1, copied),
            "found, not flooded"
        );
    }
    assert_eq!((worker.tally.worker.mac_learned, worker.tally.worker.copied), (2, 1));
}

#[test]
fn an_unknown_destination_is_flooded_and_a_learned_one_is_not() {
    let pool = HeapPool::new(100, 2048);
    let (mut worker, peers, books) = switch(3, &pool);
    let [a, b] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));

    peers[0].send(&ethernet(b, a));
    worker.turn(Tick(1));
    assert_eq!(peers[1].recv(), Some(ethernet(b, a)));
    assert_eq!(peers[2].recv(), Some(ethernet(b, a)));

    peers[1].send(&ethernet(a, b));
    worker.turn(Tick(1));
    assert_eq!(peers[0].recv(), Some(ethernet(a, b)));
    assert_eq!(peers[2].recv(), None);

    peers[0].send(&ethernet(b, a));
    peers[0].send(&ethernet(b, a));
    worker.turn(Tick(1));
    assert_eq!([peers[1].recv(), peers[1].recv()], [Some(ethernet(b, a)), Some(ethernet(b, a))]);
    assert_eq!(peers[2].recv(), None);

    let ports: Vec<PortId> = (0..3).map(PortId).collect();
    let (totals, by_port) = books.read(WorkerId(0), &ports).unwrap();
    assert!(totals.balanced(), "{totals:?}");
    assert!(by_port.iter().all(PortReading::balanced), "{by_port:?}");
    assert_eq!((totals.rx, totals.copied, totals.tx), (4, 1, 5));
    assert_eq!(pool.used(), 0);
}

#[test]
fn a_port_gives_a_burst_at_a_time() {
    let [a, b] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));
    for (burst, received) in [(4, 4 + 3), (8, 8 + 3), (64, 20 + 3)] {
        let pool = HeapPool::new(200, 2048);
        let (mut worker, peers, _books) = switch_taking(burst, 2, &pool);
        (0..20).for_each(|_| _ = peers[0].send(&ethernet(b, a)));
        (0..3).for_each(|_| _ = peers[1].send(&ethernet(a, b)));
        let before = worker.tally.worker.rx;
        worker.turn(Tick(1));
        assert_eq!(worker.tally.worker.rx - before, received, "burst {burst}");
        (0..20).for_each(|_| _ = worker.turn(Tick(1)));
        assert_eq!(worker.tally.worker.rx - before, 23);
    }
}
