//! The figures, as a table and as JSON.

use serde::Serialize;

use crate::{
    load::Shape,
    testpmd::{Mode, Sample},
};

/// One line: a program doing one kind of work on one load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) program: &'static str,
    pub(crate) work: Mode,
    pub(crate) shape: Shape,
    pub(crate) flows: u32,
    /// Millions of packets per second of wall time.
    pub(crate) mpps: f64,
    /// CPU time per packet.
    pub(crate) packet_ns: f64,
    /// CPU time per packet above passing it on (io) on the same load.
    pub(crate) over_io_ns: f64,
    /// Packets per CPU time, as a share of io's on the same load.
    pub(crate) io_ratio: f64,
}

/// CPU time per packet in ns.
pub(crate) fn packet_ns(sample: &Sample) -> f64 {
    sample.cpu.as_nanos() as f64 / sample.packets.max(1) as f64
}

/// A row from a sample and what io took on the same load.
pub(crate) fn row(work: Mode, shape: Shape, flows: u32, sample: &Sample, io_ns: f64) -> Row {
    let packet_ns = packet_ns(sample);
    let mpps = sample.packets as f64 / sample.wall.as_secs_f64().max(f64::EPSILON) / 1e6;
    let io_ratio = io_ns / packet_ns.max(f64::EPSILON);
    Row { program: "testpmd", work, shape, flows, mpps, packet_ns, over_io_ns: packet_ns - io_ns, io_ratio }
}

/// The sample in the middle by CPU time per packet; `None` of none.
pub(crate) fn median(mut samples: Vec<Sample>) -> Option<Sample> {
    samples.sort_by(|a, b| packet_ns(a).total_cmp(&packet_ns(b)));
    samples.get(samples.len() / 2).copied()
}

/// The table, a header and a line per row.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<10} {:<8} {:<6} {:>8} {:>8} {:>10} {:>11} {:>8}\n",
        "program", "work", "load", "flows", "Mpps", "ns/packet", "ns over io", "of io"
    );
    for row in rows {
        let shape = match row.shape {
            Shape::Plain => "plain",
            Shape::Vxlan => "vxlan",
        };
        text += &format!(
            "{:<10} {:<8} {:<6} {:>8} {:>8.1} {:>10.1} {:>11.1} {:>7.0}%\n",
            row.program,
            row.work.name(),
            shape,
            row.flows,
            row.mpps,
            row.packet_ns,
            row.over_io_ns,
            row.io_ratio * 100.0
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(packets: u64, cpu_ms: u64) -> Sample {
        Sample { packets, wall: Duration::from_secs(1), cpu: Duration::from_millis(cpu_ms) }
    }

    #[test]
    fn a_row_is_relative_to_io_in_cpu_time() {
        let row = row(Mode::Macswap, Shape::Plain, 1000, &sample(40_000_000, 800), 15.0);
        assert_eq!((row.mpps, row.packet_ns, row.over_io_ns, row.io_ratio), (40.0, 20.0, 5.0, 0.75));
    }

    #[test]
    fn the_table_has_a_line_per_row() {
        let text = table(&[row(Mode::Io, Shape::Vxlan, 100_000, &sample(50_000_000, 1000), 20.0)]);
        let expected = "testpmd    io       vxlan    100000     50.0       20.0         0.0     100%";
        assert_eq!(text.lines().nth(1), Some(expected));
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn the_median_is_by_cost_and_not_by_order() {
        let samples = vec![sample(10, 500), sample(10, 100), sample(10, 300)];
        assert_eq!(median(samples), Some(sample(10, 300)));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        let row = row(Mode::Io, Shape::Plain, 1, &sample(0, 0), 0.0);
        assert!(row.packet_ns.is_finite() && row.io_ratio.is_finite() && row.mpps.is_finite());
    }
}
