//! `perf flows`: what the number of flows, new flows and changes elsewhere cost.
//!
//! A worker in this process, between ports whose frames are always warm, so that what differs is what the switch itself
//! touches. Everything is measured in windows of about a millisecond of CPU time; those that others came between are
//! counted and shown, and nothing else is made of them.

mod change;
mod clock;
mod curve;
mod endure;
mod feed;
mod load;
mod picture;
mod report;
mod setup;
mod switch;

use std::{io, path::PathBuf, thread};

use clap::Args;

use crate::{
    fingerprint::Fingerprint,
    flows::{change::Change, curve::Yardstick, report::Report},
    output::{self, OutputError},
    run,
};

/// Flows that every table is made for at least, so that loads are compared in the same one.
const TABLE: usize = 1 << 21;

/// Numbers of flows that are measured, those that are no more than `--most`.
const FLOWS: [usize; 8] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 4_000_000];

/// Flows that are live while new ones come.
const LIVE: usize = 1_000_000;

/// Frames that are taken from a port at once, for those that want to know how long packets stay.
const BURSTS: [usize; 3] = [8, 32, 64];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Cost over the number of flows, and attacks on the hash.
    Curve,
    /// New flows, and whom they make wait.
    SetUp,
    /// Changes of what the flows do not rest on.
    Change,
    /// Flows that come and go for long.
    Churn,
}

/// How long flows come and go.
const CHURN_SECONDS: u32 = 600;
/// The same for a look.
const CHURN_SECONDS_QUICK: u32 = 5;

/// How flows are measured.
#[derive(Args)]
pub(crate) struct FlowsArguments {
    /// Few windows, a million flows and a short churn, two minutes at most: for a look rather than for figures.
    #[arg(long)]
    quick: bool,
    /// Only this part (may be given several times).
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Flows at most [default: 4000000, which need 1.5 GiB of memory; 1000000 with --quick].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    most: Option<u32>,
    /// Seconds for which flows come and go [default: 600; 5 with --quick].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    churn_seconds: Option<u32>,
    /// Fail where not all tables fit free hugepages, on which they are put where they do: 105 for a million flows.
    #[arg(long, conflicts_with = "no_hugepages")]
    hugepages: bool,
    /// Use ordinary pages.
    #[arg(long)]
    no_hugepages: bool,
    /// The CPU to work on.
    #[arg(long, default_value_t = 1)]
    cpu: u32,
    /// The seed of the load.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw the curve into this folder.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
}

impl FlowsArguments {
    fn most(&self) -> usize {
        self.most.unwrap_or(if self.quick { 1_000_000 } else { 4_000_000 }) as usize
    }

    fn churn_seconds(&self) -> u32 {
        self.churn_seconds.unwrap_or(if self.quick { CHURN_SECONDS_QUICK } else { CHURN_SECONDS })
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Windows of each figure.
    windows: usize,
    seed: u64,
    hugepages: bool,
}

#[cfg(test)]
impl Scale {
    fn tiny() -> Scale {
        Scale { windows: 1, seed: 1, hugepages: false }
    }
}

/// Why there are no figures, or not those there should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlowsError {
    #[error(
        "{0} hugepages of 2 MiB are free, the tables need {1}: reserve them with `sysctl vm.nr_hugepages`, or leave out --hugepages"
    )]
    Hugepages(usize, usize),
    #[error("cannot start a thread, or it died: {0}")]
    Thread(io::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("{0} propert(ies) do not hold")]
    Broken(usize),
}

/// Measures, prints the tables and what holds, writes and draws where asked.
pub(crate) fn run(arguments: &FlowsArguments) -> Result<(), FlowsError> {
    let windows = if arguments.quick { 250 } else { 2500 };
    let scale = Scale { windows, seed: arguments.seed, hugepages: takes_hugepages(arguments)? };
    let (cpu, most, churn_seconds) = (arguments.cpu, arguments.most(), arguments.churn_seconds());
    let wants = |part| arguments.part.is_empty() || arguments.part.contains(&part);
    let parts = [Part::Curve, Part::SetUp, Part::Change].map(wants);
    let churn_seconds = wants(Part::Churn).then_some(churn_seconds);
    let fingerprint = fingerprint(arguments, &scale);
    let thread = thread::Builder::new().name("flows".to_owned()).spawn(move || {
        core_affinity::set_for_current(core_affinity::CoreId { id: cpu as usize });
        measure(fingerprint, parts, churn_seconds, most, &scale)
    });
    let died = || FlowsError::Thread(io::Error::other("it said why above"));
    let report = thread.map_err(FlowsError::Thread)?.join().map_err(|_| died())?;
    print!("{}", report::tables(&report));
    if let Some(folder) = &arguments.plots {
        output::draw_into(folder, |folder| picture::draw(folder, &report.curve))?;
    }
    if let Some(path) = &arguments.json {
        output::write_json(path, &report)?;
    }
    match report.properties.iter().filter(|property| property.holds == Some(false)).count() {
        0 => Ok(()),
        broken => Err(FlowsError::Broken(broken)),
    }
}

fn measure(
    fingerprint: Fingerprint,
    [curve, set_up, change]: [bool; 3],
    churn_seconds: Option<u32>,
    most: usize,
    scale: &Scale,
) -> Report {
    let mut report = Report::new(fingerprint);
    if curve {
        let mut yardstick = Yardstick::new(scale);
        let flows = FLOWS.into_iter().filter(|&flows| flows <= most);
        report.curve = flows.flat_map(|flows| curve::points(flows, scale, &mut yardstick)).collect();
        report.attacks = curve::attacks(scale, &mut yardstick);
        curve::at_one_speed(&mut report.curve, &yardstick);
        curve::at_one_speed(&mut report.attacks, &yardstick);
    }
    let live = LIVE.min(most);
    if set_up {
        report.set_up = std::iter::once(setup::rate(live, scale)).chain(setup::churn(scale)).collect();
        report.set_up.iter().for_each(|found| eprintln!("{}: {:.0} flows a second", found.what, found.flows_per_s));
        for (burst, with_new) in BURSTS.into_iter().flat_map(|burst| [(burst, false), (burst, true)]) {
            report.stays.push(setup::stay(live, burst, with_new, scale));
        }
    }
    if change {
        for change in Change::ALL {
            report.changes.push(change::measure(change, scale));
            eprintln!("{}: measured", change.name());
        }
    }
    report.endurance = churn_seconds.map(|seconds| endure::churn(seconds, scale));
    report.judge();
    report
}

/// Whether tables are to lie on hugepages: where enough are free, unless they are not wanted.
fn takes_hugepages(arguments: &FlowsArguments) -> Result<bool, FlowsError> {
    let slots = TABLE.max(2 * arguments.most());
    let needed = datapath::flow_table_bytes(slots, true) / (2 << 20) + 2;
    let free = run::free_hugepages() as usize;
    if arguments.hugepages && free < needed {
        return Err(FlowsError::Hugepages(free, needed));
    }
    if !arguments.no_hugepages && free < needed {
        eprintln!("tables on ordinary pages: {free} hugepages are free, they need {needed} (sysctl vm.nr_hugepages)");
    }
    Ok(!arguments.no_hugepages && free >= needed)
}

fn fingerprint(arguments: &FlowsArguments, scale: &Scale) -> Fingerprint {
    Fingerprint {
        millraced: Some(env!("CARGO_PKG_VERSION").to_owned()),
        poll_cpu: arguments.cpu,
        hugepages: scale.hugepages,
        seed: arguments.seed,
        inner_octets: crate::load::INNER_LEN,
        mac_pairs: arguments.most() as u32,
        rounds: scale.windows as u32,
        window_ms: 1,
        ..Fingerprint::of_now()
    }
}
