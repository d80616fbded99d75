//! An Ethernet device: found or created, brought up, and taken away again when nobody uses it.

use std::{ffi::CStr, sync::Arc};

use dpdk_sys::{rte_device, rte_eth_dev_info, rte_eth_stats};

use crate::{
    Eal, Errno, EthConfig, EthError, EthPort, Said, chatter,
    devargs::Devargs,
    diagnosis::diagnose,
    eal::Runtime,
    eth_port,
    kernel_interface::KernelInterface,
    setup::{self, Granted, Target},
};

/// An open device. Its queue pairs are the [`EthPort`]s that came with it; it is stopped, closed and removed when the
/// device and all its ports have gone, so let the last of them go on a control thread.
#[derive(Debug)]
pub struct EthDevice {
    shared: Arc<Shared>,
    devargs: Devargs,
    driver: String,
    mac: [u8; 6],
    mtu: u16,
    numa: Option<u32>,
    promiscuous: Result<(), Errno>,
    all_multicast: Result<(), Errno>,
}

/// Whether a link is up, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Frames can pass.
    pub up: bool,
    /// Megabits a second, where the device knows.
    pub speed_mbps: Option<u32>,
}

/// The device's own counters, over all queues, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct EthStats {
    pub rx_frames: u64,
    pub rx_bytes: u64,
    pub tx_frames: u64,
    pub tx_bytes: u64,
    pub rx_missed: u64,
    pub rx_no_buffer: u64,
    pub rx_errors: u64,
    /// Frames a driver took and could not send after all; they appear as sent in [`frame::Sent`].
    pub tx_errors: u64,
}

/// What a device and its ports hold together.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) port: u16,
    device: *mut rte_device,
    /// A started net_ring: frames stay behind inside it when it goes.
    is_ring: bool,
    runtime: Arc<Runtime>,
}

// SAFETY: the device pointer is only used when the last holder goes; DPDK's calls on a port number may come from any
// thread, one at a time, which Drop and the queue ownership of EthPort ensure.
unsafe impl Send for Shared {}
// SAFETY: as above; what is called through a shared reference (counters, link) is safe from several threads.
unsafe impl Sync for Shared {}

impl EthDevice {
    /// Opens a device by its PCI address or as a virtual device, and brings it up with one port per queue.
    pub fn open(eal: &Eal, device: &str, config: &EthConfig) -> Result<(EthDevice, Vec<EthPort>), EthError> {
        let devargs = Devargs::parse(device).map_err(|cause| EthError::Devargs { device: device.to_owned(), cause })?;
        let port = probe(eal, &devargs)?;
        let mut shared =
            Shared { port, device: std::ptr::null_mut(), is_ring: false, runtime: Arc::clone(eal.runtime()) };
        // From here on, leaving early closes the device again.
        let info = setup::info(port, &devargs)?;
        shared.device = info.device;
        let driver = driver_name(&info);
        let granted = Target { port, device: &devargs, driver: &driver }.bring_up(config, &info)?;
        shared.is_ring = driver == "net_ring";
        let opened = EthDevice::new(shared, &devargs, driver, granted);
        let ports = (0..config.queues).map(|queue| eth_port::new(&opened.shared, queue, opened.mtu, &config.pool));
        let ports = ports.collect();
        Ok((opened, ports))
    }

    fn new(shared: Shared, devargs: &Devargs, driver: String, granted: Granted) -> EthDevice {
        let mut mac = dpdk_sys::rte_ether_addr::default();
        // SAFETY: fills the struct it is given; where the device has no address, it stays zero.
        let _ = unsafe { dpdk_sys::rte_eth_macaddr_get(shared.port, &mut mac) };
        // SAFETY: asks for the NUMA node.
        let numa = unsafe { dpdk_sys::rte_eth_dev_socket_id(shared.port) };
        EthDevice {
            devargs: devargs.clone(),
            driver,
            mac: mac.addr_bytes,
            mtu: granted.mtu,
            numa: u32::try_from(numa).ok(),
            promiscuous: granted.promiscuous,
            all_multicast: granted.all_multicast,
            shared: Arc::new(shared),
        }
    }

    /// The device's name: the PCI address, or the virtual device's name.
    pub fn name(&self) -> &str {
        &self.devargs.name
    }

    /// The driver's name.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The device's own address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The longest L3 packet, in octets. Ports refuse frames longer than this and an Ethernet header with two tags.
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// The NUMA node the device is attached to, where it says.
    pub fn numa(&self) -> Option<u32> {
        self.numa
    }

    /// Whether it receives frames for other MACs, if that was asked for; the error says why not.
    pub fn promiscuous(&self) -> Result<(), Errno> {
        self.promiscuous
    }

    /// Whether it receives frames to every group; the error says why not.
    pub fn all_multicast(&self) -> Result<(), Errno> {
        self.all_multicast
    }

    /// The link at this moment; behind net_af_packet that of the kernel's interface, which is none where it is gone.
    pub fn link(&self) -> Result<LinkState, Errno> {
        let interface = KernelInterface::behind(&self.devargs, &self.driver);
        let is_running = interface.is_none_or(|interface| interface.is_running().unwrap_or(false));
        let mut speed = 0;
        // SAFETY: the port is open as long as we are; fills the integer it is given.
        match unsafe { dpdk_sys::millrace_link(self.shared.port, &mut speed) } {
            error if error < 0 => Err(Errno::new(error)),
            up => Ok(LinkState {
                up: up == 1 && is_running,
                speed_mbps: (speed != 0 && speed != u32::MAX).then_some(speed),
            }),
        }
    }

    /// The device's counters.
    pub fn stats(&self) -> EthStats {
        self.shared.stats()
    }
}

impl Shared {
    pub(crate) fn stats(&self) -> EthStats {
        let mut stats = rte_eth_stats::default();
        // SAFETY: the port is open as long as we are; fills the struct it is given, which stays zero on failure.
        let _ = unsafe { dpdk_sys::rte_eth_stats_get(self.port, &mut stats) };
        EthStats {
            rx_frames: stats.ipackets,
            rx_bytes: stats.ibytes,
            tx_frames: stats.opackets,
            tx_bytes: stats.obytes,
            rx_missed: stats.imissed,
            rx_no_buffer: stats.rx_nombuf,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.is_ring {
            eth_port::drain(self.port);
        }
        let mut ports = self.runtime.ports();
        ports.remove(&self.port);
        // SAFETY: nobody else uses the port any more; stopping what never started only returns an error.
        let results = unsafe {
            let stopped = dpdk_sys::rte_eth_dev_stop(self.port);
            let closed = dpdk_sys::rte_eth_dev_close(self.port);
            let removed = if self.device.is_null() { 0 } else { dpdk_sys::rte_dev_remove(self.device) };
            [("stop", stopped), ("close", closed), ("remove", removed)]
        };
        for (step, result) in results.into_iter().filter(|(_, result)| *result < 0) {
            log::warn!("DPDK port {}: {step} failed: {}", self.port, Errno::new(result));
        }
    }
}

fn driver_name(info: &rte_eth_dev_info) -> String {
    if info.driver_name.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: a constant text of the driver, zero-terminated.
    unsafe { CStr::from_ptr(info.driver_name) }.to_string_lossy().into_owned()
}

/// What to say where only the driver knows; most say nothing of an argument they do not know.
fn refusal(devargs: &Devargs, errno: Errno) -> String {
    let hint =
        if devargs.text.contains(',') { "; does it know every argument, and can it use the values?" } else { "" };
    format!("the driver refused it: {errno}{hint}")
}

/// Makes DPDK take the device, and claims its port.
fn probe(eal: &Eal, devargs: &Devargs) -> Result<u16, EthError> {
    let device = || devargs.text.clone();
    let mut ports = eal.runtime().ports();
    if let Some(port) = port_of(devargs) {
        // A PCI device that DPDK took at its start is ours to open; a virtual one of this name is somebody's.
        return if devargs.pci && ports.insert(port) { Ok(port) } else { Err(EthError::Busy { device: device() }) };
    }
    // SAFETY: DPDK is initialised; the text is zero-terminated and copied.
    let (result, said) = chatter::capture(|| unsafe { dpdk_sys::rte_dev_probe(devargs.c_text().as_ptr()) });
    if result < 0 {
        // Where we know the cause, DPDK's own words only blur it; they are in the log.
        let (cause, said) = match diagnose(devargs, eal.runtime().pci, said.lines()) {
            Some(cause) => (cause, Said::default()),
            None => (refusal(devargs, Errno::new(result)), said),
        };
        return Err(EthError::Missing { device: device(), cause, said });
    }
    let port = port_of(devargs).ok_or_else(|| {
        let cause = "DPDK took it, but no Ethernet port came of it".to_owned();
        EthError::Missing { device: device(), cause, said }
    })?;
    ports.insert(port);
    Ok(port)
}

/// DPDK's port of the device: by its name, or the first one that matches (a NIC may name its ports after itself and
/// something else).
fn port_of(devargs: &Devargs) -> Option<u16> {
    let mut port = 0;
    // SAFETY: DPDK is initialised, the name is zero-terminated; fills the integer it is given.
    if unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(devargs.c_name().as_ptr(), &mut port) } == 0 {
        return Some(port);
    }
    if !devargs.pci {
        return None;
    }
    let mut iterator = dpdk_sys::rte_dev_iterator::default();
    // SAFETY: the iterator is initialised by the first call, and cleaned up where the second did not end it.
    unsafe {
        if dpdk_sys::rte_eth_iterator_init(&mut iterator, devargs.c_text().as_ptr()) != 0 {
            return None;
        }
        let port = dpdk_sys::rte_eth_iterator_next(&mut iterator);
        let found = u32::from(port) < dpdk_sys::RTE_MAX_ETHPORTS;
        if found {
            dpdk_sys::rte_eth_iterator_cleanup(&mut iterator);
        }
        found.then_some(port)
    }
}
