//! One measurement: what was forwarded in a while, what it took, and who came between.

use std::{fmt, time::Duration};

/// Time others may take from the polling thread before a measurement counts as disturbed, as a share of its length.
const TAKEN_MAX: f64 = 0.02;

/// Involuntary context switches a second before it counts as disturbed: each leaves the caches colder than they were.
const SWITCHES_MAX: f64 = 50.0;

/// Time taken that a ring of a thousand buffers does not bridge at ten million packets a second.
const INTERRUPTION: Duration = Duration::from_micros(100);

/// What was forwarded in a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) packets: u64,
    pub(crate) wall: Duration,
    /// CPU time of the thread that forwards.
    pub(crate) cpu: Duration,
    pub(crate) disturbance: Disturbance,
}

/// What kept the polling thread from polling.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Disturbance {
    /// Times the kernel gave its CPU to somebody else.
    pub(crate) switches: u64,
    /// Time it was ready to run and did not.
    pub(crate) waited: Duration,
    /// Time the host kept its CPU from this machine.
    pub(crate) stolen: Duration,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Disturbance { switches, waited, stolen } = self;
        let (waited, stolen) = (waited.as_millis(), stolen.as_millis());
        write!(f, "disturbed: {switches} switches, {waited} ms waiting, {stolen} ms stolen")
    }
}

impl Sample {
    /// CPU time per packet, in ns.
    pub(crate) fn packet_ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.packets.max(1) as f64
    }

    /// Millions of packets per second of wall time.
    pub(crate) fn mpps(&self) -> f64 {
        self.packets as f64 / self.wall.as_secs_f64().max(f64::EPSILON) / 1e6
    }

    /// Whether others took any of the CPU: enough for a packet to be lost at a rate that leaves no slack.
    pub(crate) fn is_interrupted(&self) -> bool {
        let Disturbance { switches, waited, stolen } = self.disturbance;
        switches > 0 || waited + stolen > INTERRUPTION
    }

    /// Whether others took so much of the CPU that the figures may be off.
    pub(crate) fn is_disturbed(&self) -> bool {
        let seconds = self.wall.as_secs_f64();
        let Disturbance { switches, waited, stolen } = self.disturbance;
        (waited + stolen).as_secs_f64() > TAKEN_MAX * seconds || switches as f64 > SWITCHES_MAX * seconds
    }
}

/// The sample in the middle by CPU time per packet; `None` of none.
pub(crate) fn median(samples: &[Sample]) -> Option<Sample> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| a.packet_ns().total_cmp(&b.packet_ns()));
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A second without disturbance.
    pub(crate) fn second(packets: u64, cpu_ms: u64) -> Sample {
        let (wall, cpu) = (Duration::from_secs(1), Duration::from_millis(cpu_ms));
        Sample { packets, wall, cpu, disturbance: Disturbance::default() }
    }

    #[test]
    fn the_median_is_by_cost_and_not_by_order() {
        assert_eq!(median(&[second(10, 500), second(10, 100), second(10, 300)]), Some(second(10, 300)));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn nothing_forwarded_is_no_division_by_zero() {
        let nothing = Sample { wall: Duration::ZERO, ..second(0, 0) };
        assert!(nothing.packet_ns().is_finite() && nothing.mpps().is_finite() && !nothing.is_disturbed());
    }

    #[test]
    fn whoever_takes_the_cpu_disturbs() {
        let with = |disturbance| Sample { disturbance, ..second(10, 1000) }.is_disturbed();
        let ms = Duration::from_millis;
        assert!(!with(Disturbance { switches: 20, waited: ms(9), stolen: ms(10) }));
        assert!(with(Disturbance { switches: 20, waited: ms(11), stolen: ms(10) }));
        assert!(with(Disturbance { switches: 51, ..Disturbance::default() }));
    }
}
