//! How far two CPUs are from each other: the time that a cache line takes to the other one and back.
//!
//! A switch on a CPU of its own has every packet cross from the container's cache into its own and back, so this decides what a
//! stream gets. In a virtual machine it is not constant: the hypervisor moves virtual CPUs between siblings of one core, cores of
//! one cache, and sockets, and figures taken far apart and near do not compare.

use std::{
    hint::spin_loop,
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use core_affinity::CoreId;
use serde::Serialize;

/// Round trips of one measurement: a few milliseconds at most.
const TRIPS: u32 = 2000;
/// The best of so many is the distance: whatever disturbs makes it longer.
const TRIES: u32 = 5;

/// What two threads hand each other, on a line of its own.
#[repr(align(128))]
struct Line(AtomicU32);

/// The time from one CPU to the other and back; `None` where threads cannot be put there.
pub(super) fn between(one: u32, other: u32) -> Option<Duration> {
    (0..TRIES).map(|_| measure(one, other)).min().flatten()
}

fn measure(one: u32, other: u32) -> Option<Duration> {
    let (line, ready, there) = (Line(AtomicU32::new(0)), Barrier::new(2), AtomicU32::new(0));
    let hand_on = |cpu: u32, mine: u32| {
        there.fetch_add(core_affinity::set_for_current(CoreId { id: cpu as usize }).into(), Ordering::Relaxed);
        ready.wait();
        if there.load(Ordering::Relaxed) < 2 {
            return None; // on one CPU, each would wait for the end of the other's time slice
        }
        let start = Instant::now();
        for trip in 0..TRIPS {
            while line.0.load(Ordering::Acquire) != 2 * trip + mine {
                spin_loop();
            }
            line.0.store(2 * trip + mine + 1, Ordering::Release);
        }
        Some(start.elapsed() / TRIPS)
    };
    thread::scope(|scope| {
        scope.spawn(|| hand_on(other, 1));
        scope.spawn(|| hand_on(one, 0)).join().ok().flatten()
    })
}

/// The distances of a run, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Distances {
    pub(super) least: u128,
    pub(super) median: u128,
    pub(super) most: u128,
}

impl Distances {
    /// Of all that were found; `None` where nothing was measured.
    pub(super) fn of(mut found: Vec<Duration>) -> Option<Distances> {
        found.sort_unstable();
        let at = |index: usize| found.get(index).map(Duration::as_nanos);
        Some(Distances { least: at(0)?, median: at(found.len() / 2)?, most: at(found.len() - 1)? })
    }

    /// What a reader of the figures must know.
    pub(super) fn remark(&self) -> String {
        let Distances { least, median, most } = self;
        let moved =
            if *most > 2 * least { ": a hypervisor moves them, or others use them; compare by rounds" } else { "" };
        format!("the two CPUs were {least} to {most} ns apart, there and back, {median} in the median{moved}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cpu_is_nowhere_and_none_is_beyond_the_moon() {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let [one, other, ..] = cores.as_slice() else { return println!("skipped: one CPU only") };
        let found = between(one.id as u32, other.id as u32).unwrap();
        assert!(found > Duration::from_nanos(5) && found < Duration::from_millis(5), "{found:?}");
        assert_eq!(between(one.id as u32, 1000), None, "there is no such CPU");
    }

    #[test]
    fn a_run_of_which_cpus_moved_says_so() {
        let ns = |all: [u64; 3]| Distances::of(all.map(Duration::from_nanos).to_vec()).unwrap();
        assert_eq!(ns([90, 60, 70]), Distances { least: 60, median: 70, most: 90 });
        assert!(
            !ns([90, 60, 70]).remark().contains("moves them") && ns([60, 580, 180]).remark().contains("moves them")
        );
        assert_eq!(Distances::of(vec![]), None);
    }
}
