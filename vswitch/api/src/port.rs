//! Answer of `show_ports`.

use serde::{Deserialize, Serialize};
use wire::Mac;

/// All ports, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// One row a port.
    pub ports: Vec<PortRow>,
}

/// One port: what it is, how it is, and what it did since it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRow {
    /// Its name in the configuration.
    pub name: String,
    /// What kind of device it is.
    pub kind: PortKind,
    /// What is behind it.
    pub role: PortRole,
    /// PCI address or vdev with its arguments, of an `eth` port.
    pub device: Option<String>,
    /// Network namespace the interface is in, of a `tap` port; none is the switch's own.
    pub netns: Option<String>,
    /// Interface name, of a `tap` port.
    pub interface: Option<String>,
    /// Socket, of a `vhost-user` port.
    #[serde(default)]
    pub socket: Option<String>,
    /// Its MAC, where known.
    pub mac: Option<Mac>,
    /// Its MTU in octets.
    pub mtu: u16,
    /// Its addresses with prefix lengths, `10.244.0.1/16`.
    pub addresses: Vec<String>,
    /// Whether the switch serves it.
    pub state: PortState,
    /// Why its device is not there, where it went away under the switch; it is opened again when it is back.
    #[serde(default)]
    pub gone: Option<String>,
    /// Whether the device has a link.
    pub link: Link,
    /// The network of untagged frames.
    pub network: Option<String>,
    /// The networks of frames in a VLAN, by it.
    #[serde(default)]
    pub trunk: Vec<TrunkRow>,
    /// The VLAN of the node's own traffic, of an uplink that has one.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// Frames a second that may be flooded from it, where there is a limit.
    #[serde(default)]
    pub storm_max: Option<u32>,
    /// Workers that hold its queues, its home first.
    pub workers: Vec<u8>,
    /// Whether what it sends is checked against its MACs and addresses.
    pub anti_spoof: bool,
    /// Frames received.
    pub rx_frames: u64,
    /// Octets received.
    pub rx_octets: u64,
    /// Frames the device took.
    pub tx_frames: u64,
    /// Octets the device took.
    pub tx_octets: u64,
    /// Of frames received here and copies of them: dropped, for a reason `show_drops` names.
    pub dropped: u64,
    /// Frames offered to the device that it refused.
    pub refused: u64,
    /// Lost by the device before the switch saw them: its queue overflowed.
    pub rx_missed: u64,
    /// Lost by the device before the switch saw them: no buffer.
    pub rx_no_buffer: u64,
    /// Lost by the device before the switch saw them: damaged or too long.
    pub rx_errors: u64,
    /// Of `tx_frames`: lost by the device, which took them and could not send them after all.
    pub tx_errors: u64,
    /// Whether the port's ledger balances.
    pub balanced: bool,
    /// What was chosen for its device, or agreed on with its guest, and why; of a port that is open.
    #[serde(default)]
    pub choices: Vec<ChoiceRow>,
}

/// One thing that was decided about a device when it was opened, or since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceRow {
    /// What it is about, such as `queues`, `rss` or `promiscuous`.
    pub what: String,
    /// What the configuration asks for, where it does.
    pub asked: Option<String>,
    /// What it has come to.
    pub chosen: String,
    /// Why, and what would change it.
    pub why: String,
    /// Whether it is less than was asked for, or than would be good.
    pub falls_short: bool,
}

/// A network, and the VLAN it is in at a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkRow {
    /// The VLAN.
    pub vlan: u16,
    /// The network.
    pub network: String,
}

/// Kinds of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortKind {
    /// A DPDK device.
    Eth,
    /// A TAP interface.
    Tap,
    /// The virtio device of a container or VM.
    #[serde(rename = "vhost-user")]
    VhostUser,
}

/// What is behind a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortRole {
    /// The underlay.
    Uplink,
    /// A container or VM.
    Access,
}

/// Whether the switch serves a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// A transaction under way opens it.
    Opening,
    /// Workers serve it.
    Up,
    /// It is open, but no worker serves it.
    Down,
}

/// Whether a device has a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// It has.
    Up,
    /// It has none.
    Down,
    /// The device does not tell.
    Unknown,
}

impl PortKind {
    /// Its word on the wire and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            PortKind::Eth => "eth",
            PortKind::Tap => "tap",
            PortKind::VhostUser => "vhost-user",
        }
    }
}

impl PortRole {
    /// Its word on the wire and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            PortRole::Uplink => "uplink",
            PortRole::Access => "access",
        }
    }
}

impl PortState {
    /// Its word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            PortState::Opening => "opening",
            PortState::Up => "up",
            PortState::Down => "down",
        }
    }
}

impl Link {
    /// Its word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Link::Up => "up",
            Link::Down => "down",
            Link::Unknown => "unknown",
        }
    }
}
