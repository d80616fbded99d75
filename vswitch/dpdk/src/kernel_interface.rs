//! The MTU and the link of the kernel interface behind a net_af_packet device.
//!
//! DPDK 22.11 lets this driver carry no more than 1500, although its ring slots hold more: an underlay needs 50 octets
//! more than its overlay. So the interface is asked and told directly, and DPDK keeps its own idea.

use std::{io, mem, os::fd::AsRawFd, os::unix::net::UnixDatagram};

use crate::devargs::Devargs;

/// The driver this is for.
const DRIVER: &str = "net_af_packet";

/// Octets of a ring slot where its arguments do not say (`framesz`).
const SLOT_LEN: u16 = 2048;

/// Octets of a slot in front of the packet (the kernel's header and alignment, 66) and of an Ethernet header with two
/// tags (22). A longer packet would be cut off by the kernel without a word.
const SLOT_OVERHEAD: u16 = 66 + 22;

/// Asks for the carrier (`linux/ethtool.h`).
const ETHTOOL_GLINK: u32 = 0x0a;

/// `struct ethtool_value`: a question, and where its answer goes.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// An interface, by name.
pub(crate) struct KernelInterface {
    request: libc::ifreq,
    /// The largest MTU whose frames fit the slots.
    pub(crate) mtu_max: u16,
}

impl KernelInterface {
    /// The interface behind a device, if it is one of these.
    pub(crate) fn behind(device: &Devargs, driver: &str) -> Option<Self> {
        if driver != DRIVER {
            return None;
        }
        let name = device.values("iface").next()?.as_bytes();
        let slot_len = device.values("framesz").next().and_then(|text| text.parse().ok()).unwrap_or(SLOT_LEN);
        // SAFETY: an ifreq is integers, valid when zeroed.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        // The last octet stays zero.
        let space = request.ifr_name.len() - 1;
        if name.is_empty() || name.len() > space {
            return None;
        }
        request.ifr_name.iter_mut().zip(name).for_each(|(to, from)| *to = *from as libc::c_char);
        Some(KernelInterface { request, mtu_max: slot_len.saturating_sub(SLOT_OVERHEAD) })
    }

    /// The interface's MTU, in octets of L3.
    pub(crate) fn mtu(&self) -> io::Result<u16> {
        let mut request = self.request;
        call(libc::SIOCGIFMTU, &mut request)?;
        // SAFETY: the call succeeded and wrote this field of the union.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
    }

    /// Whether it is up and has a carrier, which the driver does not follow.
    ///
    /// A flag says so, but the kernel lets it follow the carrier up to a second late; so the carrier is asked for first,
    /// which many a kernel takes for a reason to bring the flag up to date.
    pub(crate) fn is_running(&self) -> io::Result<bool> {
        if self.has_carrier() == Some(false) {
            return Ok(false);
        }
        let mut request = self.request;
        call(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the call succeeded and wrote this field of the union.
        let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
        Ok(flags & libc::IFF_UP != 0 && flags & libc::IFF_RUNNING != 0)
    }

    /// Its MAC.
    pub(crate) fn mac(&self) -> io::Result<[u8; 6]> {
        let mut request = self.request;
        call(libc::SIOCGIFHWADDR, &mut request)?;
        // SAFETY: the call succeeded and wrote this field of the union.
        let octets = unsafe { request.ifr_ifru.ifru_hwaddr }.sa_data;
        Ok(std::array::from_fn(|i| octets[i] as u8))
    }

    /// Its number, which no other interface gets while it exists and a later one of its name does not have; `None` where
    /// there is no such interface.
    pub(crate) fn number(&self) -> Option<u32> {
        // SAFETY: the name ends with a zero.
        let number = unsafe { libc::if_nametoindex(self.request.ifr_name.as_ptr()) };
        (number != 0).then_some(number)
    }

    /// Whether there is a carrier; `None` where the interface does not tell.
    fn has_carrier(&self) -> Option<bool> {
        let mut answer = EthtoolValue { command: ETHTOOL_GLINK, data: 0 };
        let mut request = self.request;
        request.ifr_ifru.ifru_data = (&raw mut answer).cast();
        call(libc::SIOCETHTOOL, &mut request).ok()?;
        Some(answer.data != 0)
    }

    /// Gives the interface another MTU.
    pub(crate) fn set_mtu(&self, mtu: u16) -> io::Result<()> {
        let mut request = self.request;
        request.ifr_ifru.ifru_mtu = i32::from(mtu);
        call(libc::SIOCSIFMTU, &mut request)
    }
}

/// Asks the kernel; any socket of this namespace will do.
fn call(number: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // SAFETY: all these requests read and write an ifreq, and SIOCETHTOOL the value it points to, which outlives the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), number, request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(text: &str, driver: &str) -> Option<KernelInterface> {
        KernelInterface::behind(&Devargs::parse(text).unwrap(), driver)
    }

    #[test]
    fn only_af_packet_has_an_interface_behind_it() {
        assert!(behind("net_af_packet0,iface=lo", "net_af_packet").is_some());
        assert!(behind("net_null0,iface=lo", "net_null").is_none());
        assert!(behind("net_af_packet0", "net_af_packet").is_none());
        assert!(behind("net_af_packet0,iface=sixteen-letters-", "net_af_packet").is_none());
    }

    #[test]
    fn the_slots_bound_the_mtu() {
        let mtu_max = |text| behind(text, "net_af_packet").unwrap().mtu_max;
        assert_eq!(mtu_max("net_af_packet0,iface=lo"), 1960);
        assert_eq!(mtu_max("net_af_packet0,iface=lo,framesz=16384"), 16_296);
        assert_eq!(mtu_max("net_af_packet0,iface=lo,framesz=1"), 0);
    }

    #[test]
    fn an_interface_says_its_mtu() {
        assert!(behind("net_af_packet0,iface=lo", "net_af_packet").unwrap().mtu().unwrap() > 0);
        let missing = behind("net_af_packet0,iface=nosuchif", "net_af_packet").unwrap();
        assert_eq!(missing.mtu().unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert!(missing.is_running().is_err());
        assert!(missing.set_mtu(1500).is_err());
        assert!(missing.mac().is_err() && missing.number().is_none());
        let lo = behind("net_af_packet0,iface=lo", "net_af_packet").unwrap();
        assert_eq!((lo.mac().unwrap(), lo.number()), ([0; 6], Some(1)));
    }
}
