//! The flow table against a map, across a restart, under a reader, and over garbage.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use proptest::prelude::*;
use sync::RegionError;
use table::{Fdb, FlowReader, FlowTable, FlowValue, MemberId, NetworkId, Sweep, Tick};
use wire::{HashKey, Mac};

const SEED: HashKey = HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211]);

fn key(n: u64) -> [u64; 4] {
    [n, n.wrapping_mul(3), !n, n << 32]
}

fn value(recipe: u32, last_seen: u32) -> FlowValue {
    FlowValue { recipe, dst_slot: None, checked_at: recipe ^ 0xffff, last_seen: Tick(last_seen) }
}

fn table(entries: usize) -> FlowTable<4> {
    FlowTable::create("test", entries, SEED, false).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    Hit(u64),
    Remove(u64),
    Look(u64),
    Sweep { below: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flow = 0u64..40;
    let step = prop_oneof![
        6 => flow.clone().prop_map(Step::Insert),
        3 => flow.clone().prop_map(Step::Hit),
        2 => flow.clone().prop_map(Step::Remove),
        2 => flow.prop_map(Step::Look),
        1 => (0u32..300).prop_map(|below| Step::Sweep { below }),
    ];
    prop::collection::vec(step, 0..300)
}

/// What the table of 16 slots must hold: by flow, its slot, recipe, last tick, and frames. With two buckets every flow
/// has every slot, so the model knows exactly when one gives way.
#[derive(Default)]
struct Model(HashMap<u64, (usize, u32, u32, u64)>);

impl Model {
    fn insert(&mut self, table: &mut FlowTable<4>, flow: u64, now: u32) {
        let inserted = table.insert(table.hash(&key(flow)), &key(flow), value(now, now));
        let slot = inserted.slot.index();
        let known = self.0.get(&flow).copied();
        assert_eq!(inserted.replaced, known.is_some());
        assert_eq!(inserted.evicted, known.is_none() && self.0.len() == 16);
        if inserted.evicted {
            let victim = *self.0.iter().find(|(_, flow)| flow.0 == slot).unwrap().0;
            let seen = self.0.remove(&victim).unwrap().2;
            let later = self.0.values().filter(|flow| flow.2 >= seen).count();
            assert!(later >= 3, "it was the least recently seen of four");
        }
        let packets = known.map_or(0, |flow| flow.3);
        self.0.insert(flow, (slot, now, now, packets));
    }

    fn step(&mut self, table: &mut FlowTable<4>, step: &Step, now: u32) {
        let find = |table: &FlowTable<4>, flow| table.get(table.hash(&key(flow)), &key(flow));
        match *step {
            Step::Insert(flow) => self.insert(table, flow, now),
            Step::Look(flow) => assert_eq!(find(table, flow).map(|s| s.index()), self.0.get(&flow).map(|f| f.0)),
            Step::Hit(flow) => {
                if let Some(slot) = find(table, flow) {
                    table.entry(slot).hit(100, Tick(now));
                    let known = self.0.get_mut(&flow).unwrap();
                    (known.2, known.3) = (now, known.3 + 1);
                }
            }
            Step::Remove(flow) => {
                if let Some(slot) = find(table, flow) {
                    table.remove(slot);
                    table.remove(slot);
                    self.0.remove(&flow).unwrap();
                }
            }
            Step::Sweep { below } => {
                let judge = |recipe| if recipe < below { Sweep::Remove } else { Sweep::Keep };
                let removed = table.sweep(&mut 0, u32::MAX, |_, entry| judge(entry.recipe()));
                let before = self.0.len();
                self.0.retain(|_, flow| judge(flow.1) == Sweep::Keep);
                assert_eq!(removed, before - self.0.len());
            }
        }
        assert_eq!(table.len(), self.0.len());
    }

    fn check(&self, reader: &FlowReader<4>) {
        let seen: HashMap<_, _> = reader.iter().map(|f| (f.key, f)).collect();
        assert_eq!(seen.len(), self.0.len());
        for (flow, &(slot, recipe, last_seen, packets)) in &self.0 {
            let reading = &seen[&key(*flow)];
            let found = (reading.slot.index(), reading.recipe, reading.checked_at, reading.last_seen.0);
            assert_eq!(found, (slot, recipe, recipe ^ 0xffff, last_seen));
            assert_eq!((reading.packets, reading.bytes), (packets, 100 * packets));
        }
    }
}

proptest! {
    #[test]
    fn a_table_does_what_a_map_with_sixteen_places_does(steps in steps()) {
        let mut table = table(1);
        prop_assert_eq!((table.capacity(), table.slots()), (16, 16));
        let mut model = Model::default();
        for (now, step) in (1..).zip(&steps) {
            model.step(&mut table, step, now);
        }
        model.check(&table.reader());
        let fd = table.region().fd().try_clone_to_owned().unwrap();
        drop(table);
        model.check(&FlowReader::attach(fd.try_clone().unwrap()).unwrap());
        let next = FlowTable::<4>::attach(fd).unwrap();
        prop_assert_eq!(next.len(), model.0.len());
        for (flow, known) in &model.0 {
            let slot = next.get(next.hash(&key(*flow)), &key(*flow));
            prop_assert_eq!(slot.map(|s| s.index()), Some(known.0), "the seed came along");
        }
    }

    #[test]
    fn garbage_in_the_memory_is_refused_or_harmless(fill: u64, tags in any::<bool>(), flows in prop::collection::vec(any::<u64>(), 0..50)) {
        let donor = table(64);
        let file = File::from(donor.region().fd().try_clone_to_owned().unwrap());
        // Behind the region's page: the table's head; behind that the tags and all else.
        let (from, to) = if tags { (4096 + 64, 4096 + donor.region().len()) } else { (4096, 4096 + 64) };
        let mut state = fill | 1;
        let bytes: Vec<u8> = (from..to).map(|_| { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state as u8 }).collect();
        file.write_all_at(&bytes, from as u64).unwrap();
        match FlowReader::<4>::attach(donor.region().read_only_fd().unwrap()) {
            Ok(reader) => prop_assert!(reader.iter().count() <= reader.capacity()),
            Err(error) => prop_assert!(matches!(error, RegionError::Content { .. }), "{}", error),
        }
        let Ok(mut table) = FlowTable::<4>::attach(file.into()) else { return Ok(()) };
        for flow in flows {
            let slot = table.insert(table.hash(&key(flow)), &key(flow), value(1, 2)).slot;
            prop_assert_eq!(table.get(table.hash(&key(flow)), &key(flow)), Some(slot));
            prop_assert_eq!(table.entry(slot).key(), key(flow));
        }
        table.sweep(&mut 5, u32::MAX, |_, _| Sweep::Remove);
        prop_assert!(table.is_empty() && table.occupied().next().is_none());
    }
}

#[test]
fn a_sweep_in_small_steps_visits_every_flow_once_a_round() {
    let mut table = table(256);
    for flow in 0..150 {
        table.insert(table.hash(&key(flow)), &key(flow), value(0, 0));
    }
    let (mut cursor, mut visits) = (0, HashMap::new());
    for _ in 0..table.slots() / 16 {
        table.sweep(&mut cursor, 16, |slot, _| {
            *visits.entry(slot).or_insert(0) += 1;
            Sweep::Keep
        });
    }
    assert_eq!((cursor, visits.len(), visits.values().max()), (0, 150, Some(&1)));
}

#[test]
fn the_capacity_is_rounded_up_and_said() {
    for (asked, given) in [(0, 16), (16, 16), (17, 32), (1000, 1024), (1025, 2048)] {
        assert_eq!(table(asked).capacity(), given);
    }
    let refused = FlowTable::<4>::create("test", usize::MAX, SEED, false);
    assert!(matches!(refused, Err(RegionError::Content { found, .. }) if found == u64::MAX));
}

#[test]
fn a_table_of_other_keys_or_another_kind_is_not_attached() {
    let fd = |table: &FlowTable<4>| table.region().fd().try_clone_to_owned().unwrap();
    let table = table(16);
    assert!(matches!(FlowTable::<2>::attach(fd(&table)), Err(RegionError::Fingerprint { .. })));
    assert!(matches!(Fdb::attach(fd(&table), 1), Err(RegionError::Kind { .. })));
}

/// Every field of a flow follows from its first word, so a reader can tell a whole entry from a mixture.
#[test]
fn a_reader_sees_whole_flows_while_the_writer_churns() {
    let mut table = table(64);
    let (reader, done) = (table.reader(), AtomicBool::new(false));
    let sign = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut seen, mut rounds) = (0, 0u32);
            while !done.load(Relaxed) || rounds < 100 {
                for flow in reader.iter() {
                    let n = flow.key[0];
                    assert_eq!(flow.key, key(n));
                    assert_eq!((flow.recipe, flow.checked_at), (sign(n) as u32, (sign(n) >> 32) as u32), "flow {n}");
                    seen += 1;
                }
                rounds += 1;
            }
            seen
        });
        for n in 0..300_000u64 {
            let value = FlowValue {
                recipe: sign(n) as u32,
                dst_slot: None,
                checked_at: (sign(n) >> 32) as u32,
                last_seen: Tick(n as u32),
            };
            let slot = table.insert(table.hash(&key(n)), &key(n), value).slot;
            table.entry(slot).hit(60, Tick(n as u32));
            if n % 3 == 0 {
                table.remove(slot);
            }
        }
        done.store(true, Relaxed);
        assert!(watching.join().unwrap() > 1000);
    });
}

#[test]
fn a_flow_remembers_the_fdb_slot_it_rests_on() {
    let mut fdb = Fdb::create("macs", 100, SEED, false).unwrap();
    let mac = Mac::new([2, 0, 0, 0, 0, 1]);
    let slot = fdb.set_static(NetworkId(1), mac, MemberId(5), 3).unwrap();
    let mut table = table(16);
    let value = FlowValue { dst_slot: Some(slot), ..value(1, 1) };
    let flow = table.insert(table.hash(&key(1)), &key(1), value).slot;
    assert_eq!(table.entry(flow).dst_slot(), Some(slot));
    assert_eq!(table.reader().iter().next().unwrap().dst_slot, Some(slot));
    table.update(flow, FlowValue { dst_slot: None, ..value });
    assert_eq!(table.entry(flow).dst_slot(), None);
}
