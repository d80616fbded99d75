//! The one enum over all kinds of ports, matched once a burst.

use std::os::fd::BorrowedFd;

use frame::{Burst, DeviceStats, Port, Sent, Takes};

/// A queue pair of any kind.
pub(crate) enum AnyPort {
    Eth(dpdk::EthPort),
    Tap(tap::TapPort<dpdk::Pool>),
    Vhost(vhost::VhostPort<dpdk::Pool>),
}

impl Port for AnyPort {
    #[inline]
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        match self {
            AnyPort::Eth(port) => port.rx_burst(burst, max),
            AnyPort::Tap(port) => port.rx_burst(burst, max),
            AnyPort::Vhost(port) => port.rx_burst(burst, max),
        }
    }

    #[inline]
    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        match self {
            AnyPort::Eth(port) => port.tx_burst(burst),
            AnyPort::Tap(port) => port.tx_burst(burst),
            AnyPort::Vhost(port) => port.tx_burst(burst),
        }
    }

    #[inline]
    fn takes(&self) -> Takes {
        match self {
            AnyPort::Eth(port) => port.takes(),
            AnyPort::Tap(port) => port.takes(),
            AnyPort::Vhost(port) => port.takes(),
        }
    }

    fn wakes_by(&self) -> Option<BorrowedFd<'_>> {
        match self {
            AnyPort::Eth(port) => port.wakes_by(),
            AnyPort::Tap(port) => port.wakes_by(),
            AnyPort::Vhost(port) => port.wakes_by(),
        }
    }

    #[inline]
    fn is_dry(&self) -> bool {
        match self {
            AnyPort::Eth(port) => port.is_dry(),
            AnyPort::Tap(port) => port.is_dry(),
            AnyPort::Vhost(port) => port.is_dry(),
        }
    }

    #[inline]
    fn gathers(&mut self, waiting: usize) -> bool {
        match self {
            AnyPort::Tap(port) => port.gathers(waiting),
            AnyPort::Eth(_) | AnyPort::Vhost(_) => false,
        }
    }

    fn device_stats(&mut self) -> DeviceStats {
        match self {
            AnyPort::Eth(port) => port.device_stats(),
            AnyPort::Tap(port) => port.device_stats(),
            AnyPort::Vhost(port) => port.device_stats(),
        }
    }
}
