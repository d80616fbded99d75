//! What has come of one stream, at the end that receives it.

use hdrhistogram::Histogram;

use crate::generator::{
    clock::SECOND_NS,
    gaps::Gaps,
    packet::{Packet, Stamp},
    seen::Seen,
};

/// The longest time on the way that is told from longer ones.
const LATENCY_MAX_NS: u64 = 60 * SECOND_NS;

/// Digits by which latencies are told apart.
const LATENCY_DIGITS: u8 = 3;

/// One stream's packets. A sender that starts over begins a new life, whose sequence numbers are its own.
#[derive(Debug)]
pub(crate) struct Tally {
    life: Option<Life>,
    /// Lives that have ended.
    ended: u64,
    ended_different: u64,
    ended_holes: u64,
    pub(crate) received: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    /// Different packets, by the second in which they were sent.
    pub(crate) by_second: Vec<u64>,
    pub(crate) gaps: Gaps,
    pub(crate) latency: Histogram<u64>,
}

#[derive(Debug)]
struct Life {
    run: u32,
    seen: Seen,
    /// One more than the highest sequence number of each flow.
    next_of_flow: Vec<u64>,
}

impl Life {
    /// Whether a later packet of the same flow was here before it.
    fn is_overtaken(&mut self, flow: u32, sequence: u64) -> bool {
        let flow = flow as usize;
        if self.next_of_flow.len() <= flow {
            self.next_of_flow.resize(flow + 1, 0);
        }
        let next = &mut self.next_of_flow[flow];
        let overtaken = sequence < *next;
        *next = (*next).max(sequence + 1);
        overtaken
    }
}

impl Tally {
    pub(crate) fn new() -> Tally {
        let latency = Histogram::new_with_max(LATENCY_MAX_NS, LATENCY_DIGITS).expect("these bounds are possible");
        Tally {
            life: None,
            ended: 0,
            ended_different: 0,
            ended_holes: 0,
            received: 0,
            duplicated: 0,
            reordered: 0,
            by_second: Vec::new(),
            gaps: Gaps::default(),
            latency,
        }
    }

    /// A packet came, in a run that began at `began_ns`.
    #[inline]
    pub(crate) fn note(&mut self, packet: &Packet, began_ns: u64, now_ns: u64) {
        let Stamp { run, sequence, sent_ns } = packet.stamp;
        self.received += 1;
        self.gaps.note(now_ns);
        self.latency.saturating_record(now_ns.saturating_sub(sent_ns));
        let life = self.life_of(run);
        if !life.seen.insert(sequence) {
            self.duplicated += 1;
            return;
        }
        let is_overtaken = life.is_overtaken(packet.flow, sequence);
        self.reordered += u64::from(is_overtaken);
        let second = (sent_ns.saturating_sub(began_ns) / SECOND_NS) as usize;
        if self.by_second.len() <= second {
            self.by_second.resize(second + 1, 0);
        }
        self.by_second[second] += 1;
    }

    fn life_of(&mut self, run: u32) -> &mut Life {
        if self.life.as_ref().is_none_or(|life| life.run != run)
            && let Some(last) = self.life.take()
        {
            self.ended += 1;
            self.ended_different += last.seen.count();
            self.ended_holes += last.seen.holes();
        }
        self.life.get_or_insert_with(|| Life { run, seen: Seen::default(), next_of_flow: Vec::new() })
    }

    /// Lives the sender has had.
    pub(crate) fn lives(&self) -> u64 {
        self.ended + u64::from(self.life.is_some())
    }

    /// Different packets.
    pub(crate) fn different(&self) -> u64 {
        self.ended_different + self.life.as_ref().map_or(0, |life| life.seen.count())
    }

    /// Packets missing between others.
    pub(crate) fn holes(&self) -> u64 {
        self.ended_holes + self.life.as_ref().map_or(0, |life| life.seen.holes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sequences: &[(u32, u32, u64)]) -> Tally {
        let mut tally = Tally::new();
        for (n, &(run, flow, sequence)) in sequences.iter().enumerate() {
            let stamp = Stamp { run, sequence, sent_ns: 500 + n as u64 * 400_000_000 };
            tally.note(&Packet { from: 1, to: 2, flow, stamp }, 500, 1500 + n as u64 * 400_000_000);
        }
        tally
    }

    #[test]
    fn packets_in_order_are_received_and_nothing_else() {
        let tally = tally(&[(9, 0, 0), (9, 0, 1), (9, 0, 2), (9, 0, 3)]);
        assert_eq!((tally.received, tally.duplicated, tally.reordered, tally.holes()), (4, 0, 0, 0));
        assert_eq!(tally.by_second, [3, 1]);
        assert_eq!((tally.latency.min(), tally.latency.max()), (1000, 1000));
    }

    #[test]
    fn a_packet_that_comes_twice_is_a_duplicate_and_none_out_of_order() {
        let tally = tally(&[(9, 0, 0), (9, 0, 1), (9, 0, 0)]);
        assert_eq!((tally.received, tally.different(), tally.duplicated, tally.reordered), (3, 2, 1, 0));
    }

    #[test]
    fn order_counts_within_a_flow_only() {
        assert_eq!(tally(&[(9, 0, 2), (9, 1, 1), (9, 0, 4), (9, 1, 3)]).reordered, 0);
        assert_eq!(tally(&[(9, 0, 2), (9, 0, 1), (9, 0, 0)]).reordered, 2);
    }

    #[test]
    fn a_sender_that_starts_over_repeats_nothing() {
        let tally = tally(&[(9, 0, 0), (9, 0, 2), (8, 0, 0), (8, 0, 3)]);
        assert_eq!((tally.lives(), tally.different(), tally.duplicated, tally.reordered), (2, 4, 0, 0));
        assert_eq!(tally.holes(), 1 + 2);
    }
}
