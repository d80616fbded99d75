//! A front end at fault loses its own port, for a while, with a reason; another one is served.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixListener,
    },
    time::{Duration, Instant},
};

use vhost_protocol::vhost_user::message::FrontendReq::*;

use super::guest::{Guest, Rig, path};
use crate::{
    Fault, Features, Mode, RingFault, RingIndex, State,
    memory::tests::memfd,
    ring::tests::{
        guest::BUFFERS,
        split_driver::{AVAILABLE, SplitDriver},
    },
    session::tests::front_end::{Sent, empty, raw, with},
};

/// What becomes of a guest that does `harm`, and of the one after it.
fn quarantined(test: &str, harm: impl Fn(&mut Guest<SplitDriver>, &mut Rig)) -> Fault {
    let path = path(test);
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let mut guest = Guest::start(&listener, &mut rig, Features::default());
    guest.works(&mut rig);
    harm(&mut guest, &mut rig);
    rig.receive();
    rig.turns();
    rig.receive();
    rig.turns();
    assert_eq!(rig.state(), State::Quarantined);
    assert!(!rig.send(&[1; 60]) && rig.receive().is_empty());
    assert_eq!(rig.frames_held(), 0);
    let fault = rig.device.status().last_fault.unwrap();
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it is left alone");
    listener.set_nonblocking(false).unwrap();
    rig.now += Duration::from_secs(1);
    Guest::<SplitDriver>::start(&listener, &mut rig, Features::default()).works(&mut rig);
    assert_eq!((rig.state(), rig.device.status().faults), (State::Connected { active: 2 }, 1));
    std::fs::remove_file(&path).unwrap();
    fault
}

#[test]
fn whoever_fails_again_and_again_waits_longer_and_longer() {
    let path = path("again");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    for (n, seconds) in (1..).zip([1, 2, 4]) {
        let guest = Guest::<SplitDriver>::start(&listener, &mut rig, Features::default());
        guest.say(raw(99, 1, &[]));
        rig.turns();
        let status = rig.device.status();
        assert_eq!((status.state, status.faults), (State::Quarantined, n));
        let left = status.quarantined_until.unwrap() - rig.now;
        assert!(left > Duration::from_millis(seconds * 1000 - 100), "{left:?}");
        rig.now += left - Duration::from_millis(101);
        rig.turns();
        assert_eq!(rig.state(), State::Quarantined, "for {seconds} s");
        rig.now += Duration::from_millis(100);
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_wrong_message_is_named() {
    assert_eq!(quarantined("message", |guest, _| guest.say(raw(99, 1, &[]))), Fault::UnknownRequest(99));
    let flood = Fault::DescriptorFlood { max: 8 };
    assert_eq!(quarantined("flood", |guest, _| guest.say(empty(SET_OWNER).fds(200).0)), flood);
}

#[test]
fn a_wrong_descriptor_is_named() {
    let pipe = quarantined("pipe", |guest, _| guest.say(with(SET_VRING_CALL, 0u64).fd()));
    assert!(matches!(pipe, Fault::Descriptor { kind } if kind.starts_with("pipe:")));
    let memory = quarantined("memory", |guest, _| {
        let Sent(octets, _) = with(SET_VRING_CALL, 0u64);
        guest.say(Sent(octets, vec![memfd(4096).into()]));
    });
    assert!(matches!(memory, Fault::NotEvent { kind } if kind.starts_with("/memfd:guest")));
}

#[test]
fn a_wrong_ring_is_named() {
    let found = quarantined("ring", |guest, _| guest.ram[1].put16(AVAILABLE + 2, 0xffff));
    let fault = RingFault::AvailableIndex { available: 0xffff - 100, size: 64 };
    assert_eq!(found, Fault::Ring { ring: RingIndex(1), fault });
}

#[test]
fn memory_taken_back_is_named() {
    let found = quarantined("truncate", |guest, _| {
        guest.transmit(&[7; 100]);
        guest.ram[1].file.set_len(BUFFERS).unwrap();
    });
    assert!(matches!(found, Fault::MemoryGone | Fault::Ring { fault: RingFault::MemoryGone, .. }), "{found}");
}

#[test]
fn answers_nobody_reads_are_not_waited_for() {
    let found = quarantined("deaf", |guest, rig| {
        while matches!(rig.state(), State::Connected { .. }) {
            while guest.try_say(empty(GET_FEATURES)) {}
            rig.device.turn(rig.now);
        }
    });
    assert_eq!(found, Fault::NotReading);
}

/// A TCP connection whose last close takes four seconds, as others may take for ever.
fn slow_to_close() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let linger = libc::linger { l_onoff: 1, l_linger: 4 };
    let len = size_of_val(&linger) as u32;
    // SAFETY: the option's value is one of its kind, for as long as the call takes.
    let set = unsafe {
        libc::setsockopt(slow.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), len)
    };
    assert_eq!(set, 0);
    slow.set_nonblocking(true).unwrap();
    while (&slow).write(&[0; 65536]).is_ok() {}
    slow.set_nonblocking(false).unwrap();
    (slow.into(), listener.accept().unwrap().0)
}

/// The guest leaves descriptors that somebody has to wait for when they are closed: not control.
#[test]
fn what_is_slow_to_close_holds_up_its_own_port_alone() {
    let path = path("slow");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let guest = Guest::<SplitDriver>::start(&listener, &mut rig, Features::default());
    let (slow, reader) = slow_to_close();
    let Sent(octets, _) = with(SET_VRING_CALL, 0u64);
    guest.say(Sent(octets, vec![slow]));
    let before = Instant::now();
    rig.turns();
    assert!(before.elapsed() < Duration::from_secs(2), "control has not waited");
    assert_eq!(rig.state(), State::Quarantined);
    rig.now += Duration::from_secs(2);
    listener.set_nonblocking(true).unwrap();
    rig.turns();
    assert!(listener.accept().is_err(), "nobody is let in before it is closed");
    drop(reader);
    listener.set_nonblocking(false).unwrap();
    Guest::<SplitDriver>::start(&listener, &mut rig, Features::default()).works(&mut rig);
    std::fs::remove_file(&path).unwrap();
}
