//! The FDB against a map, across a restart, under a reader, and over garbage.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use proptest::prelude::*;
use sync::RegionError;
use table::{EPOCHS_KEPT, Fdb, FdbEntry, FdbReader, FdbSlot, Learn, MemberId, NetworkId, Sweep, TableFull, Tick};
use wire::{HashKey, Mac};

const SEED: HashKey = HashKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211]);

fn fdb(macs: usize) -> Fdb {
    Fdb::create("test", macs, SEED, false).unwrap()
}

fn mac(n: u64) -> Mac {
    Mac::from_u64(0x0200_0000_0000 + n)
}

const NET: NetworkId = NetworkId(3);

/// Learns in network 3 without a limit that matters.
fn learn(fdb: &mut Fdb, n: u64, member: u32, now: u32, epoch: u32) -> Learn {
    fdb.learn(NET, mac(n), MemberId(member), true, Tick(now), epoch, 1000)
}

fn slot_of(outcome: Learn) -> FdbSlot {
    match outcome {
        Learn::New(slot) | Learn::Moved { slot, .. } => slot,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mac_is_learned_refreshed_moved_and_forgotten() {
    let mut fdb = fdb(100);
    let slot = slot_of(learn(&mut fdb, 1, 10, 5, 1));
    assert_eq!(
        (fdb.lookup(NET, mac(1)), fdb.lookup(NetworkId(4), mac(1)), fdb.changed_at(slot)),
        (Some(slot), None, 1)
    );
    assert_eq!(learn(&mut fdb, 1, 10, 9, 2), Learn::Known);
    assert_eq!((fdb.entry(slot).last_seen, fdb.changed_at(slot)), (Tick(9), 1), "refreshed, but not changed");
    assert_eq!(learn(&mut fdb, 1, 11, 12, 3), Learn::Moved { slot, from: MemberId(10) });
    let entry = fdb.get(slot).unwrap();
    assert_eq!((entry.member, entry.moves, entry.changed_at, entry.last_seen), (MemberId(11), 1, 3, Tick(12)));
    assert_eq!((entry.network, entry.mac, fdb.member(slot)), (NET, mac(1), MemberId(11)));
    assert!(fdb.remove(slot, 4) && !fdb.remove(slot, 5));
    assert_eq!((fdb.lookup(NET, mac(1)), fdb.get(slot), fdb.changed_at(slot), fdb.count(NET)), (None, None, 4, 0));
    let again = slot_of(learn(&mut fdb, 1, 10, 20, 6));
    assert_eq!((fdb.changed_at(again), fdb.entry(again).moves), (6, 0));
}

#[test]
fn the_operators_word_beats_what_is_seen() {
    let mut fdb = fdb(100);
    let slot = slot_of(learn(&mut fdb, 1, 10, 5, 1));
    assert_eq!(fdb.set_static(NET, mac(1), MemberId(7), 2), Ok(slot), "a learned entry is taken over");
    let entry = fdb.entry(slot);
    assert_eq!((entry.is_static, entry.member, entry.changed_at, entry.moves), (true, MemberId(7), 2, 0));
    assert_eq!(learn(&mut fdb, 1, 10, 6, 3), Learn::Static);
    assert_eq!((fdb.member(slot), fdb.changed_at(slot)), (MemberId(7), 2));
    assert_eq!(learn(&mut fdb, 1, 7, 6, 3), Learn::Known);
    assert_eq!(fdb.set_static(NET, mac(1), MemberId(7), 4), Ok(slot));
    assert_eq!(fdb.changed_at(slot), 2, "said already");
    assert_eq!(fdb.set_static(NET, mac(1), MemberId(8), 5), Ok(slot));
    assert_eq!((fdb.changed_at(slot), fdb.count(NET)), (5, 1));
}

#[test]
fn a_network_has_no_more_macs_than_its_limit() {
    let mut fdb = fdb(100);
    let mut learn = |net, n, limit| fdb.learn(NetworkId(net), mac(n), MemberId(1), true, Tick(1), 1, limit);
    assert!(matches!((learn(1, 1, 2), learn(1, 2, 2)), (Learn::New(_), Learn::New(_))));
    assert_eq!(
        (learn(1, 3, 2), learn(1, 2, 2), learn(1, 4, 0)),
        (Learn::NetworkFull, Learn::Known, Learn::NetworkFull)
    );
    assert!(matches!(learn(2, 3, 2), Learn::New(_)), "another network's business");
    assert!(fdb.set_static(NetworkId(1), mac(9), MemberId(1), 1).is_ok(), "the operator may");
    assert_eq!((fdb.count(NetworkId(1)), fdb.count(NetworkId(2)), fdb.len()), (3, 1, 4));
}

#[test]
fn a_full_table_refuses_and_loses_nobody() {
    let mut fdb = fdb(10);
    assert_eq!((fdb.capacity(), fdb.slots()), (16, 16));
    (0..16).for_each(|n| assert!(matches!(learn(&mut fdb, n, 1, 1, 1), Learn::New(_))));
    assert_eq!(learn(&mut fdb, 16, 1, 1, 1), Learn::TableFull);
    assert!((0..16).all(|n| fdb.lookup(NET, mac(n)).is_some()));
    assert_eq!((fdb.len(), fdb.count(NET)), (16, 16));
}

#[test]
fn a_static_entry_displaces_a_learned_one_and_no_static_one() {
    let mut fdb = fdb(10);
    (0..16).for_each(|n| assert!(matches!(learn(&mut fdb, n, 1, 1, 1), Learn::New(_))));
    for n in 16..32 {
        assert!(fdb.set_static(NET, mac(n), MemberId(2), 2).is_ok());
        assert_eq!((fdb.len(), fdb.count(NET)), (16, 16));
    }
    assert_eq!(fdb.set_static(NET, mac(99), MemberId(2), 3), Err(TableFull));
    assert!((16..32).all(|n| fdb.lookup(NET, mac(n)).is_some_and(|slot| fdb.changed_at(slot) == 2)));
}

#[test]
fn a_sweep_brings_forward_what_changed_very_long_ago() {
    let mut fdb = fdb(10);
    let slot = slot_of(learn(&mut fdb, 1, 1, 1, 5));
    let age = |epoch: u32, fdb: &mut Fdb| {
        fdb.sweep(&mut 0, u32::MAX, epoch, |_, _| Sweep::Keep);
        epoch.wrapping_sub(fdb.changed_at(slot))
    };
    assert_eq!(age(5 + EPOCHS_KEPT, &mut fdb), EPOCHS_KEPT);
    assert_eq!(fdb.changed_at(slot), 5);
    for step in 1..6 {
        assert_eq!(age((5 + EPOCHS_KEPT).wrapping_add(EPOCHS_KEPT.wrapping_mul(step)), &mut fdb), EPOCHS_KEPT);
    }
}

#[test]
fn as_many_macs_as_were_asked_for_fit() {
    for macs in [1, 10, 100, 1000, 10_000, 87_000] {
        let mut fdb = fdb(macs);
        let refused = (0..macs as u64)
            .filter(|&n| fdb.learn(NET, mac(n * 7), MemberId(1), true, Tick(1), 1, u32::MAX) == Learn::TableFull)
            .count();
        assert_eq!(refused, 0, "of {macs} in {} slots", fdb.capacity());
    }
}

#[test]
fn a_stale_sighting_does_not_turn_the_clock_back() {
    let mut fdb = fdb(10);
    let slot = slot_of(fdb.learn(NET, mac(1), MemberId(1), false, Tick(50), 1, 9));
    assert_eq!(fdb.learn(NET, mac(1), MemberId(1), true, Tick(40), 2, 9), Learn::Known);
    assert_eq!((fdb.entry(slot).last_seen, fdb.entry(slot).is_local), (Tick(50), true), "but it is our own now");
    fdb.learn(NET, mac(1), MemberId(1), false, Tick(60), 2, 9);
    assert_eq!((fdb.entry(slot).last_seen, fdb.entry(slot).is_local), (Tick(60), true), "and stays it");
    fdb.touch(NET, mac(1), MemberId(2), Tick(70));
    fdb.touch(NET, mac(2), MemberId(1), Tick(70));
    assert_eq!((fdb.entry(slot).last_seen, fdb.len()), (Tick(60), 1), "nobody's activity");
    fdb.touch(NET, mac(1), MemberId(1), Tick(70));
    assert_eq!(fdb.entry(slot).last_seen, Tick(70));
    fdb.learn(NET, mac(1), MemberId(9), false, Tick(80), 3, 9);
    assert!(!fdb.entry(slot).is_local, "another worker saw it move");
}

#[derive(Clone, Debug)]
enum Step {
    Learn { net: u16, n: u64, member: u32, local: bool },
    Static { net: u16, n: u64, member: u32 },
    Remove { net: u16, n: u64 },
    Sweep { member: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (net, n, member) = (0u16..3, 0u64..9, 0u32..3);
    let step = prop_oneof![
        8 => (net.clone(), n.clone(), member.clone(), any::<bool>())
            .prop_map(|(net, n, member, local)| Step::Learn { net, n, member, local }),
        1 => (net.clone(), n.clone(), member.clone()).prop_map(|(net, n, member)| Step::Static { net, n, member }),
        3 => (net, n).prop_map(|(net, n)| Step::Remove { net, n }),
        1 => member.prop_map(|member| Step::Sweep { member }),
    ];
    prop::collection::vec(step, 0..250)
}

const LIMIT: u32 = 7;

/// What an FDB of 16 slots must hold, and when each slot last changed.
#[derive(Default)]
struct Model {
    entries: HashMap<(u16, u64), (FdbSlot, FdbEntry)>,
    changed: HashMap<FdbSlot, u32>,
}

impl Model {
    fn count(&self, net: u16) -> u32 {
        self.entries.keys().filter(|key| key.0 == net).count() as u32
    }

    fn put(&mut self, slot: FdbSlot, entry: FdbEntry) {
        let key = (entry.network.0, entry.mac.to_u64());
        if let Some((at, _)) = self.entries.insert(key, (slot, entry)) {
            assert_eq!(at, slot, "an entry never wanders");
        }
        assert!(self.entries.iter().all(|(k, (at, _))| *k == key || *at != slot), "a slot has one MAC");
        self.changed.insert(slot, entry.changed_at);
    }

    fn learn(&mut self, outcome: Learn, seen: FdbEntry) {
        let known = self.entries.get(&(seen.network.0, seen.mac.to_u64())).copied();
        let (full, limit) = (self.entries.len() == 16, self.count(seen.network.0) >= LIMIT);
        match known {
            None if limit => assert_eq!(outcome, Learn::NetworkFull),
            None if full => assert_eq!(outcome, Learn::TableFull),
            None => self.put(slot_of(outcome), seen),
            Some((slot, entry)) if entry.member == seen.member => {
                assert_eq!(outcome, Learn::Known);
                let is_local = entry.is_local || seen.is_local;
                self.put(slot, FdbEntry { last_seen: seen.last_seen, is_local, ..entry });
            }
            Some((_, entry)) if entry.is_static => assert_eq!(outcome, Learn::Static),
            Some((slot, entry)) => {
                assert_eq!(outcome, Learn::Moved { slot, from: entry.member });
                self.put(slot, FdbEntry { moves: entry.moves + 1, ..seen });
            }
        }
    }

    fn set_static(&mut self, outcome: Result<FdbSlot, TableFull>, said: FdbEntry) {
        match self.entries.get(&(said.network.0, said.mac.to_u64())).copied() {
            None => {
                if self.entries.len() == 16 && !self.displace(outcome) {
                    return assert_eq!(outcome, Err(TableFull));
                }
                self.put(outcome.unwrap(), FdbEntry { last_seen: Tick(0), ..said });
            }
            Some((slot, entry)) => {
                assert_eq!(outcome, Ok(slot));
                if !entry.is_static || entry.member != said.member {
                    self.put(slot, FdbEntry { last_seen: entry.last_seen, moves: entry.moves, ..said });
                }
            }
        }
    }

    /// Takes the entry away whose slot a static one got: a learned one, silent for longest. `false` where there is none.
    fn displace(&mut self, outcome: Result<FdbSlot, TableFull>) -> bool {
        let learned = self.entries.values().filter(|(_, entry)| !entry.is_static);
        let Some(oldest) = learned.map(|(_, entry)| entry.last_seen.0).min() else { return false };
        let slot = outcome.unwrap();
        let gone =
            self.entries.iter().find(|(_, (at, _))| *at == slot).map(|(key, (_, entry))| (*key, *entry)).unwrap();
        assert!(!gone.1.is_static && gone.1.last_seen.0 == oldest);
        self.entries.remove(&gone.0);
        true
    }

    fn step(&mut self, fdb: &mut Fdb, step: &Step, now: u32) {
        let entry = |net, n, member, is_static, is_local| FdbEntry {
            network: NetworkId(net),
            mac: mac(n),
            member: MemberId(member),
            changed_at: now,
            last_seen: Tick(now),
            is_static,
            is_local,
            moves: 0,
        };
        match *step {
            Step::Learn { net, n, member, local } => {
                let outcome = fdb.learn(NetworkId(net), mac(n), MemberId(member), local, Tick(now), now, LIMIT);
                self.learn(outcome, entry(net, n, member, false, local));
            }
            Step::Static { net, n, member } => {
                let outcome = fdb.set_static(NetworkId(net), mac(n), MemberId(member), now);
                self.set_static(outcome, entry(net, n, member, true, false));
            }
            Step::Remove { net, n } => {
                let known = self.entries.remove(&(net, mac(n).to_u64()));
                let slot = fdb.lookup(NetworkId(net), mac(n));
                assert_eq!(slot, known.map(|(slot, _)| slot));
                if let Some(slot) = slot {
                    assert!(fdb.remove(slot, now));
                    self.changed.insert(slot, now);
                }
            }
            Step::Sweep { member } => {
                let goes = |entry: &FdbEntry| entry.member == MemberId(member) && !entry.is_static;
                let removed =
                    fdb.sweep(
                        &mut (now % 16),
                        u32::MAX,
                        now,
                        |_, entry| {
                            if goes(&entry) { Sweep::Remove } else { Sweep::Keep }
                        },
                    );
                let gone: Vec<_> = self.entries.values().filter(|(_, e)| goes(e)).map(|(slot, _)| *slot).collect();
                self.entries.retain(|_, (_, entry)| !goes(entry));
                assert_eq!(removed, gone.len());
                gone.into_iter().for_each(|slot| assert!(self.changed.insert(slot, now).is_some()));
            }
        }
    }

    fn check(&self, fdb: &Fdb) {
        for (slot, entry) in self.entries.values() {
            assert_eq!(fdb.lookup(entry.network, entry.mac), Some(*slot));
            assert_eq!(fdb.get(*slot), Some(*entry));
        }
        for (slot, changed) in &self.changed {
            assert_eq!(fdb.changed_at(*slot), *changed);
        }
        (0..3).for_each(|net| assert_eq!(fdb.count(NetworkId(net)), self.count(net)));
        assert_eq!(fdb.len(), self.entries.len());
        let all = (0..fdb.slots()).filter_map(|n| fdb.get(fdb.slot_at(n))).count();
        assert_eq!((all, fdb.reader().iter().count()), (fdb.len(), fdb.len()));
    }
}

proptest! {
    #[test]
    fn an_fdb_does_what_a_map_with_sixteen_places_does(steps in steps()) {
        let mut fdb = fdb(10);
        let mut model = Model::default();
        for (now, step) in (1..).zip(&steps) {
            model.step(&mut fdb, step, now);
            prop_assert_eq!(fdb.len(), model.entries.len());
        }
        model.check(&fdb);
        let fd = fdb.region().fd().try_clone_to_owned().unwrap();
        drop(fdb);
        model.check(&Fdb::attach(fd, 1000).unwrap());
    }

    #[test]
    fn garbage_in_the_memory_is_refused_or_harmless(fill: u64, head: bool) {
        let donor = fdb(40);
        let file = File::from(donor.region().fd().try_clone_to_owned().unwrap());
        let (from, to) = if head { (4096, 4096 + 64) } else { (4096 + 64, 4096 + donor.region().len()) };
        let mut state = fill | 1;
        let bytes: Vec<u8> = (from..to).map(|_| { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state as u8 }).collect();
        file.write_all_at(&bytes, from as u64).unwrap();
        match FdbReader::attach(donor.region().read_only_fd().unwrap()) {
            Ok(reader) => prop_assert!(reader.iter().count() <= reader.capacity()),
            Err(error) => prop_assert!(matches!(error, RegionError::Content { .. }), "{}", error),
        }
        let Ok(mut fdb) = Fdb::attach(file.into(), 1) else { return Ok(()) };
        (0..100).for_each(|n| { learn(&mut fdb, n, 1, 1, 1); });
        fdb.sweep(&mut 5, u32::MAX, 2, |_, _| Sweep::Remove);
        prop_assert!(fdb.is_empty() && fdb.count(NET) == 0);
    }
}

/// Member and epoch of an entry follow from its MAC and how often it moved, so a reader can tell whole from mixed.
#[test]
fn a_reader_sees_whole_entries_while_the_writer_churns() {
    let mut fdb = fdb(10);
    let (reader, done) = (fdb.reader(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut seen, mut rounds) = (0, 0u32);
            while !done.load(Relaxed) || rounds < 100 {
                for entry in reader.iter() {
                    let n = entry.mac.to_u64() & 0xffff;
                    assert_eq!(u64::from(entry.network.0), n % 5);
                    assert_eq!(u64::from(entry.member.0) % 100, n, "{entry:?}");
                    assert_eq!(entry.changed_at, entry.member.0 ^ 0x5555, "{entry:?}");
                    seen += 1;
                }
                rounds += 1;
            }
            seen
        });
        for turn in 0..400_000u32 {
            let n = u64::from(turn.wrapping_mul(7919) % 11);
            let (net, member) = (NetworkId(n as u16 % 5), n as u32 + 100 * (turn % 1000));
            fdb.learn(net, mac(n), MemberId(member), true, Tick(turn), member ^ 0x5555, 99);
            if turn % 3 == 0
                && let Some(slot) = fdb.lookup(net, mac(n))
            {
                fdb.remove(slot, member ^ 0x5555);
            }
        }
        done.store(true, Relaxed);
        assert!(watching.join().unwrap() > 1000);
    });
}
