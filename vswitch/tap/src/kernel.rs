//! The system calls the standard library does not offer: `setns`, `socket`, and the interface `ioctl`s.
//!
//! The only `unsafe` of this room. Everything here is control path: called when a port is opened or changed.

use std::{
    ffi::{c_int, c_uint, c_ulong},
    io,
    mem::zeroed,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// Moves the calling thread into the network namespace behind `netns`.
pub(crate) fn enter_netns(netns: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open for the length of the call; no memory is handed over.
    check(unsafe { libc::setns(netns.as_raw_fd(), libc::CLONE_NEWNET) })?;
    Ok(())
}

/// A socket of the calling thread's namespace, closed on exec, never blocking.
pub(crate) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no memory is handed over.
    let fd = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol) })?;
    // SAFETY: the kernel just gave us this descriptor and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Turns the fresh tun descriptor into a TAP without packet information, which puts a `virtio_net_hdr` in front of each
/// packet: one of ten octets, the kernel's default, for the two more of virtio 1.0 say nothing on a TAP ([`set_header_len`]). Fails with `EBUSY` where an interface of that
/// name exists, persistent TAPs included: what we did not create would not vanish with us. Other descriptors can become queues
/// of it only where `has_more`.
pub(crate) fn become_tap(tun: BorrowedFd<'_>, name: &str, has_more: bool) -> io::Result<()> {
    set_interface(tun, name, libc::IFF_TUN_EXCL | if has_more { libc::IFF_MULTI_QUEUE } else { 0 })
}

/// Turns the fresh tun descriptor into another queue of a TAP of ours.
pub(crate) fn become_queue(tun: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    set_interface(tun, name, libc::IFF_MULTI_QUEUE)
}

fn set_interface(tun: BorrowedFd<'_>, name: &str, flags: c_int) -> io::Result<()> {
    let mut request = request_for(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | flags) as u16 as i16;
    ioctl(tun, libc::TUNSETIFF, &mut request)
}

/// Sets the octets of the header in front of each packet. Fails with `EINVAL` below ten.
pub(crate) fn set_header_len(tun: BorrowedFd<'_>, octets: usize) -> io::Result<()> {
    let octets = octets as c_int;
    // SAFETY: the code takes a pointer to an int; ours is valid and outlives the call.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const octets) })?;
    Ok(())
}

/// Says by `TUN_F_` flags what the TAP's kernel may leave to be done to packets. Fails with `EINVAL` where it does not know one
/// of them.
pub(crate) fn set_offloads(tun: BorrowedFd<'_>, flags: c_uint) -> io::Result<()> {
    // SAFETY: the code takes a number, no memory is handed over.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETOFFLOAD, c_ulong::from(flags)) })?;
    Ok(())
}

/// The interface's index in its namespace.
pub(crate) fn interface_index(socket: BorrowedFd<'_>, name: &str) -> io::Result<c_int> {
    let mut request = request_for(name)?;
    ioctl(socket, libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: SIOCGIFINDEX filled in the index, an integer.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex })
}

/// Sets the MAC, given in transmission order.
pub(crate) fn set_mac(socket: BorrowedFd<'_>, name: &str, mac: [u8; 6]) -> io::Result<()> {
    // SAFETY: a sockaddr of zeros is valid (integers only).
    let mut address: libc::sockaddr = unsafe { zeroed() };
    address.sa_family = libc::ARPHRD_ETHER;
    for (slot, octet) in address.sa_data.iter_mut().zip(mac) {
        *slot = octet.cast_signed();
    }
    let mut request = request_for(name)?;
    request.ifr_ifru.ifru_hwaddr = address;
    ioctl(socket, libc::SIOCSIFHWADDR, &mut request)
}

/// Sets the MTU in octets of the interface with this index, whatever it is called by now.
pub(crate) fn set_mtu(socket: BorrowedFd<'_>, index: c_int, mtu: u16) -> io::Result<()> {
    let mut request = request_by_index(socket, index)?;
    request.ifr_ifru.ifru_mtu = c_int::from(mtu);
    ioctl(socket, libc::SIOCSIFMTU, &mut request)
}

/// Sets the interface with this index up.
pub(crate) fn set_up(socket: BorrowedFd<'_>, index: c_int) -> io::Result<()> {
    let mut request = request_by_index(socket, index)?;
    request.ifr_ifru.ifru_flags = flags(socket, index)? | libc::IFF_UP as i16;
    ioctl(socket, libc::SIOCSIFFLAGS, &mut request)
}

/// The `IFF_` flags of the interface with this index.
pub(crate) fn flags(socket: BorrowedFd<'_>, index: c_int) -> io::Result<i16> {
    let mut request = request_by_index(socket, index)?;
    ioctl(socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: SIOCGIFFLAGS filled in the flags, an integer.
    Ok(unsafe { request.ifr_ifru.ifru_flags })
}

/// A request about the interface with this index, under its present name.
fn request_by_index(socket: BorrowedFd<'_>, index: c_int) -> io::Result<libc::ifreq> {
    let mut request = request_for("")?;
    request.ifr_ifru.ifru_ifindex = index;
    ioctl(socket, libc::SIOCGIFNAME, &mut request)?;
    Ok(request)
}

/// An otherwise zeroed request about the interface `name`.
fn request_for(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: an ifreq of zeros is valid (integers and null pointers).
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (slot, octet) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = octet.cast_signed();
    }
    Ok(request)
}

fn ioctl(fd: BorrowedFd<'_>, code: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: every code used with this function takes a pointer to an ifreq; ours is valid, ours alone, and outlives the call.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), code, std::ptr::from_mut(request)) })?;
    Ok(())
}

/// A negative return value as the error in `errno`.
fn check(returned: c_int) -> io::Result<c_int> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}
