//! The switch between two vhost-user ports, and the generator at the other end of both.

use std::{
    path::{Path, PathBuf},
    sync::{atomic::AtomicBool, mpsc::sync_channel},
    thread,
    time::{Duration, Instant},
};

use crate::{
    generator::{LoadError, Poller, Report, Run, Traffic, open},
    latency::{
        LatencyError, Setting,
        report::{Direction, Load},
        search::Outcome,
    },
    millraced::SOCKET,
    poll_core::{Mark, PollThread},
    sample::Sample,
};

/// The two directions.
const STREAMS: [(u8, u8); 2] = [(1, 2), (2, 1)];

/// Five-tuples of each, and hosts they are spread over.
const FLOWS: u32 = 64;
pub(crate) const HOSTS: u16 = 16;

/// How long the first packet may take to come through: the guest's DPDK sets its rings up meanwhile.
const READY_MAX: Duration = Duration::from_secs(20);

/// How long packets on their way are waited for.
const SETTLE: Duration = Duration::from_millis(200);

/// Share of the packets due that the generator may leave out in a trial that counts.
const SKIPPED_MAX: f64 = 0.01;

/// How often a trial is taken that lost too much while somebody came between.
const ATTEMPTS: u32 = 3;

/// The generator's ends, open across several switches, and the two threads that nobody should come between.
pub(crate) struct Bench {
    poller: Poller,
    size: usize,
    stop: AtomicBool,
    generator: PollThread,
    worker: Option<PollThread>,
    /// See [`Bench::spoilt`].
    spoilt: usize,
}

/// The socket of one of the two ports.
fn socket(folder: &Path, end: u8) -> PathBuf {
    folder.join(format!("v{end}.sock"))
}

/// The configuration of a switch that joins the two ports and does what the setting says.
pub(crate) fn config(folder: &Path, cpu: u32, setting: &Setting) -> String {
    let control = folder.join(SOCKET);
    let mut text = format!(
        "[switch]\nname = \"perf-{}\"\nsocket = \"{}\"\n\n[workers]\ncores = [{cpu}]\n{}\n\n[[network]]\nname = \"net\"\nvni = 1\n",
        std::process::id(),
        control.display(),
        setting.workers
    );
    for end in [1, 2] {
        let socket = socket(folder, end);
        text += &format!(
            "\n[[port]]\nname = \"v{end}\"\nkind = \"vhost-user\"\nsocket = \"{}\"\nnetwork = \"net\"\nanti_spoof = false\n",
            socket.display()
        );
    }
    text
}

impl Bench {
    /// Opens both ends, for which a switch must run: they wait for it. Whoever runs them will be on `cpu`.
    pub(crate) fn open(
        folder: &Path,
        packed: bool,
        hugepages: bool,
        size: usize,
        cpu: u32,
    ) -> Result<Bench, LoadError> {
        let device = |end: u8| {
            let (socket, packed) = (socket(folder, end), u8::from(packed));
            (end, format!("net_virtio_user{end},path={},server=1,queue_size=1024,packed_vq={packed}", socket.display()))
        };
        let poller = open(&[device(1), device(2)], hugepages, true)?;
        Ok(Bench {
            poller,
            size,
            stop: AtomicBool::new(false),
            generator: PollThread::current(cpu),
            worker: None,
            spoilt: 0,
        })
    }

    /// The thread of the switch that forwards.
    pub(crate) fn watch(&mut self, worker: PollThread) {
        self.worker = Some(worker);
    }

    /// Waits until packets pass both ways.
    pub(crate) fn wait(&mut self) -> Result<(), LatencyError> {
        let deadline = Instant::now() + READY_MAX;
        while Instant::now() < deadline {
            let report = self.run(Some(1000), Duration::from_millis(200))?;
            if report.streams.iter().all(|row| row.lost == Some(0) && row.sender.is_some_and(|sender| sender.sent > 10))
            {
                return Ok(());
            }
        }
        Err(LatencyError::NoPackets)
    }

    /// The CPU time of the worker while nothing comes, as a share of the time.
    pub(crate) fn idle(&self, duration: Duration) -> Option<f64> {
        let worker = self.worker.as_ref()?;
        thread::sleep(Duration::from_millis(100)); // until it rests as long as it ever does
        let before = worker.mark()?;
        thread::sleep(duration);
        let sample = worker.mark()?.since(&before, 0);
        Some(sample.cpu.as_secs_f64() / sample.wall.as_secs_f64())
    }

    /// Packets in both directions at a rate, each.
    fn run(&mut self, rate: Option<u64>, duration: Duration) -> Result<Report, LatencyError> {
        let traffic = Traffic { rate, burst: 32, size: self.size, flows: FLOWS, hosts: HOSTS, count: None };
        let (duration, settle) = (Some(duration), SETTLE);
        let run = Run { traffic, streams: STREAMS.to_vec(), duration, settle, rest: Duration::ZERO };
        let (tell, _) = sync_channel(1);
        self.poller.run(&run, &self.stop, &tell).map_err(|cause| LoadError::Journal(cause).into())
    }

    /// The same, and what happened to the generator and to the worker meanwhile.
    fn watched(&mut self, rate: Option<u64>, duration: Duration) -> Result<(Report, Vec<Sample>), LatencyError> {
        let before = self.marks();
        let report = self.run(rate, duration)?;
        let after = self.marks();
        Ok((report, after.iter().zip(&before).map(|(after, before)| after.since(before, 0)).collect()))
    }

    fn marks(&self) -> Vec<Mark> {
        [Some(&self.generator), self.worker.as_ref()].into_iter().flatten().filter_map(PollThread::mark).collect()
    }

    /// What became of packets at a rate; more than once where more than `allowed` were lost and somebody came between.
    pub(crate) fn trial(
        &mut self,
        rate: Option<u64>,
        allowed: f64,
        duration: Duration,
    ) -> Result<Outcome, LatencyError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (report, samples) = self.watched(rate, duration)?;
            let outcome = outcome(&report);
            let is_interrupted = samples.iter().any(Sample::is_interrupted);
            if outcome.lost <= allowed || attempts == ATTEMPTS || !is_interrupted {
                self.spoilt += usize::from(outcome.lost > allowed && is_interrupted);
                return Ok(outcome);
            }
        }
    }

    /// Trials since this was last asked that lost too much while others came between in every attempt.
    pub(crate) fn spoilt(&mut self) -> usize {
        std::mem::take(&mut self.spoilt)
    }

    /// How long packets take at a rate; of several attempts the first that nobody came between.
    pub(crate) fn load(&mut self, percent: u64, pps: u64, duration: Duration) -> Result<Load, LatencyError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (report, samples) = self.watched(Some(pps), duration)?;
            let disturbed = samples.iter().find(|sample| sample.is_disturbed());
            if disturbed.is_some() && attempts < ATTEMPTS {
                continue;
            }
            let direction = |row: &crate::generator::StreamRow| Direction {
                from: row.from,
                to: row.to,
                latency_us: row.receiver.as_ref().and_then(|receiver| receiver.latency_us),
            };
            return Ok(Load {
                percent,
                pps,
                lost: report.streams.iter().filter_map(|row| row.lost).sum(),
                directions: report.streams.iter().map(direction).collect(),
                disturbed: disturbed.map(|sample| sample.disturbance.to_string()),
            });
        }
    }
}

/// What the device refused is lost, too: it was due. A generator that could not keep the rate has proved nothing.
fn outcome(report: &Report) -> Outcome {
    let (mut due, mut lost, mut skipped, mut received) = (0, 0, 0, 0);
    for row in &report.streams {
        let Some(sender) = row.sender else { continue };
        due += sender.sent + sender.refused;
        lost += sender.refused + row.lost.unwrap_or(sender.sent);
        skipped += sender.skipped;
        received += sender.sent - row.lost.unwrap_or(sender.sent);
    }
    let kept = (skipped as f64) <= (due + skipped) as f64 * SKIPPED_MAX && due > 0;
    let lost = if kept { lost as f64 / due as f64 } else { 1.0 };
    Outcome { lost, received: received as f64 / report.seconds / STREAMS.len() as f64 }
}

#[cfg(test)]
mod tests {
    use control::config;

    use super::*;
    use crate::latency::SETTINGS;

    #[test]
    fn the_switch_takes_each_setting_without_a_warning() {
        for setting in &SETTINGS {
            let text = super::config(Path::new("/tmp"), 0, setting);
            let config = config::load(&text, setting.name).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
            assert!(config.warnings.is_empty(), "{}: {:?}", setting.name, config.warnings);
        }
    }
}
