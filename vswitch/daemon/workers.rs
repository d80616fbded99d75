//! The worker threads: pinned after they are spawned, known to DPDK, at work until told to end.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use datapath::{Turn, Worker};
use dpdk::Eal;
use log::warn;
use table::Tick;

use crate::{
    idle::{Idle, Policy},
    os,
    port::AnyPort,
};

/// A worker as the daemon runs it.
pub(crate) type DaemonWorker = Worker<AnyPort, dpdk::Pool>;

/// Running worker threads.
pub(crate) struct Workers {
    threads: Vec<JoinHandle<()>>,
    end: Arc<AtomicBool>,
}

impl Workers {
    /// Starts one thread for each worker, on the CPU beside it if there is one.
    pub(crate) fn start(
        workers: Vec<(DaemonWorker, Option<usize>)>,
        policy: Policy,
        start: Instant,
        eal: &Eal,
    ) -> io::Result<Workers> {
        let end = Arc::new(AtomicBool::new(false));
        let threads = workers.into_iter().enumerate().map(|(id, (worker, cpu))| {
            let (end, eal) = (Arc::clone(&end), eal.clone());
            thread::Builder::new()
                .name(format!("worker-{id}"))
                .spawn(move || live(worker, cpu, policy, start, &eal, &end))
        });
        Ok(Workers { threads: threads.collect::<io::Result<_>>()?, end })
    }

    /// Whether a worker thread has ended although nobody told it to.
    pub(crate) fn any_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Ends the threads; the workers must have been stopped by order before, so that they hold no frame.
    pub(crate) fn end(self) {
        self.end.store(true, Relaxed);
        for thread in self.threads {
            if thread.join().is_err() {
                warn!("a worker thread ended in a panic");
            }
        }
    }
}

/// Coarse time since `start`, in ticks of 100 ms.
pub(crate) fn tick(start: Instant) -> Tick {
    Tick((start.elapsed().as_millis() / 100) as u32)
}

fn live(mut worker: DaemonWorker, cpu: Option<usize>, policy: Policy, start: Instant, eal: &Eal, end: &AtomicBool) {
    if let Some(cpu) = cpu
        && let Err(error) = os::pin_to(cpu)
    {
        warn!("cannot bind {} to CPU {cpu}: {error}", thread::current().name().unwrap_or("a worker"));
    }
    os::sleep_precisely();
    // Unregistered threads have no buffer cache and pay twice for each frame.
    let _registered = eal.register_thread().inspect_err(|error| warn!("{error}"));
    let mut idle = Idle::new(policy);
    while !end.load(Relaxed) {
        match worker.turn(tick(start)) {
            Turn::Busy => idle.worked(),
            Turn::Idle | Turn::Stopped => idle.rest(),
        }
    }
}
