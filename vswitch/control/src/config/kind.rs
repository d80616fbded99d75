//! What a port is: `kind` in `[[port]]`, and the keys that go with each.

use std::path::PathBuf;

use super::{Name, Netns, SocketAccess, SocketFolder, error::Span, file, keys, port::span, section::Section, vhost};

/// Octets an interface name may have (`IFNAMSIZ` less one).
const INTERFACE_MAX: usize = 15;

/// Octets a device text may have.
const DEVICE_MAX: usize = 512;

/// What a port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A device that DPDK drives.
    Eth {
        /// Its PCI address, or the name of a virtual device with its arguments.
        device: String,
    },
    /// A TAP interface of the kernel.
    Tap {
        /// The namespace it is made in; `None` is the switch's own.
        netns: Option<Netns>,
        /// Its name there.
        interface: String,
    },
    /// A virtio device of a container or VM, over a socket and shared memory.
    VhostUser {
        /// The socket.
        socket: PathBuf,
        /// Who listens on it.
        mode: SocketMode,
        /// Who may be at its other end.
        access: SocketAccess,
    },
}

/// Who listens on the socket of a vhost-user port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketMode {
    /// The guest. Both sides may be restarted.
    Client,
    /// The switch.
    Server,
}

impl Kind {
    /// Whether packets may come from it, and go to it, that are not finished: without checksums, or to be cut into segments.
    pub fn has_offloads(&self) -> bool {
        matches!(self, Kind::Tap { .. } | Kind::VhostUser { .. })
    }

    /// The kernel's interface that a virtual device takes its frames from; a second one would receive them too.
    pub fn attached_to(&self) -> Option<&str> {
        let Kind::Eth { device } = self else { return None };
        let is_attached =
            ["net_af_packet", "net_af_xdp", "eth_af_packet", "eth_af_xdp"].iter().any(|d| device.starts_with(d));
        is_attached.then(|| device.split(',').find_map(|argument| argument.strip_prefix("iface="))).flatten()
    }
}

/// The word of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Eth,
    Tap,
    VhostUser,
}

/// Reads a port's kind, and refuses keys of others.
pub(super) fn check(said: &file::Port, folder: Option<&SocketFolder>, check: &mut Section) -> Option<Kind> {
    let word = check.chosen(&keys::KIND, &said.kind, &[Word::Eth, Word::Tap, Word::VhostUser])?;
    foreign_keys(said, word, check);
    match word {
        Word::Eth => device(said, check),
        Word::Tap => tap(said, check),
        Word::VhostUser => vhost::check(said, folder, check),
    }
}

fn foreign_keys(said: &file::Port, word: Word, check: &mut Section) {
    let keys: [(&str, Word, Option<Span>); 8] = [
        ("device", Word::Eth, span(&said.device)),
        ("netns", Word::Tap, span(&said.netns)),
        ("interface", Word::Tap, span(&said.interface)),
        ("socket", Word::VhostUser, span(&said.socket)),
        ("mode", Word::VhostUser, span(&said.mode)),
        ("socket_owner", Word::VhostUser, span(&said.socket_owner)),
        ("socket_group", Word::VhostUser, span(&said.socket_group)),
        ("socket_mode", Word::VhostUser, span(&said.socket_mode)),
    ];
    let keys: Vec<_> = keys.into_iter().filter(|&(_, of, _)| of != word).map(|(key, _, at)| (key, at)).collect();
    let hint = match word {
        Word::Eth => "`device` names what DPDK drives",
        Word::Tap => "`interface` names a TAP, `netns` its namespace",
        Word::VhostUser => "`socket` is where the guest is, `mode` who listens on it",
    };
    let problem = format!("does not go with kind = {:?}", said.kind.get_ref());
    check.no_place_for(&keys, &problem, hint);
}

fn tap(said: &file::Port, check: &mut Section) -> Option<Kind> {
    let netns = said.netns.as_ref().and_then(|text| {
        check.parsed("netns", text, "is not a network namespace", "a name under /run/netns, or an absolute path")
    });
    Some(Kind::Tap { netns, interface: interface(said, check)? })
}

fn device(said: &file::Port, check: &mut Section) -> Option<Kind> {
    let hint = "a PCI address, or a virtual device with its arguments, as in \"net_af_packet0,iface=eth1\"";
    let Some(device) = &said.device else {
        check.lacks("has no `device`", hint);
        return None;
    };
    let text = device.get_ref();
    if text.is_empty() || text.len() > DEVICE_MAX || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        check.refuse("device", &device.span(), "is not a device", hint);
        return None;
    }
    Some(Kind::Eth { device: text.clone() })
}

fn interface(said: &file::Port, check: &mut Section) -> Option<String> {
    let text = said.interface.as_ref().unwrap_or(&said.name);
    let interface = text.get_ref();
    // What the kernel's dev_valid_name() takes, less `%`, which it would replace by a number.
    let legal = (1..=INTERFACE_MAX).contains(&interface.len())
        && interface != "."
        && interface != ".."
        && !interface.contains(|c: char| c.is_control() || c.is_whitespace() || "/:%".contains(c));
    if legal {
        return Some(interface.clone());
    }
    let hint = format!("1 to {INTERFACE_MAX} octets without `/`, `:`, `%` and spaces");
    match said.interface {
        Some(_) => check.refuse("interface", &text.span(), "is not a name an interface can have", hint),
        None if interface.parse::<Name>().is_err() => {} // reported as a name
        None => {
            check.refuse("name", &text.span(), "is no name for the interface too", format!("add `interface`: {hint}"))
        }
    }
    None
}
