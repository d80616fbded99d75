//! What can be typed to `millraced`.
//!
//! A room of its own because two programs read it: `millraced` itself, and `millrace man`, which writes the manual pages of
//! both and has to build where there is no DPDK.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser};

/// Millrace, a user-space packet switch for containers and VMs on DPDK.
#[derive(Debug, Parser)]
#[command(
    name = "millraced",
    after_help = "\
Examples:
  millraced --config config/one-node.toml
  millraced --config /etc/millrace/node-a.toml --log debug

  Then, from another terminal: millrace show ports

Exit codes: 0 stopped as asked, 1 could not start or failed, 2 wrong usage."
)]
pub struct Arguments {
    /// The configuration file (TOML); `millrace check FILE` says whether it is right without starting anything.
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,

    /// How much to log: error, warn, info, debug or trace. RUST_LOG overrides it.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: log::LevelFilter,

    /// Which of the installed builds to run: `auto` is the best that this CPU can.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = CpuLevel::Auto)]
    pub cpu_level: CpuLevel,
}

/// Builds of the switch, by the level of the x86-64 psABI they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CpuLevel {
    /// The best that is installed and that the CPU can run.
    Auto,
    /// The one that runs on every CPU that DPDK runs on.
    Baseline,
    /// With AVX2.
    #[value(name = "x86-64-v3")]
    V3,
    /// With AVX-512.
    #[value(name = "x86-64-v4")]
    V4,
}

/// The command line of a `millraced` that calls itself `version`.
pub fn command(version: &'static str) -> clap::Command {
    Arguments::command().version(version)
}

impl Arguments {
    /// What this process was started with. Help, version and wrong usage are told, and end it.
    pub fn of_process(version: &'static str) -> Arguments {
        let matches = command(version).get_matches();
        Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together_and_its_examples_parse() {
        let mut command = command("1");
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        let examples: Vec<_> = help.lines().filter(|line| line.starts_with("  millraced ")).collect();
        assert_eq!(examples.len(), 2, "{help}");
        for line in examples {
            assert!(Arguments::try_parse_from(line.split_whitespace()).is_ok(), "{line}");
        }
        assert!(Arguments::try_parse_from(["millraced"]).is_err());
    }
}
