//! The figures, as a table and as JSON.

use serde::Serialize;

use super::{overlay, pipeline::Taken, rig::Ring, rings::Path, switches::Switch};
use crate::{
    report::{two_digits, two_digits_of_some},
    sample::{self, Sample},
};

/// Machine and settings of one run.
#[derive(Debug, Serialize)]
pub(super) struct Fingerprint {
    pub(super) cpu: String,
    pub(super) cpus: usize,
    pub(super) kernel: String,
    pub(super) dpdk: String,
    pub(super) measured_cpu: u32,
    pub(super) containers_cpu: u32,
    pub(super) hugepages: bool,
    /// Measurements of each row of rings.
    pub(super) chunks: u32,
    /// When it was written, in seconds since 1970.
    pub(super) written_s: u64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) fingerprint: Fingerprint,
    pub(super) rings: Vec<RingRow>,
    pub(super) pipeline: Vec<PipelineRow>,
    pub(super) overlay: Vec<overlay::Row>,
}

impl Report {
    /// The tables, a header and a line per row.
    pub(super) fn tables(&self) -> String {
        let mut text = String::new();
        if !self.rings.is_empty() {
            text += &table(&self.rings);
        }
        if !self.pipeline.is_empty() {
            text += &pipeline_table(&self.pipeline);
        }
        if !self.overlay.is_empty() {
            text += &overlay::table(&self.overlay);
        }
        text
    }
}

/// ns per frame of our rings and of the library's, taken in turns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct RingRow {
    path: Path,
    ring: Ring,
    /// Octets of a frame.
    size: usize,
    /// Medians.
    #[serde(serialize_with = "two_digits")]
    ours_ns: f64,
    #[serde(serialize_with = "two_digits")]
    rte_vhost_ns: f64,
    /// Ours as a share of the library's, the median of neighbours: less than 1 is faster. What disturbs both alike is not
    /// in it.
    #[serde(serialize_with = "two_digits")]
    ratio: f64,
}

impl RingRow {
    /// From measurements of which those at the same place of each were taken one after the other.
    pub(super) fn new(path: Path, ring: Ring, size: usize, ours: Vec<f64>, theirs: Vec<f64>) -> RingRow {
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs.max(f64::EPSILON)).collect();
        let [ours_ns, rte_vhost_ns, ratio] = [ours, theirs, ratios].map(median);
        RingRow { path, ring, size, ours_ns, rte_vhost_ns, ratio }
    }
}

/// The one in the middle; 0 of none.
fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// Frames between two containers, both ways, through whole switches: medians.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PipelineRow {
    path: &'static str,
    ring: Ring,
    #[serde(serialize_with = "two_digits_of_some")]
    ours_mpps: Option<f64>,
    #[serde(serialize_with = "two_digits_of_some")]
    testpmd_mpps: Option<f64>,
    #[serde(serialize_with = "two_digits_of_some")]
    ovs_mpps: Option<f64>,
    /// Ours as a multiple of theirs.
    #[serde(serialize_with = "two_digits_of_some")]
    over_testpmd: Option<f64>,
    #[serde(serialize_with = "two_digits_of_some")]
    over_ovs: Option<f64>,
    /// Why something above is missing: a program that failed, or a CPU that others used.
    refused: Vec<String>,
}

impl PipelineRow {
    pub(super) fn new(ring: Ring, all: &[Taken]) -> PipelineRow {
        let mut refused = Vec::new();
        let [ours_mpps, testpmd_mpps, ovs_mpps] = [Switch::Millraced, Switch::Testpmd, Switch::Ovs].map(|switch| {
            let taken = all.iter().find(|taken| taken.switch == switch)?;
            usable(taken).map_err(|why| refused.push(format!("{}: {why}", switch.name()))).ok()
        });
        let over = |theirs: Option<f64>| Some(ours_mpps? / theirs?);
        let (over_testpmd, over_ovs) = (over(testpmd_mpps), over(ovs_mpps));
        let path = "container to container";
        PipelineRow { path, ring, ours_mpps, testpmd_mpps, ovs_mpps, over_testpmd, over_ovs, refused }
    }

    pub(super) fn is_refused(&self) -> bool {
        !self.refused.is_empty()
    }
}

/// The median of measurements that may be compared; else why they may not.
fn usable(taken: &Taken) -> Result<f64, String> {
    if let Some(why) = &taken.failed {
        return Err(why.clone());
    }
    let quiet: Vec<_> = taken.samples.iter().filter(|sample| !sample.is_disturbed()).copied().collect();
    if quiet.is_empty() {
        let middle = sample::median(&taken.samples).ok_or("no round was run")?;
        return Err(format!("{:.2} Mpps, but {}", middle.mpps(), middle.disturbance));
    }
    Ok(median(quiet.iter().map(Sample::mpps).collect()))
}

fn table(rows: &[RingRow]) -> String {
    let mut text =
        format!("{:<8} {:<7} {:>6} {:>8} {:>12} {:>6}\n", "path", "ring", "octets", "ours ns", "rte_vhost ns", "ratio");
    for RingRow { path, ring, size, ours_ns, rte_vhost_ns, ratio } in rows {
        let (path, ring) = (path.name(), ring.name());
        text += &format!("{path:<8} {ring:<7} {size:>6} {ours_ns:>8.1} {rte_vhost_ns:>12.1} {ratio:>6.2}\n");
    }
    text
}

fn pipeline_table(rows: &[PipelineRow]) -> String {
    let number = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.2}"));
    let mut text = format!(
        "{:<23} {:<7} {:>9} {:>12} {:>8} {:>12} {:>8}\n",
        "path", "ring", "ours Mpps", "testpmd Mpps", "ovs Mpps", "over testpmd", "over ovs"
    );
    for row in rows {
        let [ours, testpmd, ovs, over_testpmd, over_ovs] =
            [row.ours_mpps, row.testpmd_mpps, row.ovs_mpps, row.over_testpmd, row.over_ovs].map(number);
        let (path, ring) = (row.path, row.ring.name());
        text += &format!("{path:<23} {ring:<7} {ours:>9} {testpmd:>12} {ovs:>8} {over_testpmd:>12} {over_ovs:>8}\n");
        for why in &row.refused {
            text += &format!("    not compared: {why}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Disturbance, tests::second};

    fn taken(switch: Switch, packets: &[u64]) -> Taken {
        Taken { switch, samples: packets.iter().map(|&packets| second(packets, 1000)).collect(), failed: None }
    }

    #[test]
    fn switches_are_compared_by_medians() {
        let ours = taken(Switch::Millraced, &[9_000_000, 12_000_000, 15_000_000]);
        let row = PipelineRow::new(Ring::Split, &[ours, taken(Switch::Testpmd, &[10_000_000])]);
        assert_eq!((row.ours_mpps, row.testpmd_mpps, row.ovs_mpps), (Some(12.0), Some(10.0), None));
        assert_eq!((row.over_testpmd, row.over_ovs, row.is_refused()), (Some(1.2), None, false));
        let text = pipeline_table(&[row]);
        let line = text.lines().nth(1).unwrap();
        let words: Vec<_> = line.split_whitespace().skip(3).collect();
        assert_eq!(words, ["split", "12.00", "10.00", "-", "1.20", "-"]);
    }

    #[test]
    fn what_failed_or_was_disturbed_is_missing_and_says_why() {
        let mut ours = taken(Switch::Millraced, &[9_000_000]);
        ours.samples[0].disturbance = Disturbance { switches: 60, ..Disturbance::default() };
        let testpmd = Taken { failed: Some("no such program".to_owned()), ..taken(Switch::Testpmd, &[]) };
        let row = PipelineRow::new(Ring::Packed, &[ours, testpmd, taken(Switch::Ovs, &[1])]);
        assert_eq!((row.ours_mpps, row.testpmd_mpps, row.over_ovs), (None, None, None));
        let disturbed = "millraced: 9.00 Mpps, but disturbed: 60 switches, 0 ms waiting, 0 ms stolen";
        assert_eq!(row.refused, [disturbed, "testpmd: no such program"]);
        assert!(pipeline_table(std::slice::from_ref(&row)).contains("    not compared: testpmd: no such"));
    }

    fn row() -> RingRow {
        // The machine was slow for one pair.
        RingRow::new(Path::Enqueue, Ring::Packed, 64, vec![10.0, 40.0, 12.0], vec![20.0, 80.0, 16.0])
    }

    #[test]
    fn a_row_has_medians_and_the_ratio_of_neighbours() {
        assert_eq!((row().ours_ns, row().rte_vhost_ns, row().ratio), (12.0, 20.0, 0.5));
        assert_eq!(RingRow::new(Path::Enqueue, Ring::Split, 64, vec![], vec![]).ratio, 0.0);
    }

    #[test]
    fn the_table_has_a_line_per_row_and_the_json_its_members() {
        assert_eq!(table(&[row()]).lines().nth(1), Some("enqueue  packed      64     12.0         20.0   0.50"));
        let json = serde_json::to_value(row()).unwrap();
        assert_eq!((&json["path"], &json["ring"], &json["size"]), (&"enqueue".into(), &"packed".into(), &64.into()));
        assert_eq!((&json["ours_ns"], &json["rte_vhost_ns"]), (&12.0.into(), &20.0.into()));
    }
}
