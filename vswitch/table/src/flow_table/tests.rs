use super::*;
use crate::Tick;
use std::panic::{AssertUnwindSafe, catch_unwind};

const SEED: HashKey = HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211]);

fn value(last_seen: u32) -> FlowValue {
    FlowValue { recipe: last_seen, dst_slot: None, checked_at: 1, last_seen: Tick(last_seen) }
}

fn key(n: u64) -> [u64; 4] {
    [n, !n, n.rotate_left(17), 7]
}

/// Inserts flows number `range`, each seen at its number; returns how many were evicted.
fn fill(table: &mut FlowTable<4>, range: std::ops::Range<u32>) -> usize {
    range.filter(|&n| table.insert(table.hash(&key(n.into())), &key(n.into()), value(n)).evicted).count()
}

#[test]
fn the_least_recently_seen_of_four_in_both_buckets_gives_way() {
    let mut table = FlowTable::<4>::create("test", 1024, SEED, false).unwrap();
    let mut evictions = 0;
    for n in 0..4000u32 {
        let key = key(n.into());
        let hash = table.hash(&key);
        let probe = table.probe(hash);
        let slots: Vec<_> = table.parts.slots_of(&probe).collect();
        let full = slots.iter().all(|&slot| table.parts.is_occupied(slot));
        let sample = table.parts.sample(&probe);
        let before = sample.map(|slot| table.parts.entry(slot).last_seen().0);
        let inserted = table.insert(hash, &key, value(n * 7919 % 5003));
        assert!(slots.contains(&inserted.slot.0), "one of the key's own slots");
        assert_eq!(inserted.evicted, full);
        if full {
            let place = sample.iter().position(|&slot| slot == inserted.slot.0).expect("one of the four");
            // Where some of them were seen after the newcomer, they count as seen just now.
            if before.iter().all(|&seen| seen <= n * 7919 % 5003) {
                assert_eq!(Some(&before[place]), before.iter().min());
                evictions += 1;
            }
        }
    }
    assert!(evictions > 50, "{evictions}");
    assert!(table.len() <= 1024 && table.len() == table.occupied().count());
}

#[test]
fn flows_that_are_seen_every_tick_hardly_ever_give_way_to_those_that_come_and_go() {
    let mut table = FlowTable::<4>::create("test", 4096, SEED, false).unwrap();
    fill(&mut table, 0..20_000);
    let mut forgotten = 0;
    for tick in 20_000..20_200 {
        for n in 0..256 {
            let key = key(1 << 40 | n);
            forgotten += u32::from(!table.insert(table.hash(&key), &key, value(tick)).replaced);
        }
        // An eighth of the table comes anew: were those who give way drawn by lot, 6,400 would be forgotten.
        for n in 0..512 {
            let key = key(1 << 41 | u64::from(tick) << 16 | n);
            table.insert(table.hash(&key), &key, value(tick));
        }
    }
    assert!(forgotten - 256 < 256, "{forgotten} of 51,200");
}

#[test]
fn a_lookup_looks_at_two_buckets_whatever_the_load() {
    let mut table = FlowTable::<4>::create("test", 4096, SEED, false).unwrap();
    fill(&mut table, 0..20_000);
    assert!(table.len() > 4090, "{}: the table is full", table.len());
    let (mut candidates, mut keys) = (0, 0);
    for n in 0..40_000 {
        let mut probe = table.probe(table.hash(&key(n)));
        table.candidates(&mut probe);
        candidates += u32::from(probe.first != crate::bucket::NO_SLOT);
        if let Some(slot) = table.find(&probe, &key(n)) {
            assert!(table.parts.slots_of(&probe).any(|own| own == slot.0));
            assert_eq!(table.entry(slot).key(), key(n));
            keys += 1;
        }
    }
    assert_eq!(keys as usize, table.len());
    assert!(candidates - keys < 40, "{candidates} candidates for {keys} keys: 16 in 65,536 tags meet by chance");
}

#[test]
fn hardly_any_flow_gives_way_at_three_quarters_and_few_at_nine_tenths() {
    let mut evicted = [0; 2];
    for seed in 0..32 {
        let mut table = FlowTable::<4>::create("test", 65_536, HashKey([SEED.0[0], SEED.0[1] ^ seed]), false).unwrap();
        assert_eq!(fill(&mut table, 0..36_864), 0, "nine sixteenths");
        evicted[0] += fill(&mut table, 36_864..49_152);
        evicted[1] += fill(&mut table, 49_152..58_982);
    }
    assert!(evicted[0] < 32 * 49_152 / 10_000, "{evicted:?}: one in ten thousand");
    assert!(evicted[1] < 32 * 590, "{evicted:?}: one in a hundred");
}

/// How many of the flows number `range` a look at their homes finds.
fn at_home(table: &FlowTable<4>, range: std::ops::Range<u32>) -> usize {
    let is_at_home = |n: &u32| table.is_at_home(&mut table.probe(table.hash(&key((*n).into()))), &key((*n).into()));
    range.filter(is_at_home).count()
}

#[test]
fn thirteen_of_fourteen_are_at_home_while_the_table_is_sparse_and_all_are_found_ever() {
    let mut table = FlowTable::<4>::create("test", 65_536, SEED, false).unwrap();
    assert_eq!(at_home(&table, 0..65_536), 0, "slots never used");
    fill(&mut table, 0..8192);
    assert!(table.is_sparse());
    let found = at_home(&table, 0..8192);
    assert!((7607..8192).contains(&found), "{found} of 8192");
    assert_eq!(at_home(&table, 8192..65_536), 0, "other flows");
    fill(&mut table, 8192..32_768);
    assert!(!table.is_sparse());
    let found = at_home(&table, 0..32_768);
    assert!(found > 22_900, "{found} of 32768 are seven of ten");
    assert!((0..32_768).all(|n| table.get(table.hash(&key(n)), &key(n)).is_some()));
    let slots: Vec<_> = table.occupied().collect();
    slots.into_iter().skip(8192).for_each(|slot| table.remove(slot));
    assert!(table.is_sparse());
}

#[test]
fn keys_with_one_home_are_told_apart_there() {
    let mut table = FlowTable::<4>::create("test", 64, SEED, false).unwrap();
    let (hash, [first, second]) = (0x77, [key(1), key(2)]);
    let slots = [&first, &second].map(|key| table.insert_new(&table.probe(hash), key, value(1)).slot);
    let look = |table: &FlowTable<4>, key| {
        let mut probe = table.probe(hash);
        let is_at_home = table.is_at_home(&mut probe, key);
        assert_eq!(is_at_home, table.is_at_home_by_front(&mut table.probe(hash), key));
        if !is_at_home {
            table.candidates(&mut probe);
        }
        (is_at_home, table.find(&probe, key))
    };
    assert_eq!(look(&table, &first), (true, Some(slots[0])));
    assert_eq!(look(&table, &second), (false, Some(slots[1])));
    table.remove(slots[0]);
    assert_eq!(look(&table, &first), (false, None), "who has gone is not at home");
    assert_eq!(look(&table, &second), (false, Some(slots[1])), "and nobody moves in");
}

#[test]
fn a_flow_removed_between_two_steps_is_not_found() {
    let mut table = FlowTable::<4>::create("test", 16, SEED, false).unwrap();
    let slot = table.insert(table.hash(&key(1)), &key(1), value(1)).slot;
    let mut probe = table.probe(table.hash(&key(1)));
    table.candidates(&mut probe);
    assert_eq!(table.find(&probe, &key(1)), Some(slot));
    table.remove(slot);
    assert_eq!(table.find(&probe, &key(1)), None);
    assert_eq!(table.find(&Probe::EMPTY, &key(1)), None);
}

#[test]
fn a_successor_empties_the_bucket_its_predecessor_died_in_and_no_other() {
    let mut table = FlowTable::<4>::create("test", 64, SEED, false).unwrap();
    fill(&mut table, 0..40);
    let victim = table.get(table.hash(&key(7)), &key(7)).unwrap().0;
    let died = catch_unwind(AssertUnwindSafe(|| {
        table.parts.rewrite(victim, |entry| {
            entry.begin(&key(99), value(99));
            panic!("killed here");
        })
    }));
    assert!(died.is_err());
    let lost: Vec<_> = table.occupied().filter(|slot| slot.0 / 8 == victim / 8).collect();
    let reader = table.reader();
    assert_eq!(reader.iter().count(), 40 - lost.len(), "nobody sees a bucket half written");
    let fd = table.region().fd().try_clone_to_owned().unwrap();
    drop(table);
    let mut next = FlowTable::<4>::attach(fd).unwrap();
    assert_eq!((next.len(), next.region().generation()), (40 - lost.len(), 2));
    assert!(!lost.is_empty() && lost.iter().all(|slot| !next.parts.is_occupied(slot.0)));
    assert!(lost.iter().all(|&slot| next.entry(slot).key() == [u64::MAX; 4]), "nobody looks to be at home there");
    let all = (0..40).filter(|&n| next.get(next.hash(&key(n)), &key(n)).is_some()).count();
    assert_eq!(all, next.len());
    fill(&mut next, 0..40);
    assert_eq!(reader.iter().count(), 40, "the bucket is whole again");
}
