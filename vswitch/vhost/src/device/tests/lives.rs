//! Guests come, go, come back, and change their minds; frames move whenever both sides are there.

use std::os::unix::{
    fs::MetadataExt,
    net::{UnixListener, UnixStream},
};

use vhost_protocol::vhost_user::message::{FrontendReq::*, VhostUserSingleMemoryRegion};

use super::guest::{Guest, Rig, path};
use crate::{
    DeviceConfig, Fault, Features, Mode, OpenError, SocketAccess, State, VhostDevice,
    memory::tests::memfd,
    ring::tests::{packed_driver::PackedDriver, split_driver::SplitDriver},
    session::tests::front_end::{Sent, raw, state, with},
};

const PACKED: Features = Features::RING_PACKED;

#[test]
fn a_guest_that_listens_is_found_again_whenever_it_comes_back() {
    let path = path("client");
    let mut rig = Rig::new(&path, Mode::Client);
    rig.turns();
    assert_eq!(rig.state(), State::Waiting);
    assert!(!rig.send(&[1; 60]) && rig.receive().is_empty(), "without a guest all is refused");
    for _ in 0..5 {
        let listener = UnixListener::bind(&path).unwrap();
        let mut guest = Guest::<SplitDriver>::start(&listener, &mut rig, Features::default());
        assert_eq!(rig.state(), State::Connected { active: 2 });
        guest.works(&mut rig);
        drop((guest, listener));
        std::fs::remove_file(&path).unwrap();
        rig.turns();
        assert_eq!(rig.state(), State::Waiting);
        assert!(!rig.send(&[1; 60]));
    }
    assert_eq!((rig.device.status().faults, rig.frames_held()), (0, 0));
}

#[test]
fn a_guest_that_connects_is_let_in_one_at_a_time() {
    let path = path("server");
    let mut rig = Rig::new(&path, Mode::Server);
    let first = UnixStream::connect(&path).unwrap();
    let second = UnixStream::connect(&path).unwrap();
    rig.turns();
    let mut first = Guest::<PackedDriver>::on(first, &mut rig, PACKED);
    assert_eq!(rig.state(), State::Connected { active: 2 });
    first.works(&mut rig);
    drop(first);
    rig.turns();
    let mut second = Guest::<PackedDriver>::on(second, &mut rig, PACKED);
    assert_eq!(rig.state(), State::Connected { active: 2 });
    second.works(&mut rig);
    drop(rig);
    assert!(!path.exists(), "the socket goes with the device");
}

#[test]
fn another_mtu_is_for_the_next_front_end() {
    let path = path("mtu");
    let mut rig = Rig::new(&path, Mode::Server);
    assert_eq!(rig.device.status().mtu, None);
    let offered = |rig: &mut Rig| {
        rig.turns();
        rig.device.status().mtu.map(|mtu| mtu.offered)
    };
    let first = UnixStream::connect(&path).unwrap();
    assert_eq!(offered(&mut rig), Some(1500));
    rig.device.set_mtu(1400);
    assert_eq!(offered(&mut rig), Some(1500));
    drop(first);
    assert_eq!(offered(&mut rig), None);
    let _second = UnixStream::connect(&path).unwrap();
    assert_eq!(offered(&mut rig), Some(1400));
}

#[test]
fn a_stale_socket_makes_way_and_a_live_one_or_a_file_does_not() {
    let path = path("stale");
    let open = || {
        let (mode, access) = (Mode::Server, SocketAccess::default());
        let config = DeviceConfig {
            socket: path.clone(),
            mode,
            access,
            queue_pairs: 1,
            mtu: 1500,
            offloads: Features::CHECKSUMS,
        };
        VhostDevice::open(&config, || frame::HeapPool::new(1, 64)).map(|(device, _)| device)
    };
    drop(UnixListener::bind(&path).unwrap());
    let device = open().unwrap();
    assert!(matches!(open(), Err(OpenError::Taken(_))));
    drop(device);
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(open(), Err(OpenError::NotSocket(_))));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_socket_of_ours_has_the_mode_and_the_group_it_is_to_have() {
    let path = path("mode");
    let group = std::fs::metadata(std::env::temp_dir()).unwrap().gid();
    for mode in [0o600, 0o660, 0o622] {
        let rig = Rig::with(&path, Mode::Server, SocketAccess { owner: None, group: Some(group), mode });
        let about = std::fs::metadata(&path).unwrap();
        assert_eq!((about.mode() & 0o7777, about.gid()), (mode, group));
        drop(rig);
    }
}

#[test]
fn only_the_owner_may_listen_where_one_is_named() {
    let path = path("owner");
    let listener = UnixListener::bind(&path).unwrap();
    let uid = std::fs::metadata(&path).unwrap().uid();
    let access = |owner| SocketAccess { owner: Some(owner), ..SocketAccess::default() };
    let mut stranger = Rig::with(&path, Mode::Client, access(uid + 1));
    stranger.turns();
    assert_eq!(stranger.state(), State::Quarantined);
    assert_eq!(stranger.device.status().last_fault, Some(Fault::Stranger { uid, owner: uid + 1 }));
    drop((stranger, listener.accept().unwrap()));
    let mut known = Rig::with(&path, Mode::Client, access(uid));
    Guest::<SplitDriver>::start(&listener, &mut known, Features::default()).works(&mut known);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_path_longer_than_a_sockets_address_works() {
    let directory = path("long").with_extension("d").join("d".repeat(120));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("s");
    let mut rig = Rig::new(&path, Mode::Server);
    let other = Rig::new(&path.with_file_name("other"), Mode::Client);
    assert_eq!(other.state(), State::Waiting);
    let mut client = Rig::new(&path, Mode::Client);
    client.turns();
    rig.turns();
    assert_eq!(rig.state(), State::Connected { active: 0 }, "two switches have met, and neither speaks first");
    drop((rig, client));
    std::fs::remove_dir_all(directory.parent().unwrap()).unwrap();
}

fn stops_and_starts<D: crate::ring::tests::driver::Driver>(test: &str, features: Features) {
    let path = path(test);
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let mut guest = Guest::<D>::start(&listener, &mut rig, features);
    guest.works(&mut rig);
    // Disabled and enabled, a ring goes on where it stood, whatever base it once began at.
    for on in [0, 1] {
        guest.say(state(SET_VRING_ENABLE, 0, on));
        guest.say(state(SET_VRING_ENABLE, 1, on));
        rig.turns();
        assert_eq!(rig.state(), State::Connected { active: 2 * on as usize });
    }
    guest.works(&mut rig);
    let mut bases = Vec::new();
    for ring in 0..2 {
        guest.say(state(GET_VRING_BASE, ring, 0));
        rig.turns();
        bases.push(guest.hear().map(|(request, payload)| (request, payload[4..8].to_vec())).unwrap());
    }
    // 200 chains: three times around a ring of 64, and 8.
    let word: u32 = if features.has(PACKED) { 0x0008_0008 } else { 200 };
    assert_eq!(bases, [(); 2].map(|()| (11, word.to_ne_bytes().to_vec())));
    guest.transmit(&[1; 60]);
    assert!(!rig.send(&[1; 60]) && rig.receive().is_empty(), "a stopped ring is left alone");
    for ring in 0..2 {
        guest.say(state(SET_VRING_BASE, ring, word));
        guest.say_kick(ring);
    }
    rig.turns();
    assert_eq!(rig.receive(), [vec![1; 60]], "what waited is there");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_split_ring_stops_and_starts_where_it_stood() {
    stops_and_starts::<SplitDriver>("split", Features::default());
}

#[test]
fn a_packed_ring_stops_and_starts_where_it_stood() {
    stops_and_starts::<PackedDriver>("packed", PACKED);
}

#[test]
fn memory_comes_and_goes_while_frames_move() {
    let path = path("memory");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let mut guest = Guest::<SplitDriver>::start(&listener, &mut rig, Features::default());
    let more = |request: vhost_protocol::vhost_user::message::FrontendReq, slot: u64| {
        let place = 0x100_0000_0000 + (slot << 16);
        let Sent(octets, _) = with(request, VhostUserSingleMemoryRegion::new(place, 0x1000, place, 0));
        Sent(octets, vec![memfd(0x1000).into()])
    };
    for round in 0..20 {
        guest.say(more(ADD_MEM_REG, round));
        guest.works(&mut rig);
        rig.turns();
        guest.share_memory();
        guest.works(&mut rig);
        rig.turns();
    }
    guest.say(more(ADD_MEM_REG, 99));
    guest.say(more(REM_MEM_REG, 99));
    rig.turns();
    guest.works(&mut rig);
    assert_eq!((rig.state(), rig.device.status().faults), (State::Connected { active: 2 }, 0));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_guest_that_moved_is_announced_once() {
    let path = path("announce");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let guest = Guest::<SplitDriver>::start(&listener, &mut rig, Features::default());
    guest.say(raw(SEND_RARP.into(), 1, &[2, 0, 0, 0, 0, 7, 0, 0]));
    rig.turns();
    let frames = rig.receive();
    assert_eq!((frames.len(), frames[0].len()), (1, 60));
    assert_eq!(frames[0][..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 0x80, 0x35]);
    assert!(rig.receive().is_empty());
    std::fs::remove_file(&path).unwrap();
}
