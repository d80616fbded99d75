//! Captures through forwarders: every load, every kind of work, in one run.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    Failure, Replay,
    fingerprint::{self, Fingerprint},
    folder::Folder,
    load::{INNER_LEN, Load, Shape},
    millraced::Millraced,
    pcap,
    report::{self, Report, Rounds, Row, Task},
    sample::{Sample, median},
    testpmd::{Mode, Testpmd},
    work::Work,
};

/// Pairs of MACs the flows are spread over.
const MAC_PAIRS: u32 = 64;

/// Five-tuples of the loads, where none are asked for.
const FLOWS: [u32; 3] = [1, 1000, 100_000];

/// How much is measured.
struct Plan {
    /// Measurements of each kind of work on each load, taken in turns.
    rounds: u32,
    /// No round of a load begins that would probably end later than this after the first; the first always runs.
    load_max: Duration,
    warm_up: Duration,
    window: Duration,
}

const FULL: Plan =
    Plan { rounds: 5, load_max: Duration::MAX, warm_up: Duration::from_secs(1), window: Duration::from_secs(3) };

/// Six loads, two minutes in all.
const QUICK: Plan = Plan {
    rounds: 3,
    load_max: Duration::from_secs(18),
    warm_up: Duration::from_millis(300),
    window: Duration::from_millis(700),
};

impl Plan {
    /// Whether the round after `done` rounds, which took `elapsed`, will probably be over in time.
    fn has_time_for(&self, done: u32, elapsed: Duration) -> bool {
        done == 0 || elapsed / done * (done + 1) <= self.load_max
    }
}

/// A run under way.
struct Run<'a> {
    arguments: &'a Replay,
    plan: Plan,
    folder: Folder,
    fingerprint: Fingerprint,
    /// Measurements to be taken, and taken.
    total: usize,
    taken: usize,
}

/// Measures everything, prints the table, and writes the JSON where asked.
pub(crate) fn run(arguments: &Replay) -> Result<(), Failure> {
    let plan = if arguments.quick { QUICK } else { FULL };
    let plan = Plan { rounds: arguments.rounds.unwrap_or(plan.rounds), ..plan };
    let folder = Folder::create().map_err(Failure::Folder)?;
    let fingerprint = fingerprint(arguments, &plan);
    let mut run = Run { arguments, plan, folder, fingerprint, total: 0, taken: 0 };
    let report = run.measure_all()?;
    print!("{}", report::table(&report.rows));
    if let Some(path) = &arguments.json {
        let failure = |cause| Failure::Report { path: path.clone(), cause };
        let json = serde_json::to_vec_pretty(&report).map_err(|error| failure(error.into()))?;
        fs::write(path, json).map_err(failure)?;
    }
    let failed = report.rows.iter().filter(|row| row.failed.is_some()).count();
    if failed > 0 { Err(Failure::Rows(failed)) } else { Ok(()) }
}

fn fingerprint(arguments: &Replay, plan: &Plan) -> Fingerprint {
    let (cpu, cpus, kernel) = fingerprint::machine();
    Fingerprint {
        cpu,
        cpus,
        kernel,
        dpdk: None,
        millraced: None,
        commit: None,
        poll_cpu: arguments.cpu,
        hugepages: true,
        seed: arguments.seed,
        inner_octets: INNER_LEN,
        mac_pairs: MAC_PAIRS,
        rounds: plan.rounds,
        window_ms: plan.window.as_millis() as u64,
        began_s: fingerprint::now_s(),
    }
}

/// What is done to loads of one shape: the floors first.
fn tasks(shape: Shape, wanted: &[Work]) -> Vec<Task> {
    let work: Vec<_> = Work::ALL.into_iter().filter(|work| wanted.is_empty() || wanted.contains(work)).collect();
    let work: Vec<_> = work.into_iter().filter(|work| work.shape() == shape).map(Task::Millraced).collect();
    if work.is_empty() {
        return work;
    }
    [Mode::Io, Mode::Macswap].map(Task::Testpmd).into_iter().chain(work).collect()
}

impl Run<'_> {
    fn measure_all(&mut self) -> Result<Report, Failure> {
        let flows = if self.arguments.flows.is_empty() { FLOWS.to_vec() } else { self.arguments.flows.clone() };
        let shapes = [Shape::Plain, Shape::Vxlan].map(|shape| (shape, tasks(shape, &self.arguments.work)));
        let a_round: usize = shapes.iter().map(|(_, tasks)| tasks.len() * flows.len()).sum();
        self.total = a_round * self.plan.rounds as usize;
        let mut rows = Vec::new();
        for (shape, tasks) in shapes.iter().filter(|(_, tasks)| !tasks.is_empty()) {
            for &flows in &flows {
                rows.extend(self.on_load(*shape, flows, tasks)?);
            }
        }
        Ok(Report { fingerprint: self.fingerprint.clone(), rows })
    }

    /// All tasks on one load. They take turns, so that a slow minute of the machine hits all of them.
    fn on_load(&mut self, shape: Shape, flows: u32, tasks: &[Task]) -> Result<Vec<Row>, Failure> {
        let load = Load { shape, flows, mac_pairs: MAC_PAIRS, seed: self.arguments.seed };
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
        let io = all.iter().find(|rounds| rounds.task == Task::Testpmd(Mode::Io)).and_then(|io| median(&io.samples));
        Ok(all.into_iter().map(|rounds| rounds.row(shape, flows, io)).collect())
    }

    fn one_round(&mut self, rounds: &mut Rounds, load: &Load, capture: &Path) {
        let (task, flows, shape) = (rounds.task, load.flows, load.shape.name());
        eprint!("[{}/{}] {} {}, {shape}, flows: {flows} ... ", self.taken, self.total, task.program(), task.work());
        let hugepages = hugepages_hold(load.packet_count());
        self.fingerprint.hugepages &= hugepages;
        let outcome = match task {
            Task::Testpmd(mode) => self.testpmd(mode, load, capture, hugepages),
            Task::Millraced(work) => self.millraced(work, load, capture, hugepages),
        };
        match outcome {
            Ok(sample) => {
                eprintln!("{:.1} ns", sample.packet_ns());
                rounds.samples.push(sample);
            }
            Err(why) => {
                eprintln!("FAILED: {why}");
                rounds.failed = Some(why);
            }
        }
    }

    fn testpmd(&self, mode: Mode, load: &Load, capture: &Path, hugepages: bool) -> Result<Sample, String> {
        let Replay { testpmd: program, cpu, .. } = self.arguments;
        let testpmd = Testpmd { program, mode, capture, packets: load.packet_count(), cpu: *cpu, hugepages };
        testpmd.measure(self.plan.warm_up, self.plan.window).map_err(|error| error.to_string())
    }

    fn millraced(&mut self, work: Work, load: &Load, capture: &Path, hugepages: bool) -> Result<Sample, String> {
        let program = self.arguments.millraced.clone().unwrap_or_else(beside_us);
        let (cpu, folder) = (self.arguments.cpu, self.folder.path());
        let switch = Millraced { program: &program, work, load, capture, cpu, hugepages, folder };
        let (sample, version) =
            switch.measure(self.plan.warm_up, self.plan.window).map_err(|error| error.to_string())?;
        self.fingerprint.note(version);
        Ok(sample)
    }
}

/// The millraced that was built with us: cargo puts both into one folder.
fn beside_us() -> PathBuf {
    std::env::current_exe().map(|us| us.with_file_name("millraced")).unwrap_or_else(|_| "millraced".into())
}

/// Whether the free hugepages of 2 MiB hold so many packets with room to spare.
fn hugepages_hold(packets: u32) -> bool {
    let free = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    let free: u64 = free.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    // 800 buffers of 2.5 KiB a page, and the programs' own tables.
    free > u64::from(packets) / 800 + 96
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_gets_fewer_rounds_and_every_machine_one() {
        let second = Duration::from_secs(1);
        assert!(QUICK.has_time_for(0, 1000 * second));
        assert!(QUICK.has_time_for(1, 9 * second) && !QUICK.has_time_for(1, 10 * second));
        assert!(QUICK.has_time_for(2, 12 * second) && !QUICK.has_time_for(2, 13 * second));
        assert!(FULL.has_time_for(4, 1000 * second));
    }

    #[test]
    fn every_work_has_its_floors_beside_it() {
        let plain = tasks(Shape::Plain, &[]);
        assert_eq!(plain[0], Task::Testpmd(Mode::Io));
        assert_eq!(plain[2..], [Task::Millraced(Work::L2), Task::Millraced(Work::VxlanEncap)]);
        assert_eq!(tasks(Shape::Vxlan, &[]).len(), 3);
        assert_eq!(tasks(Shape::Plain, &[Work::VxlanDecap]), []);
        assert_eq!(tasks(Shape::Plain, &[Work::L2]).len(), 3);
    }
}
