//! What brought others down. Named by where it happened, so that it can be looked up.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::net::UnixListener},
    time::{Duration, Instant},
};

use vhost_protocol::vhost_user::message::{FrontendReq::*, VhostUserLog};

use super::guest::{Guest, Rig, path};
use crate::{
    Fault, Features, Mode, State,
    memory::tests::memfd,
    ring::tests::{driver::Driver, packed_driver::PackedDriver, split_driver::SplitDriver},
    session::tests::front_end::{Sent, empty, inflight, memory, state, with},
};

/// DPDK's CVE-2022-0669: descriptors beside the in-flight requests were never closed.
#[test]
fn descriptors_beside_in_flight_requests_are_closed() {
    for request in [GET_INFLIGHT_FD, SET_INFLIGHT_FD] {
        let path = path("cve-2022-0669");
        let listener = UnixListener::bind(&path).unwrap();
        let mut rig = Rig::new(&path, Mode::Client);
        let watched = memfd(4096);
        for round in 1..=3 {
            let guest = Guest::<SplitDriver>::start(&listener, &mut rig, Features::default());
            let Sent(octets, _) = inflight(request, 4096, 2, 64);
            guest.say(Sent(octets, (0..8).map(|_| watched.try_clone().unwrap().into()).collect()));
            drop(guest.stream);
            rig.turns();
            let status = rig.device.status();
            assert_eq!(status.faults, round);
            assert!(matches!(status.last_fault, Some(Fault::DescriptorCount { fds: 8, .. })));
            rig.now += Duration::from_secs(60);
        }
        assert_eq!(open_of(&watched), 1, "ours is the only one left");
        std::fs::remove_file(&path).unwrap();
    }
}

/// How many descriptors of this process are of this file.
fn open_of(file: &File) -> usize {
    use std::os::unix::fs::MetadataExt;
    let inode = file.metadata().unwrap().ino();
    let fds = std::fs::read_dir("/proc/self/fd").unwrap();
    fds.filter(|fd| fd.as_ref().is_ok_and(|fd| std::fs::metadata(fd.path()).is_ok_and(|about| about.ino() == inode)))
        .count()
}

/// spdk/spdk#3683: making one device while another reconnects took two locks in two orders.
#[test]
fn devices_come_and_go_while_others_reconnect() {
    let paths = [path("spdk-3683-a"), path("spdk-3683-b")];
    let mut rig = Rig::new(&paths[0], Mode::Client);
    for _ in 0..20 {
        let listener = UnixListener::bind(&paths[0]).unwrap();
        let mut guest = Guest::<SplitDriver>::start(&listener, &mut rig, Features::default());
        let mut other = Rig::new(&paths[1], Mode::Client);
        std::fs::remove_file(&paths[0]).unwrap();
        drop(listener);
        guest.works(&mut rig);
        drop(guest);
        other.turns();
        rig.turns();
        drop(other);
        assert_eq!(rig.state(), State::Waiting);
    }
}

/// Juniper/contrail-vrouter#105: QEMU waits for an answer to SET_LOG_BASE, which it does not ask for, while rings run.
fn a_log_under_running_rings<D: Driver>(test: &str, features: Features) {
    let path = path(test);
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let mut guest = Guest::<D>::start(&listener, &mut rig, features);
    guest.works(&mut rig);
    let mut log = memfd(0x4_0000);
    let features = features | Features::VERSION_1 | Features::PROTOCOL_FEATURES;
    for on in [true, false, true] {
        let Sent(octets, _) = with(SET_LOG_BASE, VhostUserLog::new(0x4_0000, 0));
        guest.say(Sent(octets, vec![OwnedFd::from(log.try_clone().unwrap())]));
        rig.turns();
        assert_eq!(guest.hear(), Some((6, vec![])), "an answer without payload");
        let all = if on { features | Features::LOG_ALL } else { features };
        guest.say(with(SET_FEATURES, all.0));
        rig.turns();
        guest.works(&mut rig);
    }
    let mut octets = Vec::new();
    std::io::Read::read_to_end(&mut log, &mut octets).unwrap();
    assert!(octets.iter().any(|&octet| octet != 0), "what the guest received is marked");
    assert_eq!((rig.state(), rig.device.status().faults), (State::Connected { active: 2 }, 0));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_migration_begins_ends_and_begins_under_running_rings() {
    a_log_under_running_rings::<SplitDriver>("vrouter-105-split", Features::default());
    a_log_under_running_rings::<PackedDriver>("vrouter-105-packed", Features::RING_PACKED);
}

/// FDio/vpp#1875: a guest of several queues that reboots in the middle of traffic left a ring whose memory was gone.
#[test]
fn a_guest_reboots_in_any_order_of_words_while_frames_wait() {
    let path = path("vpp-1875");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let mut guest = Guest::<PackedDriver>::start(&listener, &mut rig, Features::RING_PACKED);
    for reboot in 0..40 {
        guest.works(&mut rig);
        guest.post();
        guest.transmit(&[1; 60]);
        match reboot % 4 {
            0 => guest.say(with(SET_STATUS, 0u64)),
            1 => (0..2).for_each(|ring| guest.say(state(GET_VRING_BASE, ring, 0))),
            2 => guest.say(empty(RESET_DEVICE)),
            // Its memory goes first.
            _ => guest.say(memory(&[])),
        }
        assert!(rig.send(&[2; 60]), "control has not heard of it, and the worker goes on");
        rig.device.turn(Instant::now());
        let _ = rig.receive();
        let _ = rig.send(&[2; 60]);
        rig.turns();
        if reboot % 4 == 3 {
            assert!(matches!(rig.device.status().last_fault, Some(Fault::Ring { .. })));
            rig.now += Duration::from_secs(60);
            guest = Guest::start(&listener, &mut rig, Features::RING_PACKED);
            continue;
        }
        while guest.hear().is_some() {}
        guest.begin_anew(Features::RING_PACKED);
        guest.connect(Features::RING_PACKED, |_| {});
        rig.turns();
    }
    assert_eq!(rig.device.status().faults, 10);
    std::fs::remove_file(&path).unwrap();
}
