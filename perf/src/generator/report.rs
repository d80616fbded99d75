//! What a run has found, as a table and as JSON.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::generator::{
    end::End,
    gaps::GapRow,
    stream::{Stream, Traffic},
    tally::Tally,
};

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// When it began, in milliseconds since 1970: what gaps are counted from.
    pub(crate) began_unix_ms: u64,
    /// How long was sent.
    pub(crate) seconds: f64,
    /// Octets of a packet, without FCS.
    pub(crate) size: usize,
    /// Packets a second asked for, of each stream; none is as many as possible.
    pub(crate) rate: Option<u64>,
    pub(crate) flows: u32,
    pub(crate) ports: Vec<PortRow>,
    pub(crate) streams: Vec<StreamRow>,
}

/// An end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PortRow {
    pub(crate) port: u8,
    pub(crate) device: String,
    /// Packets and announcements that left by it, and frames of any kind that came.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Packets that are not as they were sent.
    pub(crate) torn: u64,
    /// Packets for another end.
    pub(crate) stray: u64,
    /// Frames that are no packets of this generator.
    pub(crate) foreign: u64,
}

/// A direction of the load; some of it may be known to another process only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct StreamRow {
    pub(crate) from: u8,
    pub(crate) to: u8,
    #[serde(flatten)]
    pub(crate) sender: Option<Sender>,
    #[serde(flatten)]
    pub(crate) receiver: Option<Receiver>,
    /// Packets sent and not received; where the sender is elsewhere, those missing between others.
    pub(crate) lost: Option<u64>,
    /// The same by the second in which they were sent, where sender and receiver are here.
    pub(crate) lost_by_second: Option<Vec<u64>>,
}

/// What the sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Sender {
    /// Packets the device took.
    pub(crate) sent: u64,
    /// Packets it did not take; they have no sequence number.
    pub(crate) refused: u64,
    /// Packets never made, because the generator itself was kept from running.
    pub(crate) skipped: u64,
}

/// What the receiver knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Receiver {
    pub(crate) received: u64,
    pub(crate) duplicated: u64,
    /// Packets that came behind a later one of their flow (RFC 4737 section 3.3).
    pub(crate) reordered: u64,
    /// How often the sender began; more than once where it was started anew.
    pub(crate) lives: u64,
    /// When the first and the last packet came, in milliseconds from the beginning.
    pub(crate) first_ms: Option<f64>,
    pub(crate) last_ms: Option<f64>,
    /// The longest times between two packets, longest first.
    pub(crate) gaps: Vec<GapRow>,
    pub(crate) latency_us: Option<Latency>,
}

/// One-way, from the sender's burst to the receiver's, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    #[serde(rename = "p99.9")]
    pub(crate) p999: f64,
    #[serde(rename = "p99.99")]
    pub(crate) p9999: f64,
    pub(crate) max: f64,
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        let us = |ns: u64| (ns as f64 / 10.0).round() / 100.0;
        let at = |quantile| us(histogram.value_at_quantile(quantile));
        let max = us(histogram.max());
        let latency = Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999), p9999: at(0.9999), max };
        (!histogram.is_empty()).then_some(latency)
    }
}

impl Report {
    pub(crate) fn new(
        traffic: &Traffic,
        ends: &[End],
        streams: &[Stream],
        began_ns: u64,
        began_unix_ms: u64,
        seconds: f64,
    ) -> Report {
        let ports = ends.iter().map(|end| port_row(end, streams)).collect();
        let here = |from, to| streams.iter().find(|stream| (stream.from, stream.to) == (from, to));
        let mut rows: Vec<_> = streams
            .iter()
            .map(|stream| {
                let end = ends.iter().find(|end| end.number == stream.to);
                let tally = end.and_then(|end| end.tallies.get(&stream.from));
                row((stream.from, stream.to), Some(stream), tally, began_ns)
            })
            .collect();
        for end in ends {
            let elsewhere = end.tallies.iter().filter(|(from, _)| here(**from, end.number).is_none());
            rows.extend(elsewhere.map(|(from, tally)| row((*from, end.number), None, Some(tally), began_ns)));
        }
        let Traffic { rate, size, flows, .. } = *traffic;
        Report { began_unix_ms, seconds, size, rate, flows, ports, streams: rows }
    }
}

fn port_row(end: &End, streams: &[Stream]) -> PortRow {
    let sent: u64 = streams.iter().filter(|stream| stream.from == end.number).map(|stream| stream.sent).sum();
    let counts = end.counts;
    PortRow {
        port: end.number,
        device: end.device.clone(),
        sent: sent + counts.announced,
        received: counts.received,
        torn: counts.torn,
        stray: counts.stray,
        foreign: counts.foreign,
    }
}

fn row((from, to): (u8, u8), stream: Option<&Stream>, tally: Option<&Tally>, began_ns: u64) -> StreamRow {
    let lost = tally.map(|tally| match stream {
        Some(stream) => stream.sent.saturating_sub(tally.different()),
        None => tally.holes(),
    });
    let lost_by_second = stream.zip(tally).map(|(stream, tally)| {
        let received = tally.by_second.iter().copied().chain(std::iter::repeat(0));
        stream.by_second().into_iter().zip(received).map(|(sent, received)| sent.saturating_sub(received)).collect()
    });
    let sender = |stream: &Stream| Sender { sent: stream.sent, refused: stream.refused, skipped: stream.skipped() };
    let receiver = |tally: &Tally| Receiver {
        received: tally.received,
        duplicated: tally.duplicated,
        reordered: tally.reordered,
        lives: tally.lives(),
        first_ms: tally.gaps.first_ms(began_ns),
        last_ms: tally.gaps.last_ms(began_ns),
        gaps: tally.gaps.rows(began_ns),
        latency_us: Latency::of(&tally.latency),
    };
    StreamRow { from, to, sender: stream.map(sender), receiver: tally.map(receiver), lost, lost_by_second }
}
