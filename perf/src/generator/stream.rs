//! One direction of the load: packets from one end to another, made and sent.

use std::iter::repeat_with;

use dpdk::{EthPort, Pool};
use frame::{Burst, Pool as _, Port};

use crate::generator::{
    clock::{SECOND_NS, now_ns},
    pace::Pace,
    packet::{self, Headers, Stamp},
};

/// What the packets of a run are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// Packets a second of each stream; `None` is as fast as it goes.
    pub(crate) rate: Option<u64>,
    /// Packets sent at once at most.
    pub(crate) burst: usize,
    /// Octets of a packet, without FCS.
    pub(crate) size: usize,
    /// Different five-tuples of a stream, and pairs of MACs they are spread over.
    pub(crate) flows: u32,
    pub(crate) hosts: u16,
    /// Packets of each stream; `None` is no limit.
    pub(crate) count: Option<u64>,
}

/// A stream at its sender.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) from: u8,
    pub(crate) to: u8,
    traffic: Traffic,
    run: u32,
    began_ns: u64,
    headers: Vec<Headers>,
    pace: Pace,
    /// Packets the device took, and those it did not, which have no sequence number.
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    /// Packets sent by the end of each second.
    by_second: Vec<u64>,
}

impl Stream {
    pub(crate) fn new((from, to): (u8, u8), traffic: Traffic, run: u32, began_ns: u64) -> Stream {
        let host = |flow: u32| (flow % u32::from(traffic.hosts)) as u16;
        let headers =
            (0..traffic.flows).map(|flow| packet::headers(from, to, flow, host(flow), traffic.size)).collect();
        let pace = Pace::new(traffic.rate, traffic.burst, began_ns);
        Stream { from, to, traffic, run, began_ns, headers, pace, sent: 0, refused: 0, by_second: Vec::new() }
    }

    /// Sends what is due. Whether that was anything.
    pub(crate) fn send(&mut self, port: &mut EthPort, pool: &mut Pool) -> bool {
        let now = now_ns();
        let left = self.traffic.count.map_or(u64::MAX, |count| count - self.sent);
        let due = self.pace.due(now).min(usize::try_from(left).unwrap_or(usize::MAX));
        if due == 0 {
            return false;
        }
        let mut burst = Burst::new();
        // A pool that is empty for the moment gives fewer; they are due again in the next turn.
        for frame in repeat_with(|| pool.alloc()).take(due).map_while(|frame| frame) {
            let sequence = self.sent + burst.len() as u64;
            if let Err(frame) = burst.push(self.write(frame, sequence, now)) {
                pool.release_one(frame);
                break;
            }
        }
        self.pace.offer(burst.len());
        let outcome = port.tx_burst(&mut burst);
        self.sent += u64::from(outcome.frames);
        self.refused += u64::from(outcome.refused);
        self.note_second(now);
        true
    }

    fn write(&self, mut frame: frame::Frame, sequence: u64, sent_ns: u64) -> frame::Frame {
        let headers = &self.headers[(sequence % self.headers.len() as u64) as usize];
        // The pool's buffers are larger than any packet.
        if frame.set_len(self.traffic.size) {
            packet::write(frame.data_mut(), headers, Stamp { run: self.run, sequence, sent_ns });
        }
        frame
    }

    fn note_second(&mut self, now_ns: u64) {
        let second = (now_ns.saturating_sub(self.began_ns) / SECOND_NS) as usize;
        if self.by_second.len() <= second {
            let before = self.by_second.last().copied().unwrap_or(0);
            self.by_second.resize(second + 1, before);
        }
        self.by_second[second] = self.sent;
    }

    /// Whether all that was asked for has been sent.
    pub(crate) fn is_over(&self) -> bool {
        self.traffic.count.is_some_and(|count| self.sent >= count)
    }

    /// Packets left out because there was no time for them.
    pub(crate) fn skipped(&self) -> u64 {
        self.pace.skipped()
    }

    /// Packets sent in each second.
    pub(crate) fn by_second(&self) -> Vec<u64> {
        let before = std::iter::once(0).chain(self.by_second.iter().copied());
        self.by_second.iter().zip(before).map(|(sent, before)| sent - before).collect()
    }
}
