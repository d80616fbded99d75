//! The figures, as a table and as what goes into JSON.

use serde::{Serialize, Serializer};

use crate::{
    fingerprint::Fingerprint,
    kernel::Way,
    load::Shape,
    sample::{Sample, median},
    testpmd::Mode,
    work::Work,
};

/// A program doing one kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Testpmd(Mode),
    Millraced(Work),
    /// The same, every packet keyed by its five-tuple.
    FiveTuples(Work),
    /// Another build of it.
    Beside(Work),
    Ovs(Work),
    /// The same behind an access list, for which it has to look at ports.
    OvsByRules(Work),
    Kernel(Way),
}

impl Task {
    pub(crate) fn program(self) -> &'static str {
        match self {
            Task::Testpmd(_) => "testpmd",
            Task::Millraced(_) => "millraced",
            Task::FiveTuples(_) => "millraced by five-tuples",
            Task::Beside(_) => "beside",
            Task::Ovs(_) => "ovs",
            Task::OvsByRules(_) => "ovs by rules",
            Task::Kernel(_) => "kernel",
        }
    }

    pub(crate) fn work(self) -> &'static str {
        match self {
            Task::Testpmd(mode) => mode.name(),
            Task::Millraced(work) | Task::FiveTuples(work) | Task::Beside(work) => work.name(),
            Task::Ovs(work) | Task::OvsByRules(work) => work.name(),
            Task::Kernel(Way::To(work)) => work.name(),
            Task::Kernel(Way::Nowhere) => "nowhere",
        }
    }
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) rows: Vec<Row>,
}

/// One line: a program doing one kind of work on one load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) program: &'static str,
    pub(crate) work: &'static str,
    pub(crate) shape: Shape,
    pub(crate) flows: u32,
    #[serde(flatten)]
    pub(crate) figures: Option<Figures>,
    /// Why there are no figures, or why they must not be used.
    pub(crate) failed: Option<String>,
}

/// The median round of a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Millions of packets per second of wall time.
    #[serde(serialize_with = "two_digits")]
    mpps: f64,
    /// CPU time of the polling thread per packet.
    #[serde(serialize_with = "two_digits")]
    packet_ns: f64,
    /// The same in the best round, and in the worst.
    #[serde(serialize_with = "two_digits")]
    packet_ns_min: f64,
    #[serde(serialize_with = "two_digits")]
    packet_ns_max: f64,
    /// CPU time per packet above passing it on (testpmd io) on the same load, where that was measured.
    #[serde(serialize_with = "two_digits_of_some")]
    over_io_ns: Option<f64>,
    /// Packets per CPU time, as a share of io's on the same load.
    #[serde(serialize_with = "two_digits_of_some")]
    io_ratio: Option<f64>,
    /// Rounds that gave figures.
    rounds: usize,
    /// What kept the polling thread from polling in the median round.
    switches: u64,
    #[serde(serialize_with = "two_digits")]
    waited_ms: f64,
    #[serde(serialize_with = "two_digits")]
    stolen_ms: f64,
    /// Whether that was enough to spoil the figures.
    disturbed: bool,
}

pub(crate) fn two_digits<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((number * 100.0).round() / 100.0)
}

pub(crate) fn two_digits_of_some<S: Serializer>(number: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => two_digits(number, to),
        None => to.serialize_none(),
    }
}

/// All rounds of one task on one load.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) task: Task,
    pub(crate) samples: Vec<Sample>,
    /// The first thing that went wrong.
    pub(crate) failed: Option<String>,
}

impl Rounds {
    pub(crate) fn new(task: Task) -> Rounds {
        Rounds { task, samples: Vec::new(), failed: None }
    }

    /// The row these rounds come to, beside what io took on the same load.
    pub(crate) fn row(self, shape: Shape, flows: u32, io: Option<Sample>) -> Row {
        let (program, work) = (self.task.program(), self.task.work());
        Row { program, work, shape, flows, figures: figures(&self.samples, io), failed: self.failed }
    }
}

fn figures(samples: &[Sample], io: Option<Sample>) -> Option<Figures> {
    let sample = median(samples)?;
    let all_ns = || samples.iter().map(Sample::packet_ns);
    let (packet_ns, io_ns) = (sample.packet_ns(), io.map(|io| io.packet_ns()));
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    Some(Figures {
        mpps: sample.mpps(),
        packet_ns,
        packet_ns_min: all_ns().fold(f64::INFINITY, f64::min),
        packet_ns_max: all_ns().fold(0.0, f64::max),
        over_io_ns: io_ns.map(|io_ns| packet_ns - io_ns),
        io_ratio: io_ns.map(|io_ns| io_ns / packet_ns.max(f64::EPSILON)),
        rounds: samples.len(),
        switches: sample.disturbance.switches,
        waited_ms: ms(sample.disturbance.waited),
        stolen_ms: ms(sample.disturbance.stolen),
        disturbed: sample.is_disturbed(),
    })
}

/// The table, a header and a line per row.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<9} {:<11} {:<5} {:>7} {:>7} {:>9} {:>15} {:>10} {:>6}\n",
        "program", "work", "load", "flows", "Mpps", "ns/packet", "min-max", "ns over io", "of io"
    );
    for row in rows {
        let Row { program, work, flows, .. } = row;
        text += &format!("{program:<9} {work:<11} {:<5} {flows:>7}{}", row.shape.name(), columns(row.figures.as_ref()));
        if let Some(why) = &row.failed {
            text += &format!("  FAILED: {why}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn columns(figures: Option<&Figures>) -> String {
    let Some(f) = figures else { return String::new() };
    let span = format!("{:.1}-{:.1}", f.packet_ns_min, f.packet_ns_max);
    let over = f.over_io_ns.map_or("-".to_owned(), |ns| format!("{ns:.1}"));
    let ratio = f.io_ratio.map_or("-".to_owned(), |ratio| format!("{:.0}%", ratio * 100.0));
    let mut text = format!(" {:>7.1} {:>9.1} {span:>15} {over:>10} {ratio:>6}", f.mpps, f.packet_ns);
    if f.disturbed {
        let Figures { switches, waited_ms, stolen_ms, .. } = f;
        text += &format!("  disturbed: {switches} switches, {waited_ms:.0} ms waiting, {stolen_ms:.0} ms stolen");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample::{Disturbance, tests::second};

    fn rounds(task: Task, samples: &[Sample]) -> Rounds {
        Rounds { samples: samples.to_vec(), ..Rounds::new(task) }
    }

    #[test]
    fn a_row_is_relative_to_io_in_cpu_time() {
        let samples = [second(40_000_000, 800), second(40_000_000, 720), second(40_000_000, 840)];
        let row = rounds(Task::Testpmd(Mode::Macswap), &samples).row(Shape::Plain, 1000, Some(second(40, 0)));
        let figures = row.figures.unwrap();
        assert_eq!((figures.mpps, figures.packet_ns, figures.over_io_ns), (40.0, 20.0, Some(20.0)));
        assert_eq!((figures.packet_ns_min, figures.packet_ns_max, figures.rounds), (18.0, 21.0, 3));
        let io = Some(second(40_000_000, 600));
        let row = rounds(Task::Millraced(Work::L2), &samples[..1]).row(Shape::Plain, 1000, io);
        assert_eq!((row.program, row.work), ("millraced", "l2"));
        assert_eq!(row.figures.unwrap().io_ratio, Some(0.75));
    }

    #[test]
    fn the_table_has_a_line_per_row() {
        let io = second(50_000_000, 1000);
        let text = table(&[rounds(Task::Testpmd(Mode::Io), &[io]).row(Shape::Vxlan, 100_000, Some(io))]);
        let expected = "testpmd   io          vxlan  100000    50.0      20.0       20.0-20.0        0.0   100%";
        assert_eq!(text.lines().nth(1), Some(expected));
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_disturbed_row_says_by_what() {
        let disturbance = Disturbance { switches: 7, waited: Duration::from_millis(50), stolen: Duration::ZERO };
        let sample = Sample { disturbance, ..second(50_000_000, 900) };
        let text = table(&[rounds(Task::Millraced(Work::L2), &[sample]).row(Shape::Plain, 1, None)]);
        assert!(text.ends_with("-      -  disturbed: 7 switches, 50 ms waiting, 0 ms stolen\n"), "{text}");
    }

    #[test]
    fn a_failed_row_says_why_and_has_no_figures() {
        let rounds = Rounds { failed: Some("no frame came in".to_owned()), ..Rounds::new(Task::Millraced(Work::L2)) };
        let row = rounds.row(Shape::Plain, 1, None);
        assert_eq!(
            table(std::slice::from_ref(&row)).lines().nth(1),
            Some("millraced l2          plain       1  FAILED: no frame came in")
        );
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["failed"], "no frame came in");
        assert!(json.get("mpps").is_none(), "{json}");
    }

    #[test]
    fn the_json_is_flat_and_rounded() {
        let row = rounds(Task::Millraced(Work::VxlanDecap), &[second(30_000_000, 1000)]).row(Shape::Vxlan, 1, None);
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!((&json["work"], &json["shape"]), (&"vxlan-decap".into(), &"vxlan".into()));
        assert_eq!(json["packet_ns"], 33.33);
        assert!(json["over_io_ns"].is_null() && json["failed"].is_null() && json["disturbed"] == false);
    }
}
