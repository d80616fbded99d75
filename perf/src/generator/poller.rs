//! The loop that sends and receives: all ends and streams in turn, on one thread.

use std::{
    io,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::SyncSender,
    },
    thread,
    time::Duration,
};

use dpdk::Pool;

use crate::generator::{
    clock::{SECOND_NS, now_ns},
    end::End,
    journal::Journal,
    report::{Report, StreamRow},
    stream::{Stream, Traffic},
};

/// One run of the load.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) traffic: Traffic,
    /// The ends each stream goes from and to.
    pub(crate) streams: Vec<(u8, u8)>,
    /// How long is sent; `None` is until all is sent or somebody says stop.
    pub(crate) duration: Option<Duration>,
    /// How long is waited for packets on their way, once nothing is sent any more.
    pub(crate) settle: Duration,
    /// The longest rest while there is nothing to do; none is polling without rest.
    pub(crate) rest: Duration,
}

/// The ends, and what they are fed from.
pub(crate) struct Poller {
    pub(crate) ends: Vec<End>,
    pub(crate) pool: Pool,
    pub(crate) journal: Option<Journal>,
}

impl Poller {
    /// Sends and counts until the run is over or `stop` is set; tells its rows once a second.
    pub(crate) fn run(
        &mut self,
        run: &Run,
        stop: &AtomicBool,
        tell: &SyncSender<Vec<StreamRow>>,
    ) -> io::Result<Report> {
        for end in &mut self.ends {
            let number = end.number;
            end.begin(run.streams.iter().filter(|(_, to)| *to == number).map(|(from, _)| *from));
        }
        let (began_ns, began_unix_ms) = (now_ns(), unix_ms());
        // Different from all runs before it that packets could still be on their way from.
        let number = (began_ns >> 10) as u32 ^ std::process::id().rotate_left(16);
        let stream = |ends: &(u8, u8)| Stream::new(*ends, run.traffic, number, now_ns());
        let mut streams: Vec<_> = run.streams.iter().map(stream).collect();
        let mut next_second = began_ns;
        while !stop.load(Relaxed) && !is_over(run, &streams, began_ns) {
            let worked = self.turn(&mut streams, began_ns)?;
            if now_ns() >= next_second {
                next_second += SECOND_NS;
                self.announce(run, &streams);
                // Whoever is slow to read misses a second.
                let _ = tell.try_send(self.report(run, &streams, began_ns, began_unix_ms).streams);
            } else if !worked && !run.rest.is_zero() {
                thread::sleep(run.rest);
            }
        }
        let sent_ns = now_ns() - began_ns;
        self.settle(run, &streams, began_ns)?;
        let report = self.report(run, &streams, began_ns, began_unix_ms);
        Ok(Report { seconds: sent_ns as f64 / SECOND_NS as f64, ..report })
    }

    /// Whether it did anything.
    fn turn(&mut self, streams: &mut [Stream], began_ns: u64) -> io::Result<bool> {
        let mut worked = false;
        for end in &mut self.ends {
            worked |= end.receive(&mut self.pool, began_ns);
        }
        for stream in streams.iter_mut() {
            if let Some(end) = self.ends.iter_mut().find(|end| end.number == stream.from) {
                worked |= stream.send(&mut end.port, &mut self.pool);
            }
        }
        if worked && let Some(journal) = &self.journal {
            journal.write(&self.ends, streams)?;
        }
        Ok(worked)
    }

    /// Ends that send nothing by themselves say where they are, so that nothing is flooded.
    fn announce(&mut self, run: &Run, streams: &[Stream]) {
        let silent = |end: &&mut End| !streams.iter().any(|stream| stream.from == end.number);
        for end in self.ends.iter_mut().filter(silent) {
            end.announce(run.traffic.hosts, &mut self.pool);
        }
    }

    /// Waits for what is on its way.
    fn settle(&mut self, run: &Run, streams: &[Stream], began_ns: u64) -> io::Result<()> {
        let deadline = now_ns() + run.settle.as_nanos() as u64;
        while now_ns() < deadline && !self.has_all(streams) {
            if !self.turn(&mut [], began_ns)? {
                thread::sleep(Duration::from_micros(50));
            }
        }
        if let Some(journal) = &self.journal {
            journal.write(&self.ends, streams)?;
        }
        Ok(())
    }

    fn has_all(&self, streams: &[Stream]) -> bool {
        let has = |stream: &Stream| {
            let end = self.ends.iter().find(|end| end.number == stream.to)?;
            Some(end.tallies.get(&stream.from)?.different() >= stream.sent)
        };
        !streams.is_empty() && streams.iter().all(|stream| has(stream).unwrap_or(false))
    }

    fn report(&self, run: &Run, streams: &[Stream], began_ns: u64, began_unix_ms: u64) -> Report {
        let seconds = (now_ns() - began_ns) as f64 / SECOND_NS as f64;
        Report::new(&run.traffic, &self.ends, streams, began_ns, began_unix_ms, seconds)
    }
}

/// Ends that are each other's peers are closed one after the other: DPDK 22.11's interrupt thread may still be busy with the
/// peer's going when a second device is taken away under it, and crash.
impl Drop for Poller {
    fn drop(&mut self) {
        while let Some(end) = self.ends.pop() {
            drop(end);
            if !self.ends.is_empty() {
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn is_over(run: &Run, streams: &[Stream], began_ns: u64) -> bool {
    let all_sent = !streams.is_empty() && streams.iter().all(Stream::is_over);
    all_sent || run.duration.is_some_and(|duration| now_ns() - began_ns >= duration.as_nanos() as u64)
}

fn unix_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
