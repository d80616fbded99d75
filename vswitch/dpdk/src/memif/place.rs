//! What an operator says of a memif in its devargs (DPDK's guide, "Memif Poll Mode Driver").

use std::{fmt, path::Path};

use crate::devargs::Devargs;

/// Where the driver's own default is.
const DEFAULT_SOCKET: &str = "/run/memif.sock";

/// Which end listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// We listen; the other end brings the memory.
    Server,
    /// The other end listens; the driver makes the memory.
    Client,
}

/// Where a socket is: a file, or a name in the network namespace (abstract, unix(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) is_abstract: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_abstract { "@" } else { "" }, self.name)
    }
}

/// A memif as the operator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Memif {
    pub(crate) role: Role,
    /// Which of those that share a socket it is.
    pub(crate) id: u32,
    pub(crate) place: Place,
}

impl Memif {
    /// Reads the devargs of a memif; `None` where it is another device. What the driver does not understand is left to it to
    /// complain of.
    pub(crate) fn of(devargs: &Devargs) -> Option<Memif> {
        if devargs.pci || !devargs.name.starts_with("net_memif") {
            return None;
        }
        // As the driver does: the last of several counts, and each is understood by what it contains.
        let last = |key| devargs.values(key).last();
        let is_server = last("role").is_some_and(|role| role.contains("server") || role.contains("master"));
        let role = if is_server { Role::Server } else { Role::Client };
        let is_abstract = last("socket-abstract").is_none_or(|text| text.contains("yes"));
        let name = last("socket").unwrap_or(DEFAULT_SOCKET).to_owned();
        Some(Memif { role, id: last("id").map_or(0, number), place: Place { name, is_abstract } })
    }

    /// The devargs with this socket in place of the operator's.
    pub(crate) fn by_way_of(devargs: &Devargs, socket: &Path) -> String {
        let is_place = |argument: &&str| argument.starts_with("socket=") || argument.starts_with("socket-abstract=");
        let kept: Vec<&str> = devargs.text.split(',').filter(|argument| !is_place(argument)).collect();
        format!("{},socket={},socket-abstract=no", kept.join(","), socket.display())
    }
}

/// What strtoul(3) makes of a text: the number at its begin, or 0.
fn number(text: &str) -> u32 {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse::<u64>().unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memif(text: &str) -> Option<Memif> {
        Memif::of(&Devargs::parse(text).unwrap())
    }

    fn expected(role: Role, id: u32, name: &str, is_abstract: bool) -> Option<Memif> {
        Some(Memif { role, id, place: Place { name: name.to_owned(), is_abstract } })
    }

    #[test]
    fn devargs_are_read_as_the_driver_reads_them() {
        assert_eq!(memif("net_memif"), expected(Role::Client, 0, "/run/memif.sock", true));
        assert_eq!(memif("net_memif_a,role=master,id=7x"), expected(Role::Server, 7, "/run/memif.sock", true));
        let text = "net_memif3,role=client,role=server,socket=/a,socket=/b,id=1,socket-abstract=no,id=2";
        assert_eq!(memif(text), expected(Role::Server, 2, "/b", false));
        assert_eq!(memif("net_ring0,role=server"), None);
    }

    #[test]
    fn only_the_socket_is_another_for_the_driver() {
        let devargs = Devargs::parse("net_memif0,socket=/a,role=server,socket-abstract=yes,bsize=2048").unwrap();
        let told = Memif::by_way_of(&devargs, Path::new("/p/1.sock"));
        assert_eq!(told, "net_memif0,role=server,bsize=2048,socket=/p/1.sock,socket-abstract=no");
    }
}
