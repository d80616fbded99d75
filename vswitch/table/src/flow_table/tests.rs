use super::*;
use crate::{
    Tick,
    bucket::{self, SlotSet},
};
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
        let slots: Vec<_> = slots_of(&table, &probe).collect();
        let full = slots.iter().all(|&slot| table.parts.is_occupied(slot));
        let sample = table.sample(&probe);
        let before = sample.map(|slot| table.parts.entry(slot).last_seen().0);
        let is_nearly_full = table.len() > 960;
        let inserted = table.insert(hash, &key, value(n * 7919 % 5003));
        assert!(slots.contains(&inserted.slot.0), "one of the key's own slots");
        assert!(full || !inserted.evicted);
        if full && is_nearly_full {
            assert!(inserted.evicted, "nobody is asked to move");
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
fn where_there_is_room_elsewhere_one_moves_there_with_all_that_is_its_own() {
    let mut table = FlowTable::<4>::create("test", 65_536, SEED, false).unwrap();
    let tail = |n: u64| [n, n + 1, n + 2, n + 3];
    let mut moves = 0;
    for n in 0..58_000u32 {
        let key = key(n.into());
        let probe = table.probe(table.hash(&key));
        let is_full = table.free_slot(probe.home).is_none();
        let inserted = table.insert_long(&probe, &key, &tail(n.into()), value(n));
        table.entry(inserted.slot).hit(u64::from(n), Tick(n));
        moves += u32::from(is_full && !inserted.evicted);
    }
    assert!(moves > 500, "{moves}");
    check_natives(&table);
    let mut found = 0;
    for n in 0..58_000u32 {
        let (key, tail) = (key(n.into()), tail(n.into()));
        let Some((_, entry)) = table.find_long(&look(&table, table.hash(&key), &key), &key, &tail) else { continue };
        assert_eq!((entry.packets(), entry.bytes(), entry.last_seen()), (1, n.into(), Tick(n)));
        assert_eq!((entry.recipe(), entry.checked_at(), entry.dst_slot()), (n, 1, None));
        found += 1;
    }
    assert_eq!(found, table.len());
    assert_eq!(found, table.occupied().count());
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

/// The slots where a key can be.
fn slots_of(table: &FlowTable<4>, probe: &Probe) -> impl Iterator<Item = u32> {
    bucket::slots(SlotSet::from_bits(u16::MAX), table.buckets(probe.home))
}

/// Both parts of the second step.
fn look(table: &FlowTable<4>, hash: u64, key: &[u64; 4]) -> Probe {
    let mut probe = table.probe(hash);
    if !table.is_at_home(&mut probe, key) {
        table.ask_guests(&mut probe);
    }
    probe
}

/// The slots of the flows that are at home in this one.
fn natives(table: &FlowTable<4>, home: u32) -> Vec<u32> {
    table.natives(&Probe::new(home.into(), table.slots() - 1)).collect()
}

/// That each home names its natives, all of them and nobody else.
fn check_natives(table: &FlowTable<4>) {
    let mut named = 0;
    for home in 0..table.slots() {
        for slot in natives(table, home) {
            assert!(table.parts.is_occupied(slot), "somebody is there");
            let probe = table.probe(table.hash(&table.entry(FlowSlot(slot)).key()));
            assert_eq!(probe.home, home, "and it is at home here");
            named += 1;
        }
    }
    assert_eq!(named, table.occupied().count());
}

#[test]
fn a_lookup_looks_at_two_buckets_whatever_the_load() {
    let mut table = FlowTable::<4>::create("test", 4096, SEED, false).unwrap();
    fill(&mut table, 0..20_000);
    assert!(table.len() > 4090, "{}: the table is full", table.len());
    check_natives(&table);
    let mut keys = 0;
    for n in 0..40_000 {
        let probe = look(&table, table.hash(&key(n)), &key(n));
        if let Some(slot) = table.find(&probe, &key(n)) {
            assert!(slots_of(&table, &probe).any(|own| own == slot.0));
            assert_eq!(table.entry(slot).key(), key(n));
            keys += 1;
        }
    }
    assert_eq!(keys, table.len());
}

#[test]
fn a_home_names_its_natives_as_they_come_give_way_and_go() {
    let mut table = FlowTable::<4>::create("test", 512, SEED, false).unwrap();
    let mut random = 1u64;
    for round in 0..6000u32 {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let n = random >> 54;
        match (table.get(table.hash(&key(n)), &key(n)), random >> 40 & 3) {
            (Some(slot), 0 | 1) => {
                table.entry(slot).hit(1 << 20, Tick(round));
                let packets = table.entry(slot).packets();
                table.remove(slot);
                assert_eq!(table.entry(slot).packets(), packets, "natives are no packets");
            }
            (Some(slot), _) => table.entry(slot).hit(64, Tick(round)),
            (None, _) => {
                let slot = table.insert(table.hash(&key(n)), &key(n), value(round)).slot;
                assert_eq!(table.entry(slot).packets(), 0, "nor are those of the slot");
            }
        }
        if round % 50 == 0 {
            check_natives(&table);
        }
    }
    let slots: Vec<_> = table.occupied().collect();
    assert!(slots.len() > 300);
    slots.into_iter().for_each(|slot| table.remove(slot));
    assert!((0..512).all(|slot| table.entry(FlowSlot(slot)).natives().bits() == 0));
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
fn most_are_at_home_and_all_are_found() {
    let mut table = FlowTable::<4>::create("test", 65_536, SEED, false).unwrap();
    assert_eq!(at_home(&table, 0..65_536), 0, "slots never used");
    let shares = [(8192, 7607), (32_768, 22_900), (49_152, 29_400)];
    for ((from, _), (to, at_least)) in std::iter::once((0, 0)).chain(shares).zip(shares) {
        fill(&mut table, from..to);
        let found = at_home(&table, 0..to);
        assert!(found > at_least && found < to as usize, "{found} of {to}, more than {at_least} wanted");
        assert!((0..to).all(|n| table.get(table.hash(&key(n.into())), &key(n.into())).is_some()));
    }
    assert_eq!(at_home(&table, 49_152..65_536), 0, "other flows");
}

#[test]
fn keys_with_one_home_are_told_apart_there() {
    let mut table = FlowTable::<4>::create("test", 64, SEED, false).unwrap();
    let hash = 0x77;
    let keys: Vec<_> = (0..17).map(key).collect();
    let insert = |table: &mut FlowTable<4>, key| table.insert_new(&table.probe(hash), key, value(1));
    let slots: Vec<_> = keys[..16].iter().map(|key| insert(&mut table, key).slot).collect();
    assert_eq!(slots[0].0, table.probe(hash).home);
    let find = |table: &FlowTable<4>, key| table.find(&look(table, hash, key), key);
    assert!(keys.iter().zip(&slots).all(|(key, slot)| find(&table, key) == Some(*slot)), "fifteen guests");
    assert_eq!(find(&table, &keys[16]), None);
    assert!(insert(&mut table, &keys[16]).evicted);
    let missing: Vec<_> = keys.iter().filter(|key| find(&table, key).is_none()).collect();
    assert_eq!(missing.len(), 1, "who gave way");
    for slot in slots {
        table.remove(slot);
    }
    assert!(table.is_empty() && keys.iter().all(|key| find(&table, key).is_none()));
    let other = insert(&mut table, &keys[3]).slot;
    assert_eq!((other.0, look(&table, hash, &keys[4]).is_vain()), (table.probe(hash).home, true));
    assert!(!table.is_at_home_by_front(&mut table.probe(hash), &keys[4]));
}

#[test]
fn a_flow_removed_between_two_steps_is_not_found() {
    let mut table = FlowTable::<4>::create("test", 16, SEED, false).unwrap();
    for n in 1..3 {
        table.insert_new(&table.probe(5), &key(n), value(1));
    }
    for n in 1..3 {
        let probe = look(&table, 5, &key(n));
        let slot = table.find(&probe, &key(n)).unwrap();
        table.remove(slot);
        assert_eq!(table.find(&probe, &key(n)), None);
    }
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
    (0..16).for_each(|slot| table.parts.entry(slot).set_natives(SlotSet::default()));
    let lost: Vec<_> = table.occupied().filter(|slot| slot.0 / 8 == victim / 8).collect();
    let reader = table.reader();
    assert_eq!(reader.iter().count(), 40 - lost.len(), "nobody sees a bucket half written");
    let fd = table.region().fd().try_clone_to_owned().unwrap();
    drop(table);
    let mut next = FlowTable::<4>::attach(fd).unwrap();
    assert_eq!((next.len(), next.region().generation()), (40 - lost.len(), 2));
    assert!(!lost.is_empty() && lost.iter().all(|slot| !next.parts.is_occupied(slot.0)));
    assert!(lost.iter().all(|&slot| next.entry(slot).key() == [u64::MAX; 4]), "nobody looks to be at home there");
    check_natives(&next);
    let all = (0..40).filter(|&n| next.get(next.hash(&key(n)), &key(n)).is_some()).count();
    assert_eq!(all, next.len());
    fill(&mut next, 0..40);
    assert_eq!(reader.iter().count(), 40, "the bucket is whole again");
}
