//! `perf compare`: the switch beside its peers, on the same packets in the same run.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{
    Compare, Failure,
    fingerprint::Fingerprint,
    kernel::Way,
    load::Shape,
    output, ovs, plot,
    report::{Rounds, Task, two_digits, two_digits_of_some},
    run::{self, Measured, Plan},
    sample::{Sample, median},
    testpmd::Mode,
    work::Work,
};

/// Five-tuples of the loads, where none are asked for. The last only where there is memory for it.
const FLOWS: [u32; 3] = [1000, 100_000, 1_000_000];

/// Hugepages of 2 MiB that OVS needs for the largest of them.
const PAGES_FOR_MOST: u64 = 3000;

const FULL: Plan = Plan {
    rounds: 5,
    load_max: Duration::MAX,
    warm_up: Duration::from_secs(1),
    window: Duration::from_secs(3),
    again: 2,
};

/// Four loads, less than five minutes in all.
const QUICK: Plan = Plan {
    rounds: 3,
    load_max: Duration::from_secs(66),
    warm_up: Duration::from_millis(300),
    window: Duration::from_millis(700),
    again: 1,
};

/// A switch to be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Peer {
    /// Open vSwitch with DPDK.
    Ovs,
    /// The kernel's bridge and VXLAN.
    Kernel,
}

/// One line: everybody's figures for one work on one load.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) flows: u32,
    /// testpmd io on the same load; CPU ns per packet, as everything here.
    #[serde(serialize_with = "two_digits_of_some")]
    pub(crate) floor_ns: Option<f64>,
    #[serde(serialize_with = "two_digits_of_some")]
    pub(crate) ours_ns: Option<f64>,
    #[serde(serialize_with = "two_digits_of_some")]
    pub(crate) ours_over_floor_ns: Option<f64>,
    /// The best and the worst round.
    pub(crate) ours_span: Option<Span>,
    pub(crate) peers: BTreeMap<Peer, Figures>,
    /// How many times as long OVS takes for a packet, floor and all.
    #[serde(serialize_with = "two_digits_of_some")]
    pub(crate) ratio_ovs: Option<f64>,
    /// Why something above is missing: a program that failed, or a poll core that was disturbed.
    pub(crate) refused: Vec<String>,
}

/// A peer's figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    #[serde(serialize_with = "two_digits")]
    pub(crate) ns: f64,
    /// Over its own floor: OVS's is ours; the kernel's is a veth pair that leads nowhere.
    #[serde(serialize_with = "two_digits_of_some")]
    pub(crate) over_floor_ns: Option<f64>,
    pub(crate) span: Span,
}

/// The best and the worst round, CPU ns per packet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Span {
    #[serde(serialize_with = "two_digits")]
    pub(crate) min: f64,
    #[serde(serialize_with = "two_digits")]
    pub(crate) max: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    fingerprint: Fingerprint,
    rows: Vec<Row>,
    /// The same with every packet of ours keyed by its five-tuple. The peers' figures are those of `rows`: OVS keeps its
    /// own choice of fields, which are MACs unless its exact-match cache holds the flow.
    five_tuple_rows: Vec<Row>,
}

/// Measures everybody, prints the table, and writes JSON and plots where asked.
pub(crate) fn run(arguments: &Compare) -> Result<(), Failure> {
    let settings = &arguments.measure;
    let peers = peers(&arguments.peer);
    let plan = if settings.quick { QUICK } else { FULL };
    let flows = if settings.flows.is_empty() { usual_flows(settings.quick) } else { settings.flows.clone() };
    let (fingerprint, measured) = run::run(settings, None, plan, &flows, |shape, flows_now| {
        let by_tuple = !settings.quick || flows.iter().max() == Some(&flows_now);
        tasks(shape, &settings.work, &peers, by_tuple)
    })?;
    let of = |ours: fn(Work) -> Task| measured.iter().flat_map(|load| rows(load, ours)).collect::<Vec<_>>();
    let (rows, five_tuple_rows) = (of(Task::Millraced), of(Task::FiveTuples));
    print!("{}", table(&rows));
    if !five_tuple_rows.is_empty() {
        println!("\nevery packet of ours keyed by its five-tuple; ovs and kernel as above, by what they choose:");
        print!("{}", table(&five_tuple_rows));
    }
    if let Some(folder) = &arguments.plots {
        output::draw_into(folder, |folder| plot::throughput(folder, &rows))?;
    }
    let report = Report { fingerprint, rows, five_tuple_rows };
    if let Some(path) = &settings.json {
        output::write_json(path, &report)?;
    }
    let refused = report.rows.iter().chain(&report.five_tuple_rows).filter(|row| !row.refused.is_empty()).count();
    if refused > 0 { Err(Failure::Refused(refused)) } else { Ok(()) }
}

fn usual_flows(quick: bool) -> Vec<u32> {
    let free = run::free_hugepages();
    let most = if quick || free < PAGES_FOR_MOST { 2 } else { 3 };
    if !quick && most < FLOWS.len() {
        let (flows, wanted) = (FLOWS[most], PAGES_FOR_MOST);
        eprintln!("skipped: {flows} flows: they need {wanted} free hugepages (sysctl vm.nr_hugepages), and {free} are");
    }
    FLOWS[..most].to_vec()
}

/// Those asked for that are here, all where none is asked for.
fn peers(wanted: &[Peer]) -> Vec<Peer> {
    let mut peers = if wanted.is_empty() { vec![Peer::Ovs, Peer::Kernel] } else { wanted.to_vec() };
    if peers.contains(&Peer::Ovs) && !ovs::is_installed() {
        eprintln!("skipped: ovs: {} is not there (Debian: `apt install openvswitch-switch-dpdk`)", ovs::VSWITCHD);
        peers.retain(|&peer| peer != Peer::Ovs);
    }
    peers
}

/// What is done to loads of one shape: the floors first. `by_tuple`: tunnels also with packets keyed by their five-tuples.
fn tasks(shape: Shape, wanted: &[Work], peers: &[Peer], by_tuple: bool) -> Vec<Task> {
    let work: Vec<_> = Work::of(shape, wanted).collect();
    if work.is_empty() {
        return Vec::new();
    }
    let mut tasks = vec![Task::Testpmd(Mode::Io)];
    if peers.contains(&Peer::Kernel) {
        tasks.push(Task::Kernel(Way::Nowhere));
    }
    for work in work {
        tasks.push(Task::Millraced(work));
        if by_tuple && work != Work::L2 {
            tasks.push(Task::FiveTuples(work));
        }
        tasks.extend(peers.iter().map(|peer| match peer {
            Peer::Ovs => Task::Ovs(work),
            Peer::Kernel => Task::Kernel(Way::To(work)),
        }));
    }
    tasks
}

/// The rows of one load: one for each work that was done to it by us in the way that `ours` says.
fn rows(measured: &Measured, ours: fn(Work) -> Task) -> Vec<Row> {
    let is_done = |work: &Work| measured.all.iter().any(|rounds| rounds.task == ours(*work));
    Work::ALL.into_iter().filter(is_done).map(|work| row(work, ours(work), measured)).collect()
}

/// One row; a figure that must not be compared is not in it, and why is.
fn row(work: Work, ours: Task, measured: &Measured) -> Row {
    let mut refused = Vec::new();
    let mut of = |task: Task| {
        let rounds = measured.all.iter().find(|rounds| rounds.task == task)?;
        usable(rounds).map_err(|why| refused.push(format!("{} {}: {why}", task.program(), task.work()))).ok()
    };
    let floor = of(Task::Testpmd(Mode::Io)).map(|(ns, _)| ns);
    let kernel_floor = of(Task::Kernel(Way::Nowhere)).map(|(ns, _)| ns);
    let ours = of(ours);
    let mut peers = BTreeMap::new();
    let all = [(Peer::Ovs, Task::Ovs(work), floor), (Peer::Kernel, Task::Kernel(Way::To(work)), kernel_floor)];
    for (peer, task, floor) in all {
        if let Some((ns, span)) = of(task) {
            peers.insert(peer, Figures { ns, over_floor_ns: floor.map(|floor| ns - floor), span });
        }
    }
    let ours_ns = ours.map(|(ns, _)| ns);
    Row {
        work: work.name(),
        flows: measured.flows,
        floor_ns: floor,
        ours_ns,
        ours_over_floor_ns: ours_ns.zip(floor).map(|(ours, floor)| ours - floor),
        ours_span: ours.map(|(_, span)| span),
        ratio_ovs: ours_ns.zip(peers.get(&Peer::Ovs)).map(|(ours, ovs)| ovs.ns / ours),
        peers,
        refused,
    }
}

/// The median and the span of rounds that may be compared; else why they may not.
fn usable(rounds: &Rounds) -> Result<(f64, Span), String> {
    if let Some(why) = &rounds.failed {
        return Err(why.clone());
    }
    let middle = median(&rounds.samples).ok_or("no round was run")?;
    if middle.is_disturbed() {
        return Err(middle.disturbance.to_string());
    }
    let all = || rounds.samples.iter().map(Sample::packet_ns);
    let span = Span { min: all().fold(f64::INFINITY, f64::min), max: all().fold(0.0, f64::max) };
    Ok((middle.packet_ns(), span))
}

/// The table: ns per packet, ns over the floor, best and worst round, and how many times as long OVS takes.
fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<11} {:>7} {:>6} | {:>6} {:>6} {:>13} | {:>6} {:>6} {:>13} {:>6} | {:>7} {:>7}\n",
        "work", "flows", "floor", "ours", "over", "min-max", "ovs", "over", "min-max", "ratio", "kernel", "over"
    );
    let number = |ns: Option<f64>| ns.map_or("-".to_owned(), |ns| format!("{ns:.1}"));
    let span = |span: Option<Span>| span.map_or("-".to_owned(), |Span { min, max }| format!("{min:.1}-{max:.1}"));
    for row in rows {
        let (ovs, kernel) = (row.peers.get(&Peer::Ovs), row.peers.get(&Peer::Kernel));
        let (ns, over) = (|f: Option<&Figures>| f.map(|f| f.ns), |f: Option<&Figures>| f.and_then(|f| f.over_floor_ns));
        text += &format!(
            "{:<11} {:>7} {:>6} | {:>6} {:>6} {:>13} | {:>6} {:>6} {:>13} {:>6} | {:>7} {:>7}\n",
            row.work,
            row.flows,
            number(row.floor_ns),
            number(row.ours_ns),
            number(row.ours_over_floor_ns),
            span(row.ours_span),
            number(ns(ovs)),
            number(over(ovs)),
            span(ovs.map(|f| f.span)),
            row.ratio_ovs.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x")),
            number(ns(kernel)),
            number(over(kernel)),
        );
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

    const BOTH: [Peer; 2] = [Peer::Ovs, Peer::Kernel];

    fn rounds(task: Task, packets: u64) -> Rounds {
        Rounds { samples: vec![second(packets, 1000)], ..Rounds::new(task) }
    }

    fn measured() -> Measured {
        let all = vec![
            rounds(Task::Testpmd(Mode::Io), 80_000_000),
            rounds(Task::Kernel(Way::Nowhere), 2_000_000),
            rounds(Task::Millraced(Work::L2), 25_000_000),
            rounds(Task::Ovs(Work::L2), 10_000_000),
            rounds(Task::Kernel(Way::To(Work::L2)), 1_000_000),
        ];
        Measured { shape: Shape::Plain, flows: 1000, all }
    }

    #[test]
    fn every_work_has_its_peers_beside_it() {
        let plain = tasks(Shape::Plain, &[], &BOTH, false);
        assert_eq!(plain.len(), 2 + 2 * 3);
        assert_eq!(plain[2..5], measured().all.iter().map(|rounds| rounds.task).collect::<Vec<_>>()[2..]);
        assert_eq!(tasks(Shape::Vxlan, &[Work::VxlanDecap], &[], false).len(), 2);
        assert_eq!(tasks(Shape::Vxlan, &[Work::L2], &BOTH, true), []);
        let by_tuple = tasks(Shape::Plain, &[], &BOTH, true);
        assert_eq!(
            by_tuple.iter().filter(|task| !plain.contains(task)).collect::<Vec<_>>(),
            [&Task::FiveTuples(Work::VxlanEncap)]
        );
    }

    #[test]
    fn keyed_by_five_tuples_it_is_another_row_beside_the_same_peers() {
        let mut measured = measured();
        measured.all.push(rounds(Task::FiveTuples(Work::L2), 20_000_000));
        let [by_mac, by_tuple] = [Task::Millraced, Task::FiveTuples].map(|ours| rows(&measured, ours));
        assert_eq!((by_mac[0].ours_ns, by_tuple[0].ours_ns), (Some(40.0), Some(50.0)));
        assert_eq!((by_tuple[0].work, by_tuple[0].ratio_ovs), ("l2", Some(2.0)));
        assert_eq!(by_mac[0].peers, by_tuple[0].peers);
    }

    #[test]
    fn a_row_says_what_each_costs_over_its_own_floor() {
        let rows = rows(&measured(), Task::Millraced);
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.work, row.flows, row.floor_ns), ("l2", 1000, Some(12.5)));
        assert_eq!((row.ours_ns, row.ours_over_floor_ns, row.ratio_ovs), (Some(40.0), Some(27.5), Some(2.5)));
        assert_eq!((row.peers[&Peer::Ovs].ns, row.peers[&Peer::Ovs].over_floor_ns), (100.0, Some(87.5)));
        assert_eq!(row.peers[&Peer::Kernel].over_floor_ns, Some(500.0));
        let json = serde_json::to_value(row).unwrap();
        assert_eq!(json["peers"]["ovs"]["over_floor_ns"], 87.5);
        let text = table(&rows);
        let line = text.lines().nth(1).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[..6], ["l2", "1000", "12.5", "|", "40.0", "27.5"], "{text}");
        assert!(line.contains(" 2.50x "), "{text}");
    }

    #[test]
    fn a_disturbed_core_is_not_compared() {
        let mut measured = measured();
        measured.all[3].samples[0].disturbance = Disturbance { switches: 60, ..Disturbance::default() };
        let row = &rows(&measured, Task::Millraced)[0];
        assert!(!row.peers.contains_key(&Peer::Ovs) && row.ratio_ovs.is_none());
        assert_eq!(row.refused, ["ovs l2: disturbed: 60 switches, 0 ms waiting, 0 ms stolen"]);
        assert!(table(std::slice::from_ref(row)).contains("    not compared: ovs l2: disturbed: 60 switches"));
    }

    #[test]
    fn what_failed_is_missing_and_says_why() {
        let mut measured = measured();
        measured.all[0].failed = Some("no such program".to_owned());
        let row = &rows(&measured, Task::Millraced)[0];
        assert_eq!((row.floor_ns, row.ours_over_floor_ns, row.ours_ns), (None, None, Some(40.0)));
        assert_eq!(row.refused, ["testpmd io: no such program"]);
    }
}
