//! What wakes a worker that rests before its time is over: the descriptors of those of its ports that have one.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread,
    time::Duration,
};

use frame::Port;
use log::warn;
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec, epoll, poll},
    io,
};

use crate::workers::DaemonWorker;

/// The descriptors a worker sleeps on, in one set of the kernel's, so that a rest costs the same however many there are.
///
/// A descriptor wakes once for each time that something comes (edge-triggered, epoll(7)): one that stays readable because
/// nobody reads it, as of a TAP that was deleted, keeps nobody awake.
#[derive(Default)]
pub(crate) struct Wakers {
    /// `None` where there is nothing to sleep on.
    set: Option<OwnedFd>,
    /// For which ports of the worker the set was made: [`datapath::Worker::port_changes`].
    made_for: u64,
    /// What has woken us; of no interest, but it has to be fetched.
    events: Vec<epoll::Event>,
}

/// Descriptors fetched at once; others wake again.
const EVENTS: usize = 64;

impl Wakers {
    /// Follows the worker's ports: they come and go seldom.
    #[inline]
    pub(crate) fn heed(&mut self, worker: &DaemonWorker) {
        if self.made_for != worker.port_changes() {
            self.made_for = worker.port_changes();
            self.watch(worker.ports().filter_map(Port::wakes_by));
        }
    }

    fn watch<'fd>(&mut self, descriptors: impl Iterator<Item = BorrowedFd<'fd>>) {
        self.events.reserve(EVENTS);
        self.set = set_of(descriptors).unwrap_or_else(|error| {
            warn!("workers that rest are woken by the clock alone: {error}");
            None
        });
    }

    /// Sleeps until something comes or `time` has passed. A signal ends it early.
    pub(crate) fn sleep(&mut self, time: Duration) {
        let Some(set) = &self.set else { return thread::sleep(time) };
        let Ok(time) = Timespec::try_from(time) else { return };
        // Of the two, only poll(2) has a timeout of less than a millisecond on every kernel there is.
        if matches!(poll(&mut [PollFd::new(set, PollFlags::IN)], Some(&time)), Ok(1..)) {
            self.events.clear();
            let _ = epoll::wait(set, spare_capacity(&mut self.events), Some(&Timespec::default()));
        }
    }
}

/// A set of these descriptors; none of none.
fn set_of<'fd>(descriptors: impl Iterator<Item = BorrowedFd<'fd>>) -> io::Result<Option<OwnedFd>> {
    let mut descriptors = descriptors.peekable();
    if descriptors.peek().is_none() {
        return Ok(None);
    }
    let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for descriptor in descriptors {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(set.as_fd(), descriptor, epoll::EventData::new_u64(0), flags)?;
    }
    Ok(Some(set))
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream, time::Instant};

    use super::*;

    /// Longer than any machine takes to wake a thread.
    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(20);

    fn slept(wakers: &mut Wakers, time: Duration) -> Duration {
        let start = Instant::now();
        wakers.sleep(time);
        start.elapsed()
    }

    #[test]
    fn what_comes_ends_a_rest_and_what_lies_there_does_not() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut wakers = Wakers::default();
        wakers.watch([ours.as_fd()].into_iter());
        assert!(slept(&mut wakers, SHORT) >= SHORT, "nothing has come");
        theirs.write_all(&[1]).unwrap();
        assert!(slept(&mut wakers, LONG) < LONG, "something came before the rest");
        assert!(slept(&mut wakers, SHORT) >= SHORT, "nobody has read it, but nothing new has come");
        let late = thread::spawn(move || {
            thread::sleep(SHORT);
            theirs.write_all(&[2]).unwrap();
            theirs
        });
        assert!(slept(&mut wakers, LONG) < LONG, "something came during the rest");
        drop(late.join().unwrap());
        assert!(slept(&mut wakers, LONG) < LONG, "the other end has gone");
        assert!(slept(&mut wakers, SHORT) >= SHORT, "that was told");
    }

    #[test]
    fn without_descriptors_the_clock_alone_ends_a_rest() {
        let mut wakers = Wakers::default();
        wakers.watch(std::iter::empty());
        assert!(wakers.set.is_none() && slept(&mut wakers, SHORT) >= SHORT);
    }

    #[test]
    fn many_that_come_at_once_are_told_in_a_few_rests() {
        let mut pairs: Vec<_> = (0..3 * EVENTS).map(|_| UnixStream::pair().unwrap()).collect();
        let mut wakers = Wakers::default();
        wakers.watch(pairs.iter().map(|(ours, _)| ours.as_fd()));
        for (_, theirs) in &mut pairs {
            theirs.write_all(&[1]).unwrap();
        }
        assert!((0..3).all(|_| slept(&mut wakers, LONG) < LONG));
        assert!(slept(&mut wakers, SHORT) >= SHORT);
    }
}
