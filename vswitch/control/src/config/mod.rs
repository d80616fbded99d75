//! The configuration file, from text to what it means.
//!
//! [`load`] reads the text into what the file says (`file.rs`, by serde), and that into a [`Config`]: passive values
//! that cannot be wrong, with every default filled in. A file is read to its end, so that the operator sees everything
//! that is wrong with it at once; each message names the place, the value, and what would be right.

mod access;
mod cidr;
mod duplicate;
mod error;
mod file;
mod gateway;
mod keys;
mod kind;
mod manual;
mod memory;
mod mtu;
mod name;
mod netns;
mod network;
mod path;
mod port;
mod queues;
mod read;
mod reference;
mod room;
mod section;
mod sourced;
mod static_entry;
mod switch;
mod tables;
mod tunnel;
mod version;
mod vhost;
mod vlans;
mod workers;

pub use access::{Access, Group, Pace, User};
pub use cidr::{Cidr, NotACidr};
pub use error::ConfigError;
pub use kind::{Kind, SocketMode};
pub use manual::reference;
pub use memory::{ETH_DESCRIPTORS, Hugepages, Memory};
pub use mtu::{MTU_MAX, MTU_MIN};
pub use name::{NAME_MAX, Name, NotAName};
pub use netns::{Netns, NotANetns};
pub use network::{FlowKey, Network};
pub use path::{Multipath, Path};
pub use port::{Port, Role};
pub(crate) use room::Rooms;
pub use room::{Chain, Room, overhead};
pub use sourced::Sourced;
pub use static_entry::{Behind, Static};
pub use switch::Switch;
pub use tables::Tables;
pub use tunnel::Tunnel;
pub(crate) use tunnel::next_hop_by;
pub use vhost::{SocketAccess, SocketFolder};
pub use vlans::{PortVlans, Tagged};
pub use workers::{Idle, Placement, Workers};

use self::{error::Errors, reference::Known};

/// What the operator wants, complete and free of contradictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The switch itself.
    pub switch: Switch,
    /// Its threads.
    pub workers: Workers,
    /// Its packet buffers.
    pub memory: Memory,
    /// Its tables.
    pub tables: Tables,
    /// Ports, in the order of the file.
    pub ports: Vec<Port>,
    /// Bridge domains, in the order of the file.
    pub networks: Vec<Network>,
    /// Tunnels, in the order of the file.
    pub tunnels: Vec<Tunnel>,
    /// What is odd about the file, though it works.
    pub warnings: Vec<ConfigError>,
}

impl Config {
    /// The port of that name.
    pub fn port(&self, name: &str) -> Option<&Port> {
        self.ports.iter().find(|port| port.name == name)
    }

    /// The network of that name.
    pub fn network(&self, name: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.name == name)
    }

    /// The tunnel of that name.
    pub fn tunnel(&self, name: &str) -> Option<&Tunnel> {
        self.tunnels.iter().find(|tunnel| tunnel.name == name)
    }
}

/// Reads a configuration file. `file` is what the operator calls it, for messages.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file: what TOML does not allow, else what no section has or
/// takes, else what cannot be meant.
pub fn load(text: &str, file: &str) -> Result<Config, Vec<ConfigError>> {
    let mut errors = Errors::new(text, file);
    let said = read::read(text, &mut errors);
    let config = if errors.is_empty() { meaning(&said, &mut errors) } else { None };
    match config {
        Some(config) if errors.is_empty() => Ok(Config { warnings: errors.take_warnings(), ..config }),
        _ => Err(errors.into_list()),
    }
}

/// What the file means; `None` only where there is no switch. Whatever contradicts is reported.
fn meaning(said: &file::File, errors: &mut Errors) -> Option<Config> {
    let known = Known::collect(said, errors);
    let switch = Switch::check(said.switch.as_ref(), errors);
    let workers = Workers::check(said.workers.as_ref(), errors);
    let tables = Tables::check(said.tables.as_ref(), errors);
    let folder = switch.as_ref().map(|switch| &switch.vhost);
    let mut drafts = port::check(&said.ports, &known, &workers, folder, errors);
    let networks = network::check(&said.networks, &known, &drafts, &tables, errors);
    let tunnels = tunnel::check(&said.tunnels, &known, &drafts, &networks, errors);
    mtu::settle(&mut drafts, &networks, &said.networks, &tunnels, errors);
    duplicate::ports(&drafts, errors);
    duplicate::vnis(&networks, &said.networks, errors);
    let ports: Vec<Port> = drafts.into_iter().map(|draft| draft.port).collect();
    let memory = Memory::check(said.memory.as_ref(), &ports, &workers, errors);
    Some(Config { switch: switch?, workers, memory, tables, ports, networks, tunnels, warnings: Vec::new() })
}
