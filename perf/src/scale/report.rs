//! What was found, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use crate::{
    fingerprint::Fingerprint,
    report::{two_digits, two_digits_of_some},
    sample::Sample,
    scale::layout::Layout,
};

/// The share of packets that may be lost between two workers, of which now one, now the other has to stand back: nothing slows
/// a replay down.
const LOST_MAX: f64 = 0.1;

/// One measurement of one layout.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// One a worker.
    pub(super) samples: Vec<Sample>,
    /// Packets handed over, and dropped, by all workers.
    pub(super) handed: u64,
    pub(super) dropped: u64,
}

impl Round {
    fn received(&self) -> u64 {
        self.samples.iter().map(|sample| sample.packets).sum()
    }

    /// CPU time of all workers for each packet that one of them received, in ns.
    fn packet_ns(&self) -> f64 {
        let spent: f64 = self.samples.iter().map(|sample| sample.cpu.as_nanos() as f64).sum();
        spent / self.received().max(1) as f64
    }

    /// Millions of packets a second of one worker's CPU time, on the average.
    fn mpps_a_core(&self) -> f64 {
        1e3 / self.packet_ns().max(f64::EPSILON)
    }

    fn lost(&self) -> f64 {
        self.dropped as f64 / self.received().max(1) as f64
    }

    fn is_disturbed(&self) -> bool {
        self.samples.iter().any(Sample::is_disturbed)
    }

    /// What is wrong with these counts.
    pub(super) fn objection(&self, layout: Layout) -> Option<String> {
        let Round { handed, dropped, .. } = *self;
        let received = self.received();
        if self.samples.iter().any(|sample| sample.packets == 0) {
            return Some("a worker received nothing".to_owned());
        }
        match layout {
            Layout::Alone | Layout::Apart if handed + dropped > 0 => {
                Some(format!("of {received} packets {handed} were handed over and {dropped} dropped: none should be"))
            }
            // The counts are read a moment apart.
            Layout::Crossed if ((handed + dropped) as f64) < 0.99 * received as f64 => {
                Some(format!("of {received} packets only {handed} were handed over"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ns a packet", self.packet_ns())?;
        if self.dropped > 0 {
            write!(f, ", {:.2} % lost between the workers", 100.0 * self.lost())?;
        }
        f.write_str(if self.is_disturbed() { ", disturbed" } else { "" })
    }
}

/// All rounds of all layouts.
pub(super) struct Report {
    pub(super) fingerprint: Fingerprint,
    rounds: Vec<(Layout, Vec<Round>, Option<String>)>,
}

/// What goes into JSON.
#[derive(Serialize)]
pub(super) struct Figures<'a> {
    fingerprint: &'a Fingerprint,
    rows: Vec<Row>,
    /// Packets of each of two workers for those of one alone, in CPU time: 1 where they take nothing from each other.
    #[serde(serialize_with = "two_digits_of_some")]
    per_core: Option<f64>,
    /// What it costs to hand a packet over, giving and taking, in ns of CPU time.
    #[serde(serialize_with = "two_digits_of_some")]
    handoff_ns: Option<f64>,
}

/// A layout's median round.
#[derive(Clone, Debug, Serialize)]
struct Row {
    layout: &'static str,
    workers: usize,
    #[serde(serialize_with = "two_digits")]
    packet_ns: f64,
    #[serde(serialize_with = "two_digits")]
    packet_ns_min: f64,
    #[serde(serialize_with = "two_digits")]
    packet_ns_max: f64,
    #[serde(serialize_with = "two_digits")]
    mpps_a_core: f64,
    /// Share of the packets that was lost between the workers.
    lost: f64,
    rounds: usize,
    disturbed: bool,
    failed: Option<String>,
}

impl Report {
    pub(super) fn new(fingerprint: Fingerprint) -> Report {
        Report { fingerprint, rounds: Layout::ALL.map(|layout| (layout, Vec::new(), None)).into() }
    }

    fn of(&mut self, layout: Layout) -> Option<&mut (Layout, Vec<Round>, Option<String>)> {
        self.rounds.iter_mut().find(|(of, ..)| *of == layout)
    }

    pub(super) fn note(&mut self, layout: Layout, round: Round) {
        if let Some((_, rounds, _)) = self.of(layout) {
            rounds.push(round);
        }
    }

    pub(super) fn fail(&mut self, layout: Layout, why: String) {
        if let Some((.., failed)) = self.of(layout) {
            failed.get_or_insert(why);
        }
    }

    pub(super) fn failures(&self) -> usize {
        self.rounds.iter().filter(|(.., failed)| failed.is_some()).count()
    }

    pub(super) fn json(&self) -> Figures<'_> {
        let rows: Vec<Row> =
            self.rounds.iter().filter_map(|(layout, rounds, failed)| row(*layout, rounds, failed)).collect();
        let ns = |layout: Layout| rows.iter().find(|row| row.layout == layout.name()).map(|row| row.packet_ns);
        let (alone, apart, crossed) = (ns(Layout::Alone), ns(Layout::Apart), ns(Layout::Crossed));
        let per_core = alone.zip(apart).map(|(alone, apart)| alone / apart);
        let handoff_ns = apart.zip(crossed).map(|(apart, crossed)| crossed - apart);
        Figures { fingerprint: &self.fingerprint, rows, per_core, handoff_ns }
    }

    pub(super) fn table(&self) -> String {
        let figures = self.json();
        let mut text = format!(
            "{:<8} {:>7} {:>9} {:>15} {:>11} {:>7}\n",
            "layout", "workers", "ns/packet", "min-max", "Mpps a core", "lost"
        );
        for row in &figures.rows {
            let span = format!("{:.1}-{:.1}", row.packet_ns_min, row.packet_ns_max);
            let Row { layout, workers, packet_ns, mpps_a_core, .. } = row;
            let lost = format!("{:.2} %", 100.0 * row.lost);
            text += &format!("{layout:<8} {workers:>7} {packet_ns:>9.1} {span:>15} {mpps_a_core:>11.2} {lost:>7}");
            text += if row.disturbed { "  disturbed" } else { "" };
            text += if row.lost > LOST_MAX { "  one worker stood back: the others' time counts for less" } else { "" };
            text += &row.failed.as_ref().map_or_else(String::new, |why| format!("  FAILED: {why}"));
            text.push('\n');
        }
        if let Some(share) = figures.per_core {
            text += &format!("each of two workers does {:.0} % of what one alone does\n", 100.0 * share);
        }
        if let Some(ns) = figures.handoff_ns {
            text += &format!("a handoff costs {ns:.1} ns of CPU time, giving and taking\n");
        }
        text
    }
}

/// The median round by cost.
fn row(layout: Layout, rounds: &[Round], failed: &Option<String>) -> Option<Row> {
    let mut sorted: Vec<&Round> = rounds.iter().collect();
    sorted.sort_by(|a, b| a.packet_ns().total_cmp(&b.packet_ns()));
    let (first, last) = (sorted.first()?, sorted.last()?);
    let median = sorted.get(sorted.len() / 2)?;
    Some(Row {
        layout: layout.name(),
        workers: layout.workers(),
        packet_ns: median.packet_ns(),
        packet_ns_min: first.packet_ns(),
        packet_ns_max: last.packet_ns(),
        mpps_a_core: median.mpps_a_core(),
        lost: median.lost(),
        rounds: sorted.len(),
        disturbed: median.is_disturbed(),
        failed: failed.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tests::second;

    fn round(costs_ms: &[u64], handed: u64) -> Round {
        Round { samples: costs_ms.iter().map(|&ms| second(10_000_000, ms)).collect(), handed, dropped: 0 }
    }

    fn report() -> Report {
        let mut report = Report::new(Fingerprint::of_now());
        report.note(Layout::Alone, round(&[400], 0));
        report.note(Layout::Apart, round(&[400, 480], 0));
        report.note(Layout::Crossed, round(&[600, 640], 20_000_000));
        report
    }

    #[test]
    fn the_price_of_a_handoff_is_what_crossing_adds() {
        let report = report();
        let figures = report.json();
        assert_eq!(figures.rows.iter().map(|row| row.packet_ns).collect::<Vec<_>>(), [40.0, 44.0, 62.0]);
        assert_eq!(figures.handoff_ns, Some(18.0));
        assert!((figures.per_core.unwrap() - 40.0 / 44.0).abs() < 1e-9);
        let table = report.table();
        assert!(
            table.contains("each of two workers does 91 %") && table.contains("a handoff costs 18.0 ns"),
            "{table}"
        );
    }

    #[test]
    fn what_did_not_go_the_way_it_should_is_no_figure() {
        assert_eq!(round(&[400, 400], 0).objection(Layout::Apart), None);
        assert!(round(&[400, 400], 1).objection(Layout::Apart).is_some());
        assert_eq!(round(&[400, 400], 20_000_000).objection(Layout::Crossed), None);
        assert!(round(&[400, 400], 10_000_000).objection(Layout::Crossed).is_some());
        let silent = Round { samples: vec![second(0, 1)], handed: 0, dropped: 0 };
        assert!(silent.objection(Layout::Alone).is_some());
    }

    #[test]
    fn a_layout_that_failed_says_why_and_the_others_stand() {
        let mut report = report();
        report.fail(Layout::Crossed, "no ports".to_owned());
        assert_eq!(report.failures(), 1);
        assert!(report.table().contains("FAILED: no ports"));
    }
}
