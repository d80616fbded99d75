//! From a probed device to one that runs: queues, MTU, start.

use std::ptr::null;

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info};

use crate::{
    Errno, EthError, Pool, Said,
    abilities::{self, Abilities},
    chatter,
    devargs::Devargs,
    kernel_interface::KernelInterface,
    plan::{Plan, PoolFacts, Wish, plan},
};

/// Octets in front of an MTU's payload: an Ethernet header and two VLAN tags.
pub(crate) const L2_LEN: u16 = ETHERNET_LEN + 2 * 4;

/// Octets of an Ethernet header without tags.
const ETHERNET_LEN: u16 = 14;

/// How a device is opened.
#[derive(Clone, Debug)]
pub struct EthConfig {
    /// What log lines call it.
    pub name: String,
    /// Queue pairs, one per worker that serves the device.
    pub queues: u16,
    /// Descriptors of each rx queue; the device may round it. `None`: what the driver prefers, within
    /// `descriptors_set_aside`.
    pub rx_descriptors: Option<u16>,
    /// Descriptors of each tx queue, likewise.
    pub tx_descriptors: Option<u16>,
    /// Descriptors of a queue for which the pool has buffers where nobody asks for a number.
    pub descriptors_set_aside: u16,
    /// The MTU in octets of L3; `None` leaves what the device has.
    pub mtu: Option<u16>,
    /// The MAC the device should have; `None` leaves it its own.
    pub mac: Option<[u8; 6]>,
    /// Where received frames are put.
    pub pool: Pool,
    /// Every frame that will ever be sent comes from that pool, which lets some devices free them faster.
    pub is_only_pool: bool,
    /// What is left of frames is left to the device, checksums and segments, as far as its driver offers it and a trial at the
    /// start finds nothing wrong. Else the switch does it.
    pub offloads: bool,
    /// Receive frames for other MACs too; a bridge needs it.
    pub promiscuous: bool,
    /// NUMA nodes of the CPUs that may serve it; empty where they are not known.
    pub worker_nodes: Vec<u32>,
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

    /// Reads what the device can do.
    pub(crate) fn abilities(&self, info: &rte_eth_dev_info) -> Abilities {
        // SAFETY: asks for the NUMA node.
        let node = unsafe { dpdk_sys::rte_eth_dev_socket_id(self.port) };
        let interface = self.kernel_interface();
        Abilities::new(info, (self.driver, self.device.pci), interface.as_ref(), u32::try_from(node).ok())
    }

    /// Makes the plan for the device.
    pub(crate) fn plan(&self, config: &EthConfig, abilities: &Abilities) -> Result<Plan, EthError> {
        let pool = &config.pool;
        let wish = Wish {
            queues: config.queues,
            rx_descriptors: config.rx_descriptors,
            tx_descriptors: config.tx_descriptors,
            descriptors_set_aside: config.descriptors_set_aside,
            mtu: config.mtu,
            mtu_now: self.mtu_now()?,
            pool: PoolFacts { name: pool.name(), data_max: pool.data_max(), node: pool.node() },
            is_only_pool: config.is_only_pool,
            offloads: config.offloads,
            worker_nodes: &config.worker_nodes,
        };
        plan(self.device, abilities, &wish)
    }

    /// Configures the device by the plan; it is not started yet.
    pub(crate) fn set_up(&self, plan: &Plan, config: &EthConfig, info: &rte_eth_dev_info) -> Result<(), EthError> {
        self.configure(plan, info)?;
        if config.mtu.is_some() {
            self.set_mtu(plan.mtu, info)?;
        }
        self.set_up_queues(plan, &config.pool)
    }

    /// Lets frames pass.
    pub(crate) fn start(&self) -> Result<(), EthError> {
        // SAFETY: configured, with all queues set up.
        self.step("start it", || unsafe { dpdk_sys::rte_eth_dev_start(self.port) })?;
        // SAFETY: the port is started. A device without counters to reset starts from zero anyway.
        let _ = unsafe { dpdk_sys::rte_eth_stats_reset(self.port) };
        Ok(())
    }

    /// Ends that, for it to be set up otherwise.
    pub(crate) fn stop(&self) {
        // SAFETY: the port is open; nobody is in one of its queues.
        let result = unsafe { dpdk_sys::rte_eth_dev_stop(self.port) };
        if result < 0 {
            log::warn!("{}: it does not stop: {}", self.device.text, Errno::new(result));
        }
    }

    fn kernel_interface(&self) -> Option<KernelInterface> {
        KernelInterface::behind(self.device, self.driver)
    }

    fn mtu_now(&self) -> Result<u16, EthError> {
        if let Some(Ok(mtu)) = self.kernel_interface().map(|interface| interface.mtu()) {
            return Ok(mtu);
        }
        let mut mtu = 0;
        // SAFETY: fills the integer it is given.
        self.step("read its MTU", || unsafe { dpdk_sys::rte_eth_dev_get_mtu(self.port, &mut mtu) })?;
        Ok(mtu)
    }

    fn configure(&self, plan: &Plan, info: &rte_eth_dev_info) -> Result<(), EthError> {
        let mut conf = rte_eth_conf::default();
        let (_, mtu_max) = abilities::carried(info);
        conf.rxmode.mtu = u32::from(plan.mtu.min(mtu_max));
        if plan.rss_fields != 0 {
            conf.rxmode.mq_mode = dpdk_sys::RTE_ETH_MQ_RX_RSS;
            conf.rx_adv_conf.rss_conf.rss_hf = plan.rss_fields;
        }
        conf.txmode.offloads = plan.tx_offloads;
        conf.lpbk_mode = u32::from(plan.is_loop);
        conf.intr_conf.set_lsc(u32::from(plan.link_events));
        conf.intr_conf.set_rmv(u32::from(plan.removal_events));
        let queues = plan.queues;
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

    fn set_up_queues(&self, plan: &Plan, pool: &Pool) -> Result<(), EthError> {
        // SAFETY: asks for the NUMA node; a negative one means any.
        let node = unsafe { dpdk_sys::rte_eth_dev_socket_id(self.port) }.max(-1) as u32;
        for queue in 0..plan.queues {
            // SAFETY: the device is configured with so many queues; the pool lives as long as DPDK; null means defaults.
            self.step("set up an rx queue", || unsafe {
                dpdk_sys::rte_eth_rx_queue_setup(self.port, queue, plan.rx_descriptors, node, null(), pool.raw())
            })?;
            // SAFETY: as above.
            self.step("set up a tx queue", || unsafe {
                dpdk_sys::rte_eth_tx_queue_setup(self.port, queue, plan.tx_descriptors, node, null())
            })?;
        }
        Ok(())
    }

    /// Lets frames to every group in: an interface with IPv6 is in one group for each address (RFC 4291 section 2.8).
    pub(crate) fn all_multicast(&self) -> Result<(), Errno> {
        // SAFETY: the port is started.
        match unsafe { dpdk_sys::rte_eth_allmulticast_enable(self.port) } {
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

fn error_number(error: std::io::Error) -> i32 {
    -error.raw_os_error().unwrap_or(libc::EIO)
}
