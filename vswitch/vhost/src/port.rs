//! A queue pair as a worker sees it: the switch's side of a container's or a VM's virtio-net device.

use std::fmt;

use frame::{Burst, DeviceStats, Frame, Pool, Port, Sent, Takes};

use crate::{
    RingFault, RingIndex,
    pair::{Order, Pair, PairWorker, Report},
};

/// Octets of the shortest Ethernet frame, without FCS.
const FRAME_MIN: usize = 60;

/// One queue pair of a [`crate::VhostDevice`]. Without a guest nothing is received, and everything sent is refused.
///
/// Control changes its rings by mail, looked into once a burst: what the rings lie in stays mapped until the worker has
/// given them back, and the worker neither waits, allocates nor unmaps.
pub struct VhostPort<M: Pool> {
    mail: PairWorker,
    pool: M,
    pair: Box<Pair>,
    /// A ring was found wrong: neither is touched until control has sent others.
    resting: bool,
    /// A report for which there was no room.
    unsent: Option<Report>,
    announce: Option<[u8; 6]>,
    stats: DeviceStats,
}

impl<M: Pool> VhostPort<M> {
    pub(crate) fn new(mail: PairWorker, pool: M) -> VhostPort<M> {
        VhostPort {
            mail,
            pool,
            pair: Box::default(),
            resting: false,
            unsent: None,
            announce: None,
            stats: DeviceStats::default(),
        }
    }

    /// At most one order a burst.
    #[inline]
    fn read_mail(&mut self) {
        if let Some(report) = self.unsent.take() {
            self.report(report);
        }
        if self.unsent.is_some() || !self.mail.has_mail() {
            return;
        }
        match self.mail.recv() {
            Some(Order::Install(mut pair)) => {
                pair.resume(&self.pair);
                self.resting = false;
                let old = std::mem::replace(&mut self.pair, pair);
                self.report(Report::Installed(old));
            }
            Some(Order::Announce(mac)) => self.announce = Some(mac),
            None => {}
        }
    }

    fn report(&mut self, report: Report) {
        self.unsent = self.mail.send(report).err();
    }

    fn rest(&mut self, ring: RingIndex, fault: RingFault) {
        self.resting = true;
        self.report(Report::Fault(ring, fault));
    }

    /// Puts the announcement that is due in front of what the guest sends.
    fn announce(&mut self, burst: &mut Burst) {
        let Some(mac) = self.announce.take_if(|_| burst.room() > 0) else { return };
        let Some(mut frame) = self.pool.alloc() else { return };
        if !rarp(&mut frame, mac) {
            return self.pool.release_one(frame);
        }
        burst.push(frame).unwrap_or_else(|frame| self.pool.release_one(frame)); // the room was looked at above
    }
}

/// A RARP broadcast (RFC 903), from which switches learn where the MAC is; what QEMU and Linux send after a migration.
fn rarp(frame: &mut Frame, mac: [u8; 6]) -> bool {
    let mut octets = [0; FRAME_MIN];
    octets[..6].fill(0xff);
    octets[6..12].copy_from_slice(&mac);
    octets[12..14].copy_from_slice(&[0x80, 0x35]);
    // Ethernet, IPv4, addresses of 6 and 4 octets, request reverse; the sender asks for its own address.
    octets[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 3]);
    octets[22..28].copy_from_slice(&mac);
    octets[32..38].copy_from_slice(&mac);
    frame.write(&octets)
}

impl<M: Pool> Port for VhostPort<M> {
    #[inline]
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let before = burst.len();
        if self.mail.has_mail() || self.unsent.is_some() {
            self.read_mail();
        }
        if self.announce.is_some() && max > 0 {
            self.announce(burst);
        }
        let left = max.saturating_sub(burst.len() - before);
        if let Some(held) = self.pair.from_guest.as_mut().filter(|_| !self.resting) {
            match held.queue.receive(burst, left, &mut self.pool) {
                Ok(received) => {
                    self.stats.rx_errors += received.errors;
                    self.stats.rx_no_buffer += received.no_buffer;
                }
                Err(fault) => {
                    let ring = held.ring;
                    self.rest(ring, fault);
                }
            }
        }
        burst.len() - before
    }

    #[inline]
    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        let refused = Sent { refused: burst.len() as u32, ..Sent::default() };
        let sent = match self.pair.to_guest.as_mut().filter(|_| !self.resting) {
            None => refused,
            Some(held) => match held.queue.send(burst) {
                Ok(sent) => sent,
                Err(fault) => {
                    let ring = held.ring;
                    self.rest(ring, fault);
                    refused
                }
            },
        };
        self.pool.release(burst);
        sent
    }

    #[inline]
    fn takes(&self) -> Takes {
        self.pair.to_guest.as_ref().map(|held| held.queue.takes()).unwrap_or_default()
    }

    fn device_stats(&mut self) -> DeviceStats {
        std::mem::take(&mut self.stats)
    }
}

impl<M: Pool> fmt::Debug for VhostPort<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VhostPort").field("resting", &self.resting).finish_non_exhaustive()
    }
}
