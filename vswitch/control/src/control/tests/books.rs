//! What the switch tells about frames: drops by reason, the ledger between workers.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use api::{Reply, Request};
use table::Tick;

use super::*;

#[test]
fn drops_are_told_by_reason_port_and_worker() {
    let mut rig = Rig::new(ONE_NODE);
    rig.send("a1", &frame(A2, Mac::BROADCAST, 1));
    rig.send("a1", &[1, 2, 3]);
    rig.run_ms(20);
    let Ok(Reply::Drops(drops)) = rig.ask(Request::ShowDrops) else { panic!("no drops") };
    assert_eq!((drops.total, drops.reasons.len()), (2, datapath::REASONS));
    let row = drops.reasons.iter().find(|row| row.reason == "source-mac-invalid").unwrap();
    assert_eq!((row.frames, row.ports[0].port.as_str(), row.ports[0].frames), (1, "a1", 1));
    assert_eq!((row.workers[0].worker, row.workers[0].frames), (0, 1));
    rig.stop();
}

fn two_workers() -> Rig {
    let mut rig = Rig::new(&ONE_NODE.replace("count = 1", "count = 2"));
    introduce(&mut rig);
    rig
}

/// Handed, taken, in the ring from worker 0 to worker 1.
fn pair(rig: &mut Rig) -> (u64, u64, u64) {
    let ledger = rig.ledger();
    assert!(ledger.balanced, "{ledger:?}");
    let pair = ledger.pairs.iter().find(|pair| (pair.from, pair.to) == (0, 1)).unwrap();
    (pair.handed, pair.taken, pair.in_ring)
}

#[test]
fn frames_between_two_workers_are_seen_in_the_ring_whoever_had_the_last_turn() {
    let mut rig = two_workers();
    let (before, ..) = pair(&mut rig);
    (0..100).for_each(|number| rig.send("a1", &frame(A2, A1, number)));
    let start = Instant::now();
    (0..4).for_each(|_| rig.turn(0));
    assert_eq!(pair(&mut rig), (before + 100, before, 100), "the giver was last");
    rig.turn(1);
    assert_eq!(pair(&mut rig), (before + 100, before + 64, 36), "the taker was last");
    rig.turn(1);
    assert_eq!(pair(&mut rig), (before + 100, before + 100, 0));
    assert!(start.elapsed() < Duration::from_millis(200), "at rest nobody is waited for");
    assert_eq!(rig.received("a2").len(), 100);
    rig.stop();
}

#[test]
fn the_ledger_balances_at_every_moment_while_workers_hand_frames_over() {
    let mut rig = two_workers();
    let over = AtomicBool::new(false);
    let mut workers = std::mem::take(&mut rig.workers);
    let mut handed = Vec::new();
    thread::scope(|scope| {
        for worker in &mut workers {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    worker.turn(Tick(10));
                }
            });
        }
        let began = Instant::now();
        // On a busy machine workers have little to tell of in that time.
        let is_enough = |handed: &[u64], spent| spent > Duration::from_millis(300) && handed.len() > 3;
        while !is_enough(&handed, began.elapsed()) && began.elapsed() < Duration::from_secs(20) {
            for (port, packet) in [("a1", frame(A2, A1, 1)), ("a2", frame(A1, A2, 1))] {
                (0..50).for_each(|_| rig.offer(port, &packet));
                rig.received(port);
            }
            match rig.control.handle(Request::ShowLedger, None) {
                super::super::Answer::Now(Ok(Reply::Ledger(ledger))) if ledger.balanced => {
                    handed.push(ledger.pairs[0].handed);
                    handed.dedup();
                }
                other => {
                    over.store(true, Relaxed);
                    panic!("{other:?}");
                }
            }
        }
        over.store(true, Relaxed);
    });
    assert!(handed.len() > 3 && handed.is_sorted(), "{handed:?}");
    rig.workers = workers;
    rig.run_ms(50);
    rig.received("a1");
    rig.stop();
}

#[test]
fn what_a_device_took_and_could_not_send_is_told_and_no_fault_of_the_switch() {
    let mut rig = Rig::new(ONE_NODE);
    introduce(&mut rig);
    rig.send("a1", &frame(A2, A1, 1));
    rig.step();
    rig.lose("a2");
    rig.run_ms(1000);
    let Ok(Reply::Ports(ports)) = rig.ask(Request::ShowPorts) else { panic!("no ports") };
    let rows: Vec<_> = ports.ports.iter().map(|row| (row.name.as_str(), row.tx_frames, row.tx_errors)).collect();
    assert_eq!(rows, [("a1", 1, 0), ("a2", 2, 1)]);
    rig.stop();
}

#[test]
fn frames_of_the_node_that_its_worker_has_no_room_for_are_counted() {
    let mut rig =
        Rig::new(&with_uplink(2).replace("role = \"uplink\"", "role = \"uplink\"\nqueues = 2\nworkers = [0, 1]"));
    rig.run_ms(20);
    rig.stall(0, 0..40);
    let request = arp::Repr::request(REMOTE, [192, 0, 2, 2].into(), [192, 0, 2, 1].into()).to_frame(Mac::BROADCAST);
    for _ in 0..40 {
        (0..10).for_each(|_| assert!(rig.world.lock().unwrap().peers["up0"][1].send(&request)));
        rig.step();
    }
    let Ok(Reply::Drops(drops)) = rig.ask(Request::ShowDrops) else { panic!("no drops") };
    let full = drops.host.iter().find(|loss| loss.reason == "host-inject-full").unwrap().frames;
    assert!((140..150).contains(&full), "of 400 answers 256 fit, and a question may wait among them: {full}");
    rig.run_ms(50);
    assert_eq!(rig.ledger().host, drops.host);
    rig.received("up0");
    rig.stop();
}

#[test]
fn memory_is_told_worker_by_worker_as_it_was_reckoned_beforehand() {
    let mut rig = two_workers();
    let Ok(Reply::Memory(memory)) = rig.ask(Request::ShowMemory) else { panic!("no memory") };
    let octets = |what: &str| memory.items.iter().filter(|item| item.what == what).map(|item| item.octets).sum::<u64>();
    assert_eq!(octets("flow tables"), 2 * datapath::flow_table_bytes(1024, false) as u64);
    assert_eq!(octets("FDBs"), 2 * datapath::fdb_bytes(1024, false) as u64);
    assert_eq!(octets("books"), datapath::books_bytes(2) as u64);
    assert_eq!(octets("rings"), datapath::rings_bytes(2) as u64);
    assert_eq!(memory.ordinary_octets, memory.items.iter().map(|item| item.octets).sum::<u64>());
    let tables: Vec<_> = memory.items.iter().filter(|item| item.what == "flow tables").collect();
    assert_eq!(tables.iter().map(|table| table.worker).collect::<Vec<_>>(), [Some(0), Some(1)]);
    let Ok(Reply::Workers(workers)) = rig.ask(Request::ShowWorkers) else { panic!("no workers") };
    assert_eq!((tables[0].used, tables[0].places), (Some(workers.workers[0].flows), Some(1024)));
    assert!(tables[0].used > Some(0) && tables[0].place_octets.unwrap() <= 128, "{tables:?}");
    rig.stop();
}
