//! The filters of a real device, by DPDK.

use dpdk_sys::rte_ether_addr;

use crate::{
    Errno,
    reception::{MacOctets, Registers},
};

/// Those of one of DPDK's ports.
pub(crate) struct PortRegisters {
    pub(crate) port: u16,
    /// Its own MAC cannot change now.
    pub(crate) is_mac_fixed: bool,
}

impl Registers for PortRegisters {
    fn set_mac(&mut self, mac: MacOctets) -> Result<(), Errno> {
        if self.is_mac_fixed {
            return Err(Errno::new(libc::EBUSY));
        }
        // SAFETY: the port is open; the address is copied during the call.
        result(unsafe { dpdk_sys::rte_eth_dev_default_mac_addr_set(self.port, &mut address(mac)) })
    }

    fn add_filter(&mut self, mac: MacOctets) -> Result<(), Errno> {
        // SAFETY: as above. Pool 0 is all there is without VMDq.
        result(unsafe { dpdk_sys::rte_eth_dev_mac_addr_add(self.port, &mut address(mac), 0) })
    }

    fn remove_filter(&mut self, mac: MacOctets) -> Result<(), Errno> {
        // SAFETY: as above.
        result(unsafe { dpdk_sys::rte_eth_dev_mac_addr_remove(self.port, &mut address(mac)) })
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<(), Errno> {
        // SAFETY: the port is open.
        result(unsafe {
            match on {
                true => dpdk_sys::rte_eth_promiscuous_enable(self.port),
                false => dpdk_sys::rte_eth_promiscuous_disable(self.port),
            }
        })
    }
}

/// The address the device has now; all zero where it has none.
pub(crate) fn mac(port: u16) -> MacOctets {
    let mut mac = rte_ether_addr::default();
    // SAFETY: fills the struct it is given; where the device has no address, it stays zero.
    let _ = unsafe { dpdk_sys::rte_eth_macaddr_get(port, &mut mac) };
    mac.addr_bytes
}

fn address(mac: MacOctets) -> rte_ether_addr {
    rte_ether_addr { addr_bytes: mac }
}

fn result(number: i32) -> Result<(), Errno> {
    if number < 0 { Err(Errno::new(number)) } else { Ok(()) }
}
