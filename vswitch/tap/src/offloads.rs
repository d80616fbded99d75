//! What the container's kernel and the switch leave to each other to be done: agreed on when a TAP is opened.

use std::os::fd::BorrowedFd;

use frame::Takes;
use libc::{TUN_F_CSUM, TUN_F_TSO_ECN, TUN_F_TSO4, TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6, c_uint};
use wire::virtio_net::{HEADER_LEN, TUNNEL_HEADER_LEN};

use crate::{Behind, kernel};

const TCP: c_uint = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
const UDP: c_uint = TUN_F_USO4 | TUN_F_USO6;
/// `TUN_F_UDP_TUNNEL_GSO` and `TUN_F_UDP_TUNNEL_GSO_CSUM`.
const TUNNELS: c_uint = 0x080 | 0x100;

const ALL: &str = "all that this kernel can leave to a TAP";
const NO_TUNNELS: &str = "this kernel does not leave super-frames in tunnels to a TAP (Linux does from 6.17 on)";
const NO_UDP: &str = "this kernel does not leave it to a TAP to cut UDP datagrams (Linux does from 6.2 on)";
const NO_TCP: &str = "this kernel does not leave it to a TAP to cut TCP segments";
const NOTHING: &str = "this kernel leaves nothing to a TAP";

/// What is left to the switch when the container sends, and to the container's kernel when it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offloads {
    flags: c_uint,
    why: &'static str,
    /// Less than was asked for.
    falls_short: bool,
    /// Open checksums are completed as packets are read.
    pub(crate) sums_at_once: bool,
}

/// How much is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing: the operator says so.
    Nothing,
    /// Checksums: there are no super-frames, for this reason.
    Checksums(&'static str),
    /// All there is for whoever is behind the TAP.
    All,
}

impl Offloads {
    /// Asks the kernel for as much as is wanted and it has.
    pub(crate) fn agree(queue: BorrowedFd<'_>, wanted: Wanted, behind: Behind) -> Offloads {
        // Where tunnels end, an open checksum may be theirs, and datagrams sent as one may be tunnels' packets: both are looked
        // into before anything is passed on.
        let sums_at_once = behind != Behind::Container;
        let (all, no_more) = match behind {
            Behind::Container => (TCP | UDP, NO_UDP),
            Behind::Tunnels => (TCP | TUNNELS, NO_TUNNELS),
            Behind::TunnelsAndStations => (TCP, NO_TCP),
        };
        let (most, why, falls_short) = match wanted {
            Wanted::Nothing => (0, "the port has `offloads = false`", false),
            Wanted::Checksums(why) => (TUN_F_CSUM, why, true),
            Wanted::All => (all, ALL, false),
        };
        // The most first, and why it is not more.
        let steps = [(TCP, no_more), (TUN_F_CSUM, NO_TCP), (0, NOTHING)];
        let less = steps.into_iter().filter(|(flags, _)| flags & !most == 0 && *flags != most);
        let mut possible = std::iter::once((most, why)).chain(less);
        // The header first, which what is left is said in. It is put in front of a packet when that is read, not before.
        let agrees = |flags| {
            kernel::set_header_len(queue, header_len(flags)).and_then(|()| kernel::set_offloads(queue, flags)).is_ok()
        };
        let (flags, why) = possible.find(|&(flags, _)| agrees(flags)).unwrap_or((0, NOTHING));
        Offloads { flags, why, falls_short: falls_short || flags != most, sums_at_once }
    }

    /// Octets of the header in front of each packet.
    pub(crate) fn header_len(self) -> usize {
        header_len(self.flags)
    }

    /// What the container's kernel does by itself to what the switch sends. It takes what it may send.
    pub fn takes(self) -> Takes {
        let has = |flags| self.flags & flags == flags;
        let (checksum, tcp, udp) = (has(TUN_F_CSUM), has(TCP), has(UDP));
        Takes { checksum, tcp4: tcp, tcp6: tcp, udp, tunnel: has(TUNNELS) }
    }

    /// Whether super-frames may come.
    pub(crate) fn has_super_frames(self) -> bool {
        self.takes().tcp4
    }

    /// In words, such as "checksums, TCP segments".
    pub fn text(self) -> String {
        let takes = self.takes();
        let names = [
            (takes.checksum, "checksums"),
            (takes.tcp4, "TCP segments"),
            (takes.udp, "UDP segments"),
            (takes.tunnel, "tunnels"),
        ];
        let names: Vec<&str> = names.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// Why it is not more.
    pub fn why(self) -> &'static str {
        self.why
    }

    /// Whether it is less than was asked for.
    pub fn falls_short(self) -> bool {
        self.falls_short
    }
}

fn header_len(flags: c_uint) -> usize {
    if flags & TUNNELS != 0 { TUNNEL_HEADER_LEN } else { HEADER_LEN }
}
