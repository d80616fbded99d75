//! From a probed device to one that runs: queues, MTU, start.

use std::ptr::null;

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info};

use crate::{Errno, EthError, Pool, Said, chatter, devargs::Devargs, kernel_interface::KernelInterface};

/// Descriptors of a queue where the operator says nothing: room for 16 bursts.
const DESCRIPTORS: u16 = 1024;

/// Octets in front of an MTU's payload: an Ethernet header and two VLAN tags.
pub(crate) const L2_LEN: u16 = ETHERNET_LEN + 2 * 4;

/// Octets of an Ethernet header without tags.
const ETHERNET_LEN: u16 = 14;

/// How a device is opened.
#[derive(Clone, Debug)]
pub struct EthConfig {
    /// Queue pairs, one per worker that serves the device.
    pub queues: u16,
    /// Descriptors of each rx queue; 0 for a default. The device may round it.
    pub rx_descriptors: u16,
    /// Descriptors of each tx queue; 0 for a default. The device may round it.
    pub tx_descriptors: u16,
    /// The MTU in octets of L3; `None` leaves what the device has.
    pub mtu: Option<u16>,
    /// Where received frames are put.
    pub pool: Pool,
    /// Receive frames for other MACs too; a bridge needs it.
    pub promiscuous: bool,
}

/// What the device made of the configuration.
pub(crate) struct Granted {
    pub(crate) mtu: u16,
    pub(crate) promiscuous: Result<(), Errno>,
    pub(crate) all_multicast: Result<(), Errno>,
}

/// A DPDK port number with the name errors give it.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) port: u16,
    pub(crate) device: &'a Devargs,
    pub(crate) driver: &'a str,
}

impl Target<'_> {
    /// Calls DPDK; a negative result becomes an error with what DPDK said meanwhile.
    fn step(&self, step: &'static str, call: impl FnOnce() -> i32) -> Result<(), EthError> {
        let (result, said) = chatter::capture(call);
        if result >= 0 {
            return Ok(());
        }
        Err(EthError::Setup { device: self.device.text.clone(), step, errno: Errno::new(result), said })
    }

    fn mtu(&self) -> Result<u16, EthError> {
        let mut mtu = 0;
        // SAFETY: fills the integer it is given.
        self.step("read its MTU", || unsafe { dpdk_sys::rte_eth_dev_get_mtu(self.port, &mut mtu) })?;
        Ok(mtu)
    }

    /// Configures and starts the device.
    pub(crate) fn bring_up(&self, config: &EthConfig, info: &rte_eth_dev_info) -> Result<Granted, EthError> {
        self.check_queues(config.queues, info)?;
        let mtu = self.choose_mtu(config, info)?;
        let (_, mtu_max) = carried(info);
        self.configure(config.queues, mtu.min(mtu_max), info)?;
        if config.mtu.is_some() {
            self.set_mtu(mtu, info)?;
        }
        self.set_up_queues(config)?;
        // SAFETY: configured, with all queues set up.
        self.step("start it", || unsafe { dpdk_sys::rte_eth_dev_start(self.port) })?;
        // SAFETY: the port is started. A device without counters to reset starts from zero anyway.
        let _ = unsafe { dpdk_sys::rte_eth_stats_reset(self.port) };
        let (promiscuous, all_multicast) = (self.promiscuous(config.promiscuous), self.all_multicast());
        Ok(Granted { mtu, promiscuous, all_multicast })
    }

    fn check_queues(&self, asked: u16, info: &rte_eth_dev_info) -> Result<(), EthError> {
        let max = info.max_rx_queues.min(info.max_tx_queues);
        if (1..=max).contains(&asked) {
            return Ok(());
        }
        Err(EthError::Queues { device: self.device.text.clone(), asked, max })
    }

    fn kernel_interface(&self) -> Option<KernelInterface> {
        KernelInterface::behind(self.device, self.driver)
    }

    /// The MTU to use: the one asked for, if device and pool carry it, or the one the device has.
    fn choose_mtu(&self, config: &EthConfig, info: &rte_eth_dev_info) -> Result<u16, EthError> {
        let (min, mut max) = carried(info);
        let interface = self.kernel_interface();
        if let Some(interface) = &interface {
            max = interface.mtu_max;
        }
        let current = || match interface.as_ref().and_then(|interface| interface.mtu().ok()) {
            Some(mtu) => Ok(mtu.min(max)),
            None => self.mtu(),
        };
        let mtu = config.mtu.map_or_else(current, Ok)?;
        let device = || self.device.text.clone();
        if config.mtu.is_some() && !(min..=max).contains(&mtu) {
            return Err(EthError::Mtu { device: device(), asked: mtu, min, max });
        }
        let (needed, data_max) = (u32::from(mtu) + u32::from(L2_LEN), config.pool.data_max());
        if needed > u32::from(data_max) {
            let pool = config.pool.name().to_owned();
            return Err(EthError::PoolTooSmall { device: device(), mtu, needed, pool, data_max });
        }
        Ok(mtu)
    }

    fn configure(&self, queues: u16, mtu: u16, info: &rte_eth_dev_info) -> Result<(), EthError> {
        let mut conf = rte_eth_conf::default();
        conf.rxmode.mtu = u32::from(mtu);
        let rss = info.flow_type_rss_offloads & dpdk_sys::MILLRACE_RSS_WANTED;
        if queues > 1 && rss != 0 {
            conf.rxmode.mq_mode = dpdk_sys::RTE_ETH_MQ_RX_RSS;
            conf.rx_adv_conf.rss_conf.rss_hf = rss;
        }
        // SAFETY: the struct is read during the call.
        self.step("configure it", || unsafe { dpdk_sys::rte_eth_dev_configure(self.port, queues, queues, &conf) })
    }

    /// Tells the device its MTU. One that has no such setting (net_ring, net_pcap, net_memif) is believed where it says
    /// that it receives frames of that length; net_memif counts no tags, although it carries frames of any length.
    fn set_mtu(&self, mtu: u16, info: &rte_eth_dev_info) -> Result<(), EthError> {
        let (result, said) = match self.kernel_interface() {
            Some(interface) => (interface.set_mtu(mtu).map_or_else(error_number, |()| 0), Said::default()),
            // SAFETY: the port is configured and stopped.
            None => chatter::capture(|| unsafe { dpdk_sys::rte_eth_dev_set_mtu(self.port, mtu) }),
        };
        let believed = result == -libc::ENOTSUP && info.max_rx_pktlen >= u32::from(mtu) + u32::from(ETHERNET_LEN);
        if result >= 0 || believed {
            return Ok(());
        }
        Err(EthError::MtuRefused { device: self.device.text.clone(), asked: mtu, errno: Errno::new(result), said })
    }

    fn set_up_queues(&self, config: &EthConfig) -> Result<(), EthError> {
        let or_default = |descriptors| if descriptors == 0 { DESCRIPTORS } else { descriptors };
        let (mut rx, mut tx) = (or_default(config.rx_descriptors), or_default(config.tx_descriptors));
        // SAFETY: reads and changes the two integers.
        self.step("size its queues", || unsafe {
            dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(self.port, &mut rx, &mut tx)
        })?;
        // SAFETY: asks for the NUMA node; a negative one means any.
        let node = unsafe { dpdk_sys::rte_eth_dev_socket_id(self.port) }.max(-1) as u32;
        for queue in 0..config.queues {
            // SAFETY: the device is configured with so many queues; the pool lives as long as DPDK; null means defaults.
            self.step("set up an rx queue", || unsafe {
                dpdk_sys::rte_eth_rx_queue_setup(self.port, queue, rx, node, null(), config.pool.raw())
            })?;
            // SAFETY: as above.
            self.step("set up a tx queue", || unsafe {
                dpdk_sys::rte_eth_tx_queue_setup(self.port, queue, tx, node, null())
            })?;
        }
        Ok(())
    }

    /// Lets frames to every group in: an interface with IPv6 is in one group for each address (RFC 4291 section 2.8).
    fn all_multicast(&self) -> Result<(), Errno> {
        // SAFETY: the port is started.
        match unsafe { dpdk_sys::rte_eth_allmulticast_enable(self.port) } {
            0 => Ok(()),
            error => Err(Errno::new(error)),
        }
    }

    fn promiscuous(&self, wanted: bool) -> Result<(), Errno> {
        if !wanted {
            return Ok(());
        }
        // SAFETY: the port is started.
        match unsafe { dpdk_sys::rte_eth_promiscuous_enable(self.port) } {
            0 => Ok(()),
            error => Err(Errno::new(error)),
        }
    }
}

/// What the driver says of the device.
pub(crate) fn info(port: u16, device: &Devargs) -> Result<rte_eth_dev_info, EthError> {
    let mut info = rte_eth_dev_info::default();
    let target = Target { port, device, driver: "" };
    // SAFETY: fills the struct it is given.
    target.step("read its properties", || unsafe { dpdk_sys::rte_eth_dev_info_get(port, &mut info) })?;
    Ok(info)
}

/// The smallest and largest MTU the device carries, by the rule DPDK checks with: frames have a limit of their own.
fn carried(info: &rte_eth_dev_info) -> (u16, u16) {
    const ETHERNET_AND_FCS: u32 = 18;
    let overhead = match info.max_rx_pktlen.checked_sub(u32::from(info.max_mtu)) {
        Some(overhead) if info.max_mtu != u16::MAX => overhead,
        _ => ETHERNET_AND_FCS,
    };
    let by_frame = u16::try_from(info.max_rx_pktlen.saturating_sub(overhead)).unwrap_or(u16::MAX);
    (info.min_mtu, info.max_mtu.min(by_frame))
}

fn error_number(error: std::io::Error) -> i32 {
    -error.raw_os_error().unwrap_or(libc::EIO)
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
}
