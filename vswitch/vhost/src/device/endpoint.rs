//! How a front end is reached: by connecting to its socket, or by listening on ours.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::FileTypeExt},
    },
    path::{Path, PathBuf},
};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, socket_with,
};

use super::{Mode, stream::Stream};
use crate::Bell;

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

/// One end of a socket's path.
#[derive(Debug)]
pub(super) struct Endpoint {
    path: PathBuf,
    /// In server mode, the socket we listen on.
    listener: Option<OwnedFd>,
}

impl Endpoint {
    /// In server mode listens at once; a socket nobody listens on any more is removed first.
    pub(super) fn open(path: &Path, mode: Mode) -> Result<Endpoint, OpenError> {
        let listener = match mode {
            Mode::Client => None,
            Mode::Server => Some(start_listening(path)?),
        };
        Ok(Endpoint { path: path.to_owned(), listener })
    }

    /// A front end, if one is there now.
    pub(super) fn reach(&self) -> Option<Stream> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match &self.listener {
            Some(listener) => accept_with(listener, flags).ok().map(Stream::new),
            None => try_connect(&self.path).ok().map(Stream::new),
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

fn start_listening(path: &Path) -> Result<OwnedFd, OpenError> {
    let failed = |doing| move |source| OpenError::System { path: path.to_owned(), doing, source };
    make_way(path)?;
    let socket = unix_socket().map_err(failed("making a socket"))?;
    with_address(path, |address| bind(&socket, address)).map_err(failed("binding the socket"))?;
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
