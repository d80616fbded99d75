//! What can go wrong between a TAP and its namespace, said so that an operator knows what to do.

use std::{fmt, io, net::IpAddr};

use thiserror::Error;

use crate::Netns;

/// Which interface in which namespace an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The interface's name.
    pub interface: String,
    /// Its namespace; `None` is the one the switch runs in.
    pub netns: Option<Netns>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.netns {
            Some(netns) => write!(f, "TAP `{}` in namespace `{netns}`", self.interface),
            None => write!(f, "TAP `{}` in the switch's own namespace", self.interface),
        }
    }
}

impl Place {
    /// The shell command that runs `ip` with these arguments in the namespace.
    pub(crate) fn ip_command(&self, arguments: &str) -> String {
        match &self.netns {
            None => format!("ip {arguments}"),
            Some(netns) if netns.is_path() => format!("nsenter --net={netns} ip {arguments}"),
            Some(netns) => format!("ip -n {netns} {arguments}"),
        }
    }
}

/// Why a TAP could not be opened or changed. Each message names the interface, its namespace and the way out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TapError {
    /// The interface name is one the kernel would not take.
    #[error("interface name `{name}`: {why}")]
    InterfaceName {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The namespace is neither a name nor an absolute path.
    #[error("network namespace `{name}`: {why}")]
    NetnsName {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The namespace does not exist.
    #[error("{place}: no such network namespace ({path}): {hint}")]
    NoNetns {
        /// Where the interface should have been.
        place: Place,
        /// The file that is not there.
        path: String,
        /// How to make it exist.
        hint: String,
    },
    /// The file given as a namespace is something else.
    #[error("{place}: {path} is not a network namespace: {source}")]
    NotNetns {
        /// Where the interface should have been.
        place: Place,
        /// The file that was tried.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The process may not do this.
    #[error("{place}: {doing}: {source}: run as root (CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter a namespace)")]
    Permission {
        /// The interface in question.
        place: Place,
        /// The step that failed.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel has no TUN/TAP driver, or its device node is missing.
    #[error(
        "{place}: opening /dev/net/tun: {source}: load the driver (`modprobe tun`) and make the node \
         (`mkdir -p /dev/net && mknod /dev/net/tun c 10 200`)"
    )]
    NoTunDriver {
        /// The interface in question.
        place: Place,
        /// What the kernel said.
        source: io::Error,
    },
    /// The namespace has an interface of that name.
    #[error("{place}: an interface of that name exists: choose another, or remove it with `{hint}`")]
    NameTaken {
        /// The interface in question.
        place: Place,
        /// The command that removes the one in the way.
        hint: String,
    },
    /// The MAC is a group address or zero.
    #[error("{place}: MAC {mac} is {why}: give a unicast address such as 02:00:00:00:00:01")]
    Mac {
        /// The interface in question.
        place: Place,
        /// The address as given, in the usual notation.
        mac: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The MTU is outside what a TAP can have.
    #[error("{place}: MTU {mtu} is outside 68 to 65521")]
    Mtu {
        /// The interface in question.
        place: Place,
        /// The MTU asked for, in octets.
        mtu: u16,
    },
    /// Frames of that MTU do not fit the pool's buffers.
    #[error(
        "{place}: MTU {mtu} needs buffers of {need} bytes, the pool's hold {have}: lower the MTU or enlarge the pool's buffers"
    )]
    BufferTooSmall {
        /// The interface in question.
        place: Place,
        /// The MTU asked for, in octets.
        mtu: u16,
        /// Bytes a frame may have, with Ethernet header and VLAN tag.
        need: usize,
        /// Bytes a frame of the pool holds.
        have: usize,
    },
    /// An address has an impossible prefix length, or is given twice.
    #[error("{place}: address {address}/{prefix}: {why}")]
    Address {
        /// The interface in question.
        place: Place,
        /// The address as given.
        address: IpAddr,
        /// Its prefix length as given.
        prefix: u8,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The kernel refused an address.
    #[error("{place}: adding address {address}/{prefix}: {source}{hint}")]
    AddressRefused {
        /// The interface in question.
        place: Place,
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
        /// What the kernel said.
        source: io::Error,
        /// What to look at, with a leading colon, or nothing.
        hint: &'static str,
    },
    /// Any other step the kernel refused.
    #[error("{place}: {doing}: {source}")]
    System {
        /// The interface in question.
        place: Place,
        /// The step that failed.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl TapError {
    /// The error of a refused system call, with the missing capability told apart from everything else.
    pub(crate) fn system(place: &Place, doing: &'static str, source: io::Error) -> TapError {
        let place = place.clone();
        match source.kind() {
            io::ErrorKind::PermissionDenied => TapError::Permission { place, doing, source },
            _ => TapError::System { place, doing, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_in_a_hint_runs_in_the_namespace_the_error_is_about() {
        let command = |netns: Option<&str>| {
            let netns = netns.map(|name| Netns::new(name).unwrap());
            Place { interface: "tap0".into(), netns }.ip_command("link del tap0")
        };
        assert_eq!(command(None), "ip link del tap0");
        assert_eq!(command(Some("blue")), "ip -n blue link del tap0");
        assert_eq!(command(Some("/proc/7/ns/net")), "nsenter --net=/proc/7/ns/net ip link del tap0");
    }

    #[test]
    fn a_missing_capability_is_told_apart_and_names_the_way_out() {
        let place = Place { interface: "tap0".into(), netns: None };
        let refused = TapError::system(&place, "creating the interface", io::Error::from_raw_os_error(libc::EPERM));
        assert!(matches!(refused, TapError::Permission { .. }) && refused.to_string().contains("run as root"));
        let other = TapError::system(&place, "creating the interface", io::Error::from_raw_os_error(libc::ENOMEM));
        assert!(matches!(other, TapError::System { .. }));
    }
}
