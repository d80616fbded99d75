//! What can be typed after `millrace show`.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use wire::Mac;

use super::watch::Period;

/// Options of `show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Show {
    /// Numbers in full, not shortened.
    #[arg(long, global = true)]
    pub(crate) exact: bool,

    /// Again and again, every so many seconds (1 where none are given), until Ctrl-C; with rates beside counters.
    ///
    /// On a terminal in one place; in a pipe one block after the other, under --json one line each.
    #[arg(long, global = true, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
          default_missing_value = "1")]
    pub(crate) watch: Option<Period>,

    /// What to show.
    #[command(subcommand)]
    pub(crate) what: What,
}

impl What {
    /// Whether devices are to be explained.
    pub(crate) fn has_detail(&self) -> bool {
        matches!(self, What::Ports(wanted) if wanted.detail)
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
  millrace show ports --watch --state down
  millrace show ports a1 a2
  millrace show ports --detail      what was chosen for each device, and why
  millrace --json show ports | jq -r '.ports[] | select(.state != \"up\") | .name'")]
    Ports(PortsWanted),

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
    Networks {
        /// Only these.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },

    /// MACs: where each one is, how that is known, and since when it has been silent.
    ///
    /// Every worker has its own replica; rows that agree are shown once, with all workers that say so.
    #[command(after_help = "Examples:
  millrace show macs
  millrace show macs --network blue
  millrace show macs --mac 02:00:00:00:0a:01")]
    Macs(Rows),

    /// Tunnels: the way to each remote VTEP, and whether its next hop is known.
    #[command(after_help = "Example:
  millrace show tunnels")]
    Tunnels(TunnelsWanted),

    /// MTUs: how long a packet may be in each network and at each port, and the sum that says so.
    ///
    /// TAGGED: the same behind a VLAN tag that a guest has put on itself, which takes 4 octets in a tunnel. GUEST: what
    /// the guest of a vhost-user port was told when it connected. Where there is any: tunnels that take less for a while
    /// because a router of the underlay has said so, and of each worker how many senders were told that a packet was too
    /// big, and the last such packet.
    #[command(after_help = "Examples:
  millrace show mtu
  millrace show mtu blue      one network and its ports
  millrace --json show mtu | jq -r '.networks[] | [.name, .mtu, .chain] | @tsv'")]
    Mtu {
        /// Only these networks (with their ports) and ports.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },

    /// Flows: decisions the workers have cached, and how much each was used.
    ///
    /// IP: the source address, where a port is bound to its addresses; the whole five-tuple in networks with
    /// `flow_key = "five-tuple"`.
    #[command(after_help = "Examples:
  millrace show flows
  millrace show flows --port a1 --mac 02:00:00:00:0a:02
  millrace show flows --network blue --address 10.0.0.1
  millrace --json show flows --limit 100000 | jq '.flows | max_by(.octets)'")]
    Flows(FlowsWanted),

    /// Workers: how busy they are, what they handed each other, how full their tables are.
    ///
    /// LOAD: what its thread used of a CPU within the last second or two. IDLE: share of turns since the start in which nothing was there to do. HIT: share of looked-up frames whose
    /// decision was cached.
    #[command(after_help = "Example:
  millrace show workers --watch")]
    Workers {
        /// Only these.
        #[arg(value_name = "NUMBER")]
        numbers: Vec<u8>,
    },

    /// Memory: what takes how much of it, on which pages, and how much of that is used.
    ///
    /// The items are those that `millrace check` tells before the start, each worker's tables one by one. EACH: octets
    /// that one flow, MAC or frame takes, with its share of everything around it.
    #[command(after_help = "Examples:
  millrace show memory
  millrace --json show memory | jq '.items[] | select(.what == \"flow tables\") | .used / .places'")]
    Memory,

    /// Drops: how many frames for which reason, from which ports.
    ///
    /// Reasons that begin with `host-` are of the node's own host stack (ARP, ICMP): frames it made or was given that
    /// ended there. They are not in the sum.
    #[command(after_help = "Examples:
  millrace show drops
  millrace show drops --port a1 --watch=5
  millrace show drops --all      every reason there is, with its meaning")]
    Drops(DropsWanted),

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

/// Which ports.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PortsWanted {
    /// Only these.
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Only of this kind: eth, tap, …
    #[arg(long)]
    pub(super) kind: Option<String>,
    /// Only in this role.
    #[arg(long, value_parser = ["uplink", "access"])]
    pub(super) role: Option<String>,
    /// Only in this network, tagged or not.
    #[arg(long, value_name = "NAME")]
    pub(super) network: Option<String>,
    /// Only in this state.
    #[arg(long, value_parser = ["up", "down", "opening"])]
    pub(super) state: Option<String>,
    /// Also what was chosen for each DPDK device and why: queues, descriptors, offloads, filters, limits.
    #[arg(long)]
    pub(super) detail: bool,
}

/// Which tunnels.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TunnelsWanted {
    /// Only these.
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Only in this state.
    #[arg(long, value_parser = ["resolved", "unresolved"])]
    pub(super) state: Option<String>,
    /// Only by this uplink.
    #[arg(long, value_name = "PORT")]
    pub(super) uplink: Option<String>,
    /// Only those that carry this network.
    #[arg(long, value_name = "NAME")]
    pub(super) network: Option<String>,
}

/// Which drops.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DropsWanted {
    /// Also reasons nothing was dropped for.
    #[arg(long)]
    pub(super) all: bool,
    /// Only frames that came in by this port.
    #[arg(long, value_name = "NAME")]
    pub(super) port: Option<String>,
    /// Only for this reason; may be given several times.
    #[arg(long = "reason", value_name = "REASON")]
    pub(super) reasons: Vec<String>,
}

/// Which flows; the switch picks them.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FlowsWanted {
    #[command(flatten)]
    pub(super) rows: Rows,
    /// Only from or to this IP address, as far as the flow is told apart by it.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) address: Option<IpAddr>,
}

/// Which rows of a long list; the switch picks them.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Rows {
    /// Only of this network.
    #[arg(long, value_name = "NAME")]
    pub(super) network: Option<String>,
    /// Only behind (or through) this port or tunnel.
    #[arg(long = "port", visible_alias = "tunnel", value_name = "NAME")]
    pub(super) member: Option<String>,
    /// Only this MAC (of flows: from it or to it).
    #[arg(long)]
    pub(super) mac: Option<Mac>,
    /// Most rows to ask the switch for [default: 1000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(api::ROWS_MAX)))]
    pub(super) limit: Option<u32>,
}
