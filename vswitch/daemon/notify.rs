//! What the service manager is told (sd_notify(3)): that the switch forwards, what it does, that it is alive.
//!
//! Own code because it is one datagram, and because it must not wait: the control thread also answers for the node on the
//! underlay. `sd-notify`, the usual crate, sends on a blocking socket.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use log::warn;

/// The way to the service manager, where there is one.
pub(crate) struct Manager {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that all is well; `None`: never.
    pub(crate) watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`).
    pub(crate) fn of_environment() -> Manager {
        let Some(address) = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Manager { socket: None, watchdog: None };
        };
        let socket = connect(&address)
            .inspect_err(|error| warn!("cannot talk to the service manager at {}: {error}", address.display()))
            .ok();
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let usec = number("WATCHDOG_USEC").filter(|usec| *usec > 0 && is_meant && socket.is_some());
        Manager { socket, watchdog: usec.map(Duration::from_micros) }
    }

    /// Says something, such as `READY=1`; several things in lines of their own. What it cannot take now is lost, like
    /// every datagram: the next one says the same or something newer.
    pub(crate) fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// A path, or behind an `@` a name in the abstract namespace (unix(7)).
fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_what_it_is_told_and_a_deaf_one_keeps_nobody_waiting() {
        let name = format!("millrace-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        let socket = Some(connect(OsStr::new(&format!("@{name}"))).unwrap());
        let manager = Manager { socket, watchdog: None };
        manager.tell("READY=1\nSTATUS=x");
        let mut heard = [0; 64];
        let octets = listener.recv(&mut heard).unwrap();
        assert_eq!(&heard[..octets], b"READY=1\nSTATUS=x");
        for _ in 0..100_000 {
            manager.tell("WATCHDOG=1");
        }
        drop(listener);
        manager.tell("STOPPING=1");
    }

    #[test]
    fn a_manager_that_is_not_there_is_an_error() {
        for address in ["/nonexistent/notify", "@millrace-nobody-is-here", "relative\0"] {
            assert!(connect(OsStr::new(address)).is_err(), "{address}");
        }
    }
}
