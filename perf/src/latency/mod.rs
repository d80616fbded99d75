//! `perf latency`: from one port of the switch to another, at shares of what it carries, in several settings.
//!
//! The generator is a guest at two vhost-user ports. For each setting it looks for the highest rate without loss, and with
//! 0.1 % (RFC 2544 section 26.1), then sends at 10, 50 and 90 % of the latter and tells how long packets took. Single packets
//! after silence show what it takes to wake a worker that rests, and the worker's CPU time meanwhile what resting saves.

mod bench;
mod picture;
mod report;
mod search;

use std::{io, path::PathBuf, thread, time::Duration};

use clap::Args;

use crate::{
    fingerprint::Fingerprint,
    folder::Folder,
    generator::{LEN_MAX, LEN_MIN, LoadError},
    latency::{
        bench::Bench,
        report::{Report, Row},
        search::search,
    },
    millraced::{MillracedError, Running},
    output::{self, OutputError},
    run,
};

/// Shares that may be lost.
const NONE_LOST: f64 = 0.0;
const FEW_LOST: f64 = 0.001;

/// Shares of the rate at which latencies are measured, in per cent.
const LOADS: [u64; 3] = [10, 50, 90];

/// Packets a second in each direction that find a worker at rest: one in ten milliseconds.
const LONE_PPS: u64 = 100;

/// How the workers of the switch are set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// Lines of `[workers]`.
    pub(crate) workers: &'static str,
}

/// What changes latency: whether an idle worker rests, how long, and how many frames it takes at once.
pub(crate) const SETTINGS: [Setting; 4] = [
    Setting { name: "default", workers: "" },
    Setting { name: "rest 250 us", workers: "rest_max_us = 250" },
    Setting { name: "busy", workers: "idle = \"busy\"" },
    Setting { name: "busy, burst 8", workers: "idle = \"busy\"\nburst = 8" },
];

/// How latency is measured.
#[derive(Args)]
pub(crate) struct LatencyArguments {
    /// Short trials, two minutes at most: for a look rather than for figures.
    #[arg(long)]
    quick: bool,
    /// Seconds of one trial; RFC 2544 wants 60.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Octets of a packet, without FCS.
    #[arg(long, value_name = "OCTETS", default_value_t = LEN_MIN as u16,
          value_parser = clap::value_parser!(u16).range(LEN_MIN as i64..=LEN_MAX as i64))]
    size: u16,
    /// Packed rings instead of split ones.
    #[arg(long)]
    packed: bool,
    /// The CPU that forwards.
    #[arg(long, default_value_t = 1)]
    cpu: u32,
    /// The CPU that sends and receives; another one.
    #[arg(long, default_value_t = 0)]
    generator_cpu: u32,
    /// The generator's memory from hugepages.
    #[arg(long)]
    hugepages: bool,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw latency over load into this folder.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// The switch to run; by default the millraced beside this program.
    #[arg(long, value_name = "FILE")]
    millraced: Option<PathBuf>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LatencyError {
    #[error("--cpu and --generator-cpu are both {0}: the switch and its load need a CPU each")]
    SameCpu(u32),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Switch(#[from] MillracedError),
    #[error("no packet came through the switch within 20 seconds")]
    NoPackets,
    #[error("cannot make a folder for temporary files: {0}")]
    Folder(io::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// How long things take.
#[derive(Clone, Copy)]
struct Times {
    trial: Duration,
    /// How precisely a rate is known, as a share of the highest that was tried.
    step: f64,
}

/// Measures every setting, prints the table, and writes and draws where asked.
pub(crate) fn run(arguments: &LatencyArguments) -> Result<(), LatencyError> {
    if arguments.cpu == arguments.generator_cpu {
        return Err(LatencyError::SameCpu(arguments.cpu));
    }
    let times = times(arguments);
    let report = measure_all(arguments, times)?;
    print!("{}", report::table(&report));
    if let Some(folder) = &arguments.plots {
        output::draw_into(folder, |folder| picture::draw(folder, &report))?;
    }
    if let Some(path) = &arguments.json {
        output::write_json(path, &report)?;
    }
    Ok(())
}

fn times(arguments: &LatencyArguments) -> Times {
    let trial = arguments.seconds.map(Duration::from_secs);
    match arguments.quick {
        true => Times { trial: trial.unwrap_or(Duration::from_millis(500)), step: 0.05 },
        false => Times { trial: trial.unwrap_or(Duration::from_secs(5)), step: 0.01 },
    }
}

fn measure_all(arguments: &LatencyArguments, times: Times) -> Result<Report, LatencyError> {
    let folder = Folder::create().map_err(LatencyError::Folder)?;
    let program = arguments.millraced.clone().unwrap_or_else(run::millraced_beside_us);
    let LatencyArguments { size, packed, hugepages, cpu, generator_cpu, .. } = *arguments;
    let mut report =
        Report { fingerprint: fingerprint(arguments, times), size, packed, generator_cpu, settings: Vec::new() };
    let mut bench = None;
    for setting in &SETTINGS {
        let mut switch = Running::start(&program, folder.path(), &bench::config(folder.path(), cpu, setting))?;
        report.fingerprint.note(switch.version()?);
        let bench = match &mut bench {
            Some(bench) => bench,
            none => none.insert(Bench::open(folder.path(), packed, hugepages, size.into(), generator_cpu)?),
        };
        bench.watch(switch.worker(cpu)?);
        // On a thread of its own: the next switch may run where this one may.
        let row = thread::scope(|scope| {
            let generator = scope.spawn(|| {
                core_affinity::set_for_current(core_affinity::CoreId { id: generator_cpu as usize });
                bench.wait()?;
                measure(bench, setting, times)
            });
            generator.join().map_err(|_| LoadError::Died)?
        })?;
        report.settings.push(row);
        switch.stop()?;
    }
    Ok(report)
}

fn fingerprint(arguments: &LatencyArguments, times: Times) -> Fingerprint {
    Fingerprint {
        poll_cpu: arguments.cpu,
        hugepages: arguments.hugepages,
        inner_octets: arguments.size.into(),
        mac_pairs: bench::HOSTS.into(),
        rounds: 1,
        window_ms: times.trial.as_millis() as u64,
        ..Fingerprint::of_now()
    }
}

fn measure(bench: &mut Bench, setting: &Setting, times: Times) -> Result<Row, LatencyError> {
    let idle_cpu = bench.idle(times.trial);
    let mut loads = vec![bench.load(0, LONE_PPS, times.trial.max(Duration::from_secs(2)))?];
    let flooded = bench.trial(None, 1.0, times.trial)?.received;
    // What comes through in a flood is less than what would without it, where both share a CPU or a ring.
    let ceiling = (flooded * 1.5) as u64;
    eprintln!("{}: {:.3} Mpps each way when flooded", setting.name, flooded / 1e6);
    let mut highest =
        |ceiling, allowed| search(ceiling, times.step, allowed, |rate| bench.trial(Some(rate), allowed, times.trial));
    let few_lost = highest(ceiling, FEW_LOST)?;
    let no_loss = highest(few_lost.max(1), NONE_LOST)?;
    eprintln!(
        "{}: {:.3} Mpps without loss, {:.3} with 0.1 %",
        setting.name,
        no_loss as f64 / 1e6,
        few_lost as f64 / 1e6
    );
    let doubt = report::doubt(no_loss, few_lost, bench.spoilt());
    // Of a rate that was not found there are no shares.
    for percent in LOADS.into_iter().filter(|_| few_lost > 0) {
        loads.push(bench.load(percent, (few_lost * percent / 100).max(1), times.trial)?);
    }
    Ok(Row {
        setting: setting.name,
        workers: setting.workers,
        flooded_pps: flooded as u64,
        no_loss_pps: no_loss,
        few_lost_pps: few_lost,
        doubt,
        idle_cpu,
        loads,
    })
}
