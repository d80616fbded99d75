//! An Ethernet device: found or created, brought up, and taken away again when nobody uses it.

use std::{
    ffi::{CStr, CString},
    sync::Arc,
};

use dpdk_sys::{rte_device, rte_eth_dev_info, rte_eth_stats};

use crate::{
    Eal, Errno, EthConfig, EthError, EthEvents, EthPort, Said,
    abilities::Abilities,
    chatter,
    devargs::Devargs,
    diagnosis::diagnose,
    eal::Runtime,
    eth_port, events,
    kernel_interface::KernelInterface,
    memif::{Entry, Memif, Passage},
    plan::Plan,
    reception::{Hardware, Reception},
    registers::{self, PortRegisters},
    setup::{self, Target},
    trial,
    virtual_function::VirtualFunction,
};

/// An open device. Its queue pairs are the [`EthPort`]s that came with it; it is stopped, closed and removed when the
/// device and all its ports have gone, so let the last of them go on a control thread.
#[derive(Debug)]
pub struct EthDevice {
    pub(crate) shared: Arc<Shared>,
    pub(crate) devargs: Devargs,
    pub(crate) abilities: Abilities,
    pub(crate) plan: Plan,
    pub(crate) reception: Reception,
    pub(crate) all_multicast: Result<(), Errno>,
    /// The number of the kernel's interface behind it, where there is one.
    interface: Option<u32>,
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
    /// The device's name on its bus.
    name: CString,
    device: *mut rte_device,
    /// A started net_ring: frames stay behind inside it when it goes.
    is_ring: bool,
    /// Where a memif meets its other end.
    pub(crate) entry: Option<Entry>,
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
        let (devargs, entry) = announce(eal, devargs)?;
        let port = probe(eal, &devargs)?;
        let runtime = Arc::clone(eal.runtime());
        let name = devargs.c_name().to_owned();
        let mut shared = Shared { port, name, device: std::ptr::null_mut(), is_ring: false, entry, runtime };
        // From here on, leaving early closes the device again.
        let info = setup::info(port, &devargs)?;
        shared.device = info.device;
        let mut shared = Arc::new(shared);
        let driver = driver_name(&info);
        let target = Target { port, device: &devargs, driver: &driver };
        let abilities = target.abilities(&info);
        let mut plan = target.plan(config, &abilities)?;
        let tried = trial::in_a_loop(&target, &shared, &mut plan, config, &info);
        target.set_up(&plan, config, &info)?;
        events::listen(port, &shared.name);
        let mut reception = reception(&devargs, &abilities, port, config.promiscuous);
        // Some devices take another MAC only while they are stopped.
        reception.set_mac(config.mac, &mut PortRegisters { port, is_mac_fixed: false });
        target.start()?;
        reception.settle(&mut PortRegisters { port, is_mac_fixed: abilities.is_mac_fixed });
        let all_multicast = target.all_multicast();
        let interface = KernelInterface::behind(&devargs, &driver).and_then(|interface| interface.number());
        // Nobody else has it yet.
        let gate = Arc::get_mut(&mut shared).and_then(|shared| {
            shared.is_ring = driver == "net_ring";
            shared.entry.as_mut().map(|entry| entry.serve(&config.name, port, config.queues))
        });
        if !tried {
            trial::by_asking(&shared, &mut plan, &config.pool);
        }
        let opened = EthDevice { shared, devargs, abilities, plan, reception, all_multicast, interface };
        let ports = (0..config.queues)
            .map(|queue| eth_port::new(&opened.shared, queue, opened.mtu(), opened.plan.nic, &config.pool));
        let passage = |queue| gate.as_ref().map(|gate| Passage::new(gate, queue));
        let ports = ports.map(|port| port.entered_by(passage)).collect();
        Ok((opened, ports))
    }

    /// The device's name: the PCI address, or the virtual device's name.
    pub fn name(&self) -> &str {
        &self.devargs.name
    }

    /// The driver's name.
    pub fn driver(&self) -> &str {
        &self.abilities.driver
    }

    /// The device's MAC at this moment: whoever administers its PF or the kernel's interface behind it may change it.
    pub fn mac(&self) -> [u8; 6] {
        let interface = self.kernel_interface().and_then(|interface| interface.mac().ok());
        interface.unwrap_or_else(|| registers::mac(self.shared.port))
    }

    /// Gives the device another MAC, or back its own, while it runs. One that refuses it receives frames to it all the
    /// same where it can, by a filter or by letting all in; [`EthDevice::choices`] says what has come of it.
    pub fn set_mac(&mut self, mac: Option<[u8; 6]>) {
        let mut registers = self.registers();
        self.reception.found(self.mac());
        self.reception.set_mac(mac, &mut registers);
        self.reception.settle(&mut registers);
    }

    /// Says which unicast MACs frames should be received for, beside its own. A device that lets everything in, as it was
    /// opened to, needs no telling; one that refuses to filters by as many of these as it can.
    pub fn receive_for(&mut self, macs: impl IntoIterator<Item = [u8; 6]>) {
        let mut registers = self.registers();
        self.reception.want(macs);
        self.reception.settle(&mut registers);
    }

    /// What the device has told by itself since it was opened.
    pub fn events(&self) -> EthEvents {
        events::heard(self.shared.port)
    }

    /// Why the device is gone, where it is: its VF was taken away, it was unplugged, or the kernel's interface behind it
    /// was deleted. It comes back by closing it (with all its ports) and opening it again, no sooner than it exists.
    pub fn gone(&self) -> Option<String> {
        // SAFETY: the port is open; asks the driver, which says no where it cannot know.
        let driver_says = || unsafe { dpdk_sys::rte_eth_dev_is_removed(self.shared.port) } == 1;
        if self.events().is_removed || driver_says() {
            return Some(format!("device {} was removed", self.name()));
        }
        let opened_with = self.interface?;
        let now = self.kernel_interface().and_then(|interface| interface.number());
        let name = self.devargs.values("iface").next().unwrap_or_default();
        match now {
            Some(now) if now == opened_with => None,
            Some(_) => Some(format!("interface {name:?} was deleted, and made again")),
            None => Some(format!("interface {name:?} was deleted")),
        }
    }

    /// Whether the device has stopped for good until it is closed (with all its ports) and opened again: its PF was
    /// reset, or gave it another MAC.
    pub fn needs_reset(&self) -> bool {
        self.events().needs_reset
    }

    fn registers(&self) -> PortRegisters {
        PortRegisters { port: self.shared.port, is_mac_fixed: self.abilities.is_mac_fixed }
    }

    pub(crate) fn kernel_interface(&self) -> Option<KernelInterface> {
        KernelInterface::behind(&self.devargs, self.driver())
    }

    /// The longest L3 packet, in octets. Ports refuse frames longer than this and an Ethernet header with two tags.
    pub fn mtu(&self) -> u16 {
        self.plan.mtu
    }

    /// The NUMA node the device is attached to, where it says.
    pub fn numa(&self) -> Option<u32> {
        self.abilities.node
    }

    /// Whether it receives frames for other MACs, if that was asked for; the error says why not.
    pub fn promiscuous(&self) -> Result<(), Errno> {
        self.reception.promiscuous()
    }

    /// Whether it receives frames to every group; the error says why not.
    pub fn all_multicast(&self) -> Result<(), Errno> {
        self.all_multicast
    }

    /// The link at this moment; behind net_af_packet that of the kernel's interface, which is none where it is gone.
    pub fn link(&self) -> Result<LinkState, Errno> {
        let is_running = self.kernel_interface().is_none_or(|interface| interface.is_running().unwrap_or(false));
        let mut speed = 0;
        // SAFETY: the port is open as long as we are; fills the integer it is given.
        match unsafe { dpdk_sys::millrace_link(self.shared.port, &mut speed) } {
            error if error < 0 => Err(Errno::new(error)),
            up => Ok(LinkState {
                up: up == 1 && is_running && self.shared.entry.as_ref().is_none_or(Entry::is_open),
                speed_mbps: (speed != 0 && speed != u32::MAX).then_some(speed),
            }),
        }
    }

    /// The device's counters.
    pub fn stats(&self) -> EthStats {
        self.shared.stats()
    }
}

/// An interface of the kernel, which outlives us, gets its MAC back.
impl Drop for EthDevice {
    fn drop(&mut self) {
        if self.reception.has_foreign_mac() && self.gone().is_none() {
            let mut registers = self.registers();
            self.reception.set_mac(None, &mut registers);
        }
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
        if let Some(entry) = &self.entry {
            entry.leave();
        }
        events::ignore(self.port, &self.name);
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

/// Has the doorman make a way for a memif, whose driver is told of another socket.
fn announce(eal: &Eal, devargs: Devargs) -> Result<(Devargs, Option<Entry>), EthError> {
    let Some(memif) = Memif::of(&devargs) else { return Ok((devargs, None)) };
    let device = || devargs.text.clone();
    let missing = |cause| EthError::Missing { device: device(), cause, said: Said::default() };
    let entry = eal.runtime().admit(&memif).map_err(missing)?;
    let told = devargs.told_as(&Memif::by_way_of(&devargs, entry.socket()));
    Ok((told.map_err(|cause| EthError::Devargs { device: device(), cause })?, Some(entry)))
}

fn reception(devargs: &Devargs, abilities: &Abilities, port: u16, wants_all: bool) -> Reception {
    let vf = if devargs.pci { VirtualFunction::at(&devargs.name) } else { None };
    let hardware = Hardware { own: registers::mac(port), is_pci: devargs.pci, macs_max: abilities.macs_max, vf };
    Reception::new(hardware, wants_all)
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
    eal.runtime().drivers.load_for(devargs);
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
