//! `perf compare`: the switch beside its peers, on the same packets in the same run.

mod table;

use std::{collections::BTreeMap, error::Error, path::Path, time::Duration};

use serde::Serialize;

use table::table;

use crate::{
    Compare, Failure, acl,
    fingerprint::Fingerprint,
    kernel::Way,
    load::Shape,
    output, ovs, plot,
    report::{Rounds, Task, two_digits, two_digits_of_some},
    run::{self, Measured, Plan},
    sample::{Sample, median},
    spread::{self, Spread},
    testpmd::Mode,
    work::Work,
};

/// Five-tuples of the loads, where none are asked for. The last only where there is memory for it.
const FLOWS: [u32; 3] = [1000, 100_000, 1_000_000];

/// Five-tuples of the loads of a curve.
const CURVE: [u32; 7] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

/// Hugepages of 2 MiB that OVS needs for the largest of them.
const PAGES_FOR_MOST: u64 = 3000;
/// The same without OVS.
const PAGES_FOR_CURVE: u64 = 1500;

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
    /// The best and the worst round.
    pub(crate) floor_span: Option<Span>,
    #[serde(serialize_with = "two_digits_of_some")]
    pub(crate) ours_ns: Option<f64>,
    #[serde(serialize_with = "two_digits_of_some")]
    pub(crate) ours_over_floor_ns: Option<f64>,
    /// As of the floor.
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
    /// The same with every packet of ours keyed by its five-tuple, and OVS behind an access list that makes it look at ports.
    /// The kernel's figures are those of `rows`.
    five_tuple_rows: Vec<Row>,
    /// Of a curve: the dearest number of five-tuples beside the cheapest.
    spreads: Vec<Spread>,
}

/// Measures everybody, prints the table, and writes JSON and plots where asked.
pub(crate) fn run(arguments: &Compare) -> Result<(), Failure> {
    let settings = &arguments.measure;
    let peers = peers(arguments);
    let plan = if settings.quick { QUICK } else { FULL };
    let flows = if settings.flows.is_empty() { usual_flows(arguments) } else { settings.flows.clone() };
    let (fingerprint, measured) = run::run(settings, None, plan, &flows, |shape, flows_now| {
        let by_tuple = !settings.quick || flows.iter().max() == Some(&flows_now);
        let tasks = tasks(shape, &settings.work, &peers, by_tuple || arguments.curve);
        if arguments.curve { on_the_curve(tasks) } else { tasks }
    })?;
    let of = |sides: Sides| measured.iter().flat_map(|load| rows(load, sides)).collect::<Vec<_>>();
    let (rows, five_tuple_rows) = (of(BY_MACS), of(BY_TUPLES));
    let spreads = if arguments.curve { spread::of_each_work(&five_tuple_rows) } else { Vec::new() };
    let report = Report { fingerprint, rows, five_tuple_rows, spreads };
    print!("{}", report.tables());
    if let Some(folder) = &arguments.plots {
        output::draw_into(folder, |folder| report.draw(folder))?;
    }
    if let Some(path) = &settings.json {
        output::write_json(path, &report)?;
    }
    let refused = report.rows.iter().chain(&report.five_tuple_rows).filter(|row| !row.refused.is_empty()).count();
    if refused > 0 { Err(Failure::Refused(refused)) } else { Ok(()) }
}

impl Report {
    fn tables(&self) -> String {
        let mut text = if self.rows.is_empty() { String::new() } else { table(&self.rows) };
        if !self.five_tuple_rows.is_empty() {
            text += &format!(
                "\nevery packet of ours keyed by its five-tuple; ovs behind {} rules with masks on addresses and ports, so \
                 that it\nlooks at five-tuples, too; the kernel as above:\n",
                acl::RULES
            );
            text += &table(&self.five_tuple_rows);
        }
        text + &spread::table(&self.spreads)
    }

    fn draw(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        plot::throughput(folder, "", &self.rows)?;
        plot::throughput(folder, "-five-tuple", &self.five_tuple_rows)
    }
}

/// Of these tasks the floors, and tunnels with every packet keyed by its five-tuple, beside their peers.
fn on_the_curve(mut tasks: Vec<Task>) -> Vec<Task> {
    let others = |task: &Task| matches!(task, Task::Millraced(_) | Task::Ovs(_) | Task::Kernel(Way::To(Work::L2)));
    tasks.retain(|task| !others(task));
    tasks
}

/// The last where there are hugepages for it only.
fn usual_flows(arguments: &Compare) -> Vec<u32> {
    let (free, quick) = (run::free_hugepages(), arguments.measure.quick);
    let (mut flows, wanted) = match arguments.curve {
        true => (CURVE.to_vec(), PAGES_FOR_CURVE),
        false => (FLOWS.to_vec(), PAGES_FOR_MOST),
    };
    if (!quick || arguments.curve) && free < wanted {
        let most = flows.last().copied().unwrap_or_default();
        eprintln!("skipped: {most} flows: they need {wanted} free hugepages (sysctl vm.nr_hugepages), and {free} are");
    }
    if quick && !arguments.curve || free < wanted {
        flows.pop();
    }
    flows
}

/// Those asked for that are here, all where none is asked for and there is something to compare them in.
fn peers(arguments: &Compare) -> Vec<Peer> {
    let wanted = &arguments.peer;
    if arguments.measure.burst.is_some() {
        eprintln!("skipped: ovs, kernel: how many frames they take at once cannot be set");
        return Vec::new();
    }
    if wanted.is_empty() && arguments.curve {
        return Vec::new();
    }
    let mut peers = if wanted.is_empty() { vec![Peer::Ovs, Peer::Kernel] } else { wanted.clone() };
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
            tasks.extend(peers.contains(&Peer::Ovs).then_some(Task::OvsByRules(work)));
        }
        tasks.extend(peers.iter().map(|peer| match peer {
            Peer::Ovs => Task::Ovs(work),
            Peer::Kernel => Task::Kernel(Way::To(work)),
        }));
    }
    tasks
}

/// Who is beside whom in a row: us and OVS.
#[derive(Clone, Copy)]
struct Sides {
    ours: fn(Work) -> Task,
    ovs: fn(Work) -> Task,
}

const BY_MACS: Sides = Sides { ours: Task::Millraced, ovs: Task::Ovs };
const BY_TUPLES: Sides = Sides { ours: Task::FiveTuples, ovs: Task::OvsByRules };

/// The rows of one load: one for each work that was done to it by us in the way that `sides` says.
fn rows(measured: &Measured, sides: Sides) -> Vec<Row> {
    let is_done = |work: &Work| measured.all.iter().any(|rounds| rounds.task == (sides.ours)(*work));
    Work::ALL.into_iter().filter(is_done).map(|work| row(work, sides, measured)).collect()
}

/// One row; a figure that must not be compared is not in it, and why is.
fn row(work: Work, sides: Sides, measured: &Measured) -> Row {
    let mut refused = Vec::new();
    let mut of = |task: Task| {
        let rounds = measured.all.iter().find(|rounds| rounds.task == task)?;
        usable(rounds).map_err(|why| refused.push(format!("{} {}: {why}", task.program(), task.work()))).ok()
    };
    let floor_and_span = of(Task::Testpmd(Mode::Io));
    let floor = floor_and_span.map(|(ns, _)| ns);
    let kernel_floor = of(Task::Kernel(Way::Nowhere)).map(|(ns, _)| ns);
    let ours = of((sides.ours)(work));
    let mut peers = BTreeMap::new();
    let all = [(Peer::Ovs, (sides.ovs)(work), floor), (Peer::Kernel, Task::Kernel(Way::To(work)), kernel_floor)];
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
        floor_span: floor_and_span.map(|(_, span)| span),
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
            [&Task::FiveTuples(Work::VxlanEncap), &Task::OvsByRules(Work::VxlanEncap)]
        );
    }

    #[test]
    fn a_curve_has_the_floors_and_what_is_keyed_by_five_tuples() {
        let curve = |peers: &[Peer]| on_the_curve(tasks(Shape::Plain, &[], peers, true));
        assert_eq!(curve(&[]), [Task::Testpmd(Mode::Io), Task::FiveTuples(Work::VxlanEncap)]);
        assert_eq!(curve(&[Peer::Ovs]).len(), 3);
        assert_eq!(curve(&BOTH).len(), 5);
    }

    #[test]
    fn keyed_by_five_tuples_it_is_another_row_beside_an_ovs_that_looks_at_ports() {
        let mut measured = measured();
        measured.all.push(rounds(Task::FiveTuples(Work::L2), 20_000_000));
        measured.all.push(rounds(Task::OvsByRules(Work::L2), 5_000_000));
        let [by_mac, by_tuple] = [BY_MACS, BY_TUPLES].map(|sides| rows(&measured, sides));
        assert_eq!((by_mac[0].ours_ns, by_tuple[0].ours_ns), (Some(40.0), Some(50.0)));
        assert_eq!((by_tuple[0].work, by_mac[0].ratio_ovs, by_tuple[0].ratio_ovs), ("l2", Some(2.5), Some(4.0)));
        assert_eq!(by_mac[0].peers[&Peer::Kernel], by_tuple[0].peers[&Peer::Kernel]);
    }

    #[test]
    fn a_row_says_what_each_costs_over_its_own_floor() {
        let rows = rows(&measured(), BY_MACS);
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
        let row = &rows(&measured, BY_MACS)[0];
        assert!(!row.peers.contains_key(&Peer::Ovs) && row.ratio_ovs.is_none());
        assert_eq!(row.refused, ["ovs l2: disturbed: 60 switches, 0 ms waiting, 0 ms stolen"]);
        assert!(table(std::slice::from_ref(row)).contains("    not compared: ovs l2: disturbed: 60 switches"));
    }

    #[test]
    fn what_failed_is_missing_and_says_why() {
        let mut measured = measured();
        measured.all[0].failed = Some("no such program".to_owned());
        let row = &rows(&measured, BY_MACS)[0];
        assert_eq!((row.floor_ns, row.ours_over_floor_ns, row.ours_ns), (None, None, Some(40.0)));
        assert_eq!(row.refused, ["testpmd io: no such program"]);
    }
}
