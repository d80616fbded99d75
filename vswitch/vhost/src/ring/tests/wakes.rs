//! A wake arrives, and whatever the guest does to its eventfd, whoever wakes it goes on.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::guest::call;
use crate::{Bell, Call, Fault};

/// What a thread of its own comes to. One that is held fails the test, and is left behind.
pub(crate) fn unheld<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    outcome.recv_timeout(Duration::from_secs(30)).expect("it is held by the guest, or failed")
}

/// Fills the counter (of a descriptor that does not block yet) so that two more are too many, and makes whoever writes it wait.
pub(crate) fn fill(mut eventfd: &File) {
    let _ = eventfd.read(&mut [0; 8]); // whatever was in it
    eventfd.write_all(&(u64::MAX - 1).to_ne_bytes()).unwrap();
    // SAFETY: a plain call on a live descriptor: all flags off.
    assert_eq!(unsafe { libc::fcntl(eventfd.as_raw_fd(), libc::F_SETFL, 0) }, 0);
}

fn count(eventfd: &mut File) -> u64 {
    let mut octets = [0; 8];
    eventfd.read_exact(&mut octets).unwrap();
    u64::from_ne_bytes(octets)
}

#[test]
fn every_wake_arrives_from_whatever_thread() {
    let (call, mut eventfd) = call();
    let wakes = |count| (0..count).filter(|_| call.wake()).count() as u64;
    assert_eq!((wakes(10_000), count(&mut eventfd)), (10_000, 10_000), "more than there is room for completions");
    let taken = thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| wakes(10_000)));
        threads.map(|thread| thread.join().unwrap()).iter().sum::<u64>()
    });
    assert!(taken > 0);
    assert_eq!(count(&mut eventfd), taken, "what was taken arrived, once");
}

#[test]
fn a_full_eventfd_that_blocks_its_writers_holds_nobody() {
    let (call, mut eventfd) = call();
    fill(&eventfd);
    assert!(unheld(move || (0..1000).all(|_| call.wake())));
    assert_eq!(count(&mut eventfd), u64::MAX, "the guest is awake all the same");
}

#[test]
fn an_eventfd_the_guest_has_closed_is_told_in_vain() {
    let (call, eventfd) = call();
    drop(eventfd);
    assert!((0..1000).all(|_| call.wake()));
}

#[test]
fn bells_of_ports_that_are_gone_ring_for_others() {
    for _ in 0..100 {
        let (call, mut eventfd) = call();
        assert!(call.wake());
        assert_eq!(count(&mut eventfd), 1);
    }
}

#[test]
fn only_an_eventfd_is_a_call() {
    let bell = Bell::new().unwrap();
    let call = |fd: OwnedFd| Call::new(Arc::new(fd), bell.clone()).map(|_| ()).unwrap_err();
    let (_, pipe) = std::io::pipe().unwrap();
    assert!(matches!(call(pipe.into()), Fault::NotEvent { kind } if kind.starts_with("pipe:")));
    let null = File::options().write(true).open("/dev/null").unwrap();
    assert!(matches!(call(null.into()), Fault::NotEvent { kind } if kind == "/dev/null"));
}
