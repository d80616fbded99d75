//! What a device can do and what its limits are, as its driver says: read once, then plain data.

use dpdk_sys::{rte_eth_desc_lim, rte_eth_dev_info, rte_eth_dev_portconf};

use crate::kernel_interface::KernelInterface;

/// Abilities and limits of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// The driver's name.
    pub(crate) driver: String,
    /// On the PCI bus; everything else is virtual.
    pub(crate) is_pci: bool,
    /// Queue pairs at most.
    pub(crate) queues_max: u16,
    pub(crate) rx_descriptors: Descriptors,
    pub(crate) tx_descriptors: Descriptors,
    /// Fields it can hash to spread frames over its queues, in DPDK's bits.
    pub(crate) rss_fields: u64,
    /// Places of the table from hash to queue; 0 where the driver does not say.
    pub(crate) rss_table_len: u16,
    /// Offloads for sending, in DPDK's bits.
    pub(crate) tx_offloads: u64,
    /// MTUs it carries, in octets of L3.
    pub(crate) mtu_min: u16,
    pub(crate) mtu_max: u16,
    /// Unicast addresses it can filter by, its own included.
    pub(crate) macs_max: u32,
    /// The NUMA node it is attached to.
    pub(crate) node: Option<u32>,
    /// Whether it tells of its link and of its removal by itself.
    pub(crate) tells_link: bool,
    pub(crate) tells_removal: bool,
    /// Its own MAC cannot change while it runs.
    pub(crate) is_mac_fixed: bool,
}

/// How many descriptors a queue can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    pub(crate) min: u16,
    pub(crate) max: u16,
    /// Their number is a multiple of this.
    pub(crate) multiple: u16,
    /// What the driver recommends, where it does.
    pub(crate) preferred: Option<u16>,
}

impl Abilities {
    /// From the driver's words, and those of the kernel's interface behind the device where there is one.
    pub(crate) fn new(
        info: &rte_eth_dev_info,
        (driver, is_pci): (&str, bool),
        interface: Option<&KernelInterface>,
        node: Option<u32>,
    ) -> Abilities {
        let (mtu_min, mtu_max) = carried(info);
        // SAFETY: null, or an integer of the driver's that lives as long as the device.
        let flags = unsafe { info.dev_flags.as_ref() }.copied().unwrap_or(0);
        Abilities {
            driver: driver.to_owned(),
            is_pci,
            queues_max: info.max_rx_queues.min(info.max_tx_queues),
            rx_descriptors: Descriptors::new(&info.rx_desc_lim, &info.default_rxportconf),
            tx_descriptors: Descriptors::new(&info.tx_desc_lim, &info.default_txportconf),
            rss_fields: info.flow_type_rss_offloads,
            rss_table_len: info.reta_size,
            tx_offloads: info.tx_offload_capa,
            mtu_min,
            mtu_max: interface.map_or(mtu_max, |interface| interface.mtu_max),
            macs_max: info.max_mac_addrs,
            node,
            tells_link: flags & dpdk_sys::MILLRACE_TELLS_LINK != 0,
            tells_removal: flags & dpdk_sys::MILLRACE_TELLS_REMOVAL != 0,
            is_mac_fixed: flags & dpdk_sys::MILLRACE_MAC_FIXED != 0,
        }
    }
}

impl Descriptors {
    fn new(limits: &rte_eth_desc_lim, recommended: &rte_eth_dev_portconf) -> Descriptors {
        Descriptors {
            min: limits.nb_min,
            max: if limits.nb_max == 0 { u16::MAX } else { limits.nb_max },
            multiple: limits.nb_align.max(1),
            preferred: Some(recommended.ring_size).filter(|&size| size != 0),
        }
    }

    /// The possible number that is nearest to `asked`, preferably above it: the rule of DPDK's own
    /// `rte_eth_dev_adjust_nb_rx_tx_desc`.
    pub(crate) fn nearest(&self, asked: u16) -> u16 {
        let rounded = u32::from(asked).next_multiple_of(u32::from(self.multiple));
        u16::try_from(rounded).unwrap_or(u16::MAX).min(self.max).max(self.min)
    }
}

/// The smallest and largest MTU the device carries, by the rule DPDK checks with: frames have a limit of their own.
pub(crate) fn carried(info: &rte_eth_dev_info) -> (u16, u16) {
    const ETHERNET_AND_FCS: u32 = 18;
    let overhead = match info.max_rx_pktlen.checked_sub(u32::from(info.max_mtu)) {
        Some(overhead) if info.max_mtu != u16::MAX => overhead,
        _ => ETHERNET_AND_FCS,
    };
    let by_frame = u16::try_from(info.max_rx_pktlen.saturating_sub(overhead)).unwrap_or(u16::MAX);
    (info.min_mtu, info.max_mtu.min(by_frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_limit_of_a_device_bounds_its_mtu() {
        let limits = |max_mtu, max_rx_pktlen| {
            carried(&rte_eth_dev_info { min_mtu: 68, max_mtu, max_rx_pktlen, ..rte_eth_dev_info::default() })
        };
        assert_eq!(limits(u16::MAX, 1518), (68, 1500), "a driver that only knows frames");
        assert_eq!(limits(9000, 9022), (68, 9000), "a driver that knows both");
        assert_eq!(limits(u16::MAX, u32::MAX), (68, u16::MAX), "a driver without limits");
        assert_eq!(limits(9000, 1518), (68, 1500), "a driver that contradicts itself");
        assert_eq!(limits(u16::MAX, 0), (68, 0), "a driver that says nothing");
    }

    #[test]
    fn a_queue_gets_the_possible_number_of_descriptors_next_to_the_one_asked_for() {
        let ixgbe = Descriptors { min: 32, max: 4096, multiple: 8, preferred: None };
        assert_eq!([1, 33, 512, 4097, u16::MAX].map(|asked| ixgbe.nearest(asked)), [32, 40, 512, 4096, 4096]);
        let any = Descriptors::new(&rte_eth_desc_lim::default(), &rte_eth_dev_portconf::default());
        assert_eq!([1, 1000, u16::MAX].map(|asked| any.nearest(asked)), [1, 1000, u16::MAX]);
        let odd = Descriptors { min: 0, max: u16::MAX, multiple: 512, preferred: None };
        assert_eq!(odd.nearest(u16::MAX), u16::MAX, "what overflows is bounded, as DPDK does");
    }
}
