//! Opens and closes the devices behind ports, for control.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZero,
    path::Path,
    time::{Duration, Instant},
};

use api::{ChoiceRow, GuestMtu, Link, MemoryRow};
use control::{
    config::{self, Kind, Port, SocketMode},
    control::{Opened, PortFactory},
    need::Need,
};
use datapath::WorkerId;
use dpdk::{Choice, Eal, EthConfig, EthDevice, Pool};
use tap::{Behind, Netns, TapConfig, TapControl, TapError, TapPort};
use vhost::{DeviceConfig, Features, Mode, VhostDevice};
use wire::Mac;

use crate::{cpu_latency::CpuLatency, cpu_time::CpuTimes, guest, meeting, memory, os::Watch, port::AnyPort, workers};

/// What stays with control while workers hold the queue pairs.
enum Device {
    Eth(Box<EthDevice>),
    Tap(TapControl),
    Vhost(Box<VhostDevice>),
}

/// Makes ports from DPDK devices, TAPs and guests, all with frames of one pool.
pub(crate) struct Factory {
    eal: Eal,
    pool: Pool,
    /// NUMA nodes of the workers' CPUs.
    worker_nodes: Vec<u32>,
    /// What the process was started with.
    need: Need,
    /// For how long packets for a container may wait for others.
    tap_coalesce: Duration,
    devices: HashMap<String, Device>,
    cpu_times: CpuTimes,
    /// What the kernel is asked for while there is traffic.
    pub(crate) cpu_latency: CpuLatency,
}

impl Factory {
    pub(crate) fn new(eal: Eal, pool: Pool, worker_nodes: Vec<u32>, need: Need, tap_coalesce: Duration) -> Factory {
        let (devices, cpu_times, cpu_latency) = (HashMap::new(), CpuTimes::default(), CpuLatency::default());
        Factory { eal, pool, worker_nodes, need, tap_coalesce, devices, cpu_times, cpu_latency }
    }

    fn open_eth(&self, port: &Port, device: &str) -> Result<(Device, Opened<AnyPort>), String> {
        let config = EthConfig {
            name: port.name.to_string(),
            queues: port.queues,
            rx_descriptors: port.rx_descriptors,
            tx_descriptors: port.tx_descriptors,
            descriptors_set_aside: control::config::ETH_DESCRIPTORS,
            mtu: Some(port.mtu),
            mac: own_mac(port).map(Mac::octets),
            pool: self.pool.clone(),
            is_only_pool: true,
            offloads: port.offloads,
            promiscuous: port.is_promiscuous(),
            worker_nodes: self.worker_nodes.clone(),
        };
        let (device, queues) = EthDevice::open(&self.eal, device, &config).map_err(|error| error.to_string())?;
        warn_of_short(port.name.as_str(), &[], &device.choices());
        let opened = Opened {
            queues: queues.into_iter().map(AnyPort::Eth).collect(),
            mac: Some(Mac::new(device.mac())),
            mtu: device.mtu(),
            detail: format!("{}, driver {}", device.name(), device.driver()),
        };
        Ok((Device::Eth(Box::new(device)), opened))
    }

    fn open_tap(&self, config: TapConfig) -> Result<(Device, Opened<AnyPort>), String> {
        let mtu = config.mtu;
        let queues = tap::open(config, self.pool.clone()).map_err(|error| error.to_string())?;
        let control = queues.first().map(TapPort::control).ok_or("the TAP has no queue")?;
        let detail = control.place().to_string();
        for row in tap_choices(&control).iter().filter(|row| row.falls_short) {
            log::warn!("{detail}: {} {}: {}", row.what, row.chosen, row.why);
        }
        let queues = queues.into_iter().map(AnyPort::Tap).collect();
        let opened = Opened { queues, mac: None, mtu, detail };
        Ok((Device::Tap(control), opened))
    }

    fn open_vhost(
        &self,
        port: &Port,
        socket: &Path,
        mode: SocketMode,
        access: &config::SocketAccess,
    ) -> Result<(Device, Opened<AnyPort>), String> {
        let access = meeting::prepare(socket, mode, access)?;
        let mode = match mode {
            SocketMode::Client => Mode::Client,
            SocketMode::Server => Mode::Server,
        };
        let offloads = match (port.offloads, self.pool.supers()) {
            (false, _) => Features::default(),
            (true, (0, _)) => Features::CHECKSUMS,
            (true, _) => Features::CHECKSUMS | Features::TO_GUEST | Features::FROM_GUEST,
        };
        let (socket_of, queue_pairs, mtu) = (socket.to_owned(), port.queues, port.mtu);
        let config = DeviceConfig { socket: socket_of, mode, access, queue_pairs, mtu, offloads };
        let (device, queues) = VhostDevice::open(&config, || self.pool.clone()).map_err(|error| error.to_string())?;
        let queues = queues.into_iter().map(AnyPort::Vhost).collect();
        let detail = format!("{}, waiting for a guest", socket.display());
        Ok((Device::Vhost(Box::new(device)), Opened { queues, mac: None, mtu: port.mtu, detail }))
    }

    /// Lets guests come, go, and say what they have to say. Whether a worker's answer is awaited, so that the next call
    /// should come soon.
    pub(crate) fn turn(&mut self, now: Instant) -> bool {
        let mut busy = false;
        for (name, device) in &mut self.devices {
            if let Device::Vhost(device) = device {
                let before = device.status();
                busy |= device.turn(now);
                guest::tell(name, &before, &device.status());
            }
        }
        busy
    }

    /// What guests may say something on.
    pub(crate) fn watches(&self) -> impl Iterator<Item = Watch> {
        self.devices.values().filter_map(|device| match device {
            Device::Vhost(device) => device.fd().map(|fd| Watch::to_read(&fd)),
            Device::Eth(_) | Device::Tap(_) => None,
        })
    }
}

/// The MAC an `eth` device should have: an uplink's. That of an access port is the guest's, at the other end.
fn own_mac(port: &Port) -> Option<Mac> {
    port.mac.filter(|_| port.is_uplink())
}

/// Logs what falls short `now` and did not `before`.
fn warn_of_short(port: &str, before: &[Choice], now: &[Choice]) {
    for choice in now.iter().filter(|choice| choice.falls_short && !before.contains(choice)) {
        log::warn!("port {port}: {} {}: {}", choice.what, choice.chosen, choice.why);
    }
}

fn choice_row(choice: Choice) -> ChoiceRow {
    let Choice { what, asked, chosen, why, falls_short } = choice;
    ChoiceRow { what: what.to_owned(), asked, chosen, why, falls_short }
}

/// What the container's kernel and the switch leave to each other, and what of the former's packets was not taken.
fn tap_choices(tap: &TapControl) -> Vec<ChoiceRow> {
    let row = |what: &str, chosen: String, why: String, falls_short| ChoiceRow {
        what: what.to_owned(),
        asked: None,
        chosen,
        why,
        falls_short,
    };
    let agreed = tap.offloads().map(|it| row("offloads", it.text(), it.why().to_owned(), it.falls_short()));
    let faults = tap.faults();
    let total: u64 = faults.iter().map(|(_, count)| count).sum();
    let reasons: Vec<String> = faults.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let refused = (total > 0).then(|| row("not taken", total.to_string(), reasons.join(", "), true));
    agreed.into_iter().chain(refused).collect()
}

fn tap_config(port: &Port, netns: Option<&str>, interface: &str, coalesce: Duration) -> Result<TapConfig, String> {
    Ok(TapConfig {
        netns: netns.map(Netns::new).transpose().map_err(|error| error.to_string())?,
        interface: interface.to_owned(),
        mac: port.mac.filter(|_| !port.is_uplink()).map(Mac::octets),
        mtu: port.mtu,
        addresses: addresses(port),
        up: true,
        queues: NonZero::new(port.queues).unwrap_or(NonZero::<u16>::MIN),
        offloads: port.offloads,
        behind: match (port.is_uplink(), port.vlans.networks().next()) {
            (false, _) => Behind::Container,
            (true, None) => Behind::Tunnels,
            (true, Some(_)) => Behind::TunnelsAndStations,
        },
        // Nobody is woken by what the kernel only passes on.
        coalesce: if port.is_uplink() { Duration::ZERO } else { coalesce },
    })
}

/// The interface's addresses with their prefix lengths: the guest's. Those of an uplink are the switch's, at the other end.
fn addresses(port: &Port) -> Vec<(IpAddr, u8)> {
    if port.is_uplink() {
        return Vec::new();
    }
    port.addresses.iter().map(|own| (own.address(), own.prefix_bits())).collect()
}

/// Addresses are looked after also where only the MTU changes: below 1280 the kernel takes IPv6 addresses away.
fn change_tap(tap: &TapControl, old: &Port, new: &Port) -> Result<(), TapError> {
    if old.mtu != new.mtu {
        tap.set_mtu(new.mtu)?;
    }
    let Err(error) = tap.set_addresses(&addresses(old), &addresses(new)) else { return Ok(()) };
    let put_back = tap.set_mtu(old.mtu).and_then(|()| tap.set_addresses(&addresses(old), &addresses(old)));
    if let Err(again) = put_back {
        log::error!("port {}: could not be put back: {again}", old.name);
    }
    Err(error)
}

impl PortFactory for Factory {
    type Queue = AnyPort;

    fn open(&mut self, port: &Port) -> Result<Opened<AnyPort>, String> {
        let (device, opened) = match &port.kind {
            Kind::Eth { device } => self.open_eth(port, device)?,
            Kind::Tap { netns, interface } => {
                let netns = netns.as_ref().map(|netns| netns.path().to_string_lossy().into_owned());
                self.open_tap(tap_config(port, netns.as_deref(), interface, self.tap_coalesce)?)?
            }
            Kind::VhostUser { socket, mode, access } => self.open_vhost(port, socket, *mode, access)?,
        };
        self.devices.insert(port.name.to_string(), device);
        Ok(opened)
    }

    fn change(&mut self, old: &Port, new: &Port) -> Result<(), String> {
        match self.devices.get_mut(old.name.as_str()) {
            Some(Device::Tap(tap)) => change_tap(tap, old, new).map_err(|error| error.to_string()),
            // Addresses of an `eth` port are on no interface; most of what the device is asks for opening it anew.
            Some(Device::Eth(device)) => {
                if own_mac(old) != own_mac(new) {
                    let before = device.choices();
                    device.set_mac(own_mac(new).map(Mac::octets));
                    warn_of_short(new.name.as_str(), &before, &device.choices());
                }
                Ok(())
            }
            // A guest's addresses and MAC are its own affair, as far as the device goes.
            Some(Device::Vhost(device)) => {
                device.set_mtu(new.mtu);
                Ok(())
            }
            None => Err("the port is not open".to_owned()),
        }
    }

    fn gone(&self, name: &str) -> Option<String> {
        match self.devices.get(name)? {
            Device::Eth(device) => {
                device.gone().or_else(|| device.needs_reset().then(|| "the device asks to be reset".to_owned()))
            }
            Device::Tap(tap) => tap.is_up().is_none().then(|| format!("{} was deleted", tap.place())),
            // A guest that leaves is waited for by the device itself.
            Device::Vhost(_) => None,
        }
    }

    fn mac(&self, name: &str) -> Option<Mac> {
        match self.devices.get(name) {
            Some(Device::Eth(device)) => Some(Mac::new(device.mac())),
            Some(Device::Tap(_) | Device::Vhost(_)) | None => None,
        }
    }

    fn receive_for(&mut self, name: &str, macs: &[Mac]) {
        if let Some(Device::Eth(device)) = self.devices.get_mut(name) {
            let before = device.choices();
            device.receive_for(macs.iter().map(|mac| mac.octets()));
            warn_of_short(name, &before, &device.choices());
        }
    }

    fn close(&mut self, name: &str, queues: Vec<AnyPort>) {
        drop(queues);
        self.devices.remove(name);
    }

    fn choices(&self, name: &str) -> Vec<ChoiceRow> {
        match self.devices.get(name) {
            Some(Device::Eth(device)) => device.choices().into_iter().map(choice_row).collect(),
            Some(Device::Vhost(device)) => guest::choices(&device.status(), Instant::now()),
            Some(Device::Tap(tap)) => tap_choices(tap),
            None => Vec::new(),
        }
    }

    fn memory(&self) -> Vec<MemoryRow> {
        memory::rows(&self.need, &self.pool)
    }

    fn cpu_time(&mut self, worker: WorkerId) -> Option<Duration> {
        self.cpu_times.of(&workers::thread_name(worker.0.into()))
    }

    fn cpu_latency(&self) -> Option<api::CpuLatency> {
        self.cpu_latency.status()
    }

    fn guest_mtu(&self, name: &str) -> Option<GuestMtu> {
        let Device::Vhost(device) = self.devices.get(name)? else { return None };
        device.status().mtu.map(|vhost::GuestMtu { offered, told }| GuestMtu { offered, told })
    }

    fn link(&self, name: &str) -> Link {
        match self.devices.get(name) {
            Some(Device::Eth(device)) => match device.link() {
                Ok(link) if link.up => Link::Up,
                Ok(_) => Link::Down,
                Err(_) => Link::Unknown,
            },
            // Deleted under us counts as down: whoever asks sees that nothing gets through.
            Some(Device::Tap(tap)) => {
                if tap.is_up() == Some(true) {
                    Link::Up
                } else {
                    Link::Down
                }
            }
            Some(Device::Vhost(device)) => guest::link(&device.status()),
            None => Link::Unknown,
        }
    }
}
