//! What we say back.

use std::{os::fd::AsFd, os::fd::BorrowedFd, os::fd::OwnedFd, sync::Arc};

use vm_memory::ByteValued;

use crate::{Request, session::framing::FLAG_REPLY};

/// An answer for the socket: octets, and perhaps a descriptor beside the first of them.
#[derive(Clone, Debug)]
pub struct Reply {
    octets: Vec<u8>,
    fd: Option<Arc<OwnedFd>>,
}

impl Reply {
    /// The answer to `request` with a payload as it lies in memory (the protocol has the machine's byte order).
    pub(crate) fn new<T: ByteValued>(request: Request, payload: &T) -> Reply {
        Reply::of_octets(request, payload.as_slice())
    }

    /// The answer to `request` with no payload.
    pub(crate) fn empty(request: Request) -> Reply {
        Reply::of_octets(request, &[])
    }

    fn of_octets(request: Request, payload: &[u8]) -> Reply {
        let header = [request.number(), FLAG_REPLY | 1, payload.len() as u32];
        let mut octets: Vec<u8> = header.into_iter().flat_map(u32::to_ne_bytes).collect();
        octets.extend_from_slice(payload);
        Reply { octets, fd: None }
    }

    /// The same with a descriptor.
    pub(crate) fn with(self, fd: Arc<OwnedFd>) -> Reply {
        Reply { fd: Some(fd), ..self }
    }

    /// The octets to send.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The descriptor to send with them.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(|fd| fd.as_fd())
    }
}
