//! DPDK made safe: the environment ([`Eal`]), packet buffers ([`Pool`]) and Ethernet devices ([`EthDevice`], [`EthPort`]).
//!
//! The only room that knows DPDK; its names appear in no public signature. What comes out of a driver is checked at the
//! edge once, so that a [`frame::Frame`] is always one plain segment: chained, shared and borrowed buffers are copied
//! into one, and what does not fit is counted ([`frame::DeviceStats::rx_errors`]), never lost silently.
//!
//! Lifetimes are not left to the caller: pools, devices, ports and registered threads keep the environment alive, and it
//! is cleaned up when the last of them goes and every buffer has come home. Buffers live until then: DPDK cannot return
//! the memory of a pool of which a driver may still hold frames, so **a pool is made once and lives as long as the
//! process**.
//!
//! One kind of pool in a process: a port frees what it sends into the pool the frame came from, so frames of
//! [`frame::HeapPool`] must never reach an [`EthPort`].
//!
//! What is left to be done to a frame that is sent goes to the device where it is to be believed and its driver offers it
//! (checksums, TCP segments, both in VXLAN), and it passes a trial at the start, one packet of each kind (`trial.rs`). A device
//! that can be told to send to itself has to do it right; the driver of another has to take it. Drivers whose word is known to
//! be worth little are not believed.
//!
//! `net_memif` is not left alone with its other end: a doorman stands between them (`memif/`), so that no worker is inside
//! the driver when it unmaps its rings, and the driver hears nothing that it would believe and should not.
//!
//! # What has been run, and what has not
//!
//! Run by the tests of this room, with and without hugepages: `net_null`, `net_ring`, `net_pcap`, `net_memif` at
//! both ends, and, as root, `net_af_packet`; by the smoke tests, `net_virtio_user` with all that its other end takes, and the
//! PCI devices that QEMU emulates (e1000e, vmxnet3, virtio), with VFIO behind an IOMMU, link changes and hot removal
//! and RSS over two queues included. Never run for want of hardware: VFs, SmartNICs, unicast filters, offloads in tunnels, and
//! resets. These code paths follow DPDK's documentation; their decisions are tested on planted devices, their events through
//! DPDK's own dispatch.
//!
//! `net_af_packet` is for demonstrations, not for traffic, and breaks two promises that this room cannot mend: it may
//! wait in the kernel (`poll` without a timeout) when its tx ring is full, and what the kernel drops because the rx ring
//! is full appears in no counter of DPDK 22.11. Interfaces in front of it need their tx checksum offload and TSO off.

mod abilities;
mod affinity;
mod chatter;
mod choice;
mod devargs;
mod device;
mod diagnosis;
mod drivers;
mod eal;
mod eal_config;
mod errno;
mod eth_error;
mod eth_port;
mod events;
mod explain;
mod kernel_interface;
mod mbuf;
mod memif;
mod nic;
mod plan;
mod pool;
mod pool_error;
mod reception;
mod registers;
mod setup;
mod thread;
mod trial;
mod virtual_function;
mod work;

pub use chatter::Said;
pub use choice::Choice;
pub use devargs::is_pci;
pub use device::{EthDevice, EthStats, LinkState};
pub use eal::{Eal, EalError, version};
pub use eal_config::EalConfig;
pub use errno::Errno;
pub use eth_error::EthError;
pub use eth_port::EthPort;
pub use events::EthEvents;
pub use pool::{DATA_MAX, Pool};
pub use pool_error::PoolError;
pub use setup::EthConfig;
pub use thread::{ThreadError, ThreadGuard};
