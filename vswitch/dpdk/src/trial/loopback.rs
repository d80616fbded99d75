//! Devices that send to themselves, while nothing of it reaches the wire.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, Instant},
};

use frame::{Burst, Frame, Pool as _, Port};

use super::kind::{Ends, KINDS, MacOctets, finished};
use crate::{EthPort, Pool, trial::Device};

/// When the last packet is sent at the latest, and how long each is waited for.
const TRIAL_MAX: Duration = Duration::from_millis(100);
const PACKET_MAX: Duration = Duration::from_millis(10);

/// How often a packet without any work is sent while the device's own link is not up yet.
const GREETINGS: usize = 5;

/// Whether `lpbk_mode` 1 of `rte_eth_conf` makes the device send to itself, and nothing to the wire: by the source of DPDK 22.11,
/// `drivers/net/`. Those that ignore it, or send to the wire as well (mlx5), are not here, nor are those of other processors.
pub(crate) fn sends_to_itself(driver: &str) -> bool {
    match driver {
        // ixgbe_rxtx.c, IXGBE_HLREG0_LPBK; it does not start where the MAC has no such mode.
        "net_ixgbe" => true,
        // i40e_ethdev.c, I40E_AQ_LB_MAC.
        "net_i40e" => true,
        // igc_txrx.c, IGC_RCTL_LBM_MAC.
        "net_igc" => true,
        // txgbe_rxtx.c and ngbe_rxtx.c, MACRXCFG's LB.
        "net_txgbe" | "net_ngbe" => true,
        _ => false,
    }
}

/// A queue pair of a device that sends to itself.
pub(crate) struct Looped {
    port: EthPort,
    pool: Pool,
    /// The device's own address, so that no filter keeps its packets out.
    own: MacOctets,
    /// What no other's address on the wire begins with, and the number of the packet.
    token: [u8; 4],
    number: u8,
    until: Instant,
}

impl Looped {
    /// A device that has been started; `None` where nothing of what it sends comes back to it.
    pub(crate) fn new(port: EthPort, pool: &Pool, own: MacOctets) -> Option<Looped> {
        let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
        let until = Instant::now() + TRIAL_MAX;
        let mut looped = Looped { port, pool: pool.clone(), own, token: [a, b, c, d], number: 0, until };
        (0..GREETINGS).any(|_| looped.greets()).then_some(looped)
    }

    /// Whether a packet without any work comes back as it is.
    fn greets(&mut self) -> bool {
        let ends = self.ends();
        let Some(mut frame) = self.pool.alloc() else { return false };
        let sent = if KINDS[0].fill(&mut frame, ends) { finished(&frame) } else { None };
        self.pool.release_one(frame);
        let Some(sent) = sent else { return false };
        let Some(mut frame) = self.pool.alloc() else { return false };
        let is_written = frame.write(&sent[0]);
        let came = if is_written { self.send(&mut frame, ends, 1) } else { None };
        self.pool.release_one(frame);
        came == Some(sent)
    }

    /// What comes in between these ends. Whoever was kept from looking until it was too late looks on as long as there is more.
    fn received(&mut self, ends: Ends, count: usize) -> Vec<Vec<u8>> {
        let (mut came, mut burst) = (Vec::new(), Burst::new());
        let until = Instant::now() + PACKET_MAX;
        let is_ours = |frame: &&Frame| frame.data().starts_with(&[ends.dst, ends.src].concat());
        let mut is_over = false;
        while came.len() < count && !is_over {
            let is_late = Instant::now() >= until;
            is_over = self.port.rx_burst(&mut burst, frame::BURST_MAX) == 0 && is_late;
            came.extend(burst.as_slice().iter().filter(is_ours).map(|frame| frame.data().to_vec()));
            self.pool.release(&mut burst);
        }
        came
    }
}

impl Device for Looped {
    fn accepts(&mut self, frame: &mut Frame) -> bool {
        self.port.prepare(frame)
    }

    fn ends(&mut self) -> Ends {
        let [a, b, c, d] = self.token;
        self.number = self.number.wrapping_add(1);
        Ends { src: [0x02, a, b, c, d, self.number], dst: self.own }
    }

    fn send(&mut self, frame: &mut Frame, ends: Ends, count: usize) -> Option<Vec<Vec<u8>>> {
        if Instant::now() >= self.until {
            return None;
        }
        let mut burst = Burst::new();
        // The frame stays the caller's: what the device frees is a copy.
        burst.push(self.pool.copy(frame)?).ok()?;
        let copy = burst.as_mut_slice().first_mut()?;
        copy.set_outer_len(frame.outer_len() as u8);
        let sent = self.port.tx_burst(&mut burst);
        Some(if sent.frames == 1 { self.received(ends, count) } else { Vec::new() })
    }
}

#[cfg(test)]
mod tests;
