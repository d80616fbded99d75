//! Sockets of the control channel: packets in order, with descriptors beside them, without waiting (unix(7)).

use std::{
    fs, io,
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
};

use rustix::{
    cmsg_space,
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
        listen, recvmsg, sendmsg, shutdown, socket_with,
    },
};

use super::{
    end::End,
    message::{LEN, Letter, Message},
    place::Place,
};

/// Connections that may wait to be let in.
const BACKLOG: i32 = 8;
/// Descriptors the kernel delivers with one packet at most (`SCM_MAX_FD`). There is room for all, so that the kernel never
/// closes one for us, on our time.
const FDS_ROOM: usize = 253;

/// What a read came to.
pub(crate) enum Arrived {
    Nothing,
    Letter(Letter),
}

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    /// Descriptors that came with what is no message. Whoever drops this may have to wait.
    strange: Vec<OwnedFd>,
}

impl Channel {
    fn new(socket: OwnedFd) -> Channel {
        Channel { socket, strange: Vec::new() }
    }

    /// Connects to whoever listens there.
    pub(crate) fn connect(place: &Place) -> io::Result<Channel> {
        let socket = new_socket()?;
        connect(&socket, &address(place)?)?;
        Ok(Channel::new(socket))
    }

    /// Who wants to be let in, if anybody does.
    pub(crate) fn accept(listener: &OwnedFd) -> Option<Channel> {
        accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).ok().map(Channel::new)
    }

    /// The next message, if there is one.
    pub(crate) fn read(&mut self) -> Result<Arrived, End> {
        // One more than a message has, to see what is longer.
        let mut octets = [0; LEN + 1];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FDS_ROOM))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let arrived = match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut octets)], &mut control, flags) {
            Ok(arrived) => arrived,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Arrived::Nothing),
            Err(_) => return Err(End::Gone),
        };
        let mut fds = Vec::new();
        for ancillary in control.drain() {
            if let RecvAncillaryMessage::ScmRights(came) = ancillary {
                fds.extend(came);
            }
        }
        let is_flood = fds.len() > 1 || arrived.flags.contains(ReturnFlags::CTRUNC);
        if arrived.bytes != LEN || is_flood {
            let count = fds.len();
            self.keep(fds);
            return Err(match arrived.bytes {
                0 => End::Gone,
                LEN => End::Descriptors { what: "a message".to_owned(), fds: count, wanted: 1 },
                length => End::Length(length),
            });
        }
        Ok(Arrived::Letter(Letter { message: Message(std::array::from_fn(|n| octets[n])), fds }))
    }

    /// Keeps descriptors of unknown kinds until the channel goes: to close them may take as long as their maker pleases.
    pub(crate) fn keep(&mut self, fds: Vec<OwnedFd>) {
        self.strange.extend(fds);
    }

    /// Sends a message, and what belongs to it. That nobody is there any more, the next read says.
    pub(crate) fn write(&self, message: &Message, fds: &[OwnedFd]) -> Result<(), End> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            unreachable!("no letter has more than one descriptor");
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(&self.socket, &[IoSlice::new(&message.0)], &mut control, flags) {
            Err(Errno::AGAIN) => Err(End::NotReading),
            _ => Ok(()),
        }
    }

    /// Lets the other side read the end at once, whenever this is closed.
    pub(crate) fn hang_up(&self) {
        let _ = shutdown(&self.socket, Shutdown::Both); // it has gone already
    }

    /// Lets the other side read the end, and hears it still.
    pub(crate) fn say_end(&self) {
        let _ = shutdown(&self.socket, Shutdown::Write); // it has gone already
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket on which somebody can be let in. Goes with its file.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: OwnedFd,
    place: Place,
}

impl Listener {
    /// Listens there; a file that nobody listens on any more is removed first. The error is a sentence.
    pub(crate) fn open(place: &Place) -> Result<Listener, String> {
        let failed = |doing: &str, error: io::Error| format!("memif socket {place}: {doing}: {error}");
        make_way(place)?;
        let socket = new_socket().map_err(|error| failed("making a socket", error))?;
        let address = address(place).map_err(|error| failed("its name", error))?;
        bind(&socket, &address).map_err(|error| match error {
            Errno::ADDRINUSE => format!("memif socket {place}: somebody listens on it already"),
            error => failed("binding it", error.into()),
        })?;
        let listener = Listener { socket, place: place.clone() };
        listen(&listener.socket, BACKLOG).map_err(|error| failed("listening on it", error.into()))?;
        Ok(listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.place.is_abstract {
            let _ = fs::remove_file(&self.place.name); // gone already, or found to be stale by whoever comes next
        }
    }
}

/// Removes a socket's file that nobody listens on.
fn make_way(place: &Place) -> Result<(), String> {
    let is_socket = fs::symlink_metadata(&place.name).map(|about| about.file_type().is_socket());
    match is_socket {
        _ if place.is_abstract => Ok(()),
        Err(_) => Ok(()),
        Ok(false) => Err(format!("memif socket {place}: this is not a socket; remove it, or choose another path")),
        Ok(true) => match Channel::connect(place) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(&place.name)
                .map_err(|error| format!("memif socket {place}: removing an old socket: {error}")),
            _ => Err(format!("memif socket {place}: somebody listens on it already; stop them, or choose another")),
        },
    }
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

fn address(place: &Place) -> io::Result<SocketAddrUnix> {
    let name = place.name.as_str();
    Ok(if place.is_abstract { SocketAddrUnix::new_abstract_name(name.as_bytes()) } else { SocketAddrUnix::new(name) }?)
}
