//! The control socket: where sessions come from and how their octets travel. What they mean is the control room's.

use std::{
    fs, io,
    io::{Read, Write},
    os::{
        fd::AsRawFd,
        unix::{
            fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use api::{Hello, RpcError};
use control::{
    config::Pace,
    server::{Access, Gate, Peer, Session},
};
use log::{debug, warn};

use crate::os::{self, Watch};

/// Connections at one time of all admins, and as many of all readers, who so keep no admin out.
const CONNECTIONS_MAX: usize = 128;
/// Connections, beside those, of users who may not use the switch: they are told so, and keep nobody out.
const STRANGERS_MAX: usize = 8;
/// When somebody who found no room should try again, in milliseconds.
const NO_ROOM_MS: u64 = 1_000;
/// Connections accepted at a time, so that a crowd at the door does not keep those inside waiting.
const ACCEPTED_AT_ONCE: usize = 64;
/// Octets read from a connection at a time.
const READ_OCTETS: usize = 64 * 1024;

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// Another switch answers there.
    #[error("control socket {0}: another switch is listening there; stop it, or give this one another [switch] socket")]
    InUse(PathBuf),
    /// Something else is there.
    #[error("control socket {0}: a file that is no socket is in the way; remove it")]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("control socket {path}: cannot {verb}: {source}{}", hint(source))]
    System { path: PathBuf, verb: &'static str, source: io::Error },
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => " (run as root, or put [switch] socket where this user may write)",
        _ => "",
    }
}

/// One connection: its stream, its session, and its number.
pub(crate) struct Connection {
    stream: UnixStream,
    pub(crate) session: Session,
    /// Names the connection as long as it lives.
    pub(crate) id: u64,
    /// Read, but not taken by the session yet.
    unread: Vec<u8>,
    /// Its user had a turn in this round.
    pub(crate) was_served: bool,
    broken: bool,
}

/// The listening socket and its connections.
pub(crate) struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
    pub(crate) connections: Vec<Connection>,
    pub(crate) gate: Gate,
    next_id: u64,
    hello: Hello,
    /// Somebody was turned away since the last time there was room: worth one line, not one for each.
    complained: bool,
}

impl ControlSocket {
    /// Listens at `path`, in place of a stale socket if one is there.
    pub(crate) fn listen(path: &Path, gate: Gate, hello: Hello) -> Result<ControlSocket, SocketError> {
        let system = |verb| move |source| SocketError::System { path: path.to_owned(), verb, source };
        remove_stale(path)?;
        if let Some(folder) = path.parent() {
            // Readers and admins that are not root have to get through it, whatever the umask.
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o755).create(folder).map_err(system("create its folder"))?;
        }
        let listener = UnixListener::bind(path).map_err(system("listen"))?;
        // Who may speak is checked for each connection, and strangers are told who may; a mode could say only one group.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(system("set its mode"))?;
        listener.set_nonblocking(true).map_err(system("make it non-blocking"))?;
        let path = path.to_owned();
        Ok(ControlSocket { path, listener, connections: Vec::new(), gate, next_id: 0, hello, complained: false })
    }

    /// Changes who may connect from now on, and what those may do who are connected.
    pub(crate) fn set_access(&mut self, access: Access, pace: Pace) {
        self.gate.change(access, pace);
        self.connections.iter_mut().for_each(|connection| connection.session.heed(&self.gate));
    }

    /// What to wait for before [`ControlSocket::exchange`] can do something.
    pub(crate) fn watches(&self) -> impl Iterator<Item = Watch> {
        let listener = Watch::to_read(&self.listener);
        let connections = self.connections.iter().map(|c| Watch {
            fd: c.stream.as_raw_fd(),
            // What is not to be read yet would end every wait at once.
            read: c.session.wants_input(),
            write: !c.session.output().is_empty(),
            ready: false,
        });
        std::iter::once(listener).chain(connections)
    }

    /// Accepts whoever waits, reads what has come and writes what is due. Never waits.
    pub(crate) fn exchange(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let Ok((stream, _)) = self.listener.accept() else { break };
            if let Err(error) = self.welcome(stream) {
                warn!("control socket: cannot take a connection: {error}");
            }
        }
        for connection in &mut self.connections {
            connection.read();
            connection.write();
        }
        self.connections.retain(|connection| !connection.is_over());
    }

    fn welcome(&mut self, stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let who = os::peer_credentials(&stream)?;
        let peer = Peer { uid: who.uid, gid: who.gid, groups: os::peer_groups(&stream)? };
        let mut session = Session::new(peer, &self.gate, &self.hello);
        if let Some(refusal) = self.no_room(&session) {
            session.turn_away(refusal);
            // All of it fits into a new connection; who does not get it is closed all the same.
            let _ = (&stream).write(session.output());
            return Ok(());
        }
        debug!("control socket: process {} of uid {} connected", who.pid, who.uid);
        self.next_id += 1;
        let (id, unread, was_served, broken) = (self.next_id, Vec::new(), false, false);
        self.connections.push(Connection { stream, session, id, unread, was_served, broken });
        Ok(())
    }

    /// Why a session cannot be had now, where it cannot. The log says so once where it is not the user's own doing.
    fn no_room(&mut self, session: &Session) -> Option<RpcError> {
        let (role, uid) = (session.role(), session.peer().uid);
        let count = |like: &dyn Fn(&Session) -> bool| self.connections.iter().filter(|c| like(&c.session)).count();
        let own_max = self.gate.connections_per_user();
        if role.is_some() && count(&|other| other.peer().uid == uid) >= own_max {
            let told = format!("uid {uid} has {own_max} connections open, as many as a user may have");
            let text =
                format!("{told} (`connections_per_user` in the [switch] section of the configuration); close one");
            return Some(RpcError::too_much(text, NO_ROOM_MS));
        }
        let max = if role.is_some() { CONNECTIONS_MAX } else { STRANGERS_MAX };
        let has_room = count(&|other| other.role() == role) < max;
        if let Some(role) = role {
            if !has_room && !self.complained {
                warn!("control socket: {max} connections of {role}s are open; more are closed at once");
            }
            self.complained = !has_room;
        }
        let text = format!("{max} connections of others are open, as many as there may be; try again");
        (!has_room).then(|| RpcError::too_much(text, NO_ROOM_MS))
    }

    /// Those whose users had a turn go behind those whose had none.
    pub(crate) fn queue_up(&mut self) {
        self.connections.sort_by_key(|connection| connection.was_served);
        self.connections.iter_mut().for_each(|connection| connection.was_served = false);
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

impl Connection {
    fn read(&mut self) {
        let mut buffer = [0; READ_OCTETS];
        self.offer_unread();
        while self.unread.is_empty() && self.session.wants_input() && !self.broken {
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.session.end_of_input(),
                Ok(octets) => {
                    self.unread.extend_from_slice(&buffer[..octets]);
                    self.offer_unread();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.broken = true,
            }
        }
    }

    /// Gives the session what was read; what it has no room for waits here, at most one read's worth.
    fn offer_unread(&mut self) {
        let taken = self.session.receive(&self.unread);
        self.unread.drain(..taken);
    }

    fn write(&mut self) {
        while !self.session.output().is_empty() && !self.broken {
            match self.stream.write(self.session.output()) {
                Ok(0) => self.broken = true,
                Ok(octets) => self.session.sent(octets),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.broken = true,
            }
        }
    }

    fn is_over(&self) -> bool {
        self.broken || self.session.is_finished()
    }
}

/// Removes the socket of a switch that is gone; leaves a living one alone.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(SocketError::InUse(path.to_owned()));
    }
    fs::remove_file(path).map_err(|source| SocketError::System {
        path: path.to_owned(),
        verb: "remove the stale socket there",
        source,
    })
}
