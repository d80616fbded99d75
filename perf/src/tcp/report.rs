//! The figures, as a table and as JSON.

use serde::Serialize;

use super::{
    congestion::Controls,
    containers::{Figures, Probe},
    cpus::Cpus,
    distance::Distances,
    switches::{Nodes, Switch},
};

/// Machine and settings of one run.
#[derive(Debug, Serialize)]
pub(super) struct Fingerprint {
    /// The CPU's model.
    pub(super) model: String,
    pub(super) cpus: usize,
    pub(super) kernel: String,
    /// The CPU of the switch, and that of the containers.
    pub(super) cpu: u32,
    pub(super) containers_cpu: u32,
    pub(super) rounds: u32,
    /// Seconds of each probe.
    pub(super) window_s: u32,
    /// The congestion controls of the streams, where there were any.
    pub(super) controls: Option<Controls>,
    /// What others asked CPUs for when it began: to wake up within so many microseconds. Rows that do not say "CPUs awake" are
    /// not what they seem then.
    pub(super) cpu_latency_us: Option<i32>,
    /// How far the two CPUs were from each other, there and back, before each measurement.
    pub(super) distance_ns: Option<Distances>,
    /// When it was written, in seconds since 1970.
    pub(super) written_s: u64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) fingerprint: Fingerprint,
    pub(super) rows: Vec<Row>,
}

/// One probe, each switch's median.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    path: String,
    ours: Option<f64>,
    /// The same, joined by shared memory instead of the kernel.
    ours_memif: Option<f64>,
    /// The least that is between two containers and in user space.
    relay: Option<f64>,
    bridge: Option<f64>,
    /// The kernel's bridge and tunnel where the underlay segments and sums in software.
    bridge_plain: Option<f64>,
    ovs: Option<f64>,
    unit: &'static str,
    /// Digits behind the point that mean something.
    #[serde(skip)]
    digits: usize,
    /// Why something is missing.
    pub(super) failed: Vec<String>,
}

impl Row {
    pub(super) fn new(nodes: Nodes, cpus: Cpus, probe: Probe, taken: &[(Switch, Vec<Figures>, Option<String>)]) -> Row {
        let of = |wanted: Switch| {
            let (_, figures, _) = taken.iter().find(|(switch, ..)| *switch == wanted)?;
            let median = median(figures.iter().filter_map(|figures| figures.of(probe)).collect())?;
            let scale = 10_f64.powi(probe.digits() as i32);
            Some((median * scale).round() / scale)
        };
        let failed = taken.iter().filter_map(|(switch, _, why)| Some(format!("{}: {}", switch.name(), why.as_ref()?)));
        Row {
            path: format!("{}, {}{}", nodes.name(), probe.name(), cpus.suffix()),
            ours: of(Switch::Millraced),
            ours_memif: of(Switch::Memif),
            relay: of(Switch::Relay),
            bridge: of(Switch::Bridge),
            bridge_plain: of(Switch::BridgePlain),
            ovs: of(Switch::Ovs),
            unit: probe.unit(),
            digits: probe.digits(),
            failed: failed.collect(),
        }
    }
}

/// The one in the middle.
fn median(mut samples: Vec<f64>) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied()
}

impl Report {
    /// A header and a line per row.
    pub(super) fn table(&self) -> String {
        let line = |path: &str, cells: [String; 6], unit: &str| {
            let [ours, memif, relay, bridge, plain, ovs] = cells;
            format!("{path:<42} {ours:>8} {memif:>8} {relay:>8} {bridge:>8} {plain:>16} {ovs:>8}  {unit}\n")
        };
        let names = ["ours", "by memif", "relay", "bridge", "without offloads", "ovs"].map(str::to_owned);
        let mut text = line("path", names, "unit");
        for row in &self.rows {
            let number =
                |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.*}", row.digits));
            let cells = [row.ours, row.ours_memif, row.relay, row.bridge, row.bridge_plain, row.ovs].map(number);
            text += &line(&row.path, cells, row.unit);
            row.failed.iter().for_each(|why| text += &format!("    FAILED: {why}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_each_switch_is_in_its_own_column() {
        let figures =
            |stream: f64| Figures(vec![(Probe::Tail, 40.0), (Probe::Stream, stream), (Probe::Datagrams, 0.081_23)]);
        let taken = [
            (Switch::Millraced, [3.0, 9.0, 8.0].map(figures).to_vec(), None),
            (Switch::Bridge, vec![figures(10.0)], None),
            (Switch::Relay, vec![figures(11.0)], None),
            (Switch::Ovs, vec![], Some("gone".to_owned())),
        ];
        let row = Row::new(Nodes::One, Cpus::Asleep, Probe::Stream, &taken);
        assert_eq!((row.ours, row.relay, row.bridge, row.ovs), (Some(8.0), Some(11.0), Some(10.0), None));
        assert_eq!(row.failed, ["ovs: gone"]);
        assert_eq!(Row::new(Nodes::One, Cpus::Asleep, Probe::Datagrams, &taken).bridge, Some(0.0812));
        let awake = Row::new(Nodes::Two, Cpus::Awake, Probe::Tail, &taken);
        assert_eq!((awake.path.as_str(), awake.ours), ("two nodes, round trip p99, CPUs awake", Some(40.0)));
    }
}
