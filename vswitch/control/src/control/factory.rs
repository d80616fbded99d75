//! What control needs of whoever makes ports: DPDK and TAPs in the daemon, queues in memory in the simulator.

use std::time::Duration;

use datapath::WorkerId;
use wire::Mac;

use crate::config::Port;

/// Opens, changes and closes the devices behind ports. Called on the control thread only; may make system calls.
pub trait PortFactory {
    /// One queue pair, to be held by a worker.
    type Queue: frame::Port + Send;

    /// Opens the device with as many queue pairs as the port has `queues`. The error is a sentence for the operator that
    /// need not name the port.
    fn open(&mut self, port: &Port) -> Result<Opened<Self::Queue>, String>;

    /// Brings an open device from what `old` says to what `new` says without closing it: MTU, addresses, an uplink's MAC.
    /// On error the device is as it was.
    fn change(&mut self, old: &Port, new: &Port) -> Result<(), String>;

    /// Closes the device; `queues` are all its queue pairs.
    fn close(&mut self, name: &str, queues: Vec<Self::Queue>);

    /// Whether the device has a link.
    fn link(&self, name: &str) -> api::Link;

    /// Why the device can no longer be used, where it has gone or stopped for good: it must be closed, and opened again
    /// when it is back.
    fn gone(&self, _name: &str) -> Option<String> {
        None
    }

    /// The device's own MAC at this moment; `None` where it has none, or the one it had when it was opened.
    fn mac(&self, _name: &str) -> Option<Mac> {
        None
    }

    /// Says which unicast MACs the device should receive for, beside its own, where it does not receive for all.
    fn receive_for(&mut self, _name: &str, _macs: &[Mac]) {}

    /// What was chosen for the device and why.
    fn choices(&self, _name: &str) -> Vec<api::ChoiceRow> {
        Vec::new()
    }

    /// The memory of frames and devices, under the names that [`crate::need::Need`] has for it.
    fn memory(&self) -> Vec<api::MemoryRow> {
        Vec::new()
    }

    /// CPU time that the thread of a worker has used since it began; `None` where it is not known.
    fn cpu_time(&mut self, _worker: WorkerId) -> Option<Duration> {
        None
    }

    /// How long CPUs may take to wake up, as the kernel is asked now; `None` where it is not asked.
    fn cpu_latency(&self) -> Option<api::CpuLatency> {
        None
    }

    /// The MTU that the guest connected to a vhost-user port goes by; `None` without one, and on other ports.
    fn guest_mtu(&self, _name: &str) -> Option<api::GuestMtu> {
        None
    }
}

/// A device just opened.
#[derive(Debug)]
pub struct Opened<Q> {
    /// Its queue pairs, in order.
    pub queues: Vec<Q>,
    /// Its own MAC, where it has one.
    pub mac: Option<Mac>,
    /// Its MTU in octets.
    pub mtu: u16,
    /// What it is, for the log: driver, offloads.
    pub detail: String,
}
