//! How a TAP comes to life, and what control may do to it afterwards.

use std::{
    fs::{File, OpenOptions},
    io,
    net::IpAddr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    sync::Arc,
};

use crate::{
    Place, TapConfig, TapError,
    config::{check_buffer, check_mtu},
    kernel, netlink,
};

/// An interface without a pool yet: opened by control, given to [`crate::TapPort::new`] where the pool is at hand.
///
/// The interface lives as long as the device. So does its namespace: a container's namespace goes only when both the
/// container and its port are gone.
#[derive(Debug)]
pub struct TapDevice {
    pub(crate) queue: File,
    pub(crate) control: TapControl,
    pub(crate) mtu: u16,
}

/// Control's handle on the interface; works while a worker holds the port. Drop it with the port: it keeps the namespace
/// alive.
#[derive(Clone, Debug)]
pub struct TapControl {
    socket: Arc<OwnedFd>,
    index: i32,
    place: Place,
    /// Bytes a frame of the port's pool holds, once known.
    pub(crate) buffer_len: Option<usize>,
}

impl TapDevice {
    /// Checks `config`, then creates the interface in its namespace. Leaves nothing behind where it fails.
    pub fn open(config: &TapConfig) -> Result<TapDevice, TapError> {
        config.check()?;
        match &config.netns {
            None => create(config),
            Some(netns) => netns.run(&config.place(), || create(config)),
        }
    }
}

/// Creates the interface in the calling thread's namespace. Up comes last, so that nobody meets half an interface.
fn create(config: &TapConfig) -> Result<TapDevice, TapError> {
    let place = config.place();
    let name = &config.interface;
    let queue = open_tun(&place)?;
    kernel::become_tap(queue.as_fd(), name).map_err(|source| not_created(&place, source))?;

    let failed = |doing| move |source| TapError::system(&config.place(), doing, source);
    let socket = kernel::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).map_err(failed("opening a socket"))?;
    let index = kernel::interface_index(socket.as_fd(), name).map_err(failed("asking for the interface index"))?;
    if let Some(mac) = config.mac {
        kernel::set_mac(socket.as_fd(), name, mac).map_err(failed("setting the MAC"))?;
    }
    kernel::set_mtu(socket.as_fd(), index, config.mtu).map_err(failed("setting the MTU"))?;
    for &(address, prefix) in &config.addresses {
        netlink::add_address(index.cast_unsigned(), address, prefix)
            .map_err(|source| address_refused(&place, address, prefix, source))?;
    }
    if config.up {
        kernel::set_up(socket.as_fd(), index).map_err(failed("setting the interface up"))?;
    }
    let control = TapControl { socket: Arc::new(socket), index, place, buffer_len: None };
    Ok(TapDevice { queue, control, mtu: config.mtu })
}

/// A tun descriptor belongs to the namespace of the thread that opens it, whatever namespace it is used from later.
fn open_tun(place: &Place) -> Result<File, TapError> {
    let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun");
    opened.map_err(|source| match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ENOTDIR) => {
            TapError::NoTunDriver { place: place.clone(), source }
        }
        _ => TapError::system(place, "opening /dev/net/tun", source),
    })
}

fn not_created(place: &Place, source: io::Error) -> TapError {
    match source.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => {
            let hint = place.ip_command(&format!("link del {}", place.interface));
            TapError::NameTaken { place: place.clone(), hint }
        }
        _ => TapError::system(place, "creating the interface", source),
    }
}

fn address_refused(place: &Place, address: IpAddr, prefix: u8, source: io::Error) -> TapError {
    let hint = match (source.raw_os_error(), address) {
        (Some(libc::EPERM), _) => return TapError::system(place, "adding an address", source),
        (Some(libc::EACCES | libc::EINVAL | libc::EAFNOSUPPORT | libc::EOPNOTSUPP), IpAddr::V6(_)) => {
            ": is IPv6 switched off in this namespace (sysctl net.ipv6.conf.*.disable_ipv6), or the MTU below 1280?"
        }
        _ => "",
    };
    TapError::AddressRefused { place: place.clone(), address, prefix, source, hint }
}

impl TapControl {
    /// The interface and its namespace as they were when it was opened, for messages.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The interface's index in its namespace.
    pub fn index(&self) -> i32 {
        self.index
    }

    /// Whether the interface is up (or was set down inside its namespace); `None` where somebody deleted it.
    pub fn is_up(&self) -> Option<bool> {
        let flags = kernel::flags(self.socket.as_fd(), self.index).ok()?;
        Some(flags & libc::IFF_UP as i16 != 0)
    }

    /// Sets the interface's MTU in octets. Works after a rename; fails where the interface is gone.
    pub fn set_mtu(&self, mtu: u16) -> Result<(), TapError> {
        check_mtu(&self.place, mtu)?;
        if let Some(have) = self.buffer_len {
            check_buffer(&self.place, mtu, have)?;
        }
        kernel::set_mtu(self.socket.as_fd(), self.index, mtu)
            .map_err(|source| TapError::system(&self.place, "setting the MTU", source))
    }
}
