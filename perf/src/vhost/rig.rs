//! A guest and a switch's port in one process: DPDK's virtio driver on one end, a vhost port on the other.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use dpdk::{Eal, EthConfig, EthDevice, EthPort, Pool};
use frame::{Burst, Port};
use vhost::{DeviceConfig, Mode, SocketAccess, VhostDevice, VhostPort};

use super::library::{Library, LibraryPort};

/// Descriptors of a ring: what virtio-user has unless told otherwise.
const DESCRIPTORS: u16 = 256;

/// The longest a guest and a port take to find each other.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The kinds of rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ring {
    /// A table of descriptors, and two rings of their numbers.
    Split,
    /// One ring of descriptors.
    Packed,
}

impl Ring {
    pub(super) const ALL: [Ring; 2] = [Ring::Split, Ring::Packed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Ring::Split => "split",
            Ring::Packed => "packed",
        }
    }
}

/// Where rigs are made.
pub(super) struct Bench<'a> {
    pub(super) eal: &'a Eal,
    pub(super) pool: &'a Pool,
    pub(super) folder: &'a Path,
}

/// A port of ours, and its guest. In this order: a guest whose switch has gone needs no answers to go itself.
pub(super) struct Ours {
    pub(super) port: VhostPort<Pool>,
    _device: VhostDevice,
    pub(super) guest: Guest,
}

/// A port of the library's, and its guest.
pub(super) struct Theirs {
    pub(super) port: LibraryPort<Pool>,
    pub(super) guest: Guest,
    _library: Library,
}

/// The driver's end.
pub(super) struct Guest {
    pub(super) port: EthPort,
    _device: EthDevice,
}

impl Bench<'_> {
    /// A rig with a port of ours.
    pub(super) fn ours(&self, ring: Ring) -> Result<Ours, String> {
        let socket = self.folder.join(format!("ours-{}.sock", ring.name()));
        let config = device(&socket);
        let opened = VhostDevice::open(&config, || self.pool.clone()).map_err(|error| error.to_string())?;
        let (device, mut ports) = opened;
        let port = ports.pop().ok_or("a device without a port")?;
        // While the guest comes up in this thread, somebody must answer it: control and the worker, in another one.
        let is_up = AtomicBool::new(false);
        let (guest, answered) = thread::scope(|scope| {
            let answering = scope.spawn(|| answer(device, port, &is_up));
            let guest = self.guest(ring, &socket, "ours");
            is_up.store(true, Relaxed);
            (guest, answering.join().ok().flatten())
        });
        let (guest, (device, port)) = (guest?, answered.ok_or("our port has not started its rings")?);
        Ok(Ours { port, _device: device, guest })
    }

    /// A rig with a port of the library's, which offers what ours does.
    pub(super) fn theirs(&self, ring: Ring) -> Result<Theirs, String> {
        let socket = self.folder.join(format!("theirs-{}.sock", ring.name()));
        let config = device(&socket);
        let library = Library::listen(&socket, vhost::offer(&config).features)?;
        let guest = self.guest(ring, &socket, "theirs")?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(port) = library.port(self.pool.clone(), self.pool.name()) {
                return Ok(Theirs { port, guest, _library: library });
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err("rte_vhost has not seen its guest".to_owned())
    }

    fn guest(&self, ring: Ring, socket: &Path, whose: &str) -> Result<Guest, String> {
        // Two numbers for each kind: devices of one process have different names.
        let number = 2 * (ring as u32) + u32::from(whose == "ours");
        let packed = u32::from(ring == Ring::Packed);
        let device = format!(
            "net_virtio_user{number},path={},queues=1,queue_size={DESCRIPTORS},packed_vq={packed}",
            socket.display()
        );
        let config = EthConfig {
            name: whose.to_owned(),
            queues: 1,
            rx_descriptors: Some(DESCRIPTORS),
            tx_descriptors: Some(DESCRIPTORS),
            descriptors_set_aside: DESCRIPTORS,
            mtu: None,
            mac: None,
            pool: self.pool.clone(),
            is_only_pool: true,
            offloads: false,
            promiscuous: false,
            worker_nodes: Vec::new(),
        };
        let (device, mut ports) = EthDevice::open(self.eal, &device, &config).map_err(|error| error.to_string())?;
        Ok(Guest { port: ports.pop().ok_or("a guest without a queue")?, _device: device })
    }
}

fn device(socket: &Path) -> DeviceConfig {
    let access = SocketAccess::default();
    DeviceConfig {
        socket: socket.to_owned(),
        mode: Mode::Server,
        queue_pairs: 1,
        mtu: 1500,
        access,
        offloads: vhost::Features::default(),
    }
}

/// Plays control and the worker of a port until the guest is up and both of its rings are in the worker's hands. Where that
/// takes too long, the device goes, and the guest no longer waits for it.
fn answer(
    mut device: VhostDevice,
    mut port: VhostPort<Pool>,
    is_up: &AtomicBool,
) -> Option<(VhostDevice, VhostPort<Pool>)> {
    let deadline = Instant::now() + PATIENCE;
    let mut nothing = Burst::new();
    let mut quiet = 0;
    while quiet < 10 && Instant::now() < deadline {
        let busy = device.turn(Instant::now());
        port.rx_burst(&mut nothing, 0);
        let started = is_up.load(Relaxed) && device.status().rings.len() == 2;
        quiet = if started && !busy { quiet + 1 } else { 0 };
        thread::sleep(Duration::from_millis(1));
    }
    (quiet >= 10).then_some((device, port))
}
