//! Messages out of a stream of octets: a header of twelve octets (request, flags, length of what follows; each a `u32`
//! of the machine's byte order), a payload, and descriptors that came beside the octets.

use std::os::fd::OwnedFd;

use crate::{Fault, Request};

/// Octets of a header.
pub(crate) const HEADER_LEN: usize = 12;
/// Octets of a payload at most: eight regions and their count are 264, and nothing we speak is longer.
pub(crate) const PAYLOAD_MAX: usize = 264;
/// Descriptors a message carries at most: one for each region of a memory table.
pub(crate) const FDS_MAX: usize = 8;

/// The only version of the protocol, in the low two bits of the flags.
const VERSION: u32 = 1;
const VERSION_MASK: u32 = 0b11;
/// The message answers another one.
pub(crate) const FLAG_REPLY: u32 = 1 << 2;
/// The sender wants to know how it went.
const FLAG_NEED_REPLY: u32 = 1 << 3;

/// One whole request. Its descriptors are closed with it unless somebody takes them.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) request: Request,
    pub(crate) needs_reply: bool,
    pub(crate) payload: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

struct Header {
    request: Request,
    needs_reply: bool,
    payload_len: usize,
}

/// Half a message, waiting for its other half.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    octets: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl Assembler {
    /// How many octets to read next: never beyond the end of a message, so that descriptors stay with the message they
    /// came with.
    pub(crate) fn wanted(&self) -> usize {
        let len = match self.header() {
            Some(Ok(header)) => HEADER_LEN + header.payload_len,
            _ => HEADER_LEN,
        };
        len.saturating_sub(self.octets.len())
    }

    /// Takes what was read. Keeps at most one message: octets beyond [`Assembler::wanted`] belong to the next one.
    pub(crate) fn push(&mut self, octets: &[u8], fds: Vec<OwnedFd>) -> Result<(), Fault> {
        if self.fds.len() + fds.len() > FDS_MAX {
            return Err(Fault::DescriptorFlood { max: FDS_MAX });
        }
        self.fds.extend(fds);
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    /// The next message, once all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Fault> {
        let Some(header) = self.header().transpose()? else { return Ok(None) };
        let end = HEADER_LEN + header.payload_len;
        if self.octets.len() < end {
            return Ok(None);
        }
        let payload = self.octets[HEADER_LEN..end].to_vec();
        self.octets.drain(..end);
        let fds = std::mem::take(&mut self.fds);
        Ok(Some(Message { request: header.request, needs_reply: header.needs_reply, payload, fds }))
    }

    /// The header, once its twelve octets are there.
    fn header(&self) -> Option<Result<Header, Fault>> {
        let octets = self.octets.get(..HEADER_LEN)?;
        let word = |at: usize| u32::from_ne_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        Some(header(word(0), word(4), word(8)))
    }
}

fn header(request: u32, flags: u32, payload_len: u32) -> Result<Header, Fault> {
    if flags & VERSION_MASK != VERSION {
        return Err(Fault::Version(flags & VERSION_MASK));
    }
    if flags & !(VERSION_MASK | FLAG_NEED_REPLY) != 0 {
        return Err(Fault::Flags(flags));
    }
    let request = Request::of(request)?;
    let len = payload_len as usize;
    if len > PAYLOAD_MAX {
        return Err(Fault::PayloadSize { request, octets: payload_len });
    }
    Ok(Header { request, needs_reply: flags & FLAG_NEED_REPLY != 0, payload_len: len })
}
