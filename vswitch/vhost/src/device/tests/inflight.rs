//! Front ends that keep the in-flight memory while the switch goes and another one comes.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::FileExt, unix::net::UnixListener},
};

use vhost_protocol::vhost_user::message::{FrontendReq::*, VhostUserInflight};
use vm_memory::ByteValued;

use super::guest::{Guest, Rig, path};
use crate::{
    Fault, Features, InflightArea, InflightMemory, Mode, RingFault, RingIndex, State,
    memory::tests::memfd,
    ring::tests::{driver::Driver, packed_driver::PackedDriver, split_driver::SplitDriver},
    session::tests::front_end::{Sent, inflight, state},
};

const PACKED: Features = Features::RING_PACKED;

/// Asks for in-flight memory, as for two rings of 64.
fn ask<D: Driver>(guest: &mut Guest<D>, rig: &mut Rig) -> (u64, OwnedFd) {
    guest.say(inflight(GET_INFLIGHT_FD, 0, 2, 64));
    rig.turns();
    let (request, payload, fd) = guest.hear_fd().unwrap();
    let mut area = VhostUserInflight::default();
    area.as_mut_slice().copy_from_slice(&payload);
    assert_eq!((request, area.mmap_offset, area.num_queues, area.queue_size), (31, 0, 2, 64));
    (area.mmap_size, fd.unwrap())
}

/// Brings in-flight memory along.
fn bring<D: Driver>(guest: &Guest<D>, size: u64, fd: &OwnedFd) {
    let Sent(octets, _) = inflight(SET_INFLIGHT_FD, size, 2, 64);
    guest.say(Sent(octets, vec![fd.try_clone().unwrap()]));
}

/// A guest served by two switches, the first of which goes without a word in the middle of work; `keep` whether the front
/// end keeps in-flight memory. Whether the second goes on where the first stood.
fn outlives<D: Driver>(test: &str, features: Features, keep: bool) -> bool {
    let path = path(test);
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let mut guest = Guest::<D>::start(&listener, &mut rig, features);
    let kept = keep.then(|| ask(&mut guest, &mut rig));
    kept.iter().for_each(|(size, fd)| bring(&guest, *size, fd));
    rig.turns();
    guest.works(&mut rig);
    guest.post();
    guest.transmit(&[9; 60]);
    drop(rig);
    let mut rig = Rig::new(&path, Mode::Client);
    rig.turns();
    let stream = listener.accept().unwrap().0;
    // The base that it says is the one it once began at.
    guest.reconnect(stream, features, |guest| kept.iter().for_each(|(size, fd)| bring(guest, *size, fd)));
    rig.turns();
    std::fs::remove_file(&path).unwrap();
    let goes_on = rig.receive() == [vec![9; 60]] && rig.send(&[7; 60]) && guest.take() == Some(vec![7; 60]);
    if goes_on {
        assert!(guest.drivers[1].collect(&guest.ram[1]).is_some());
        guest.works(&mut rig);
        assert_eq!((rig.state(), rig.device.status().faults), (State::Connected { active: 2 }, 0));
    }
    goes_on
}

#[test]
fn a_packed_ring_outlives_the_switch_where_its_front_end_keeps_the_record() {
    assert!(outlives::<PackedDriver>("kept", PACKED, true));
    assert!(!outlives::<PackedDriver>("lost", PACKED, false), "the base alone does not say where it stands");
}

#[test]
fn a_split_ring_outlives_the_switch_with_and_without_a_record() {
    assert!(outlives::<SplitDriver>("split-kept", Features::default(), true));
    assert!(outlives::<SplitDriver>("split", Features::default(), false));
}

#[test]
fn a_ring_that_was_stopped_begins_where_the_front_end_says() {
    let path = path("stopped");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let mut guest = Guest::<PackedDriver>::start(&listener, &mut rig, PACKED);
    let (size, fd) = ask(&mut guest, &mut rig);
    bring(&guest, size, &fd);
    rig.turns();
    guest.works(&mut rig);
    for ring in 0..2 {
        guest.say(state(GET_VRING_BASE, ring, 0));
        rig.turns();
        assert_eq!(guest.hear().unwrap().1[4..8], 0x0024_0024u32.to_ne_bytes(), "100 chains in a ring of 64");
    }
    // The driver begins anew, in memory that says so.
    guest.begin_anew(PACKED);
    for ring in 0..2 {
        guest.start_ring(ring, PACKED);
    }
    rig.turns();
    guest.works(&mut rig);
    std::fs::remove_file(&path).unwrap();
}

fn memory() -> (u64, File) {
    let (size, fd) = InflightMemory::create(2, 64).unwrap().share().unwrap();
    (size, fd.into())
}

fn refused(size: u64, rings: u16, fd: impl Into<OwnedFd>) -> String {
    let area = InflightArea { size, offset: 0, rings, ring_size: 64, fd: fd.into() };
    InflightMemory::attach(area).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn memory_that_is_not_what_was_given_is_refused_by_what_is_wrong_with_it() {
    let (size, file) = memory();
    let wrong = |size, rings, fd: OwnedFd, why: &str| {
        let said = refused(size, rings, fd);
        assert!(said.contains(why), "{said:?} instead of {why:?}");
    };
    wrong(size, 1, file.try_clone().unwrap().into(), "its size is");
    wrong(size - 1, 2, file.try_clone().unwrap().into(), "its size is");
    wrong(size, 2, memfd(size).into(), "no sealed memory");
    wrong(size, 2, memfd(size - 4096).into(), "its file's length is");
    wrong(size, 2, memfd(1 << 40).into(), "its file's length is");
    wrong(size, 2, File::open("/dev/zero").unwrap().into(), "no memory");
    wrong(size, 2, std::io::pipe().unwrap().1.into(), "no memory");
    let (_, other) = memory();
    other.write_all_at(&[0; 8], 0).unwrap();
    wrong(size, 2, other.into(), "no region of this switch");
    let (_, other) = memory();
    other.write_all_at(&[3], 4096).unwrap();
    wrong(size, 2, other.into(), "its shape is");
    let area = InflightArea { size, offset: 8, rings: 2, ring_size: 64, fd: file.into() };
    assert!(matches!(InflightMemory::attach(area), Err(Fault::NotInflight(why)) if why == "its offset is 0x8"));
}

#[test]
fn a_record_that_says_what_cannot_be_ends_the_session_by_name() {
    let running = 1u64 << 63;
    for (state, entry, fault) in [
        (64, 0, RingFault::Record(64)),
        (1 | 64 << 16, 0, RingFault::Record(64)),
        (0x8000_8000 | 600 << 32, 0, RingFault::Record(600)),
        (0x8000_8000 | 2 << 32, 64, RingFault::Record(64)),
        (0x8000_8000 | 2 << 32, 1, RingFault::Record(1)),
    ] {
        let path = path("absurd");
        let listener = UnixListener::bind(&path).unwrap();
        let mut rig = Rig::new(&path, Mode::Client);
        let (size, fd) = InflightMemory::create(2, 64).unwrap().share().unwrap();
        let memory = File::from(fd.try_clone().unwrap());
        rig.turns();
        let mut guest = Guest::<PackedDriver>::unconnected(listener.accept().unwrap().0, PACKED);
        guest.transmit(&[1; 60]); // so that the first descriptor is available
        let record = 4096 + 64 + 8 * (8 + 2 * 512);
        memory.write_all_at(&(state | running).to_ne_bytes(), record).unwrap();
        memory.write_all_at(&u64::to_ne_bytes(entry), record + 64).unwrap();
        let before = guest.ram[1].get(0, 1024);
        guest.connect(PACKED, |guest| bring(guest, size, &fd));
        rig.turns();
        assert_eq!(rig.device.status().last_fault, Some(Fault::Ring { ring: RingIndex(1), fault }));
        assert_eq!(guest.ram[1].get(0, 1024), before, "nothing was written for it");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn asking_without_end_for_in_flight_memory_keeps_none_of_it() {
    let path = path("asking");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let mut guest = Guest::<PackedDriver>::start(&listener, &mut rig, PACKED);
    for _ in 0..200 {
        let (size, fd) = ask(&mut guest, &mut rig);
        bring(&guest, size, &fd);
    }
    rig.turns();
    guest.works(&mut rig);
    // One file in force, mapped once; the guest's own are closed above.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.lines().filter(|line| line.contains("memfd:inflight")).count() < 100);
    std::fs::remove_file(&path).unwrap();
}
