//! Benchmarks, load and the side-by-side with other switches.
//!
//! `perf generate` writes a capture of seeded load; `perf replay` sends such captures through millraced and, in the same
//! run, through testpmd: forwarding without looking (io) and touching only the MACs (macswap) is the floor it stands on.
//!
//! `perf load` is the other end of a switch's ports and knows what became of every packet; `perf latency` searches with it
//! for the rates that millraced carries, and tells how long packets take.
//!
//! `perf flows` shows, in this process, that neither the number of flows nor new ones nor changes elsewhere are a cliff.
//!
//! `perf count` counts instructions instead, which nothing disturbs: the gate compares them with what is recorded.
//! `perf scale` measures a second worker and the way between two.
//! `perf vhost` puts our vhost-user ports beside DPDK's library and other switches.
//!
//! The machines these run on are shared: what is compared is CPU time per packet, within one run.

#![deny(unsafe_code)]

mod acl;
mod compare;
mod control_socket;
mod count;
mod fingerprint;
mod flows;
mod folder;
mod generator;
mod interrupt;
mod kernel;
mod latency;
mod load;
mod millraced;
mod output;
mod ovs;
mod pcap;
mod plot;
mod poll_core;
mod process;
mod random;
mod replay;
mod report;
mod run;
mod sample;
mod scale;
mod spread;
mod tcp;
mod testpmd;
mod traffic;
mod vhost;
mod work;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    count::CountError,
    flows::{FlowsArguments, FlowsError},
    generator::{LoadArguments, LoadError},
    latency::{LatencyArguments, LatencyError},
    load::{Load, Shape},
    output::OutputError,
    work::Work,
};

#[derive(Parser)]
#[command(name = "perf", about = "Load and measurements for Millrace")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a capture of seeded load. Example: perf generate --shape vxlan --flows 1000 load.pcap
    Generate(Generate),
    /// Send counted packets through DPDK devices and say what became of each.
    ///
    /// Example: perf load --port 1=net_virtio_user0,path=/tmp/a.sock,server=1 --port 2=net_virtio_user1,path=/tmp/b.sock,server=1
    /// --stream 1:2 --stream 2:1 --rate 100000 --seconds 10
    Load(LoadArguments),
    /// Replay load through testpmd and millraced and print a table. Example: perf replay --quick --json figures.json
    Replay(Replay),
    /// Put millraced beside Open vSwitch, the kernel and testpmd's floor, and print a table. Example: perf compare --quick
    Compare(Compare),
    /// Find the rates that millraced carries between two vhost-user ports, and how long packets take at shares of them.
    /// Example: perf latency --quick --json latency.json
    Latency(LatencyArguments),
    /// What the number of flows, new flows and changes elsewhere cost a packet. Example: perf flows --quick --plots figures
    Flows(FlowsArguments),
    /// Count instructions a packet, stage by stage, and compare them with those recorded. Example: perf count --job l2
    Count(count::Count),
    /// What `count` runs under callgrind.
    #[command(hide = true)]
    Turns(count::Turns),
    /// What containers on TAPs get, beside the kernel's bridge and Open vSwitch: TCP, small UDP, round trips. Example: perf tcp --quick
    Tcp(tcp::Tcp),
    /// What `tcp` runs in its containers.
    #[command(hide = true)]
    Echo(tcp::Echo),
    /// What a second worker adds, and what handing a packet over to it costs. Example: perf scale --quick --json scale.json
    Scale(scale::Scale),
    /// Measure vhost-user ports: whole switches between two containers, and rings alone. Example: perf vhost --quick --json figures.json
    Vhost(vhost::Vhost),
}

#[derive(Args)]
struct Generate {
    /// What the packets look like.
    #[arg(long, value_enum, default_value_t = Shape::Plain)]
    shape: Shape,
    /// Different five-tuples.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=FLOWS_MAX))]
    flows: u32,
    /// Different pairs of MACs the flows are spread over.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=FLOWS_MAX))]
    mac_pairs: u32,
    /// The same seed gives the same file.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write.
    file: PathBuf,
}

/// How to replay.
#[derive(Args)]
struct Replay {
    #[command(flatten)]
    measure: Measure,
    /// Another millraced, as `beside` in the table: one build of the switch against another, in the same run.
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
}

/// How to compare.
#[derive(Args)]
struct Compare {
    #[command(flatten)]
    measure: Measure,
    /// Only beside this one (may be given several times).
    #[arg(long, value_enum)]
    peer: Vec<compare::Peer>,
    /// Only tunnels with every packet of ours keyed by its five-tuple, for 1 to 1,000,000 of these, beside nobody but the
    /// floor unless --peer is given: what the most expensive number of flows costs beside the cheapest.
    #[arg(long)]
    curve: bool,
    /// Also draw throughput over flows, one SVG for each work, into this folder.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
}

/// What is measured, and how long.
#[derive(Args)]
struct Measure {
    /// Up to three short measurements each, for a look rather than for figures: replay takes two minutes at most,
    /// compare five.
    #[arg(long)]
    quick: bool,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only this work (may be given several times).
    #[arg(long, value_enum)]
    work: Vec<Work>,
    /// Only this many five-tuples (may be given several times).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=FLOWS_MAX))]
    flows: Vec<u32>,
    /// Measurements of each row; the median counts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// The CPU that forwards; another one, any, controls it.
    #[arg(long, default_value_t = 1)]
    cpu: u32,
    /// Frames that testpmd and millraced take at once [default: 32, which is what both do by themselves].
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(4..=64))]
    burst: Option<u32>,
    /// The seed of the load.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The testpmd to run.
    #[arg(long, default_value = "dpdk-testpmd")]
    testpmd: PathBuf,
    /// The switch to run; by default the millraced beside this program.
    #[arg(long, value_name = "FILE")]
    millraced: Option<PathBuf>,
}

/// The exit code that says that nothing was measured, and why on the last line.
const SKIPPED: u8 = 77;

/// Flows a load may have, as clap wants it.
const FLOWS_MAX: i64 = load::FLOWS_MAX as i64;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // `load` ends well when it is interrupted: with its figures; `echo` has nothing to leave behind.
    if !matches!(command, Command::Load(_) | Command::Echo(_))
        && let Err(error) = interrupt::watch()
    {
        eprintln!("warning: an interrupt will leave namespaces and programs behind: {error}");
    }
    let result = match command {
        Command::Generate(g) => generate(&g),
        Command::Load(l) => generator::run(&l).map_err(Failure::Load),
        Command::Replay(r) => replay::run(&r),
        Command::Compare(c) => compare::run(&c),
        Command::Latency(l) => latency::run(&l).map_err(Failure::from),
        Command::Flows(f) => flows::run(&f).map_err(Failure::from),
        Command::Count(c) => count::run(&c).map_err(Failure::from),
        Command::Turns(t) => {
            count::turn(&t);
            Ok(())
        }
        Command::Vhost(v) => vhost::run(&v),
        Command::Tcp(t) => tcp::run(&t),
        Command::Scale(s) => scale::run(&s),
        Command::Echo(e) => tcp::echo(&e).map_err(Failure::Echo),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Count(error @ CountError::Skipped(_))) => {
            println!("{error}");
            SKIPPED.into()
        }
        Err(error) => {
            eprintln!("perf: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(arguments: &Generate) -> Result<(), Failure> {
    let Generate { shape, flows, mac_pairs, seed, ref file } = *arguments;
    Ok(pcap::write_file(file, Load { shape, flows, mac_pairs, seed }.packets())?)
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Capture(#[from] pcap::WriteError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Flows(#[from] FlowsError),
    #[error(transparent)]
    Latency(#[from] LatencyError),
    #[error(transparent)]
    Count(#[from] CountError),
    #[error("cannot make a folder for temporary files: {0}")]
    Folder(std::io::Error),
    #[error("{0}")]
    Vhost(String),
    #[error("echo: {0}")]
    Echo(std::io::Error),
    #[error("--cpus {0:?}: two different CPUs are needed, as in `--cpus 1,0`")]
    Cpus(Vec<u32>),
    #[error("{0} row(s) FAILED")]
    Rows(usize),
    #[error("{0} row(s) have figures that must not be compared; why is said below each")]
    Refused(usize),
    #[error(transparent)]
    Output(#[from] OutputError),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_flows_at_all_are_refused() {
        assert!(Cli::try_parse_from(["perf", "generate", "--flows", "0", "x"]).is_err());
    }
}
