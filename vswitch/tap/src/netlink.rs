//! One rtnetlink request: add an address to an interface.
//!
//! The older `ioctl`s need a second mechanism for IPv6, an alias name for each further IPv4 address, and cannot switch
//! duplicate address detection off; one message does all of it for both families. Numbers are in host byte order, as
//! netlink has them; addresses are in network byte order.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::IpAddr,
};

use crate::kernel;

/// Octets of `struct nlmsghdr`.
const HEADER_LEN: usize = 16;

/// Octets of `struct ifaddrmsg`.
const IFADDRMSG_LEN: usize = 8;

/// Adds `address` to the interface with this index in the calling thread's namespace, usable at once.
///
/// `EEXIST`: the interface has it. `EACCES`, `EINVAL` for an IPv6 address: IPv6 is off there, or the MTU is below 1280.
pub(crate) fn add_address(index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
    let mut netlink = File::from(kernel::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?);
    netlink.write_all(&new_address(index, address, prefix))?;
    let mut reply = [0; 1024];
    let len = netlink.read(&mut reply)?; // the kernel answers before `write` returns
    acknowledged(&reply[..len])
}

/// The bytes of an `RTM_NEWADDR` request that asks for an acknowledgement.
fn new_address(index: u32, address: IpAddr, prefix: u8) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let attribute_len = 4 + octets.len(); // 8 or 20: both end on a multiple of four, so no padding
    let len = HEADER_LEN + IFADDRMSG_LEN + 2 * attribute_len;
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

    let mut message = Vec::with_capacity(len);
    message.extend((len as u32).to_ne_bytes());
    message.extend(libc::RTM_NEWADDR.to_ne_bytes());
    message.extend((flags as u16).to_ne_bytes());
    message.extend(1u32.to_ne_bytes()); // sequence number
    message.extend(0u32.to_ne_bytes()); // sender: the kernel fills it in
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
        let v4 = new_address(7, "10.0.0.1".parse().unwrap(), 24);
        assert_eq!(v4.len(), 40);
        assert_eq!(v4[..4], 40u32.to_ne_bytes());
        assert_eq!(v4.windows(4).filter(|w| w == &[10, 0, 0, 1]).count(), 2);
        assert_eq!(new_address(7, "fd00::1".parse().unwrap(), 64).len(), 64);
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
