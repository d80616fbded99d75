//! `perf tcp`: what ordinary containers get of a switch: one TCP stream, small datagrams, and how long an answer takes, beside
//! the kernel's bridge and Open vSwitch, and what the least of all switches would give them.
//!
//! Both ends run on one CPU and the switch on another one, as on a node whose switch has a core of its own; the kernel's
//! bridge works in the time of whoever sends. Round trips are measured twice, with CPUs that sleep as they like while they wait
//! and with CPUs that may not, whatever the switch. The switches take turns, so that a slow minute of the machine hits all of them.

mod congestion;
mod containers;
mod cpus;
mod distance;
mod echo;
mod relay;
mod report;
mod switches;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{Failure, fingerprint, folder::Folder, ovs, run};
use congestion::Controls;
use containers::{Figures, Probe, Questions};
use cpus::{Awake, Cpus};
use distance::Distances;
pub(crate) use echo::{Echo, run as echo};
use report::{Fingerprint, Report, Row};
use switches::{Nodes, Stage, Switch};

/// How to measure.
#[derive(Args)]
pub(crate) struct Tcp {
    /// Fewer and shorter measurements: five minutes, for a look rather than for figures.
    #[arg(long)]
    quick: bool,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only these rows, separated by commas; by default all.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROWS")]
    only: Vec<Rows>,
    /// Measurements of each row; the median counts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// The CPU of the switch.
    #[arg(long, default_value_t = 1)]
    cpu: u32,
    /// The CPU of the containers.
    #[arg(long, default_value_t = 0)]
    containers_cpu: u32,
    /// The switch to run; by default the millraced beside this program.
    #[arg(long, value_name = "FILE")]
    millraced: Option<PathBuf>,
}

/// Rows that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// TCP streams, paced and not.
    Streams,
    /// Small datagrams.
    Datagrams,
    /// Round trips.
    Trips,
}

impl Rows {
    fn of(probe: Probe) -> Rows {
        match probe {
            Probe::Stream | Probe::Paced => Rows::Streams,
            Probe::Datagrams => Rows::Datagrams,
            Probe::Median | Probe::Tail => Rows::Trips,
        }
    }
}

/// Rounds, and seconds of each probe.
const FULL: (u32, u32) = (5, 5);
const QUICK: (u32, u32) = (3, 2);

/// Measures everything, prints the table, and writes the JSON where asked.
pub(crate) fn run(arguments: &Tcp) -> Result<(), Failure> {
    if arguments.cpu == arguments.containers_cpu {
        let cpu = arguments.cpu;
        return Err(Failure::Vhost(format!("--cpu and --containers-cpu are both {cpu}: they must be two")));
    }
    let folder = Folder::create().map_err(Failure::Folder)?;
    let millraced = arguments.millraced.clone().unwrap_or_else(run::millraced_beside_us);
    let (rounds, seconds) = if arguments.quick { QUICK } else { FULL };
    let rounds = arguments.rounds.unwrap_or(rounds);
    let window = Duration::from_secs(seconds.into());
    let Tcp { cpu, containers_cpu, .. } = *arguments;
    let cpu_latency_us = cpus::asked_by_others().unwrap_or_default();
    if let Some(us) = cpu_latency_us {
        eprintln!("warning: somebody asks CPUs to wake up within {us} us: none may sleep as it likes");
    }
    let wanted = |probe: &Probe| arguments.only.is_empty() || arguments.only.contains(&Rows::of(*probe));
    let controls = wanted(&Probe::Stream).then(find_controls).transpose()?;
    let (mut rows, mut apart) = (Vec::new(), Vec::new());
    for (nodes, cpus) in [Nodes::One, Nodes::Two].into_iter().flat_map(|nodes| Cpus::ALL.map(|cpus| (nodes, cpus))) {
        let probes: Vec<Probe> = cpus.probes().iter().copied().filter(wanted).collect();
        if probes.is_empty() {
            continue;
        }
        let controls = controls.filter(|_| probes.contains(&Probe::Stream));
        let questions = Questions { window, probes: &probes, controls };
        let stage = Stage { millraced: &millraced, cpu, containers_cpu, folder: folder.path(), cpus, questions };
        if cpus == Cpus::Awake
            && let Err(why) = Awake::hold()
        {
            eprintln!("skipped: {}{}: {why}", nodes.name(), cpus.suffix());
            continue;
        }
        rows.extend(measure(&stage, nodes, rounds, &mut apart));
    }
    let (model, cpus, kernel) = fingerprint::machine();
    let written_s = fingerprint::now_s();
    let (window_s, distance_ns) = (seconds, Distances::of(apart));
    let fingerprint = Fingerprint {
        model,
        cpus,
        kernel,
        cpu,
        containers_cpu,
        rounds,
        window_s,
        controls,
        cpu_latency_us,
        distance_ns,
        written_s,
    };
    let report = Report { fingerprint, rows };
    print!("{}", report.table());
    if let Some(distances) = distance_ns {
        println!("{}", distances.remark());
    }
    if let Some(path) = &arguments.json {
        crate::output::write_json(path, &report)?;
    }
    let failed = report.rows.iter().filter(|row| !row.failed.is_empty()).count();
    if failed > 0 { Err(Failure::Rows(failed)) } else { Ok(()) }
}

fn find_controls() -> Result<Controls, Failure> {
    let found = Controls::find().map_err(|error| Failure::Vhost(error.to_string()))?;
    if found.timed.is_none() {
        eprintln!("skipped: paced streams: no namespace may have bbr (net.ipv4.tcp_allowed_congestion_control)");
    }
    Ok(found)
}

/// All probes between containers of one node, or of two. How far the CPUs are from each other is measured before each switch
/// starts, and goes to `apart`.
fn measure(stage: &Stage<'_>, nodes: Nodes, rounds: u32, apart: &mut Vec<Duration>) -> Vec<Row> {
    let switches: Vec<Switch> = Switch::ALL.into_iter().filter(|switch| switch.can(nodes)).collect();
    let mut taken: Vec<(Switch, Vec<Figures>, Option<String>)> =
        switches.into_iter().map(|switch| (switch, Vec::new(), None)).collect();
    if !ovs::is_installed() {
        eprintln!("skipped: ovs: {} is not there (Debian: `apt install openvswitch-switch-dpdk`)", ovs::VSWITCHD);
        taken.retain(|(switch, ..)| *switch != Switch::Ovs);
    }
    for round in 1..=rounds {
        for (switch, figures, failed) in taken.iter_mut().filter(|(.., failed)| failed.is_none()) {
            let distance = distance::between(stage.cpu, stage.containers_cpu);
            apart.extend(distance);
            let distance = distance.map_or(String::new(), |distance| format!(" (CPUs {distance:.0?} apart)"));
            let place = format!("{}, {}{}", nodes.name(), switch.name(), stage.cpus.suffix());
            eprint!("[{round}/{rounds}] {place}{distance} ... ");
            match stage.measure(*switch, nodes) {
                Ok(found) => {
                    eprintln!("{found}");
                    figures.push(found);
                }
                Err(why) => {
                    eprintln!("FAILED: {why}");
                    *failed = Some(why);
                }
            }
        }
    }
    stage.questions.probes.iter().map(|&probe| Row::new(nodes, stage.cpus, probe, &taken)).collect()
}
