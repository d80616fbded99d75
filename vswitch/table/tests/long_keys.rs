//! Keys that are longer than an entry has words for.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use table::{FlowReader, FlowTable, FlowValue, Probe, Tail, Tick};
use wire::HashKey;

const SEED: HashKey = HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211]);
const FRONT: [u64; 4] = [1, 2, 0, 4];

fn table() -> FlowTable<4> {
    FlowTable::create("test", 64, SEED, false).unwrap()
}

fn value(recipe: u32) -> FlowValue {
    FlowValue { recipe, dst_slot: None, checked_at: 1, last_seen: Tick(1) }
}

/// Where all keys of this hash can be.
fn probe(table: &FlowTable<4>) -> Probe {
    table.probe(0x77)
}

/// The same for one with this front, looked for.
fn look(table: &FlowTable<4>, front: &[u64; 4]) -> Probe {
    let mut probe = probe(table);
    if !table.is_at_home(&mut probe, front) {
        table.ask_guests(&mut probe);
    }
    probe
}

#[test]
fn keys_that_hash_alike_and_differ_in_one_word_of_their_tails_are_different_flows() {
    let mut table = table();
    let tails: [Tail; 5] = [[0, 0, 0, 0], [9, 0, 0, 0], [0, 9, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9]];
    let short = table.insert_new(&probe(&table), &[1, 3, 0, 4], value(99)).slot;
    let slots = tails.each_ref().map(|tail| {
        assert_eq!(table.find_long(&look(&table, &FRONT), &FRONT, tail).map(|(slot, _)| slot), None);
        table.insert_long(&probe(&table), &FRONT, tail, value(7)).slot
    });
    assert_eq!(table.len(), 6);
    let probe = look(&table, &FRONT);
    for (slot, tail) in slots.iter().zip(&tails) {
        table.expect_tail(&probe);
        let (found, entry) = table.find_long(&probe, &FRONT, tail).unwrap();
        assert_eq!((found, entry.key(), table.tail(found)), (*slot, FRONT, *tail));
    }
    assert_eq!(
        table.find_long(&look(&table, &[1, 3, 0, 5]), &[1, 3, 0, 5], &tails[0]).map(|(slot, _)| slot),
        None,
        "another front"
    );
    assert_eq!(table.find(&look(&table, &[1, 3, 0, 4]), &[1, 3, 0, 4]), Some(short));
    table.remove(slots[2]);
    assert_eq!(table.find_long(&probe, &FRONT, &tails[2]).map(|(slot, _)| slot), None);
    assert_eq!(table.find_long(&probe, &FRONT, &tails[3]).map(|(slot, _)| slot), Some(slots[3]));
}

#[test]
fn a_successor_finds_long_keys_whole() {
    let mut first = table();
    let tail = [5, 6, 7, 8];
    first.insert_long(&probe(&first), &FRONT, &tail, value(7));
    let fd = first.region().fd().try_clone_to_owned().unwrap();
    drop(first);
    let next = FlowTable::<4>::attach(fd).unwrap();
    assert!(next.find_long(&look(&next, &FRONT), &FRONT, &tail).is_some());
    assert!(next.find_long(&look(&next, &FRONT), &FRONT, &[5, 6, 7, 9]).is_none());
    let reader = FlowReader::<4>::attach(next.region().read_only_fd().unwrap()).unwrap();
    assert_eq!(reader.iter().map(|flow| (flow.key, flow.tail)).collect::<Vec<_>>(), [(FRONT, tail)]);
}

/// The tail follows from the front, so a reader can tell a whole key from a mixture.
#[test]
fn a_reader_sees_whole_long_keys_while_the_writer_churns() {
    let (mut table, done) = (table(), AtomicBool::new(false));
    let reader = table.reader();
    let key = |n: u64| ([n, 2, 0, 4], [n, !n, n << 1, n.rotate_left(9)]);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut seen, mut rounds) = (0, 0u32);
            while !done.load(Relaxed) || rounds < 100 {
                for flow in reader.iter() {
                    assert_eq!((flow.key, flow.tail), key(flow.key[0]));
                    seen += 1;
                }
                rounds += 1;
            }
            seen
        });
        for n in 0..200_000u64 {
            let (front, tail) = key(n);
            let probe = table.probe(table.hash(&[n, 2, 0, 4, tail[0], tail[1], tail[2], tail[3]]));
            let slot = table.insert_long(&probe, &front, &tail, value(n as u32)).slot;
            if n % 3 == 0 {
                table.remove(slot);
            }
        }
        done.store(true, Relaxed);
        assert!(watching.join().unwrap() > 1000);
    });
}
