//! The connected socket: octets and descriptors, without waiting.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    cmsg_space,
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};

use crate::{FDS_MAX, Fault, Reply};

/// Octets read in one go at most: the longest message there is.
const READ_MAX: usize = 512;

/// What a read came to.
pub(super) enum Arrived {
    Nothing,
    /// The front end has closed its end, or died.
    End,
    Octets(Vec<u8>, Vec<OwnedFd>),
}

/// A socket connected to a front end.
#[derive(Debug)]
pub(super) struct Stream(OwnedFd);

impl Stream {
    pub(super) fn new(socket: OwnedFd) -> Stream {
        Stream(socket)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Reads at most `wanted` octets, and the descriptors that came with them.
    pub(super) fn read(&self, wanted: usize) -> Result<Arrived, Fault> {
        let mut octets = [0; READ_MAX];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FDS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let into = &mut octets[..wanted.min(READ_MAX)];
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let message = match recvmsg(&self.0, &mut [IoSliceMut::new(into)], &mut control, flags) {
            Ok(message) => message,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Arrived::Nothing),
            // The kernel's ways to say that the other side is gone.
            Err(_) => return Ok(Arrived::End),
        };
        let mut fds = Vec::new();
        for ancillary in control.drain() {
            if let RecvAncillaryMessage::ScmRights(came) = ancillary {
                fds.extend(came);
            }
        }
        // The kernel has closed what had no room; what had some goes with `fds`.
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Fault::DescriptorFlood { max: FDS_MAX });
        }
        match message.bytes {
            0 => Ok(Arrived::End),
            len => Ok(Arrived::Octets(octets[..len].to_vec(), fds)),
        }
    }

    /// Sends a reply, all of it: a front end that leaves so little unread that there is no room has stopped reading.
    pub(super) fn write(&self, reply: &Reply) -> Result<(), Fault> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds: Vec<BorrowedFd<'_>> = reply.fd().into_iter().collect();
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            unreachable!("there is room for one descriptor");
        }
        let octets = reply.octets();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(&self.0, &[IoSlice::new(octets)], &mut control, flags) {
            Ok(len) if len == octets.len() => Ok(()),
            Ok(_) | Err(Errno::AGAIN) => Err(Fault::NotReading),
            // Gone; the next read says so.
            Err(_) => Ok(()),
        }
    }
}
