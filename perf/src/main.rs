//! Benchmarks, load and the side-by-side with other switches.
//!
//! `perf generate` writes a capture of seeded load; `perf replay` sends such captures through testpmd, in one run, so
//! that the switch has a floor to stand on: forwarding without looking (io) and touching only the MACs (macswap).
//!
//! The machines these run on are shared: what is compared is CPU time per packet, within one run.

#![forbid(unsafe_code)]

mod load;
mod pcap;
mod poll_core;
mod random;
mod replay;
mod report;
mod testpmd;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::load::{Load, Shape};

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
    /// Replay load through testpmd and print a table. Example: perf replay --quick --json figures.json
    Replay(Replay),
}

#[derive(Args)]
struct Generate {
    /// What the packets look like.
    #[arg(long, value_enum, default_value_t = Shape::Plain)]
    shape: Shape,
    /// Different five-tuples.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(load::FLOWS_MAX)))]
    flows: u32,
    /// Different pairs of MACs the flows are spread over.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=i64::from(load::FLOWS_MAX)))]
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
    /// One short measurement each: a few seconds in all, for a look rather than for figures.
    #[arg(long)]
    quick: bool,
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The CPU that forwards; another one, any, controls it.
    #[arg(long, default_value_t = 1)]
    cpu: u32,
    /// The seed of the load.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The testpmd to run.
    #[arg(long, default_value = "dpdk-testpmd")]
    testpmd: PathBuf,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Generate(g) => generate(&g),
        Command::Replay(r) => replay::run(&r),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
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
    Testpmd(#[from] testpmd::TestpmdError),
    #[error("cannot write {}: {cause}", path.display())]
    Report { path: PathBuf, cause: std::io::Error },
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
