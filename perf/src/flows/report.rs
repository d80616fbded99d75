//! What was found, what should have been, as tables and as JSON.

use serde::Serialize;

use crate::{
    fingerprint::Fingerprint,
    flows::{
        LIVE,
        change::Changed,
        curve::Point,
        endure::Endured,
        setup::{SetUp, Stay},
    },
};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) curve: Vec<Point>,
    pub(crate) attacks: Vec<Point>,
    pub(crate) set_up: Vec<SetUp>,
    pub(crate) stays: Vec<Stay>,
    pub(crate) changes: Vec<Changed>,
    pub(crate) endurance: Option<Endured>,
    pub(crate) properties: Vec<Property>,
}

/// Something that shall hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) limit: f64,
    pub(crate) found: f64,
    /// `None` where others came between too often to tell.
    pub(crate) holds: Option<bool>,
}

/// The worst cost over the floor is so many times the best, up to a million flows.
const SPREAD_MAX: f64 = 2.0;
/// An attacker without the key costs so many times what others do.
const ATTACK_MAX: f64 = 1.25;
/// New flows a second with a million live ones.
const SET_UP_MIN: f64 = 1.5e6;
/// New flows in a full table cost so many times what they do where there is room.
const CHURN_MAX: f64 = 1.25;
/// How long a packet of an established flow may wait, in microseconds.
const WAIT_MAX_US: f64 = 100.0;
/// What a thousand changes elsewhere may cost, as a share.
const CHANGES_MAX: f64 = 0.05;
/// Octets by which the process may grow while flows come and go: what the allocator may keep of the measurement itself.
const GROWN_MAX: f64 = 256.0 * 1024.0;

impl Report {
    pub(crate) fn new(fingerprint: Fingerprint) -> Report {
        Report {
            fingerprint,
            curve: Vec::new(),
            attacks: Vec::new(),
            set_up: Vec::new(),
            stays: Vec::new(),
            changes: Vec::new(),
            endurance: None,
            properties: Vec::new(),
        }
    }

    /// Compares what was measured with what shall hold.
    pub(crate) fn judge(&mut self) {
        let all = [
            self.spread(),
            self.attack(),
            self.set_up_rate(),
            self.churn(),
            self.wait(),
            self.dearest_change(),
            self.growth(),
        ];
        self.properties = all.into_iter().flatten().collect();
    }

    fn spread(&self) -> Option<Property> {
        let points = || self.curve.iter().filter(|point| point.flows <= LIVE);
        let costs = || points().map(|point| point.over_floor_ns);
        let (best, worst) = (costs().reduce(f64::min)?, costs().reduce(f64::max)?);
        let sound = points().all(Point::is_sound);
        Some(at_most("worst over best cost, 1 to 1M flows", SPREAD_MAX, worst / best.max(0.1), sound))
    }

    fn attack(&self) -> Option<Property> {
        let cost = |place: usize| self.attacks.get(place);
        let (plain, attack) = (cost(0)?, cost(1)?);
        let found = attack.over_floor_ns / plain.over_floor_ns.max(0.1);
        Some(at_most("attack on the hash without its key", ATTACK_MAX, found, plain.is_sound() && attack.is_sound()))
    }

    fn of(&self, what: &str) -> Option<&SetUp> {
        self.set_up.iter().find(|set_up| set_up.what == what)
    }

    fn set_up_rate(&self) -> Option<Property> {
        let new = self.of("new")?;
        let (limit, found) = (SET_UP_MIN, new.flows_per_s);
        let holds = new.cost.is_sound().then_some(found >= limit);
        Some(Property { name: "new flows a second, 1M live (at least)", limit, found, holds })
    }

    fn churn(&self) -> Option<Property> {
        let (decide, churn) = (self.of("decide")?, self.of("churn")?);
        let sound = decide.cost.is_sound() && churn.cost.is_sound();
        Some(at_most("churn over decide", CHURN_MAX, churn.cost.ns / decide.cost.ns, sound))
    }

    fn wait(&self) -> Option<Property> {
        let with_new = || self.stays.iter().filter(|stay| stay.with_new);
        let worst =
            with_new().max_by(|a, b| f64::total_cmp(&a.wait_us().unwrap_or(0.0), &b.wait_us().unwrap_or(0.0)))?;
        let found = worst.wait_us()?;
        // A machine that makes nothing at all wait for most of it proves nothing.
        let sound = found <= WAIT_MAX_US || found - worst.machine_us().unwrap_or(0.0) > WAIT_MAX_US;
        let counted = self.stays.iter().all(|stay| stay.windows > 0);
        Some(at_most("wait beside new flows, 999 in 1,000, us", WAIT_MAX_US, found, sound && counted))
    }

    fn growth(&self) -> Option<Property> {
        let found = self.endurance?;
        Some(at_most(
            "octets grown while flows come and go",
            GROWN_MAX,
            found.grown() as f64,
            found.resident_before > 0,
        ))
    }

    fn dearest_change(&self) -> Option<Property> {
        let found = self.changes.iter().map(|changed| changed.more).reduce(f64::max)?;
        let sound = self.changes.iter().all(|changed| changed.sound);
        Some(at_most("1,000 changes a second elsewhere", CHANGES_MAX, found, sound))
    }
}

fn at_most(name: &'static str, limit: f64, found: f64, sound: bool) -> Property {
    Property { name, limit, found, holds: sound.then_some(found <= limit) }
}

pub(crate) fn tables(report: &Report) -> String {
    let mut text = String::new();
    text += &pages(report.fingerprint.hugepages);
    text += &curve(&report.curve);
    text += &curve(&report.attacks);
    text += &set_up(&report.set_up);
    text += &stays(&report.stays);
    text += &changes(&report.changes);
    text += &report.endurance.as_ref().map(endurance).unwrap_or_default();
    for Property { name, limit, found, holds } in &report.properties {
        let holds = match holds {
            Some(true) => "holds",
            Some(false) => "DOES NOT HOLD",
            None => "unknown: others came between too often",
        };
        text += &format!("{name:<42} {found:>12.2}  limit {limit:>10.2}  {holds}\n");
    }
    text
}

/// Where the tables lay.
fn pages(huge: bool) -> String {
    format!("tables on {}\n", if huge { "hugepages" } else { "ordinary pages, which a switch should not have" })
}

fn curve(points: &[Point]) -> String {
    let mut text = String::new();
    if !points.is_empty() {
        text += &format!(
            "{:<22} {:>8} {:>8} {:>15} {:>7} {:>7} {:>7} {:>7} {:>8} {:>9}\n",
            "load", "flows", "ns", "p50-p90", "floor", "times", "aging", "over", "misses", "disturbed"
        );
    }
    for Point { load, flows, ours, floor, beyond, aging, over_floor_ns, misses, .. } in points {
        text += &format!(
            "{load:<22} {flows:>8} {:>8.1} {:>15} {:>7.1} {:>7.2} {:>6.1}% {over_floor_ns:>7.1} {:>7.2}% {:>9}\n",
            ours.ns,
            format!("{:.1}-{:.1}", ours.ns_p50, ours.ns_p90),
            floor.ns,
            beyond.floors,
            aging * 100.0,
            misses * 100.0,
            format!("{}/{}", ours.disturbed, ours.disturbed + ours.windows),
        );
    }
    if !points.is_empty() {
        text += "    over: ns beyond the floor at the speed of the run's fastest floor, of times at that speed, and aging\n";
    }
    text
}

fn set_up(rows: &[SetUp]) -> String {
    let mut text = String::new();
    if !rows.is_empty() {
        text += &format!(
            "{:<8} {:>8} {:>8} {:>15} {:>10} {:>8} {:>9}\n",
            "flows", "live", "ns", "p50-p90", "a second", "evicted", "disturbed"
        );
    }
    for SetUp { what, live, cost, flows_per_s, evicted } in rows {
        text += &format!(
            "{what:<8} {live:>8} {:>8.1} {:>15} {flows_per_s:>10.0} {:>7.1}% {:>9}\n",
            cost.ns,
            format!("{:.1}-{:.1}", cost.ns_p50, cost.ns_p90),
            evicted * 100.0,
            format!("{}/{}", cost.disturbed, cost.disturbed + cost.windows),
        );
    }
    text
}

fn stays(rows: &[Stay]) -> String {
    let mut text = String::new();
    if !rows.is_empty() {
        text += &format!(
            "{:<14} {:>5} {:>9} {:>8} {:>8} {:>8} {:>9}\n",
            "microseconds", "burst", "p50", "p99", "p99.9", "max", "disturbed"
        );
    }
    for row in rows {
        let name = if row.with_new { "beside new" } else { "known only" };
        let found = [row.residence_us, row.turn_us, row.wait_us, row.idle_us];
        for (what, us) in ["residence", "turn", "wait", "idle stretch"].into_iter().zip(found) {
            let Some(us) = us else { continue };
            text += &format!(
                "{:<14} {:>5} {:>9.2} {:>8.2} {:>8.2} {:>8.2} {:>9}  {name}\n",
                what,
                row.burst,
                us.p50,
                us.p99,
                us.p999,
                us.max,
                format!("{}/{}", row.disturbed, row.disturbed + row.windows),
            );
        }
    }
    text
}

fn endurance(found: &Endured) -> String {
    let mib = |octets: u64| octets as f64 / f64::from(1 << 20);
    format!(
        "churn for {:.0} s: {} new flows, {} gave way; {:.1} ns each in the beginning, {:.1} in the end; {:.2} MiB in memory \
         in the beginning, {:.2} in the end\n",
        found.seconds,
        found.new_flows,
        found.evicted,
        found.began.ns,
        found.ended.ns,
        mib(found.resident_before),
        mib(found.resident_after),
    )
}

fn changes(rows: &[Changed]) -> String {
    let mut text = String::new();
    if !rows.is_empty() {
        text += &format!(
            "{:<32} {:>8} {:>9} {:>7} {:>9} {:>9}\n",
            "1,000 changes a second", "quiet ns", "changing", "more", "redecided", "disturbed"
        );
    }
    for Changed { change, quiet, changing, more, redecided, .. } in rows {
        text += &format!(
            "{:<32} {:>8.1} {:>9.1} {:>6.1}% {redecided:>9} {:>9}\n",
            change.name(),
            quiet.ns,
            changing.ns,
            more * 100.0,
            format!("{}/{}", changing.disturbed, changing.disturbed + changing.windows),
        );
    }
    text
}
