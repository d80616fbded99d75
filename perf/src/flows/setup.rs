//! What new flows cost, and whom they make wait.

use hdrhistogram::Histogram;
use serde::Serialize;
use wire::HashKey;

use crate::{
    flows::{
        Scale, TABLE,
        clock::{Cost, Window, wall_ns},
        feed::Flow,
        load::{shuffled, side, square},
        switch::{BESIDE, IN, Size, Switch, Wanders},
    },
    generator::Latency,
    random::Random,
};

const BURST: usize = 32;

/// New flows in one window.
const NEW: usize = 2048;

/// Slots of a table that is too small.
const SMALL: usize = 65_536;

/// Turns in one window of those that are timed one by one.
const TURNS: usize = 32;

/// What a new flow costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SetUp {
    /// Which new flows: `new` beside live ones, `decide` in a table with room, `churn` in one that is full.
    pub(crate) what: &'static str,
    /// Flows that are known meanwhile.
    pub(crate) live: usize,
    pub(crate) cost: Cost,
    /// New flows a second of CPU time.
    pub(crate) flows_per_s: f64,
    /// Flows that had to give way, as a share of the new ones.
    pub(crate) evicted: f64,
}

/// New flows between known stations where so many flows are live.
pub(crate) fn rate(live: usize, scale: &Scale) -> SetUp {
    let mut random = Random::new(scale.seed);
    let size = Size { receivers: side(2 * live), ..size(TABLE.max(2 * live), BURST, scale) };
    let mut switch = Switch::new(&size, Wanders::Elsewhere);
    // By turns, so that every station has flows that are known.
    let is_old = |flow: &Flow| (flow.dst + flow.src).is_multiple_of(2);
    switch.know(square(2 * live).filter(is_old).collect(), BURST);
    let new = shuffled(square(2 * live).filter(|flow| !is_old(flow)), &mut random);
    let windows = scale.windows.min(new.len() / 2 / NEW);
    switch.feed(IN).set(new);
    measure("new", &mut switch, live, windows)
}

/// New flows where none has to give way, and where the table is full and each makes another one give way: both in a table
/// of the same size, between the same stations.
pub(crate) fn churn(scale: &Scale) -> [SetUp; 2] {
    let mut random = Random::new(scale.seed);
    let many = 16 * SMALL;
    let size = Size { receivers: side(many), ..size(SMALL, BURST, scale) };
    let flows = shuffled(square(many), &mut random);
    let stations: std::sync::Arc<[Flow]> = (0..=side(many)).map(|src| Flow { dst: 0, src }).collect();
    let mut roomy = Vec::new();
    let mut last = None;
    while roomy.len() < scale.windows {
        let mut switch = Switch::new(&size, Wanders::Elsewhere);
        switch.know(stations.clone(), BURST);
        switch.feed(IN).set(flows.clone());
        let more = (SMALL / 2 / NEW).min(scale.windows - roomy.len());
        roomy.extend((0..more).map(|_| Window::of(|| switch.carry(NEW, BURST))));
        last = Some(switch);
    }
    let Some(mut switch) = last else { unreachable!("there is one window at least") };
    let decide = set_up("decide", SMALL / 2, &roomy, 0.0);
    switch.carry(2 * SMALL, BURST);
    [decide, measure("churn", &mut switch, SMALL, scale.windows)]
}

fn size(flows_max: usize, burst: usize, scale: &Scale) -> Size {
    Size { flows_max, receivers: 1, burst, hash_key: HashKey::random(), huge: scale.hugepages }
}

fn measure(what: &'static str, switch: &mut Switch, live: usize, windows: usize) -> SetUp {
    let before = switch.counts();
    let windows: Vec<_> = (0..windows).map(|_| Window::of(|| switch.carry(NEW, BURST))).collect();
    let after = switch.counts();
    let new = after.flow_misses - before.flow_misses;
    assert!(new * 10 >= (after.rx - before.rx) * 9, "{new} new flows: some were known");
    set_up(what, live, &windows, (after.flow_evicted - before.flow_evicted) as f64 / new as f64)
}

fn set_up(what: &'static str, live: usize, windows: &[Window], evicted: f64) -> SetUp {
    let cost = Cost::of(windows);
    SetUp { what, live, cost, flows_per_s: 1e9 / cost.ns.max(1.0), evicted }
}

/// How long packets of established flows stay in the switch, how long a turn takes, and how long somebody waits who comes just
/// too late for one: for its end, and then as long as packets stay in the next.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stay {
    /// Frames taken from a port at once.
    pub(crate) burst: usize,
    /// Whether as many packets of new flows come beside.
    pub(crate) with_new: bool,
    /// From the burst in which packets come to the burst in which they leave.
    pub(crate) residence_us: Option<Latency>,
    pub(crate) turn_us: Option<Latency>,
    /// A turn, and the stay of packets in the one behind it.
    pub(crate) wait_us: Option<Latency>,
    /// How long additions take that take as long as two turns, on the same CPU by turns with these: what is over their median is
    /// the machine's, which stops whatever runs.
    pub(crate) idle_us: Option<Latency>,
    /// Windows of 32 turns that count, and those that others came between.
    pub(crate) windows: usize,
    pub(crate) disturbed: usize,
    /// The longest turn of the latter: not ours to mend.
    pub(crate) disturbed_turn_us: f64,
}

impl Stay {
    /// How long 999 in 1,000 packets wait at most that all come just too late for a turn, in microseconds.
    pub(crate) fn wait_us(&self) -> Option<f64> {
        self.wait_us.map(|wait| wait.p999)
    }

    /// What the machine adds to 999 in 1,000 stretches as long as two turns, in which nothing is done.
    pub(crate) fn machine_us(&self) -> Option<f64> {
        self.idle_us.map(|idle| idle.p999 - idle.p50)
    }
}

/// Packets of so many established flows, with or without as many of new flows beside them.
pub(crate) fn stay(live: usize, burst: usize, with_new: bool, scale: &Scale) -> Stay {
    let mut random = Random::new(scale.seed);
    let size = Size { receivers: side(live), ..size(TABLE.max(2 * live), burst, scale) };
    let mut switch = Switch::new(&size, Wanders::Elsewhere);
    switch.know(shuffled(square(live), &mut random), burst);
    // Stations of their own: the same ones would move from port to port.
    let beside = square(live).map(|Flow { dst, src }| Flow { dst, src: src | 1 << 24 });
    switch.feed(BESIDE).set(shuffled(beside, &mut random));
    let mut found = Found::new(burst, with_new);
    for _ in 0..scale.windows {
        found.take(&mut switch);
    }
    found.stay
}

/// Histograms in nanoseconds.
struct Found {
    stay: Stay,
    residence: Histogram<u64>,
    turn: Histogram<u64>,
    wait: Histogram<u64>,
    idle: Histogram<u64>,
    /// Additions that take as long as a turn.
    additions: u64,
}

/// So many additions, each of which waits for the one before.
#[inline(never)]
fn add(times: u64) -> u64 {
    (0..times).fold(0, |sum, n| std::hint::black_box(sum + n))
}

/// Additions to begin with.
const ADDITIONS: u64 = 1000;

impl Found {
    fn new(burst: usize, with_new: bool) -> Found {
        let (residence_us, turn_us, wait_us, idle_us) = (None, None, None, None);
        let (windows, disturbed, disturbed_turn_us) = (0, 0, 0.0);
        let stay =
            Stay { burst, with_new, residence_us, turn_us, wait_us, idle_us, windows, disturbed, disturbed_turn_us };
        let histogram = || Histogram::new_with_max(1_000_000_000, 3).expect("these bounds are possible");
        let [residence, turn, wait, idle] = std::array::from_fn(|_| histogram());
        Found { stay, residence, turn, wait, idle, additions: ADDITIONS }
    }

    /// One window of turns.
    fn take(&mut self, switch: &mut Switch) {
        let mut turns = [0; TURNS];
        let (burst, with_new) = (self.stay.burst, self.stay.with_new);
        let window = Window::of(|| {
            for turn in &mut turns {
                switch.feed(IN).stamp(true);
                switch.feed(IN).let_in(burst);
                switch.feed(BESIDE).let_in(if with_new { burst } else { 0 });
                let began = wall_ns();
                switch.turns(1);
                *turn = wall_ns() - began;
            }
            (TURNS * burst) as u64
        });
        let stayed = switch.feed(IN).stayed();
        if window.is_disturbed() {
            let longest = turns.into_iter().max().unwrap_or_default() as f64 / 1000.0;
            self.stay.disturbed += 1;
            self.stay.disturbed_turn_us = self.stay.disturbed_turn_us.max(longest);
            return;
        }
        self.stay.windows += 1;
        turns.iter().for_each(|&ns| self.turn.saturating_record(ns));
        stayed.iter().for_each(|&(ns, frames)| self.residence.saturating_record_n(ns, frames.into()));
        for (turn, (ns, frames)) in turns.iter().zip(stayed.into_iter().skip(1)) {
            self.wait.saturating_record_n(turn + ns, frames.into());
        }
        (self.stay.residence_us, self.stay.turn_us) = (Latency::of(&self.residence), Latency::of(&self.turn));
        self.stay.wait_us = Latency::of(&self.wait);
        turns.sort_unstable();
        self.take_idle(turns[TURNS / 2]);
    }

    /// As many stretches in which nothing is done, each about as long as that. Two of them are set beside a wait.
    fn take_idle(&mut self, turn_ns: u64) {
        let mut stretches = [0; TURNS];
        let window = Window::of(|| {
            for stretch in &mut stretches {
                let began = wall_ns();
                add(self.additions);
                *stretch = wall_ns() - began;
            }
            TURNS as u64
        });
        if !window.is_disturbed() {
            stretches.windows(2).for_each(|two| self.idle.saturating_record(two.iter().sum()));
            self.stay.idle_us = Latency::of(&self.idle);
        }
        stretches.sort_unstable();
        self.additions = (self.additions * turn_ns / stretches[TURNS / 2].max(1)).clamp(ADDITIONS, 1000 * ADDITIONS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_flows_are_new_and_in_a_full_table_each_takes_the_place_of_another() {
        let scale = Scale { windows: 4, ..Scale::tiny() };
        assert_eq!(rate(20_000, &scale).evicted, 0.0);
        let [decide, churn] = churn(&scale);
        assert_eq!(decide.evicted, 0.0);
        assert!(churn.evicted > 0.9, "{churn:?}");
    }

    #[test]
    fn packets_stay_no_longer_than_their_turn() {
        for with_new in [false, true] {
            let stay = stay(1000, 8, with_new, &Scale { windows: 30, ..Scale::tiny() });
            assert_eq!(stay.windows + stay.disturbed, 30);
            if let (Some(residence), Some(turn)) = (stay.residence_us, stay.turn_us) {
                assert!(residence.p50 > 0.0 && residence.max <= turn.max * 1.01, "{stay:?}");
                let wait = stay.wait_us.unwrap();
                assert!(wait.p50 > residence.p50 && wait.max <= (turn.max + residence.max) * 1.01, "{stay:?}");
                let idle = stay.idle_us.map_or(turn.p50, |idle| idle.p50);
                assert!(idle > turn.p50 / 20.0 && idle < turn.p50 * 20.0, "{stay:?}");
                assert!(stay.machine_us().is_none_or(|us| us >= 0.0), "{stay:?}");
            }
        }
    }
}
