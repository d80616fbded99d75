//! A port made of two queues in memory, for tests and the simulator.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Burst, DeviceStats, HeapPool, Offload, Pool, Port, Sent, Takes};

/// A packet, and what its sender left to be done.
type Packet = (Vec<u8>, Option<Offload>);

#[derive(Debug)]
struct Wires {
    to_switch: VecDeque<Packet>,
    from_switch: VecDeque<Packet>,
    depth: usize,
    takes: Takes,
    /// Frames that the port would rather have together.
    gathers: usize,
    rx_no_buffer: u64,
    tx_errors: u64,
}

/// The switch's end of an in-memory link. Packets cross it as plain bytes, so a test never holds a frame.
#[derive(Debug)]
pub struct MemPort {
    wires: Arc<Mutex<Wires>>,
    pool: HeapPool,
}

/// The test's end of the link.
#[derive(Clone, Debug)]
pub struct MemPortPeer {
    wires: Arc<Mutex<Wires>>,
}

fn lock(wires: &Mutex<Wires>) -> MutexGuard<'_, Wires> {
    wires.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemPort {
    /// Both ends of a link whose queues hold `depth` packets each; a full queue refuses.
    pub fn pair(pool: HeapPool, depth: usize) -> (MemPort, MemPortPeer) {
        let (to_switch, from_switch) = (VecDeque::new(), VecDeque::new());
        let takes = Takes::default();
        let wires = Wires { to_switch, from_switch, depth, takes, gathers: 0, rx_no_buffer: 0, tx_errors: 0 };
        let wires = Arc::new(Mutex::new(wires));
        (MemPort { wires: Arc::clone(&wires), pool }, MemPortPeer { wires })
    }
}

impl MemPortPeer {
    /// Sends one packet to the switch; `false` where the queue is full.
    pub fn send(&self, packet: &[u8]) -> bool {
        self.send_unfinished(packet, None)
    }

    /// The same with work left to whoever passes the packet on.
    pub fn send_unfinished(&self, packet: &[u8], offload: Option<Offload>) -> bool {
        let mut wires = lock(&self.wires);
        if wires.to_switch.len() == wires.depth {
            return false;
        }
        wires.to_switch.push_back((packet.to_vec(), offload));
        true
    }

    /// The next packet the switch sent here.
    pub fn recv(&self) -> Option<Vec<u8>> {
        self.recv_unfinished().map(|(packet, _)| packet)
    }

    /// The same with the work that the switch left to this end.
    pub fn recv_unfinished(&self) -> Option<(Vec<u8>, Option<Offload>)> {
        lock(&self.wires).from_switch.pop_front()
    }

    /// Says what this end does by itself from now on; at first that is nothing.
    pub fn take(&self, takes: Takes) {
        lock(&self.wires).takes = takes;
    }

    /// From now on the port gathers up to so many frames before it wants any, however long that takes; at first none.
    pub fn gather(&self, frames: usize) {
        lock(&self.wires).gathers = frames;
    }

    /// Loses the oldest packet the switch sent, as a driver does that cannot send what it took; `false` where there is
    /// none.
    pub fn lose(&self) -> bool {
        let mut wires = lock(&self.wires);
        let lost = wires.from_switch.pop_front().is_some();
        wires.tx_errors += u64::from(lost);
        lost
    }

    /// Packets the switch has not fetched yet.
    pub fn backlog(&self) -> usize {
        lock(&self.wires).to_switch.len()
    }
}

impl Port for MemPort {
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let mut wires = lock(&self.wires);
        let mut received = 0;
        while received < max.min(BURST_LIMIT) && burst.room() > 0 && !wires.to_switch.is_empty() {
            let Some(mut frame) = self.pool.alloc() else {
                wires.rx_no_buffer += 1;
                break;
            };
            let Some((packet, offload)) = wires.to_switch.pop_front() else { unreachable!("checked above") };
            if packet.len() > frame.tailroom()
                && offload.is_some()
                && let Some(larger) = self.pool.alloc_super()
            {
                self.pool.release_one(std::mem::replace(&mut frame, larger));
            }
            // A packet that fits no buffer is what a NIC would cut off at the MRU: the test sees it missing.
            if packet.is_empty() || !frame.write(&packet) {
                self.pool.release_one(frame);
                continue;
            }
            frame.set_offload(offload);
            if let Err(frame) = burst.push(frame) {
                self.pool.release_one(frame);
                break;
            }
            received += 1;
        }
        received
    }

    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        let mut wires = lock(&self.wires);
        let mut sent = Sent::default();
        for frame in burst.drain() {
            if wires.from_switch.len() < wires.depth {
                wires.from_switch.push_back((frame.data().to_vec(), frame.offload()));
                sent.frames += 1;
                sent.bytes += frame.len() as u64;
            } else {
                sent.refused += 1;
            }
            self.pool.release_one(frame);
        }
        sent
    }

    fn takes(&self) -> Takes {
        lock(&self.wires).takes
    }

    fn gathers(&mut self, waiting: usize) -> bool {
        waiting < lock(&self.wires).gathers
    }

    fn is_dry(&self) -> bool {
        lock(&self.wires).to_switch.is_empty()
    }

    fn device_stats(&mut self) -> DeviceStats {
        let mut wires = lock(&self.wires);
        let (rx_no_buffer, tx_errors) = (std::mem::take(&mut wires.rx_no_buffer), std::mem::take(&mut wires.tx_errors));
        DeviceStats { rx_no_buffer, tx_errors, ..DeviceStats::default() }
    }
}

/// Packets fetched in one call, as a NIC driver would.
const BURST_LIMIT: usize = crate::BURST_MAX;
