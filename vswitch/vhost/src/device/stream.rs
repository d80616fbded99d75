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

use crate::{FDS_MAX, Fault, Reply, memory::is_memory, ring::is_eventfd};

/// Octets read in one go at most: the longest message there is.
const READ_MAX: usize = 512;

/// What a read came to.
pub(super) enum Arrived {
    Nothing,
    /// The front end has closed its end, or died.
    End,
    Octets(Vec<u8>, Vec<OwnedFd>),
}

/// Descriptors the kernel delivers with one message at most (`SCM_MAX_FD`). There is room for all, so that the kernel
/// never closes one for us, on our time.
const FDS_ROOM: usize = 253;

/// A socket connected to a front end.
#[derive(Debug)]
pub(super) struct Stream {
    socket: OwnedFd,
    /// Descriptors of which one is of a strange kind. Whoever drops this may have to wait.
    strange: Vec<OwnedFd>,
}

impl Stream {
    pub(super) fn new(socket: OwnedFd) -> Stream {
        Stream { socket, strange: Vec::new() }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads at most `wanted` octets, and the descriptors that came with them: memory and eventfds, and no others.
    pub(super) fn read(&mut self, wanted: usize) -> Result<Arrived, Fault> {
        let mut octets = [0; READ_MAX];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FDS_ROOM))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let into = &mut octets[..wanted.min(READ_MAX)];
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let message = match recvmsg(&self.socket, &mut [IoSliceMut::new(into)], &mut control, flags) {
            Ok(message) => message,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Arrived::Nothing),
            // The kernel's ways to say that the other side is gone.
            Err(_) => return Ok(Arrived::End),
        };
        for ancillary in control.drain() {
            if let RecvAncillaryMessage::ScmRights(came) = ancillary {
                self.strange.extend(came);
            }
        }
        // Or the kernel had no number left for some of them.
        if self.strange.len() > FDS_MAX || message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Fault::DescriptorFlood { max: FDS_MAX });
        }
        self.strange.iter().try_for_each(check)?;
        match message.bytes {
            0 => Ok(Arrived::End),
            len => Ok(Arrived::Octets(octets[..len].to_vec(), std::mem::take(&mut self.strange))),
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
        match sendmsg(&self.socket, &[IoSlice::new(octets)], &mut control, flags) {
            Ok(len) if len == octets.len() => Ok(()),
            Ok(_) | Err(Errno::AGAIN) => Err(Fault::NotReading),
            // Gone; the next read says so.
            Err(_) => Ok(()),
        }
    }
}

/// Refuses what is neither memory nor an eventfd, before anything is done with it that its maker could draw out.
fn check(fd: &OwnedFd) -> Result<(), Fault> {
    if is_memory(fd) {
        return Ok(());
    }
    is_eventfd(fd).map_err(|kind| Fault::Descriptor { kind })
}
