//! `perf vhost`: what a frame costs between a switch and a guest: our rings beside those of DPDK's vhost library, and the
//! whole switch between two containers beside other switches.

mod containers;
mod library;
mod overlay;
mod pipeline;
mod report;
mod rig;
mod rings;
mod switches;

use std::path::PathBuf;

use clap::Args;
use dpdk::{Eal, EalConfig, Pool};
use vhost::Features;

use crate::{Failure, fingerprint, folder::Folder};
use report::{Fingerprint, Report, RingRow};
use rig::{Bench, Ring};

/// Frames of the pool: what four guests' rings hold, and some to work with.
const FRAMES: u32 = 8191;

/// Octets of the longest frame, behind the headroom.
const DATA_MAX: u16 = 2048;

/// MiB without hugepages: the pool, DPDK's own, and as much again.
const MEMORY_MIB: u32 = 128;

/// Chunks of each row, taken in turns; the median counts.
const CHUNKS: u32 = 2000;
const CHUNKS_QUICK: u32 = 200;

/// How to measure.
#[derive(Args)]
pub(crate) struct Vhost {
    /// Fewer measurements: five minutes, for a look rather than for figures.
    #[arg(long)]
    quick: bool,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Of the rings: measurements of each row; the median counts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    chunks: Option<u32>,
    /// Only this part (may be given twice).
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Of the rings: only this kind (may be given twice).
    #[arg(long, value_enum)]
    ring: Vec<Ring>,
    /// Of the rings: only frames of so many octets (may be given several times).
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u16).range(64..=1500))]
    size: Vec<u16>,
    /// The CPU to measure on.
    #[arg(long, default_value_t = 1)]
    cpu: u32,
    /// The CPU of the containers.
    #[arg(long, default_value_t = 0)]
    containers_cpu: u32,
    /// The testpmd to run.
    #[arg(long, default_value = "dpdk-testpmd")]
    testpmd: PathBuf,
    /// The switch to run; by default the millraced beside this program.
    #[arg(long, value_name = "FILE")]
    millraced: Option<PathBuf>,
    /// Use ordinary pages: on a machine without hugepages, and under valgrind.
    #[arg(long)]
    no_hugepages: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Frames between two containers, through whole switches.
    Pipeline,
    /// Out of a tunnel, to a container, and back into the tunnel.
    Overlay,
    /// Rings alone, in this process.
    Rings,
}

/// Measures everything, prints the tables, and writes the JSON where asked.
pub(crate) fn run(arguments: &Vhost) -> Result<(), Failure> {
    if arguments.cpu == arguments.containers_cpu {
        let cpu = arguments.cpu;
        return Err(Failure::Vhost(format!("--cpu and --containers-cpu are both {cpu}: they must be two")));
    }
    let folder = Folder::create().map_err(Failure::Folder)?;
    let is_wanted = |part: Part| arguments.part.is_empty() || arguments.part.contains(&part);
    // First, since the rings bind this process to one CPU, and programs would inherit that.
    let pipeline = if is_wanted(Part::Pipeline) { pipeline::measure(arguments, &folder) } else { Vec::new() };
    let overlay = if is_wanted(Part::Overlay) { overlay::measure(arguments, &folder) } else { Vec::new() };
    let rings =
        if is_wanted(Part::Rings) { measure_rings(arguments, &folder).map_err(Failure::Vhost)? } else { Vec::new() };
    let report = Report { fingerprint: fingerprint(arguments), rings, pipeline, overlay };
    print!("{}", report.tables());
    if let Some(path) = &arguments.json {
        crate::output::write_json(path, &report)?;
    }
    let refused = report.pipeline.iter().filter(|row| row.is_refused()).count()
        + report.overlay.iter().filter(|row| row.is_refused()).count();
    if refused > 0 { Err(Failure::Refused(refused)) } else { Ok(()) }
}

fn measure_rings(arguments: &Vhost, folder: &Folder) -> Result<Vec<RingRow>, String> {
    let eal = start(arguments)?;
    if !core_affinity::set_for_current(core_affinity::CoreId { id: arguments.cpu as usize }) {
        return Err(format!("cannot run on CPU {}", arguments.cpu));
    }
    let pool = Pool::create(&eal, "perf", FRAMES, DATA_MAX, None).map_err(|error| error.to_string())?;
    let bench = Bench { eal: &eal, pool: &pool, folder: folder.path() };
    let (chunks, sizes) = (chunks(arguments), sizes(arguments));
    let mut rows = Vec::new();
    for ring in Ring::ALL.into_iter().filter(|ring| arguments.ring.is_empty() || arguments.ring.contains(ring)) {
        eprintln!("{} rings, {chunks} measurements of each row ...", ring.name());
        rows.extend(rings::measure(&bench, ring, &sizes, chunks)?);
    }
    Ok(rows)
}

fn chunks(arguments: &Vhost) -> u32 {
    arguments.chunks.unwrap_or(if arguments.quick { CHUNKS_QUICK } else { CHUNKS })
}

fn sizes(arguments: &Vhost) -> Vec<usize> {
    if arguments.size.is_empty() {
        rings::SIZES.to_vec()
    } else {
        arguments.size.iter().map(|&size| size.into()).collect()
    }
}

fn start(arguments: &Vhost) -> Result<Eal, String> {
    let config = EalConfig {
        cpu: Some(arguments.cpu),
        hugepages: !arguments.no_hugepages,
        memory_mib: if arguments.no_hugepages { MEMORY_MIB } else { 0 },
        log_level: log::LevelFilter::Error,
        ..EalConfig::default()
    };
    Eal::init(&config).map_err(|error| error.to_string())
}

fn fingerprint(arguments: &Vhost) -> Fingerprint {
    let (cpu, cpus, kernel) = fingerprint::machine();
    Fingerprint {
        cpu,
        cpus,
        kernel,
        dpdk: dpdk::version(),
        measured_cpu: arguments.cpu,
        containers_cpu: arguments.containers_cpu,
        hugepages: !arguments.no_hugepages,
        chunks: chunks(arguments),
        written_s: fingerprint::now_s(),
    }
}
