//! How a front end is reached: by connecting to its socket, or by listening on ours.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{FileTypeExt, PermissionsExt, lchown},
        },
    },
    path::{Path, PathBuf},
};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, socket_with,
    sockopt::socket_peercred,
};

use super::{Mode, stream::Stream};
use crate::Bell;
use crate::Fault;

/// Octets of a socket's path at most (`sun_path` less the terminating zero, unix(7)).
const PATH_MAX: usize = 107;

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else listens on the socket.
    #[error("{}: somebody listens on this socket already; stop them, or choose another path", .0.display())]
    Taken(PathBuf),
    /// Something that is not a socket is in the way.
    #[error("{}: this is not a socket; remove it, or choose another path", .0.display())]
    NotSocket(PathBuf),
    /// The system refused.
    #[error("{}: {doing}: {source}", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// Who may be at the other end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketAccess {
    /// Where we listen, the socket's owner; where the guest does, the user (uid) it must be, anybody being a stranger else.
    /// `None`: ourselves, or whoever listens.
    pub owner: Option<u32>,
    /// The group (gid) of a socket that we make.
    pub group: Option<u32>,
    /// Permission bits of a socket that we make, of which those to write let connect (unix(7)).
    pub mode: u32,
}

impl Default for SocketAccess {
    fn default() -> Self {
        SocketAccess { owner: None, group: None, mode: 0o600 }
    }
}

/// One end of a socket's path.
#[derive(Debug)]
pub(super) struct Endpoint {
    path: PathBuf,
    /// In client mode, the only user who may listen.
    only: Option<u32>,
    /// In server mode, the socket we listen on.
    listener: Option<OwnedFd>,
}

impl Endpoint {
    /// In server mode listens at once; a socket nobody listens on any more is removed first.
    pub(super) fn open(path: &Path, mode: Mode, access: SocketAccess) -> Result<Endpoint, OpenError> {
        let listener = match mode {
            Mode::Client => None,
            Mode::Server => Some(start_listening(path, access)?),
        };
        Ok(Endpoint { path: path.to_owned(), only: access.owner, listener })
    }

    /// A front end, if one is there now. An error where it is of a user it must not be of.
    pub(super) fn reach(&self) -> Result<Option<Stream>, Fault> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = match &self.listener {
            // Whom to let in, the kernel has judged by the socket's mode.
            Some(listener) => accept_with(listener, flags).ok(),
            None => match try_connect(&self.path) {
                Ok(socket) => Some(self.let_in(socket)?),
                Err(_) => None,
            },
        };
        Ok(socket.map(Stream::new))
    }

    /// Who listens is whom the kernel saw calling listen(2).
    fn let_in(&self, socket: OwnedFd) -> Result<OwnedFd, Fault> {
        let Some(owner) = self.only else { return Ok(socket) };
        match socket_peercred(&socket) {
            Ok(peer) if peer.uid.as_raw() == owner => Ok(socket),
            Ok(peer) => Err(Fault::Stranger { uid: peer.uid.as_raw(), owner }),
            Err(_) => Err(Fault::Stranger { uid: u32::MAX, owner }),
        }
    }

    /// Readable when a front end wants to be let in.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if self.listener.is_some() {
            let _ = fs::remove_file(&self.path); // gone already, or found to be stale by whoever comes next
        }
    }
}

/// What wakes the guest of a queue pair.
pub(super) fn bell(path: &Path) -> Result<Bell, OpenError> {
    let doing = "asking for asynchronous I/O, by which guests are woken (io_setup; allow it, or raise fs.aio-max-nr)";
    Bell::new().map_err(|source| OpenError::System { path: path.to_owned(), doing, source })
}

fn unix_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?)
}

/// Calls `with` an address for `path`. One too long for a socket's address is gone to by way of its directory's descriptor.
fn with_address<T>(path: &Path, with: impl FnOnce(&SocketAddrUnix) -> rustix::io::Result<T>) -> io::Result<T> {
    if path.as_os_str().as_bytes().len() <= PATH_MAX {
        return Ok(with(&SocketAddrUnix::new(path)?)?);
    }
    let strange = || io::Error::from(io::ErrorKind::InvalidInput);
    let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(strange)?;
    let directory = File::open(parent)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok(with(&SocketAddrUnix::new(&short)?)?)
}

fn try_connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = unix_socket()?;
    with_address(path, |address| connect(&socket, address))?;
    Ok(socket)
}

/// Until it listens nobody can connect, so that its mode and owner are right before anybody does.
fn start_listening(path: &Path, access: SocketAccess) -> Result<OwnedFd, OpenError> {
    let failed = |doing| move |source| OpenError::System { path: path.to_owned(), doing, source };
    make_way(path)?;
    let socket = unix_socket().map_err(failed("making a socket"))?;
    with_address(path, |address| bind(&socket, address)).map_err(failed("binding the socket"))?;
    // In this order: once it is another user's, only CAP_FOWNER could still change its mode.
    let mode = fs::Permissions::from_mode(access.mode);
    fs::set_permissions(path, mode).map_err(failed("setting the socket's mode"))?;
    lchown(path, access.owner, access.group).map_err(failed("setting the socket's owner and group"))?;
    listen(&socket, 1).map_err(io::Error::from).map_err(failed("listening on the socket"))?;
    Ok(socket)
}

/// Removes a socket that nobody listens on.
fn make_way(path: &Path) -> Result<(), OpenError> {
    let failed = |doing| move |source| OpenError::System { path: path.to_owned(), doing, source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("looking for an old socket")(error)),
        Ok(about) if !about.file_type().is_socket() => return Err(OpenError::NotSocket(path.to_owned())),
        Ok(_) => {}
    }
    match try_connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed("removing an old socket"))
        }
        _ => Err(OpenError::Taken(path.to_owned())),
    }
}
