//! Why a device could not be opened; each error names the device, the value, the cause and what would be right.

use crate::{Errno, Said};

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are said by the messages")]
pub enum EthError {
    /// The text does not name a device.
    #[error(
        "device {device:?}: {cause}; it should be a PCI address (0000:03:00.0) or a virtual device (net_af_packet0,iface=eth1)"
    )]
    Devargs { device: String, cause: &'static str },
    /// Open already, in this process.
    #[error(
        "device {device}: it is in use by this process; give the port another device, or another number at the end of the name"
    )]
    Busy { device: String },
    /// There is no such device, or no driver, or the driver refused it.
    #[error("device {device}: {cause}{said}")]
    Missing { device: String, cause: String, said: Said },
    /// More queues than the device has.
    #[error("device {device}: queues = {asked}, and it has {max}; {fix}")]
    Queues { device: String, asked: u16, max: u16, fix: String },
    /// An MTU the device does not carry.
    #[error("device {device}: MTU {asked} is not possible, it carries {min} to {max}; {fix}")]
    Mtu { device: String, asked: u16, min: u16, max: u16, fix: String },
    /// The driver refused an MTU it claims to carry, or cannot change its MTU.
    #[error("device {device}: it refused MTU {asked}: {errno}{said}")]
    MtuRefused { device: String, asked: u16, errno: Errno, said: Said },
    /// A frame of this MTU does not fit a buffer.
    #[error(
        "device {device}: MTU {mtu} needs buffers of {needed} bytes, pool {pool} has {data_max}; use a pool of larger buffers"
    )]
    PoolTooSmall { device: String, mtu: u16, needed: u32, pool: String, data_max: u16 },
    /// A step of bringing it up failed.
    #[error("device {device}: cannot {step}: {errno}{said}")]
    Setup { device: String, step: &'static str, errno: Errno, said: Said },
}
