//! What can be typed after `millrace show`.

use clap::{Args, Subcommand};

/// Options of `show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Show {
    /// Numbers in full, not shortened.
    #[arg(long, global = true)]
    pub(crate) exact: bool,

    /// What to show.
    #[command(subcommand)]
    pub(crate) what: What,
}

impl What {
    /// Whether devices are to be explained.
    pub(crate) fn has_detail(&self) -> bool {
        matches!(self, What::Ports { detail: true })
    }
}

/// What can be shown.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    /// Ports: what they are, whether they work, what went through them.
    ///
    /// GUARD: whether what it sends is checked against its MACs and addresses. DROPPED: received here, then dropped by
    /// the switch (`show drops` says why). REFUSED: offered to the device, not taken by it. DEV-LOST: lost by the device,
    /// before the switch saw them (queue overflow, no buffer, damaged) or after it took them to be sent.
    #[command(after_help = "Examples:
  millrace show ports
  millrace show ports --detail      what was chosen for each device, and why
  millrace --json show ports | jq -r '.ports[] | select(.state != \"up\") | .name'")]
    Ports {
        /// Also what was chosen for each DPDK device and why: queues, descriptors, offloads, filters, limits.
        #[arg(long)]
        detail: bool,
    },

    /// The running configuration: its text as it was applied, comments included.
    ///
    /// The revision grows with each change; `apply --base REVISION` refuses to overwrite a later one.
    #[command(after_help = "Examples:
  millrace show config > running.toml
  millrace --json show config | jq .revision")]
    Config,

    /// Networks (bridge domains): VNI, members, how many MACs of how many.
    #[command(after_help = "Example:
  millrace show networks")]
    Networks,

    /// MACs: where each one is, how that is known, and since when it has been silent.
    ///
    /// Every worker has its own replica; rows that agree are shown once, with all workers that say so.
    #[command(after_help = "Examples:
  millrace show macs
  millrace show macs --network blue")]
    Macs {
        /// Only this network's.
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
        /// Most rows to ask the switch for [default: 1000].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(api::ROWS_MAX)))]
        limit: Option<u32>,
    },

    /// Tunnels: the way to each remote VTEP, and whether its next hop is known.
    #[command(after_help = "Example:
  millrace show tunnels")]
    Tunnels,

    /// Flows: decisions the workers have cached, and how much each was used.
    #[command(after_help = "Examples:
  millrace show flows
  millrace --json show flows --limit 100000 | jq '.flows | max_by(.octets)'")]
    Flows {
        /// Most rows to ask the switch for [default: 1000].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(api::ROWS_MAX)))]
        limit: Option<u32>,
    },

    /// Workers: how busy they are, what they handed each other, how full their tables are.
    ///
    /// IDLE: share of turns since the start in which nothing was there to do. HIT: share of looked-up frames whose
    /// decision was cached.
    #[command(after_help = "Example:
  watch -n1 millrace show workers")]
    Workers,

    /// Drops: how many frames for which reason, from which ports.
    ///
    /// Reasons that begin with `host-` are of the node's own host stack (ARP, ICMP): frames it made or was given that
    /// ended there. They are not in the sum.
    #[command(after_help = "Examples:
  millrace show drops
  millrace show drops --all      every reason there is, with its meaning")]
    Drops {
        /// Also reasons nothing was dropped for.
        #[arg(long)]
        all: bool,
    },

    /// The ledger: the proof that no frame disappeared.
    ///
    /// What came into a worker's hands stands left of the =, where it went right of it. Likewise for each pair of
    /// workers that hand frames to each other (what waits in the ring between them is measured), and for each port:
    /// received frames and their fates; frames offered to the device, and taken or refused by it.
    #[command(after_help = "Examples:
  millrace show ledger
  millrace show ledger > /dev/null || echo \"a frame disappeared\"

Exit code: 0 when everything balances, else 1.")]
    Ledger,

    /// Which switch this is, its version, and since when it runs.
    #[command(after_help = "Example:
  millrace show version")]
    Version,
}
