//! Messages of memif's control channel, version 2.0 (DPDK's guide, "Memif Poll Mode Driver"; VPP's memif.h). Each is one
//! packet of 128 octets: a type in two, then its fields without gaps, in the machine's byte order; and at most one descriptor.

use std::os::fd::OwnedFd;

/// Octets of a message.
pub(crate) const LEN: usize = 128;
/// Octets of a reason to disconnect, at most; shorter ones end with a zero.
const REASON_LEN: usize = 96;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The last one was understood.
    Ack,
    /// A server's first: what it can do.
    Hello(Hello),
    /// A client's first: which interface it wants.
    Init { id: u32 },
    /// A piece of shared memory, in the descriptor that comes along.
    AddRegion { index: u16, octets: u64 },
    /// A ring, and an eventfd to tell of what is in it.
    AddRing(AddRing),
    /// The client has said all.
    Connect,
    /// So has the server: both may use the rings.
    Connected,
    /// The end, and why.
    Disconnect(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The highest numbers of rings, less one: those to the client.
    pub(crate) last_to_client: u16,
    /// And those to the server.
    pub(crate) last_to_server: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddRing {
    /// The ring goes from client to server.
    pub(crate) to_server: bool,
    pub(crate) index: u16,
    pub(crate) region: u16,
    /// Where in the region it begins, in octets.
    pub(crate) offset: u32,
    /// The logarithm of its descriptors.
    pub(crate) log2_size: u8,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Message(pub(crate) [u8; LEN]);

/// A message and what came with it.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) message: Message,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Message {
    /// Says that the last one was understood.
    pub(crate) fn ack() -> Message {
        Message::of_kind(1)
    }

    /// Says farewell.
    pub(crate) fn disconnect(reason: &str) -> Message {
        let mut message = Message::of_kind(8);
        let reason = &reason.as_bytes()[..reason.floor_char_boundary(REASON_LEN - 1)];
        message.0[6..6 + reason.len()].copy_from_slice(reason);
        message
    }

    pub(crate) fn of_kind(kind: u16) -> Message {
        let mut octets = [0; LEN];
        octets[..2].copy_from_slice(&kind.to_ne_bytes());
        Message(octets)
    }

    /// The number of its type.
    pub(crate) fn kind(&self) -> u16 {
        self.u16_at(0)
    }

    /// What it says; `None` where its type is none.
    pub(crate) fn said(&self) -> Option<Said> {
        Some(match self.kind() {
            1 => Said::Ack,
            2 => Said::Hello(Hello { last_to_client: self.u16_at(40), last_to_server: self.u16_at(42) }),
            3 => Said::Init { id: self.u32_at(4) },
            4 => Said::AddRegion { index: self.u16_at(2), octets: u64::from_ne_bytes(self.octets_at(4)) },
            5 => Said::AddRing(AddRing {
                to_server: self.u16_at(2) & 1 == 1,
                index: self.u16_at(4),
                region: self.u16_at(6),
                offset: self.u32_at(8),
                log2_size: self.0[12],
            }),
            6 => Said::Connect,
            7 => Said::Connected,
            8 => Said::Disconnect(text(&self.0[6..6 + REASON_LEN])),
            _ => return None,
        })
    }

    fn octets_at<const N: usize>(&self, at: usize) -> [u8; N] {
        std::array::from_fn(|n| self.0[at + n])
    }

    fn u16_at(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.octets_at(at))
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.octets_at(at))
    }
}

/// A text of the other end's, fit for a log.
fn text(octets: &[u8]) -> String {
    let end = octets.iter().position(|&octet| octet == 0).unwrap_or(octets.len());
    String::from_utf8_lossy(&octets[..end]).chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_to_its_place_and_read_without_control_characters() {
        let long = "ä".repeat(80);
        let Some(Said::Disconnect(read)) = Message::disconnect(&long).said() else { panic!("not a farewell") };
        assert_eq!(read, "ä".repeat(47));
        assert_eq!(Message::disconnect("a\x1b[2J\nb").said(), Some(Said::Disconnect("a.[2J.b".to_owned())));
    }

    #[test]
    fn types_that_there_are_not_say_nothing() {
        for kind in [0, 9, 0x0100, u16::MAX] {
            assert_eq!(Message::of_kind(kind).said(), None, "{kind}");
        }
    }
}
