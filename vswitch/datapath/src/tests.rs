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
        tcp_mtu: None,
        profile: Profile::L2,
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
    let (worker, peers, books, _) = wired(burst, ports, pool);
    (worker, peers, books)
}

/// The same, with control's end of its wires.
fn wired(
    burst: usize,
    ports: u16,
    pool: &HeapPool,
) -> (Worker<MemPort, HeapPool>, Vec<MemPortPeer>, Books, ControlWires<MemPort>) {
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
    while controls[0].mail.recv().is_some() {}
    (worker, peers, books, controls.remove(0))
}

#[test]
fn what_a_port_gathers_is_in_the_workers_hands_and_goes_when_the_port_or_the_worker_does() {
    let pool = HeapPool::new(100, 2048);
    let (mut worker, peers, books, mut wires) = wired(32, 2, &pool);
    let [a, b] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));
    peers[1].send(&ethernet(a, b));
    worker.turn(Tick(1));
    peers[1].gather(3);
    let numbered = |n: u8| [&ethernet(b, a)[..59], &[n]].concat();
    let mut turn = |sent: &[u8]| {
        sent.iter().for_each(|&n| assert!(peers[0].send(&numbered(n))));
        let turn = worker.turn(Tick(1));
        worker.publish();
        let (reading, _) = books.read(WorkerId(0), &[]).unwrap();
        assert!(reading.balanced(), "{reading:?}");
        let come = std::iter::from_fn(|| peers[1].recv()).map(|packet| packet[59]).collect::<Vec<_>>();
        (come, reading.held, turn)
    };
    assert_eq!(turn(&[1]), (vec![], 1, Turn::Busy));
    assert_eq!(turn(&[]), (vec![], 1, Turn::Busy), "nobody rests while something waits");
    assert_eq!(turn(&[2, 3]), (vec![1, 2, 3], 0, Turn::Busy), "in order");
    assert_eq!(turn(&[]), (vec![], 0, Turn::Idle));
    assert_eq!(turn(&[4]), (vec![], 1, Turn::Busy));
    assert!(wires.mail.send(Order::Detach { port: PortId(1) }).is_ok());
    assert_eq!(turn(&[]), (vec![4], 0, Turn::Busy), "the port goes");
    let Some(Report::Detached { queue, .. }) = wires.mail.recv() else { panic!("it went") };
    assert!(wires.mail.send(Order::Attach { port: PortId(1), queue }).is_ok());
    assert_eq!(turn(&[5]).1, 1);
    assert!(wires.mail.send(Order::Stop).is_ok());
    assert_eq!(turn(&[]), (vec![5], 0, Turn::Busy), "the worker stops");
    assert_eq!(turn(&[]), (vec![], 0, Turn::Stopped));
    assert_eq!(pool.used(), 0);
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
fn a_busy_worker_publishes_its_books_every_few_turns_and_an_idle_one_at_once() {
    let pool = HeapPool::new(100, 2048);
    let (mut worker, peers, books) = switch(3, &pool);
    let [a, b] = [1, 2].map(|n| Mac::new([2, 0, 0, 0, 0, n]));
    let received = |books: &Books| books.read(WorkerId(0), &[]).unwrap().0;
    let one = |worker: &mut Worker<_, _>| {
        peers[0].send(&ethernet(b, a));
        worker.turn(Tick(1));
        (0..3).for_each(|port: usize| while peers[port].recv().is_some() {});
    };
    worker.turn(Tick(1));
    let began = received(&books).turns;
    (0..7).for_each(|_| one(&mut worker));
    assert_eq!((received(&books).rx, received(&books).turns), (0, began));
    assert_eq!(received(&books).turns_begun, began + 7, "who is alive shows in every turn");
    one(&mut worker);
    assert_eq!((received(&books).rx, received(&books).turns), (8, began + 8));
    one(&mut worker);
    assert_eq!(received(&books).rx, 8);
    worker.turn(Tick(1));
    assert_eq!(received(&books).rx, 9, "nothing was there to do");
    assert!((0..32).all(|_| peers[0].send(&ethernet(b, a))));
    worker.turn(Tick(1));
    assert_eq!(received(&books).rx, 41, "as many as a full burst");
    (0..3).for_each(|port: usize| while peers[port].recv().is_some() {});
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
    worker.publish();
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

/// Two networks of two ports, and what happened to the flow from station 1 at port 0 to station 2 at port 1.
struct Scene {
    pool: HeapPool,
    worker: Worker<MemPort, HeapPool>,
    peers: Vec<MemPortPeer>,
    wires: ControlWires<MemPort>,
    picture: Snapshot,
}

fn station(n: u8) -> Mac {
    Mac::new([2, 0, 0, 0, 0, n])
}

impl Scene {
    fn new() -> Scene {
        let pool = HeapPool::new(100, 2048);
        let (worker, peers, _, wires) = wired(32, 4, &pool);
        let mut picture = snapshot(4);
        let beside = Network { members: [2, 3].map(MemberId).to_vec(), ..picture.networks[0].clone().unwrap() };
        picture.networks.push(Some(beside));
        picture.members[2..].iter_mut().flatten().for_each(|member| member.network = NetworkId(1));
        let mut scene = Scene { pool, worker, peers, wires, picture };
        scene.change(|_, _| ());
        scene.say(0, 1);
        scene.say(1, 2);
        scene
    }

    fn say(&mut self, port: usize, from: u8) {
        self.peers[port].send(&ethernet(station(if from == 1 { 2 } else { 1 }), station(from)));
        self.worker.turn(Tick(1));
        self.peers.iter().for_each(|peer| while peer.recv().is_some() {});
    }

    fn change(&mut self, edit: impl FnOnce(&mut Snapshot, u64)) {
        self.picture.generation += 1;
        let stamp = self.picture.generation;
        edit(&mut self.picture, stamp);
        assert!(self.wires.mail.send(Order::Install(Arc::new(self.picture.clone()))).is_ok());
        self.worker.turn(Tick(1));
        while self.wires.mail.recv().is_some() {}
    }

    /// Whether what `happens` has nothing to do with the flow; then it is found without being decided anew.
    fn leaves_alone(mut self, happens: impl FnOnce(&mut Scene)) -> bool {
        let key = FlowKey::l2(MemberId(0), ethernet(station(2), station(1)).first_chunk().unwrap());
        self.say(0, 1);
        let before = self.worker.brain.epoch;
        assert!(self.worker.brain.is_untouched(MemberId(0), &key, before));
        happens(&mut self);
        assert_ne!(self.worker.brain.epoch, before, "the clock moved");
        let is_untouched = self.worker.brain.is_untouched(MemberId(0), &key, before);
        let is_concerned = self.worker.brain.stirs.is_either_after(MemberId(0), MemberId(1), before);
        let redecided = self.worker.tally.worker.flow_redecided;
        self.say(0, 1);
        assert!(!is_untouched || self.worker.tally.worker.flow_redecided == redecided);
        assert!(is_concerned || is_untouched, "whoever is not concerned by its members is not by anything else");
        assert_eq!(self.pool.used(), 0);
        is_untouched
    }
}

#[test]
fn changes_of_other_networks_and_of_other_macs_touch_no_flow() {
    assert!(Scene::new().leaves_alone(|scene| scene.change(|_, _| ())), "a snapshot that says nothing new");
    assert!(Scene::new().leaves_alone(|scene| scene.change(|picture, stamp| {
        picture.ports[2].as_mut().unwrap().generation = stamp;
        picture.networks[1].as_mut().unwrap().generation = stamp;
    })));
    assert!(Scene::new().leaves_alone(|scene| (0..10).for_each(|turn| scene.say(2 + turn % 2, 3))), "moves there");
    assert!(Scene::new().leaves_alone(|scene| (0..10).for_each(|turn| scene.say(turn % 2, 4))), "moves here");
}

#[test]
fn a_mac_that_was_nowhere_has_nobody_look_for_those_who_rest_on_it() {
    let mut scene = Scene::new();
    scene.say(0, 1);
    let stirred = |scene: &Scene| (scene.worker.brain.stirs.last_of_macs(), scene.worker.brain.epoch);
    let (last, epoch) = stirred(&scene);
    scene.say(1, 9);
    assert_eq!(stirred(&scene).0, last, "new");
    scene.say(0, 9);
    assert!(stirred(&scene).0 > last && stirred(&scene).1 > epoch, "it moved");
}

#[test]
fn changes_that_a_flow_can_rest_on_touch_it() {
    assert!(!Scene::new().leaves_alone(|scene| scene.say(1, 1)), "the sender moves");
    assert!(!Scene::new().leaves_alone(|scene| scene.say(0, 2)), "the receiver moves");
    for port in [0, 1] {
        assert!(!Scene::new().leaves_alone(|scene| scene.change(|picture, stamp| {
            picture.ports[port].as_mut().unwrap().generation = stamp;
        })));
        assert!(!Scene::new().leaves_alone(|scene| scene.change(|picture, _| picture.members[port] = None)));
    }
    assert!(!Scene::new().leaves_alone(|scene| scene.change(|picture, stamp| {
        picture.networks[0].as_mut().unwrap().generation = stamp;
    })));
}

#[test]
fn a_sender_that_found_no_room_is_learned_when_there_is_some() {
    let mut scene = Scene::new();
    scene.change(|picture, stamp| {
        let network = picture.networks[0].as_mut().unwrap();
        (network.generation, network.macs_max, network.age_ticks) = (stamp, 2, 30);
    });
    let hears_of = |scene: &mut Scene, n: u8, now: u32| {
        scene.peers[0].send(&ethernet(station(1), station(n)));
        (0..40).for_each(|_| _ = scene.worker.turn(Tick(now)));
        scene.worker.brain.fdb.lookup(NetworkId(0), station(n)).is_some()
    };
    assert!(!hears_of(&mut scene, 5, 2), "two are known already");
    assert!((3..200).any(|now| hears_of(&mut scene, 5, now)), "those who are silent have gone meanwhile");
}

#[test]
fn static_entries_are_looked_at_again_where_their_network_has_changed_and_nowhere_else() {
    let mut scene = Scene::new();
    let add = |picture: &mut Snapshot, network: usize, n: u8, member: u32| {
        picture.networks[network].as_mut().unwrap().statics.push((station(n), MemberId(member)));
    };
    scene.change(|picture, _| (add(picture, 0, 50, 1), add(picture, 1, 51, 2)).0);
    (0..4).for_each(|_| _ = scene.worker.turn(Tick(1)));
    let is_at = |scene: &Scene, network: u16, n: u8| {
        let fdb = &scene.worker.brain.fdb;
        fdb.lookup(NetworkId(network), station(n)).map(|slot| fdb.member(slot).0)
    };
    assert_eq!((is_at(&scene, 0, 50), is_at(&scene, 1, 51)), (Some(1), Some(2)));
    scene.change(|_, _| ());
    assert!(!(0..2).any(|network| scene.worker.brain.scopes.has_statics_due(network)), "nothing new was said");
    // The member behind which one of them is goes, and another one of its number comes.
    let gone = scene.picture.members[2].clone();
    scene.change(|picture, _| picture.members[2] = None);
    scene.change(|picture, stamp| picture.members[2] = gone.map(|member| Member { generation: stamp, ..member }));
    (0..4).for_each(|_| _ = scene.worker.turn(Tick(1)));
    assert_eq!((is_at(&scene, 0, 50), is_at(&scene, 1, 51)), (Some(1), Some(2)));
}
