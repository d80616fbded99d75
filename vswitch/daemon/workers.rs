//! The worker threads: pinned after they are spawned, known to DPDK, at work until told to end.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use control::config::Placement;
use datapath::{Turn, Worker};
use dpdk::Eal;
use log::warn;
use table::Tick;

use crate::{bell::Bell, idle::Idle, os, port::AnyPort, wake::Wakers};

/// Turns in which a worker that ends takes what waits in its rings; more than a full ring needs.
const LAST_TURNS: usize = 64;

/// A worker as the daemon runs it.
pub(crate) type DaemonWorker = Worker<AnyPort, dpdk::Pool>;

/// Running worker threads.
pub(crate) struct Workers {
    threads: Vec<JoinHandle<()>>,
    /// What they ring when they have told control something.
    pub(crate) bell: Arc<Bell>,
    end: Arc<AtomicBool>,
}

impl Workers {
    /// Starts one thread for each worker, on the CPU beside it if there is one.
    pub(crate) fn start(
        workers: Vec<(DaemonWorker, Option<usize>)>,
        idle: Idle,
        start: Instant,
        eal: &Eal,
    ) -> io::Result<Workers> {
        let (bell, end) = (Arc::new(Bell::new()?), Arc::new(AtomicBool::new(false)));
        let threads = workers.into_iter().enumerate().map(|(id, (worker, cpu))| {
            let (bell, end, eal) = (Arc::clone(&bell), Arc::clone(&end), eal.clone());
            let live = move || live(worker, cpu, idle, Clock::since(start), &bell, &eal, &end);
            thread::Builder::new().name(thread_name(id)).spawn(live)
        });
        Ok(Workers { threads: threads.collect::<io::Result<_>>()?, bell, end })
    }

    /// Whether a worker thread has ended although nobody told it to.
    pub(crate) fn any_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Ends the threads; the workers should have been stopped by order before. An error where one does not end in time: it
    /// is left behind, to end with the process.
    pub(crate) fn end(self, patience: Duration) -> Result<(), String> {
        self.end.store(true, Relaxed);
        let deadline = Instant::now() + patience;
        while self.any_running() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        for thread in self.threads {
            if !thread.is_finished() {
                let name = thread.thread().name().unwrap_or("a worker").to_owned();
                return Err(format!("{name} does not end; leaving without it"));
            }
            if thread.join().is_err() {
                warn!("a worker thread ended in a panic");
            }
        }
        Ok(())
    }

    fn any_running(&self) -> bool {
        self.threads.iter().any(|thread| !thread.is_finished())
    }
}

/// What the thread of a worker is called, here and in tools that show threads.
pub(crate) fn thread_name(worker: usize) -> String {
    format!("worker-{worker}")
}

/// The CPU for each worker, `None` where it is not to be pinned. Refuses CPUs that are not among the `allowed` ones.
pub(crate) fn cpus(placement: &Placement, allowed: &[usize]) -> Result<Vec<Option<usize>>, String> {
    let cpus = match placement {
        Placement::LastCpu => return Ok(vec![allowed.last().copied()]),
        Placement::Unpinned(count) => return Ok(vec![None; usize::from(*count)]),
        Placement::Cpus(cpus) => cpus.iter().map(|&cpu| usize::from(cpu)),
    };
    let list = |cpus: &[usize]| cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let wrong: Vec<usize> = cpus.clone().filter(|cpu| !allowed.contains(cpu)).collect();
    if wrong.is_empty() {
        return Ok(cpus.map(Some).collect());
    }
    let (wrong, allowed) = (list(&wrong), list(allowed));
    Err(format!("[workers] cores: there is no CPU {wrong} here that this process may use; it may use {allowed}"))
}

/// Leaves the workers' CPUs to them: this thread, and all that it will start but them, runs on the other `allowed` ones, if
/// there are any.
pub(crate) fn keep_off(workers: &[Option<usize>], allowed: &[usize]) {
    let others: Vec<usize> = allowed.iter().copied().filter(|&cpu| !workers.contains(&Some(cpu))).collect();
    if others.len() < allowed.len()
        && !others.is_empty()
        && let Err(error) = os::bind_to(&others)
    {
        warn!("cannot keep off the workers' CPUs: {error}");
    }
}

/// Coarse time in ticks of 100 ms. A busy worker's turns take microseconds, so most of them do without a look at the clock.
struct Clock {
    start: Instant,
    now: Tick,
    /// Turns until the next look.
    turns: u32,
}

/// Turns between two looks, which are a few milliseconds at the very most.
const TURNS_A_LOOK: u32 = 32;

impl Clock {
    fn since(start: Instant) -> Clock {
        Clock { start, now: Tick(0), turns: 0 }
    }

    /// The time of the turn that begins.
    fn tick(&mut self) -> Tick {
        if self.turns == 0 {
            self.turns = TURNS_A_LOOK;
            let elapsed = self.start.elapsed();
            self.now = Tick((elapsed.as_secs() * 10) as u32 + elapsed.subsec_millis() / 100);
        }
        self.turns -= 1;
        self.now
    }

    /// Any time may have passed.
    fn look_again(&mut self) {
        self.turns = 0;
    }
}

fn live(
    mut worker: DaemonWorker,
    cpu: Option<usize>,
    mut idle: Idle,
    mut clock: Clock,
    bell: &Bell,
    eal: &Eal,
    end: &AtomicBool,
) {
    if let Some(cpu) = cpu
        && let Err(error) = os::bind_to(&[cpu])
    {
        warn!("cannot bind {} to CPU {cpu}: {error}", thread::current().name().unwrap_or("a worker"));
    }
    os::sleep_precisely();
    // Unregistered threads have no buffer cache and pay twice for each frame.
    let _registered = eal.register_thread().inspect_err(|error| warn!("{error}"));
    let mut wakers = Wakers::default();
    while !end.load(Relaxed) {
        wakers.heed(&mut worker);
        wakers.rouse(&mut worker);
        let turn = worker.turn(clock.tick());
        if worker.has_told() {
            bell.ring();
        }
        match turn {
            Turn::Busy => idle.worked(),
            Turn::Idle | Turn::Stopped => {
                if let Some(time) = idle.pause(Instant::now) {
                    wakers.sleep(time, |port| worker.wake(port));
                }
                clock.look_again();
            }
        }
    }
    // What others handed over a moment ago must not go with the rings it waits in.
    let _ = (0..LAST_TURNS).any(|_| worker.turn(clock.tick()) != Turn::Busy);
    worker.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(work: impl Fn() -> bool + Send + 'static) -> Workers {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let until = move || {
            while !(told.load(Relaxed) && work()) {
                thread::sleep(Duration::from_millis(1));
            }
        };
        let thread = thread::Builder::new().name("worker-7".to_owned()).spawn(until).unwrap();
        Workers { threads: vec![thread], bell: Arc::new(Bell::new().unwrap()), end }
    }

    #[test]
    fn a_worker_that_hangs_is_named_and_left_behind() {
        assert_eq!(workers(|| true).end(Duration::from_secs(60)), Ok(()));
        let error = workers(|| false).end(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error, "worker-7 does not end; leaving without it");
    }

    #[test]
    fn others_keep_off_the_cpus_of_workers_where_they_can() {
        let allowed = os::allowed_cpus();
        let left_after = |workers: Vec<Option<usize>>, allowed: Vec<usize>| {
            let keep = move || {
                keep_off(&workers, &allowed);
                os::allowed_cpus()
            };
            thread::spawn(keep).join().unwrap()
        };
        let all: Vec<_> = allowed.iter().copied().map(Some).collect();
        assert_eq!(left_after(all, allowed.clone()), allowed, "there is nowhere else");
        assert_eq!(left_after(vec![None], allowed.clone()), allowed, "a worker that roams is in nobody's way");
        if let [first, others @ ..] = &allowed[..]
            && !others.is_empty()
        {
            assert_eq!(left_after(vec![Some(*first)], allowed.clone()), others);
        }
    }

    #[test]
    fn a_cpu_that_is_not_there_is_named_with_those_that_are() {
        let error = cpus(&Placement::Cpus(vec![1, 99, 7]), &[0, 1, 2]).unwrap_err();
        assert!(error.contains("no CPU 99, 7 here") && error.ends_with("may use 0, 1, 2"), "{error}");
        assert_eq!(cpus(&Placement::Cpus(vec![2, 0]), &[0, 1, 2]), Ok(vec![Some(2), Some(0)]));
    }

    #[test]
    fn the_clock_is_looked_at_now_and_then_and_after_a_rest() {
        let mut clock = Clock::since(Instant::now() - Duration::from_millis(1250));
        assert_eq!(clock.tick(), Tick(12));
        clock.start -= Duration::from_secs(1);
        assert!((1..TURNS_A_LOOK).all(|_| clock.tick() == Tick(12)), "not yet");
        assert_eq!(clock.tick(), Tick(22));
        clock.start -= Duration::from_secs(1);
        clock.look_again();
        assert_eq!(clock.tick(), Tick(32));
    }

    #[test]
    fn who_names_no_cpu_gets_the_last_one_or_none() {
        assert_eq!(cpus(&Placement::LastCpu, &[0, 3]), Ok(vec![Some(3)]));
        assert_eq!(cpus(&Placement::LastCpu, &[]), Ok(vec![None]));
        assert_eq!(cpus(&Placement::Unpinned(2), &[0]), Ok(vec![None, None]));
    }
}
