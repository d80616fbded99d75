//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Millrace, a user-space packet switch for containers and VMs on DPDK.
#[derive(Debug, Parser)]
#[command(
    name = "millraced",
    version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("MILLRACE_GIT"), ", DPDK ", env!("MILLRACE_DPDK_VERSION"), ")"),
    after_help = "Example:\n  millraced --config config/one-node.toml\n\n\
                  Then, from another terminal:\n  millrace show ports\n\n\
                  Exit codes: 0 stopped as asked, 1 could not start or failed, 2 wrong usage."
)]
pub(crate) struct Arguments {
    /// The configuration file (TOML); `millrace check FILE` says whether it is right without starting anything.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// How much to log: error, warn, info, debug or trace. RUST_LOG overrides it.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log: log::LevelFilter,
}
