//! What can be typed after `millrace port`, `network`, `tunnel` and `mac`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wire::Mac;

use super::value::{Assignment, Key};

/// Edits of ports.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Port {
    /// Add a port.
    #[command(after_help = "Examples:
  millrace port add a3 --tap --netns pod-a3 --network blue --address 10.244.1.3/16
  millrace port add up1 --eth 0000:3b:02.1 --uplink --address 192.0.2.9/24 --save
  millrace port add vm1 --vhost /run/vm1.sock --queues 2 --network blue --mac 02:00:00:00:00:09
  millrace port add a4 --tap --network blue --set mtu=1400 --set workers=[1]")]
    Add(PortAdd),
    /// Change keys of a port.
    #[command(after_help = "Examples:
  millrace port set a3 mtu=1400 storm_max=1000
  millrace port set a3 network=red --unset storm_max --dry-run
  millrace port set a3 'addresses=[\"10.244.1.4/16\"]'")]
    Set(Set),
    /// Remove a port.
    #[command(after_help = "Example:
  millrace port del a3 --save")]
    Del(Del),
}

/// Edits of networks.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Network {
    /// Add a network.
    #[command(after_help = "Example:
  millrace network add red --vni 4097 --set age_s=60")]
    Add(NetworkAdd),
    /// Change keys of a network.
    #[command(after_help = "Example:
  millrace network set red age_s=600 'tunnels=[\"to-b\"]'")]
    Set(Set),
    /// Remove a network; refused while ports are in it.
    #[command(after_help = "Example:
  millrace network del red")]
    Del(Del),
}

/// Edits of tunnels.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Tunnel {
    /// Add a tunnel, and put it in the lists of networks.
    #[command(after_help = "Examples:
  millrace tunnel add to-c --uplink up0 --remote 192.0.2.3 --network blue --set port=8472
  millrace tunnel add to-d --uplink up0 --uplink up1 --remote 192.0.2.4 --set multipath=ecmp")]
    Add(TunnelAdd),
    /// Change keys of a tunnel.
    #[command(after_help = "Example:
  millrace tunnel set to-c remote=192.0.2.4 --unset dscp")]
    Set(Set),
    /// Remove a tunnel; refused while a network lists it that is not named here.
    #[command(after_help = "Example:
  millrace tunnel del to-c --network blue --save")]
    Del(TunnelDel),
}

/// Edits of static entries.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MacEdit {
    /// Say where a MAC is.
    #[command(after_help = "Examples:
  millrace mac add blue 02:00:00:00:0a:07 --port a1
  millrace mac add blue 02:00:00:00:0b:07 --tunnel to-b --save")]
    Add(MacPlace),
    /// Say that a MAC is elsewhere.
    #[command(after_help = "Example:
  millrace mac set blue 02:00:00:00:0a:07 --port a2")]
    Set(MacPlace),
    /// Say no more where a MAC is.
    #[command(after_help = "Example:
  millrace mac del blue 02:00:00:00:0a:07")]
    Del(MacDel),
}

/// How an edit is made.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct How {
    /// Only show what would change.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Also write the file, comments kept: the one the running configuration came from, or FILE.
    ///
    /// Refused, before anything is changed, where the file is not what runs.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(super) save: Option<Option<PathBuf>>,
}

/// What `port add` takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct PortAdd {
    /// What it is to be called.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) device: Device,
    /// Network namespace of a TAP [default: the switch's own].
    #[arg(long, value_name = "NAME", requires = "tap")]
    pub(super) netns: Option<String>,
    /// Interface name of a TAP [default: the port's name].
    #[arg(long, value_name = "NAME", requires = "tap")]
    pub(super) interface: Option<String>,
    /// Who listens on the socket of a vhost-user port [default: client, that is the guest].
    #[arg(long, value_name = "WHO", requires = "vhost", value_parser = ["client", "server"])]
    pub(super) mode: Option<String>,
    /// Queue pairs [default: as many as it has workers, else 1].
    #[arg(long, value_name = "PAIRS", conflicts_with = "tap")]
    pub(super) queues: Option<u16>,
    /// It leads to the underlay.
    #[arg(long, conflicts_with_all = ["network", "vhost"])]
    pub(super) uplink: bool,
    /// The network of its untagged frames.
    #[arg(long, value_name = "NAME")]
    pub(super) network: Option<String>,
    /// Its MAC.
    #[arg(long)]
    pub(super) mac: Option<Mac>,
    /// An address with prefix length; may be given several times.
    #[arg(long = "address", value_name = "ADDRESS/LEN")]
    pub(super) addresses: Vec<String>,
    /// Any other key; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<Assignment>,
    #[command(flatten)]
    pub(super) how: How,
}

/// What kind of device a port is.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Device {
    /// A TAP interface.
    #[arg(long)]
    pub(super) tap: bool,
    /// A DPDK device: a PCI address, or a virtual device with its arguments.
    #[arg(long, value_name = "DEVICE")]
    pub(super) eth: Option<String>,
    /// The virtio device of a VM or of a DPDK container: the socket on which it and the switch meet.
    #[arg(long, value_name = "SOCKET", value_hint = clap::ValueHint::FilePath)]
    pub(super) vhost: Option<String>,
}

impl Device {
    /// The word of the file.
    pub(super) fn kind(&self) -> &'static str {
        match (&self.eth, &self.vhost) {
            (Some(_), _) => "eth",
            (None, Some(_)) => "vhost-user",
            (None, None) => "tap",
        }
    }
}

/// What `network add` takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct NetworkAdd {
    /// What it is to be called.
    pub(super) name: String,
    /// Its VXLAN network identifier.
    #[arg(long)]
    pub(super) vni: u32,
    /// A tunnel that carries it; may be given several times.
    #[arg(long = "tunnel", value_name = "NAME")]
    pub(super) tunnels: Vec<String>,
    /// Any other key; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<Assignment>,
    #[command(flatten)]
    pub(super) how: How,
}

/// What `tunnel add` takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct TunnelAdd {
    /// What it is to be called.
    pub(super) name: String,
    /// The port its packets leave by; may be given several times, the preferred one first.
    #[arg(long = "uplink", value_name = "PORT", required = true)]
    pub(super) uplinks: Vec<String>,
    /// The other VTEP.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) remote: String,
    /// A network it carries; may be given several times.
    #[arg(long = "network", value_name = "NAME")]
    pub(super) networks: Vec<String>,
    /// Any other key; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<Assignment>,
    #[command(flatten)]
    pub(super) how: How,
}

/// What `tunnel del` takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct TunnelDel {
    /// Which one.
    pub(super) name: String,
    /// A network from whose list to take it; may be given several times.
    #[arg(long = "network", value_name = "NAME")]
    pub(super) networks: Vec<String>,
    #[command(flatten)]
    pub(super) how: How,
}

/// What `set` takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Set {
    /// Which one.
    pub(super) name: String,
    /// New values. What is no TOML value is taken as text.
    #[arg(value_name = "KEY=VALUE", required_unless_present = "unset")]
    pub(super) values: Vec<Assignment>,
    /// A key to be left to its default; may be given several times.
    #[arg(long, value_name = "KEY")]
    pub(super) unset: Vec<Key>,
    #[command(flatten)]
    pub(super) how: How,
}

/// What `del` takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Del {
    /// Which one.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) how: How,
}

/// A MAC and where it is.
#[derive(Clone, Debug, Args)]
pub(crate) struct MacPlace {
    /// The network.
    pub(super) network: String,
    /// The MAC.
    pub(super) mac: Mac,
    #[command(flatten)]
    pub(super) behind: Behind,
    #[command(flatten)]
    pub(super) how: How,
}

/// What a MAC is behind.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Behind {
    /// A port of this switch.
    #[arg(long, value_name = "NAME")]
    pub(super) port: Option<String>,
    /// The VTEP at the other end of a tunnel.
    #[arg(long, value_name = "NAME")]
    pub(super) tunnel: Option<String>,
}

/// What `mac del` takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct MacDel {
    /// The network.
    pub(super) network: String,
    /// The MAC.
    pub(super) mac: Mac,
    #[command(flatten)]
    pub(super) how: How,
}
