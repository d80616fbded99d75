//! What tells a worker that something has come: the descriptors of those of its ports that have one. A port that has run dry
//! is not looked at before its descriptor tells, and a worker that rests is woken by it.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    thread,
    time::Duration,
};

use datapath::{PortChanges, PortId};
use frame::Port;
use log::warn;
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec, epoll, poll},
    io,
};

use crate::workers::DaemonWorker;

/// The descriptors of a worker's ports in one set of the kernel's, so that asking all of them costs one system call, and so
/// does a rest, however many there are.
///
/// A descriptor tells once for each time that something comes (edge-triggered, epoll(7)): one that stays readable because
/// nobody reads it, as of a TAP that was deleted, keeps nobody awake.
#[derive(Default)]
pub(crate) struct Wakers {
    /// `None` where there is nothing to wait for.
    set: Option<OwnedFd>,
    /// As of which changes of the worker's ports the set is.
    made_for: PortChanges,
    /// What has told, while it is being passed on.
    events: Vec<epoll::Event>,
}

/// Descriptors fetched at once; others tell the next time.
const EVENTS: usize = 64;

impl Wakers {
    /// Follows the worker's ports: they come and go seldom.
    #[inline]
    pub(crate) fn heed(&mut self, worker: &mut DaemonWorker) {
        let changes = worker.port_changes();
        if self.made_for != changes {
            if self.made_for.left != changes.left {
                // The device may be open still, in other hands.
                self.set = None;
                worker.unwatch();
            }
            self.made_for = changes;
            worker.watch(|id, port| port.wakes_by().is_some_and(|descriptor| self.add(id, descriptor)));
        }
    }

    /// Wakes those ports of the worker that something has come to; asks nobody where no port sleeps.
    #[inline]
    pub(crate) fn rouse(&mut self, worker: &mut DaemonWorker) {
        if worker.any_port_sleeps() {
            self.fetch(|port| worker.wake(port));
        }
    }

    /// Sleeps until something comes or `time` has passed, and wakes the ports to which it came. A signal ends it early.
    pub(crate) fn sleep(&mut self, time: Duration, wake: impl FnMut(PortId)) {
        let Some(set) = &self.set else { return thread::sleep(time) };
        let Ok(time) = Timespec::try_from(time) else { return };
        // Of the two, only poll(2) has a timeout of less than a millisecond on every kernel there is.
        if matches!(poll(&mut [PollFd::new(set, PollFlags::IN)], Some(&time)), Ok(1..)) {
            self.fetch(wake);
        }
    }

    /// Takes what has told since the last time.
    fn fetch(&mut self, mut wake: impl FnMut(PortId)) {
        let Some(set) = &self.set else { return };
        self.events.clear();
        // An error (a signal): the next time tells.
        let _ = epoll::wait(set, spare_capacity(&mut self.events), Some(&Timespec::default()));
        self.events.iter().for_each(|event| wake(PortId(event.data.u64() as u16)));
    }

    /// Whether `port` will tell by its descriptor from now on. One that does not is looked at each turn.
    fn add(&mut self, port: PortId, descriptor: BorrowedFd<'_>) -> bool {
        self.events.reserve(EVENTS);
        let added = self.set().and_then(|set| {
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(set, descriptor, epoll::EventData::new_u64(port.0.into()), flags)
        });
        added.inspect_err(|error| warn!("a worker has to look at port {} each turn: {error}", port.0)).is_ok()
    }

    /// The set, made where there is none yet.
    fn set(&mut self) -> io::Result<&OwnedFd> {
        let set = match self.set.take() {
            Some(set) => set,
            None => epoll::create(epoll::CreateFlags::CLOEXEC)?,
        };
        Ok(self.set.insert(set))
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::fd::AsFd, os::unix::net::UnixStream, time::Instant};

    use super::*;

    /// Longer than any machine takes to wake a thread.
    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(20);

    /// How long the rest was, and who ended it.
    fn slept(wakers: &mut Wakers, time: Duration) -> (Duration, Vec<u16>) {
        let (start, mut woken) = (Instant::now(), Vec::new());
        wakers.sleep(time, |port| woken.push(port.0));
        (start.elapsed(), woken)
    }

    fn is_woken(wakers: &mut Wakers) -> bool {
        let (time, woken) = slept(wakers, LONG);
        time < LONG && woken == [3]
    }

    fn sleeps_on(wakers: &mut Wakers) -> bool {
        let (time, woken) = slept(wakers, SHORT);
        time >= SHORT && woken.is_empty()
    }

    #[test]
    fn what_comes_ends_a_rest_and_what_lies_there_does_not() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut wakers = Wakers::default();
        assert!(wakers.add(PortId(3), ours.as_fd()));
        assert!(sleeps_on(&mut wakers), "nothing has come");
        theirs.write_all(&[1]).unwrap();
        assert!(is_woken(&mut wakers), "something came before the rest");
        assert!(sleeps_on(&mut wakers), "nobody has read it, but nothing new has come");
        let late = thread::spawn(move || {
            thread::sleep(SHORT);
            theirs.write_all(&[2]).unwrap();
            theirs
        });
        assert!(is_woken(&mut wakers), "something came during the rest");
        drop(late.join().unwrap());
        assert!(is_woken(&mut wakers), "the other end has gone");
        assert!(sleeps_on(&mut wakers), "that was told");
    }

    #[test]
    fn what_came_before_a_port_was_watched_is_told() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&[1]).unwrap();
        let mut wakers = Wakers::default();
        assert!(wakers.add(PortId(3), ours.as_fd()) && is_woken(&mut wakers));
    }

    #[test]
    fn without_descriptors_the_clock_alone_ends_a_rest() {
        let mut wakers = Wakers::default();
        assert!(wakers.set.is_none() && sleeps_on(&mut wakers));
    }

    #[test]
    fn a_descriptor_that_cannot_be_watched_is_not_taken_for_one() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(!Wakers::default().add(PortId(3), file.as_fd()), "EPERM: a file is always readable");
    }

    #[test]
    fn of_many_that_come_at_once_each_is_told_once() {
        let mut pairs: Vec<_> = (0..3 * EVENTS).map(|_| UnixStream::pair().unwrap()).collect();
        let mut wakers = Wakers::default();
        for (port, (ours, theirs)) in pairs.iter_mut().enumerate() {
            assert!(wakers.add(PortId(port as u16), ours.as_fd()));
            theirs.write_all(&[1]).unwrap();
        }
        let mut told: Vec<u16> = Vec::new();
        (0..3).for_each(|_| wakers.fetch(|port| told.push(port.0)));
        told.sort_unstable();
        assert!(told.into_iter().eq(0..3 * EVENTS as u16) && sleeps_on(&mut wakers));
    }
}
