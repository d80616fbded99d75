//! Three rtnetlink requests: add an address to an interface, take one away, and limit its super-frames.
//!
//! The older `ioctl`s need a second mechanism for IPv6, an alias name for each further IPv4 address, and cannot switch
//! duplicate address detection off; one message does all of it for both families. Numbers are in host byte order, as
//! netlink has them; addresses are in network byte order.

use std::{
    ffi::c_int,
    fs::File,
    io::{self, Read, Write},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use frame::SUPER_MAX;
use wire::gso::SEGMENTS_MAX;

use crate::kernel;

/// Octets of `struct nlmsghdr`.
const HEADER_LEN: usize = 16;

/// Octets of `struct ifaddrmsg`.
const IFADDRMSG_LEN: usize = 8;

/// A socket to the routing tables of the namespace it was opened in, wherever it is used from later.
#[derive(Debug)]
pub(crate) struct Netlink(Mutex<File>);

/// Octets of `struct ifinfomsg`.
const IFINFOMSG_LEN: usize = 16;

/// Attributes of a link (`linux/if_link.h`).
const IFLA_GSO_MAX_SEGS: u16 = 40;
const IFLA_GSO_MAX_SIZE: u16 = 41;

/// What to do with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Remove,
}

impl Netlink {
    /// A socket of the calling thread's namespace.
    pub(crate) fn open() -> io::Result<Netlink> {
        let socket = kernel::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        Ok(Netlink(Mutex::new(File::from(socket))))
    }

    /// Adds `address` to the interface with this index, usable at once.
    ///
    /// `EEXIST`: the interface has it. `EACCES`, `EINVAL` for an IPv6 address: IPv6 is off there, or the MTU is below
    /// 1280.
    pub(crate) fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        self.exchange(&request(Verb::Add, index, address, prefix))
    }

    /// Takes `address` from the interface with this index. `EADDRNOTAVAIL`: the interface does not have it.
    ///
    /// With the first IPv4 address of a subnet its others go too, unless `promote_secondaries` is on in the namespace.
    pub(crate) fn remove_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        self.exchange(&request(Verb::Remove, index, address, prefix))
    }

    /// Lets the kernel make super-frames on the interface with this index that are shorter than [`SUPER_MAX`] octets, and of no
    /// more segments than the switch cuts. Over IPv4 as over IPv6: below 65,536 octets the kernel has one limit for both.
    pub(crate) fn limit_super_frames(&self, index: u32) -> io::Result<()> {
        self.exchange(&limits(index, [(IFLA_GSO_MAX_SEGS, SEGMENTS_MAX as u32), (IFLA_GSO_MAX_SIZE, SUPER_MAX as u32)]))
    }

    /// One request and its acknowledgement; the lock keeps the answers of two callers apart.
    fn exchange(&self, request: &[u8]) -> io::Result<()> {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        socket.write_all(request)?;
        let mut reply = [0; 1024];
        let len = socket.read(&mut reply)?; // the kernel answers before `write` returns
        acknowledged(&reply[..len])
    }
}

/// The bytes of an `RTM_NEWADDR` or `RTM_DELADDR` request that asks for an acknowledgement.
fn request(verb: Verb, index: u32, address: IpAddr, prefix: u8) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let attribute_len = 4 + octets.len(); // 8 or 20: both end on a multiple of four, so no padding
    let len = HEADER_LEN + IFADDRMSG_LEN + 2 * attribute_len;
    let (kind, special) = match verb {
        Verb::Add => (libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL),
        Verb::Remove => (libc::RTM_DELADDR, 0),
    };
    let mut message = begin(kind, special, len);
    // No duplicate address detection: the operator says the address is ours, and a container must not wait two seconds.
    message.extend([family as u8, prefix, libc::IFA_F_NODAD as u8, libc::RT_SCOPE_UNIVERSE]);
    message.extend(index.to_ne_bytes());
    for kind in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
        message.extend((attribute_len as u16).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(&octets);
    }
    message
}

/// The bytes of an `RTM_SETLINK` request with these attributes, which asks for an acknowledgement.
fn limits(index: u32, attributes: [(u16, u32); 2]) -> Vec<u8> {
    const ATTRIBUTE_LEN: u16 = 8;
    let len = HEADER_LEN + IFINFOMSG_LEN + attributes.len() * usize::from(ATTRIBUTE_LEN);
    let mut message = begin(libc::RTM_SETLINK, 0, len);
    message.extend([libc::AF_UNSPEC as u8, 0, 0, 0]); // family, padding, kind of device
    message.extend(index.to_ne_bytes());
    message.extend([0; 8]); // flags, and which of them change
    for (kind, value) in attributes {
        message.extend(ATTRIBUTE_LEN.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(value.to_ne_bytes());
    }
    message
}

/// A message of `len` octets with its header.
fn begin(kind: u16, special: c_int, len: usize) -> Vec<u8> {
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | special;
    let mut message = Vec::with_capacity(len);
    message.extend((len as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((flags as u16).to_ne_bytes());
    message.extend(1u32.to_ne_bytes()); // sequence number
    message.extend(0u32.to_ne_bytes()); // sender: the kernel fills it in
    message
}

/// Reads `struct nlmsgerr`: 0, or a negated errno.
fn acknowledged(reply: &[u8]) -> io::Result<()> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "netlink gave no acknowledgement");
    let kind = reply.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes).ok_or_else(strange)?;
    if i32::from(kind) != libc::NLMSG_ERROR {
        return Err(strange());
    }
    let code = reply.get(HEADER_LEN..HEADER_LEN + 4).and_then(|b| b.try_into().ok()).ok_or_else(strange)?;
    match i32::from_ne_bytes(code) {
        0 => Ok(()),
        negated => Err(io::Error::from_raw_os_error(negated.saturating_neg())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_its_own_length_and_the_address_twice() {
        let v4 = request(Verb::Add, 7, "10.0.0.1".parse().unwrap(), 24);
        assert_eq!(v4.len(), 40);
        assert_eq!(v4[..4], 40u32.to_ne_bytes());
        assert_eq!(v4.windows(4).filter(|w| w == &[10, 0, 0, 1]).count(), 2);
        assert_eq!(request(Verb::Remove, 7, "fd00::1".parse().unwrap(), 64).len(), 64);
    }

    #[test]
    fn a_limit_carries_its_own_length_the_index_and_both_numbers() {
        let message = limits(7, [(IFLA_GSO_MAX_SEGS, 512), (IFLA_GSO_MAX_SIZE, 65_407)]);
        assert_eq!((message.len(), &message[..4]), (48, &48u32.to_ne_bytes()[..]));
        assert_eq!(message[20..24], 7u32.to_ne_bytes());
        assert_eq!(message[36..40], 512u32.to_ne_bytes());
        assert_eq!(message[44..], 65_407u32.to_ne_bytes());
    }

    #[test]
    fn a_short_or_foreign_answer_is_an_error_and_not_a_success() {
        for len in 0..20 {
            let mut reply = vec![0; len];
            if let Some(kind) = reply.get_mut(4..6) {
                kind.copy_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
            }
            assert!(acknowledged(&reply).is_err(), "{len} octets passed for an acknowledgement");
        }
        assert!(acknowledged(&[0; 20]).is_err(), "kind 0 passed for an acknowledgement");
    }

    #[test]
    fn the_errno_of_the_answer_is_the_error() {
        let mut reply = [0; 20];
        reply[4..6].copy_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
        assert!(acknowledged(&reply).is_ok());
        reply[16..].copy_from_slice(&(-libc::EEXIST).to_ne_bytes());
        assert_eq!(acknowledged(&reply).unwrap_err().raw_os_error(), Some(libc::EEXIST));
    }
}
