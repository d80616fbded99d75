//! One run: every load, every program, in turns, on one CPU.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use api::Version;

use crate::{
    Failure, Measure,
    fingerprint::Fingerprint,
    folder::Folder,
    kernel::Kernel,
    load::{INNER_LEN, Load, Shape},
    millraced::Millraced,
    ovs::{self, Ovs},
    pcap,
    report::{Rounds, Task},
    sample::Sample,
    testpmd::{Mode, Sink, Testpmd},
    work::Work,
};

/// Pairs of MACs the flows are spread over.
const MAC_PAIRS: u32 = 64;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Measurements of each task on each load, taken in turns.
    pub(crate) rounds: u32,
    /// No round of a load begins that would probably end later than this after the first; the first always runs.
    pub(crate) load_max: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    /// How often a measurement that was disturbed is taken again.
    pub(crate) again: u32,
}

impl Plan {
    /// Whether the round after `done` rounds, which took `elapsed`, will probably be over in time.
    fn has_time_for(&self, done: u32, elapsed: Duration) -> bool {
        done == 0 || elapsed / done * (done + 1) <= self.load_max
    }
}

/// What came of one load.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) shape: Shape,
    pub(crate) flows: u32,
    pub(crate) all: Vec<Rounds>,
}

/// A run under way.
struct Run<'a> {
    settings: &'a Measure,
    beside: Option<&'a Path>,
    plan: Plan,
    folder: Folder,
    fingerprint: Fingerprint,
    /// Measurements to be taken, and taken.
    total: usize,
    taken: usize,
}

/// Takes all measurements: `tasks` says what is done to loads of each shape and size, the floors first.
pub(crate) fn run(
    settings: &Measure,
    beside: Option<&Path>,
    plan: Plan,
    flows: &[u32],
    tasks: impl Fn(Shape, u32) -> Vec<Task>,
) -> Result<(Fingerprint, Vec<Measured>), Failure> {
    let plan = Plan { rounds: settings.rounds.unwrap_or(plan.rounds), ..plan };
    let folder = Folder::create().map_err(Failure::Folder)?;
    let fingerprint = fingerprint(settings, &plan);
    let loads =
        [Shape::Plain, Shape::Vxlan].into_iter().flat_map(|shape| flows.iter().map(move |&flows| (shape, flows)));
    let loads: Vec<_> = loads.map(|(shape, flows)| (shape, flows, tasks(shape, flows))).collect();
    let a_round: usize = loads.iter().map(|(_, _, tasks)| tasks.len()).sum();
    let total = a_round * plan.rounds as usize;
    let mut run = Run { settings, beside, plan, folder, fingerprint, total, taken: 0 };
    let mut measured = Vec::new();
    for (shape, flows, tasks) in loads.into_iter().filter(|(_, _, tasks)| !tasks.is_empty()) {
        measured.push(Measured { shape, flows, all: run.on_load(shape, flows, &tasks)? });
    }
    Ok((run.fingerprint, measured))
}

fn fingerprint(settings: &Measure, plan: &Plan) -> Fingerprint {
    Fingerprint {
        poll_cpu: settings.cpu,
        hugepages: true,
        seed: settings.seed,
        inner_octets: INNER_LEN,
        mac_pairs: MAC_PAIRS,
        burst: settings.burst,
        rounds: plan.rounds,
        window_ms: plan.window.as_millis() as u64,
        ..Fingerprint::of_now()
    }
}

impl Run<'_> {
    /// All tasks on one load. They take turns, so that a slow minute of the machine hits all of them.
    fn on_load(&mut self, shape: Shape, flows: u32, tasks: &[Task]) -> Result<Vec<Rounds>, Failure> {
        let load = Load { shape, flows, mac_pairs: MAC_PAIRS, seed: self.settings.seed };
        let capture = self.folder.path().join("load.pcap");
        pcap::write_file(&capture, load.packets())?;
        let mut all: Vec<_> = tasks.iter().map(|&task| Rounds::new(task)).collect();
        let began = Instant::now();
        for round in 0..self.plan.rounds {
            if !self.plan.has_time_for(round, began.elapsed()) {
                break;
            }
            for rounds in &mut all {
                self.taken += 1;
                // What has failed once would fail the same way again.
                if rounds.failed.is_none() {
                    self.one_round(rounds, &load, &capture);
                }
            }
        }
        Ok(all)
    }

    fn one_round(&mut self, rounds: &mut Rounds, load: &Load, capture: &Path) {
        let (task, flows, shape) = (rounds.task, load.flows, load.shape.name());
        eprint!("[{}/{}] {} {}, {shape}, flows: {flows} ... ", self.taken, self.total, task.program(), task.work());
        match self.undisturbed(task, load, capture) {
            Ok(sample) => {
                let disturbed = if sample.is_disturbed() { ", disturbed" } else { "" };
                eprintln!("{:.1} ns{disturbed}", sample.packet_ns());
                rounds.samples.push(sample);
            }
            Err(why) => {
                eprintln!("FAILED: {why}");
                rounds.failed = Some(why);
            }
        }
    }

    /// A measurement that nobody disturbed, or the last of as many as the plan allows.
    fn undisturbed(&mut self, task: Task, load: &Load, capture: &Path) -> Result<Sample, String> {
        let mut sample = self.once(task, load, capture)?;
        for _ in 0..self.plan.again {
            if !sample.is_disturbed() {
                break;
            }
            eprint!("disturbed, again ... ");
            sample = self.once(task, load, capture)?;
        }
        Ok(sample)
    }

    fn once(&mut self, task: Task, load: &Load, capture: &Path) -> Result<Sample, String> {
        let hugepages = hugepages_hold(load.packet_count());
        self.fingerprint.hugepages &= hugepages;
        match task {
            Task::Testpmd(mode) => self.testpmd(mode, load, capture, hugepages),
            Task::Millraced(work) => self.ours((work, false), load, capture, hugepages),
            Task::FiveTuples(work) => self.ours((work, true), load, capture, hugepages),
            Task::Beside(work) => {
                let program = self.beside.ok_or("no other build was named")?;
                self.millraced(program, (work, false), load, capture, hugepages).map(|(sample, _)| sample)
            }
            Task::Ovs(work) => self.ovs((work, false), load, capture),
            Task::OvsByRules(work) => self.ovs((work, true), load, capture),
            Task::Kernel(way) => {
                let Measure { testpmd, cpu, .. } = self.settings;
                let kernel = Kernel { way, testpmd, load, capture, cpu: *cpu, hugepages };
                kernel.measure(self.plan.warm_up, self.plan.window).map_err(|error| error.to_string())
            }
        }
    }

    fn testpmd(&self, mode: Mode, load: &Load, capture: &Path, hugepages: bool) -> Result<Sample, String> {
        let &Measure { testpmd: ref program, cpu, burst, .. } = self.settings;
        let (packets, sink) = (load.packet_count(), Sink::Null);
        let testpmd = Testpmd { program, mode, capture, packets, cpu, burst, hugepages, sink };
        testpmd.measure(self.plan.warm_up, self.plan.window).map_err(|error| error.to_string())
    }

    /// The switch itself, keyed by five-tuples or not.
    fn ours(&mut self, how: (Work, bool), load: &Load, capture: &Path, hugepages: bool) -> Result<Sample, String> {
        let program = self.settings.millraced.clone().unwrap_or_else(millraced_beside_us);
        let (sample, version) = self.millraced(&program, how, load, capture, hugepages)?;
        self.fingerprint.note(version);
        Ok(sample)
    }

    fn millraced(
        &self,
        program: &Path,
        (work, five_tuples): (Work, bool),
        load: &Load,
        capture: &Path,
        hugepages: bool,
    ) -> Result<(Sample, Version), String> {
        let (&Measure { cpu, burst, .. }, folder) = (self.settings, self.folder.path());
        let switch = Millraced { program, work, five_tuples, load, capture, cpu, burst, hugepages, folder };
        switch.measure(self.plan.warm_up, self.plan.window).map_err(|error| error.to_string())
    }

    fn ovs(&self, (work, by_rules): (Work, bool), load: &Load, capture: &Path) -> Result<Sample, String> {
        let captures = self.cut(load, capture).map_err(|error| error.to_string())?;
        let (cpu, folder) = (self.settings.cpu, self.folder.path());
        let ovs = Ovs { work, by_rules, load, captures: &captures, cpu, folder };
        ovs.measure(self.plan.warm_up, self.plan.window).map_err(|error| error.to_string())
    }

    /// The capture in as many parts as OVS needs.
    fn cut(&self, load: &Load, capture: &Path) -> Result<Vec<PathBuf>, pcap::WriteError> {
        let parts = ovs::captures_of(load);
        if parts == 1 {
            return Ok(vec![capture.to_owned()]);
        }
        let part = |n| self.folder.path().join(format!("load-{n}.pcap"));
        for n in 0..parts {
            pcap::write_file(&part(n), load.part(n, parts))?;
        }
        Ok((0..parts).map(part).collect())
    }
}

/// The millraced that was built with us: cargo puts both into one folder.
pub(crate) fn millraced_beside_us() -> PathBuf {
    std::env::current_exe().map(|us| us.with_file_name("millraced")).unwrap_or_else(|_| "millraced".into())
}

/// Whether the free hugepages of 2 MiB hold so many packets with room to spare.
pub(crate) fn hugepages_hold(packets: u32) -> bool {
    // 800 buffers of 2.5 KiB a page, and the programs' own tables.
    free_hugepages() > u64::from(packets) / 800 + 96
}

/// Free hugepages of 2 MiB.
pub(crate) fn free_hugepages() -> u64 {
    let free = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    free.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_gets_fewer_rounds_and_every_machine_one() {
        let second = Duration::from_secs(1);
        let plan = Plan { rounds: 3, load_max: 18 * second, warm_up: Duration::ZERO, window: Duration::ZERO, again: 0 };
        assert!(plan.has_time_for(0, 1000 * second));
        assert!(plan.has_time_for(1, 9 * second) && !plan.has_time_for(1, 10 * second));
        assert!(plan.has_time_for(2, 12 * second) && !plan.has_time_for(2, 13 * second));
        assert!(Plan { load_max: Duration::MAX, ..plan }.has_time_for(4, 1000 * second));
    }
}
