//! Captures through forwarders: every load, every kind of work, in one run.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Failure, Replay,
    load::{Load, Shape},
    pcap,
    report::{self, Row},
    testpmd::{Mode, Sample, Testpmd, TestpmdError},
};

/// Pairs of MACs the flows are spread over.
const MAC_PAIRS: u32 = 64;

/// How much is measured.
struct Plan {
    flows: &'static [u32],
    /// Measurements of each kind of work on each load, taken in turns.
    rounds: u32,
    warm_up: Duration,
    window: Duration,
}

const FULL: Plan =
    Plan { flows: &[1, 1000, 100_000], rounds: 3, warm_up: Duration::from_secs(1), window: Duration::from_secs(3) };

const QUICK: Plan =
    Plan { flows: &[1, 1000], rounds: 1, warm_up: Duration::from_millis(300), window: Duration::from_millis(700) };

/// Measures everything, prints the table, and writes the JSON where asked.
pub(crate) fn run(arguments: &Replay) -> Result<(), Failure> {
    let plan = if arguments.quick { QUICK } else { FULL };
    let mut rows = Vec::new();
    for shape in [Shape::Plain, Shape::Vxlan] {
        for &flows in plan.flows {
            rows.extend(on_load(arguments, &plan, shape, flows)?);
        }
    }
    print!("{}", report::table(&rows));
    let Some(path) = &arguments.json else { return Ok(()) };
    let report = |cause| Failure::Report { path: path.clone(), cause };
    let json = serde_json::to_vec_pretty(&rows).map_err(|error| report(error.into()))?;
    fs::write(path, json).map_err(report)
}

/// All kinds of work on one load. They take turns, so that a slow minute of the machine hits all of them.
fn on_load(arguments: &Replay, plan: &Plan, shape: Shape, flows: u32) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring {flows} flows, {shape:?} ...");
    let load = Load { shape, flows, mac_pairs: MAC_PAIRS, seed: arguments.seed };
    let capture = Capture::of(&load)?;
    let (mut io, mut macswap) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        io.push(measure(arguments, plan, &load, &capture.0, Mode::Io)?);
        macswap.push(measure(arguments, plan, &load, &capture.0, Mode::Macswap)?);
    }
    let Some(io) = report::median(io) else { return Ok(Vec::new()) };
    let io_ns = report::packet_ns(&io);
    let rows = [(Mode::Io, Some(io)), (Mode::Macswap, report::median(macswap))];
    Ok(rows
        .iter()
        .filter_map(|(mode, sample)| Some(report::row(*mode, shape, flows, sample.as_ref()?, io_ns)))
        .collect())
}

fn measure(arguments: &Replay, plan: &Plan, load: &Load, capture: &Path, mode: Mode) -> Result<Sample, TestpmdError> {
    let packets = load.packet_count();
    let hugepages = hugepages_hold(packets);
    let testpmd = Testpmd { program: &arguments.testpmd, mode, capture, packets, cpu: arguments.cpu, hugepages };
    testpmd.measure(plan.warm_up, plan.window)
}

/// Whether the free hugepages of 2 MiB hold so many packets with room to spare.
fn hugepages_hold(packets: u32) -> bool {
    let free = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    let free: u64 = free.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    // 800 buffers of 2.5 KiB a page, and DPDK's own tables.
    free > u64::from(packets) / 800 + 64
}

/// A capture in the temporary folder, removed when it is done with.
struct Capture(PathBuf);

impl Capture {
    fn of(load: &Load) -> Result<Capture, Failure> {
        let capture = Capture(std::env::temp_dir().join(format!("millrace-perf-{}.pcap", std::process::id())));
        pcap::write_file(&capture.0, load.packets())?;
        Ok(capture)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
