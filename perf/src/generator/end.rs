//! An end of the load: a device, and what comes out of it.

use std::collections::BTreeMap;

use dpdk::{Eal, EthConfig, EthDevice, EthError, EthPort, Pool};
use frame::{BURST_MAX, Burst, Pool as _, Port};
use wire::{Mac, arp};

use crate::generator::{
    clock::now_ns,
    packet::{self, Objection},
    tally::Tally,
};

/// Buffers a device gets for each of its queues where its driver has no opinion.
pub(crate) const DESCRIPTORS: u16 = 1024;

/// What is counted at an end, beside its streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Frames of any kind.
    pub(crate) received: u64,
    /// Frames that are nobody's packets.
    pub(crate) foreign: u64,
    /// Packets that are not as they were sent.
    pub(crate) torn: u64,
    /// Packets for another end: flooded, as a rule.
    pub(crate) stray: u64,
    /// Frames sent so that switches learn where the end is.
    pub(crate) announced: u64,
}

/// An open device with its number.
pub(crate) struct End {
    pub(crate) number: u8,
    pub(crate) device: String,
    pub(crate) port: EthPort,
    /// Keeps it open.
    _device: EthDevice,
    pub(crate) counts: Counts,
    /// What has come, by the end that sent it.
    pub(crate) tallies: BTreeMap<u8, Tally>,
}

impl End {
    /// Opens the device. That of a socket's server (virtio-user) waits for its client.
    pub(crate) fn open(eal: &Eal, number: u8, device: &str, pool: &Pool) -> Result<End, EthError> {
        let config = EthConfig {
            name: number.to_string(),
            queues: 1,
            rx_descriptors: None,
            tx_descriptors: None,
            descriptors_set_aside: DESCRIPTORS,
            mtu: None,
            mac: None,
            pool: pool.clone(),
            is_only_pool: true,
            offloads: false,
            promiscuous: true,
            worker_nodes: Vec::new(),
        };
        let (opened, mut ports) = EthDevice::open(eal, device, &config)?;
        let port = ports.pop().expect("a device opened with one queue has one port");
        let (counts, tallies) = (Counts::default(), BTreeMap::new());
        Ok(End { number, device: device.to_owned(), port, _device: opened, counts, tallies })
    }

    /// Forgets what was counted, and expects packets of these ends. What waits in the device already counts.
    pub(crate) fn begin(&mut self, senders: impl Iterator<Item = u8>) {
        self.counts = Counts::default();
        self.tallies = senders.map(|from| (from, Tally::new())).collect();
    }

    /// Takes a burst and judges it, in a run that began at `began_ns`. Whether anything came.
    pub(crate) fn receive(&mut self, pool: &mut Pool, began_ns: u64) -> bool {
        let mut burst = Burst::new();
        if self.port.rx_burst(&mut burst, BURST_MAX) == 0 {
            return false;
        }
        let now = now_ns();
        for frame in burst.as_slice() {
            self.judge(frame.data(), began_ns, now);
        }
        pool.release(&mut burst);
        true
    }

    fn judge(&mut self, frame: &[u8], began_ns: u64, now_ns: u64) {
        self.counts.received += 1;
        match packet::read(frame) {
            Ok(packet) if packet.to == self.number => {
                self.tallies.entry(packet.from).or_insert_with(Tally::new).note(&packet, began_ns, now_ns);
            }
            Ok(_) => self.counts.stray += 1,
            Err(Objection::Foreign) => self.counts.foreign += 1,
            Err(Objection::Torn) => self.counts.torn += 1,
        }
    }

    /// Says where the end's hosts are, by a gratuitous ARP request each (RFC 5227 section 3).
    pub(crate) fn announce(&mut self, hosts: u16, pool: &mut Pool) {
        let mut burst = Burst::new();
        for host in 0..hosts {
            let (mac, address) = (packet::mac(self.number, host), packet::address(self.number, host.into()));
            let Some(mut frame) = pool.alloc() else { break };
            let is_written = frame.write(&arp::Repr::request(mac, address, address).to_frame(Mac::BROADCAST));
            match burst.push(frame) {
                Ok(()) if is_written && burst.room() > 0 => continue,
                Ok(()) => {}
                Err(frame) => pool.release_one(frame),
            }
            self.counts.announced += u64::from(self.port.tx_burst(&mut burst).frames);
        }
        self.counts.announced += u64::from(self.port.tx_burst(&mut burst).frames);
    }
}
