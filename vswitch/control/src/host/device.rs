//! The link between smoltcp and the switch: one frame in, a bounded queue of frames out.

use std::collections::VecDeque;

use smoltcp::{
    phy::{self, DeviceCapabilities, Medium},
    time::Instant,
};

/// Octets of an Ethernet header, which smoltcp counts into a link's MTU.
const ETHERNET_LEN: usize = 14;

/// A device that hands smoltcp the one frame put into `arrived` and collects what smoltcp sends.
#[derive(Debug)]
pub(super) struct Link {
    /// The frame smoltcp will receive next.
    pub(super) arrived: Option<Vec<u8>>,
    /// What smoltcp sent, oldest first; at most `depth`.
    pub(super) departed: VecDeque<Vec<u8>>,
    depth: usize,
    mtu: usize,
}

impl Link {
    /// A link of that IP MTU (octets) that holds at most `depth` frames to be sent.
    pub(super) fn new(depth: usize, mtu: u16) -> Link {
        Link { arrived: None, departed: VecDeque::new(), depth, mtu: usize::from(mtu) }
    }
}

impl phy::Device for Link {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET_LEN;
        capabilities
    }

    fn receive(&mut self, now: Instant) -> Option<(Rx, Tx<'_>)> {
        let frame = self.arrived.take()?;
        Some((Rx(frame), self.transmit(now)?))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Tx<'_>> {
        (self.departed.len() < self.depth).then_some(Tx(&mut self.departed))
    }
}

/// A received frame.
#[derive(Debug)]
pub(super) struct Rx(Vec<u8>);

impl phy::RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a frame to be sent.
#[derive(Debug)]
pub(super) struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        self.0.push_back(frame);
        result
    }
}
