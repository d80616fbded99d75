//! `perf scale`: what a second worker adds, and what it costs to hand a packet over to it.
//!
//! Each worker replays a capture of its own from memory, so that generator, switch and sink share its core. Three layouts take
//! turns: one worker alone; two with nothing to do with each other, which shows what they take from one another (caches, memory,
//! the pool of frames); and two of which each sends what the other has received, which shows the price of a handoff: both halves
//! of it, for each worker gives one packet and takes one for every packet it receives.

mod layout;
mod report;

use std::{path::PathBuf, thread, time::Duration};

use api::{Reply, Request, WorkerRow};
use clap::Args;

use crate::{
    Failure,
    control_socket::{ControlSocket, SocketError},
    fingerprint::Fingerprint,
    folder::Folder,
    load::{INNER_LEN, Load, Shape},
    millraced::{MillracedError, Running, SOCKET},
    output, pcap, run,
    sample::Sample,
};
use layout::{Bench, Layout};
use report::{Report, Round};

/// How to measure.
#[derive(Args)]
pub(crate) struct Scale {
    /// Fewer and shorter measurements: half a minute, for a look rather than for figures.
    #[arg(long)]
    quick: bool,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measurements of each layout; the median counts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// The CPUs of the workers; the first is also that of the worker alone.
    #[arg(long, value_name = "CPU,CPU", value_delimiter = ',', default_value = "1,0")]
    cpus: Vec<u32>,
    /// Five-tuples of each stream.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    flows: u32,
    /// The switch to run; by default the millraced beside this program.
    #[arg(long, value_name = "FILE")]
    millraced: Option<PathBuf>,
}

/// Pairs of MACs the flows are spread over.
const MAC_PAIRS: u32 = 64;
const SEED: u64 = 1;
const WARM_UP: Duration = Duration::from_millis(300);

/// Rounds, and the length of each measurement.
const FULL: (u32, Duration) = (9, Duration::from_secs(3));
const QUICK: (u32, Duration) = (5, Duration::from_millis(700));

/// Measures everything, prints the table, and writes the JSON where asked.
pub(crate) fn run(arguments: &Scale) -> Result<(), Failure> {
    let [first, second] = arguments.cpus[..] else { return Err(Failure::Cpus(arguments.cpus.clone())) };
    if first == second {
        return Err(Failure::Cpus(arguments.cpus.clone()));
    }
    let (rounds, window) = if arguments.quick { QUICK } else { FULL };
    let rounds = arguments.rounds.unwrap_or(rounds);
    let folder = Folder::create().map_err(Failure::Folder)?;
    let load = Load { shape: Shape::Plain, flows: arguments.flows, mac_pairs: MAC_PAIRS, seed: SEED };
    let capture = folder.path().join("load.pcap");
    pcap::write_file(&capture, load.packets())?;
    let hugepages = run::hugepages_hold(2 * load.packet_count());
    let program = arguments.millraced.clone().unwrap_or_else(run::millraced_beside_us);
    let fingerprint = Fingerprint {
        poll_cpu: first,
        hugepages,
        seed: SEED,
        inner_octets: INNER_LEN,
        mac_pairs: MAC_PAIRS,
        rounds,
        window_ms: window.as_millis() as u64,
        ..Fingerprint::of_now()
    };
    let mut report = Report::new(fingerprint);
    for round in 1..=rounds {
        for layout in Layout::ALL {
            eprint!("[{round}/{rounds}] {} ... ", layout.name());
            let socket = folder.path().join(SOCKET);
            let (load, capture, socket) = (&load, &capture, &socket);
            let text = Bench { layout, load, capture, socket, cpus: &arguments.cpus, hugepages }.config();
            let measured = Running::start(&program, folder.path(), &text)
                .and_then(|switch| measure(switch, layout, &arguments.cpus, window, &mut report.fingerprint));
            match measured {
                Ok(round) => {
                    eprintln!("{round}");
                    report.note(layout, round);
                }
                Err(why) => {
                    eprintln!("FAILED: {why}");
                    report.fail(layout, why.to_string());
                }
            }
        }
    }
    print!("{}", report.table());
    if let Some(path) = &arguments.json {
        output::write_json(path, &report.json())?;
    }
    match report.failures() {
        0 => Ok(()),
        failed => Err(Failure::Rows(failed)),
    }
}

/// One measurement of a switch that has just been started.
fn measure(
    mut switch: Running,
    layout: Layout,
    cpus: &[u32],
    window: Duration,
    fingerprint: &mut Fingerprint,
) -> Result<Round, MillracedError> {
    fingerprint.note(switch.version()?);
    let mut socket = switch.ready()?;
    let threads: Vec<_> = cpus[..layout.workers()]
        .iter()
        .enumerate()
        .map(|(worker, &cpu)| switch.worker_thread(worker, cpu))
        .collect::<Result<_, _>>()?;
    let marks =
        || threads.iter().map(|thread| thread.mark().ok_or_else(|| switch.stuck())).collect::<Result<Vec<_>, _>>();
    thread::sleep(WARM_UP);
    let (before, start) = (workers(&mut socket)?, marks()?);
    thread::sleep(window);
    let (after, end) = (workers(&mut socket)?, marks()?);
    let samples = end
        .iter()
        .zip(&start)
        .enumerate()
        .map(|(worker, (end, start))| end.since(start, grown(&before, &after, worker, |row| row.rx)));
    let samples: Vec<Sample> = samples.collect();
    let sum = |count: fn(&WorkerRow) -> u64| (0..layout.workers()).map(|w| grown(&before, &after, w, count)).sum();
    let round = Round { samples, handed: sum(|row| row.handed), dropped: sum(|row| row.dropped) };
    if !socket.ask(&Request::ShowLedger, |reply| if let Reply::Ledger(l) = reply { Some(l) } else { None })?.balanced {
        return Err(MillracedError::Misled("the ledger does not balance".to_owned()));
    }
    round.objection(layout).map_or(Ok(()), |what| Err(MillracedError::Misled(what)))?;
    drop(socket);
    switch.stop()?;
    Ok(round)
}

fn workers(socket: &mut ControlSocket) -> Result<Vec<WorkerRow>, SocketError> {
    Ok(socket.ask(&Request::ShowWorkers, |reply| if let Reply::Workers(w) = reply { Some(w) } else { None })?.workers)
}

/// By how much one of a worker's counts has grown.
fn grown(before: &[WorkerRow], after: &[WorkerRow], worker: usize, count: fn(&WorkerRow) -> u64) -> u64 {
    let of = |rows: &[WorkerRow]| rows.iter().find(|row| usize::from(row.worker) == worker).map_or(0, count);
    of(after).saturating_sub(of(before))
}
