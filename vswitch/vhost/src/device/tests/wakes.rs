//! Guests that wake, kick, and want to be woken in ways that would hold others up.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::AsRawFd, unix::net::UnixListener},
};

use vhost_protocol::vhost_user::message::FrontendReq::*;

use super::guest::{Guest, Rig, eventfd, path};
use crate::{
    Features, Mode, State,
    ring::tests::{
        driver::Driver,
        packed_driver::PackedDriver,
        split_driver::SplitDriver,
        wakes::{fill, unheld},
    },
    session::tests::front_end::{Sent, with},
};

fn start<D: Driver>(test: &str, features: Features) -> (Rig, Guest<D>) {
    let path = path(test);
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(&path, Mode::Client);
    let guest = Guest::<D>::start(&listener, &mut rig, features);
    std::fs::remove_file(&path).unwrap();
    (rig, guest)
}

fn woken(eventfd: &mut File) -> u64 {
    let mut octets = [0; 8];
    eventfd.read(&mut octets).map_or(0, |_| u64::from_ne_bytes(octets))
}

#[test]
fn a_guest_that_blocks_its_own_eventfd_holds_up_nobody_and_not_even_itself() {
    let frames = unheld(|| {
        let (mut hostile_rig, mut hostile) = start::<SplitDriver>("blocking", Features::default());
        let (mut rig, mut guest) = start::<PackedDriver>("beside", Features::RING_PACKED);
        hostile.calls.iter().for_each(fill);
        // One thread serves both, as a worker does.
        for _ in 0..3 {
            hostile.works(&mut hostile_rig);
            guest.works(&mut rig);
        }
        guest.calls.each_mut().map(woken)
    });
    assert_eq!(frames, [301, 301], "and whoever wants to be woken is, once more at the start");
}

#[test]
fn an_eventfd_that_is_replaced_is_not_told_any_more() {
    let (mut rig, mut guest) = start::<SplitDriver>("replaced", Features::default());
    guest.works(&mut rig);
    let mut new = eventfd();
    guest.say_call(0, &new);
    rig.turns();
    guest.works(&mut rig);
    let woken_by_old = guest.calls.each_mut().map(woken);
    assert_eq!(
        (woken_by_old, woken(&mut new)),
        ([101, 202], 101),
        "and each time a ring is taken up, lest a wake is lost"
    );
    guest.say(with(SET_VRING_CALL, 0x100u64));
    rig.turns();
    guest.works(&mut rig);
    assert_eq!((woken(&mut new), rig.state()), (0, State::Connected { active: 2 }), "it polls now");
}

/// Descriptors open in this process, by other tests too.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_million_kicks_are_heard_by_nobody() {
    let (mut rig, mut guest) = start::<SplitDriver>("kicks", Features::default());
    let mut kick = eventfd();
    let before = descriptors();
    for _ in 0..500 {
        let Sent(octets, _) = with(SET_VRING_KICK, 1u64);
        guest.say(Sent(octets, vec![kick.try_clone().unwrap().into()]));
        rig.turns();
    }
    assert!(descriptors() < before + 250, "what kicks come by is closed at once");
    for _ in 0..1_000_000 {
        kick.write_all(&1u64.to_ne_bytes()).unwrap();
    }
    let mut waits = [libc::pollfd { fd: rig.device.fd().unwrap().as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    // SAFETY: one entry, of a live descriptor.
    assert_eq!(unsafe { libc::poll(waits.as_mut_ptr(), 1, 0) }, 0, "control sleeps on");
    guest.works(&mut rig);
    assert_eq!((woken(&mut kick), rig.state()), (1_000_000, State::Connected { active: 2 }));
}
