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
    time::Duration,
};

use crate::{
    Behind, Offloads, Place, TapConfig, TapError,
    config::{check_addresses, check_buffer, check_mtu},
    faults::Faults,
    kernel,
    netlink::Netlink,
    offloads::Wanted,
};

/// An interface without a pool yet: opened by control, given to [`crate::TapPort::all_of`] where the pool is at hand.
///
/// The interface lives as long as the device. So does its namespace: a container's namespace goes only when both the
/// container and its port are gone.
#[derive(Debug)]
pub struct TapDevice {
    pub(crate) first: File,
    /// Its other queues.
    pub(crate) more: Vec<File>,
    pub(crate) control: TapControl,
    pub(crate) mtu: u16,
    /// What the port should ask the kernel to leave to it.
    pub(crate) wanted: Wanted,
    pub(crate) behind: Behind,
    /// For how long packets wait for others at most.
    pub(crate) coalesce: Duration,
}

/// Control's handle on the interface; works while a worker holds the port. Drop it with the port: it keeps the namespace
/// alive.
#[derive(Clone, Debug)]
pub struct TapControl {
    socket: Arc<OwnedFd>,
    netlink: Arc<Netlink>,
    index: i32,
    place: Place,
    /// Bytes a frame of the port's pool holds, once known.
    pub(crate) buffer_len: Option<usize>,
    /// What was agreed on, once it was.
    pub(crate) offloads: Option<Offloads>,
    pub(crate) faults: Arc<Faults>,
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
    let first = open_tun(&place)?;
    let has_more = config.queues.get() > 1;
    kernel::become_tap(first.as_fd(), name, has_more).map_err(|source| not_created(&place, source))?;
    let more = (1..config.queues.get()).map(|_| open_queue(config)).collect::<Result<_, _>>()?;

    let failed = |doing| move |source| TapError::system(&config.place(), doing, source);
    let socket = kernel::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).map_err(failed("opening a socket"))?;
    let index = kernel::interface_index(socket.as_fd(), name).map_err(failed("asking for the interface index"))?;
    if let Some(mac) = config.mac {
        kernel::set_mac(socket.as_fd(), name, mac).map_err(failed("setting the MAC"))?;
    }
    kernel::set_mtu(socket.as_fd(), index, config.mtu).map_err(failed("setting the MTU"))?;
    let netlink = Netlink::open().map_err(failed("opening a netlink socket"))?;
    let wanted = match config.offloads {
        false => Wanted::Nothing,
        true if netlink.limit_super_frames(index.cast_unsigned()).is_ok() => Wanted::All,
        true => Wanted::Checksums(
            "this kernel does not let the length of super-frames be limited (Linux does from 4.17 on)",
        ),
    };
    for &(address, prefix) in &config.addresses {
        netlink
            .add_address(index.cast_unsigned(), address, prefix)
            .map_err(|source| address_refused(&place, address, prefix, source))?;
    }
    if config.up {
        kernel::set_up(socket.as_fd(), index).map_err(failed("setting the interface up"))?;
    }
    let control = TapControl {
        socket: Arc::new(socket),
        netlink: Arc::new(netlink),
        index,
        place,
        buffer_len: None,
        offloads: None,
        faults: Arc::default(),
    };
    let TapConfig { mtu, behind, coalesce, .. } = *config;
    Ok(TapDevice { first, more, control, mtu, wanted, behind, coalesce })
}

/// Another queue of the interface. The kernel sends the packets of a flow to the queue on which it was last answered, or else
/// spreads flows by their hash.
fn open_queue(config: &TapConfig) -> Result<File, TapError> {
    let queue = open_tun(&config.place())?;
    kernel::become_queue(queue.as_fd(), &config.interface)
        .map_err(|source| TapError::system(&config.place(), "adding a queue", source))?;
    Ok(queue)
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

    /// What kernel and switch leave to each other; `None` before the port is made.
    pub fn offloads(&self) -> Option<Offloads> {
        self.offloads
    }

    /// Why packets of the container were not taken, and how many; each is one of the port's `rx_errors`.
    pub fn faults(&self) -> Vec<(&'static str, u64)> {
        self.faults.met()
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

    /// Brings the interface's addresses (with their prefix lengths) from `old` to `new`, without duplicate address
    /// detection. Addresses in neither stay. On error the interface has the old ones again, as far as the kernel lets us.
    ///
    /// What is new comes before what is gone goes, so that routes over a subnet both have survive.
    pub fn set_addresses(&self, old: &[(IpAddr, u8)], new: &[(IpAddr, u8)]) -> Result<(), TapError> {
        check_addresses(&self.place, new)?;
        self.move_addresses(old, new).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.move_addresses(new, old);
        })
    }

    fn move_addresses(&self, old: &[(IpAddr, u8)], new: &[(IpAddr, u8)]) -> Result<(), TapError> {
        // An IPv6 address cannot be there twice, so one whose prefix changes has to go first.
        let goes_first = |own: &(IpAddr, u8)| own.0.is_ipv6() && new.iter().any(|other| other.0 == own.0);
        let lost = || old.iter().filter(|own| !new.contains(own));
        lost().filter(|own| goes_first(own)).try_for_each(|own| self.remove_address(own))?;
        new.iter().filter(|own| !old.contains(own)).try_for_each(|own| self.ensure_address(own))?;
        lost().filter(|own| !goes_first(own)).try_for_each(|own| self.remove_address(own))?;
        // With the first IPv4 address of a subnet the kernel may have removed the others.
        new.iter().try_for_each(|own| self.ensure_address(own))
    }

    fn ensure_address(&self, &(address, prefix): &(IpAddr, u8)) -> Result<(), TapError> {
        match self.netlink.add_address(self.index.cast_unsigned(), address, prefix) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => {
                Err(address_refused(&self.place, address, prefix, error))
            }
            _ => Ok(()),
        }
    }

    /// An address somebody else has removed already is as good as removed.
    fn remove_address(&self, &(address, prefix): &(IpAddr, u8)) -> Result<(), TapError> {
        match self.netlink.remove_address(self.index.cast_unsigned(), address, prefix) {
            Err(error) if error.raw_os_error() != Some(libc::EADDRNOTAVAIL) => {
                Err(TapError::system(&self.place, "removing an address", error))
            }
            _ => Ok(()),
        }
    }
}
