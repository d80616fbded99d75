//! What a packet costs over the number of flows, and what an attacker makes of it.

use std::sync::Arc;

use datapath::Pace;
use serde::Serialize;
use wire::HashKey;

use crate::{
    flows::{
        Scale, TABLE,
        clock::{Beyond, Cost, Window},
        feed::Flow,
        load::{colliding, side, square, zipf},
        switch::{Size, Switch, Wanders, Wire},
    },
    random::Random,
};

/// Frames of one window: at most about a millisecond.
const FRAMES: usize = 4096;
const BURST: usize = 32;

/// How often as many windows are taken again at most, until enough of them count.
const ATTEMPTS: usize = 16;

/// Ticks after which flows are forgotten unless a configuration says otherwise (`flow_idle_s`).
const USUAL_IDLE_TICKS: u32 = 300;

/// Exponents of the distributions that frames are drawn from.
pub(crate) const ZIPF: [f64; 3] = [0.0, 0.8, 1.1];

/// Slots of the table that is attacked: the default, of which an attacker hits all with few flows.
const ATTACKED: usize = 65_536;
/// Flows of the attack.
const ATTACKERS: usize = 4096;

/// What a packet costs with so many flows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    /// What flows there are: `zipf 0.8` or an attack.
    pub(crate) load: String,
    pub(crate) flows: usize,
    pub(crate) ours: Cost,
    /// The yardstick's frames beside them.
    pub(crate) floor: Cost,
    /// What ours cost beyond the floor beside them, while aging has nothing to do.
    pub(crate) beyond: Beyond,
    /// The share of a CPU that aging takes with so many flows, all of them active.
    pub(crate) aging: f64,
    /// Both together, at the speed of the fastest floor of the run, which the [`Yardstick`] knows.
    pub(crate) over_floor_ns: f64,
    /// Packets that were decided about anew, as a share.
    pub(crate) misses: f64,
    /// Ours and the floor's.
    #[serde(skip)]
    pub(crate) windows: [Vec<Window>; 2],
}

impl Point {
    pub(crate) fn is_sound(&self) -> bool {
        self.beyond.is_sound()
    }

    /// What a packet costs beyond a floor of so many nanoseconds, the packet's part of aging included.
    fn over(&self, floor_ns: f64) -> f64 {
        ((self.beyond.floors + 1.0) / (1.0 - self.aging) - 1.0) * floor_ns
    }
}

/// What all rows of a run are measured by: frames without a switch between, the same for all rows.
pub(crate) struct Yardstick {
    wire: Wire,
    /// The fastest met so far, in nanoseconds a packet: the speed at which rows are compared.
    fastest_ns: f64,
}

impl Yardstick {
    /// With the speed found in a second or two.
    pub(crate) fn new(scale: &Scale) -> Yardstick {
        let flows = (0..FRAMES as u32).map(|src| Flow { dst: 0, src }).collect();
        let mut yardstick = Yardstick { wire: Wire::new(flows), fastest_ns: f64::INFINITY };
        for _ in 0..ATTEMPTS {
            let floors: Vec<_> = (0..scale.windows).map(|_| yardstick.window()).collect();
            yardstick.note(&floors);
        }
        yardstick
    }

    /// A window of frames that have been carried just before: what other work pushes out of the caches is that work's cost.
    fn window(&mut self) -> Window {
        self.wire.carry(FRAMES, BURST);
        Window::of(|| self.wire.carry(FRAMES, BURST))
    }

    fn note(&mut self, floors: &[Window]) {
        self.fastest_ns = self.fastest_ns.min(Cost::of(floors).ns);
    }
}

/// Tells what all of them cost at one speed: that of a shared machine changes between rows. Of each row count the windows at
/// about that speed, or all where it had too few such, which it says then.
pub(crate) fn at_one_speed(points: &mut [Point], yardstick: &Yardstick) {
    let floor = yardstick.fastest_ns;
    for point in &mut *points {
        let [ours, floors] = &point.windows;
        point.beyond = Beyond::at_speed(floor, ours, floors);
    }
    points.iter_mut().for_each(|point| point.over_floor_ns = (point.over(floor) * 100.0).round() / 100.0);
}

/// All distributions with so many flows, in one switch.
pub(crate) fn points(flows: usize, scale: &Scale, yardstick: &mut Yardstick) -> Vec<Point> {
    let mut random = Random::new(scale.seed);
    let all: Vec<_> = square(flows).collect();
    let size = Size {
        // The same table for all loads it can hold at three quarters.
        flows_max: TABLE.max(2 * flows),
        receivers: side(flows),
        burst: BURST,
        hash_key: HashKey::random(),
        huge: scale.hugepages,
    };
    let mut switch = Switch::new(&size, Wanders::Elsewhere);
    switch.know(all.clone().into(), BURST);
    let mut point = |exponent: f64| {
        let drawn = zipf(&all, exponent, &mut random);
        point(format!("zipf {exponent}"), flows, &mut switch, drawn, (scale, yardstick))
    };
    ZIPF.map(&mut point).into()
}

/// As many flows as an attacker has, chosen evenly; by one who knows the hash but not its key; by one who knows both.
pub(crate) fn attacks(scale: &Scale, yardstick: &mut Yardstick) -> Vec<Point> {
    let (key, guess) = (HashKey::random(), HashKey::random());
    let plain: Vec<_> = (0..ATTACKERS as u32).map(|src| Flow { dst: 0, src }).collect();
    let loads = [
        ("ordinary", plain),
        ("collide, key unknown", colliding(ATTACKERS, guess, ATTACKED as u64)),
        ("collide, key known", colliding(ATTACKERS, key, ATTACKED as u64)),
    ];
    let points = loads.map(|(name, flows)| {
        let size = Size { flows_max: ATTACKED, receivers: 1, burst: BURST, hash_key: key, huge: scale.hugepages };
        let mut switch = Switch::new(&size, Wanders::Elsewhere);
        switch.know(flows.clone().into(), BURST);
        point(name.to_owned(), ATTACKERS, &mut switch, flows.into(), (scale, yardstick))
    });
    points.into()
}

fn point(
    load: String,
    flows: usize,
    switch: &mut Switch,
    drawn: Arc<[Flow]>,
    (scale, yardstick): (&Scale, &mut Yardstick),
) -> Point {
    switch.feed(super::switch::IN).set(drawn);
    switch.carry(FRAMES, BURST);
    switch.catch_up();
    let before = switch.counts();
    let [floor, ours] = by_turns(yardstick, scale.windows, || Window::of(|| switch.carry(FRAMES, BURST)));
    let after = switch.counts();
    assert_eq!(after.rx - before.rx, after.tx - before.tx, "every frame is sent");
    let misses = (after.flow_misses - before.flow_misses) as f64 / (after.rx - before.rx) as f64;
    let beyond = Beyond::at_speed(yardstick.fastest_ns, &ours, &floor);
    let windows = [ours, floor];
    let [ours, floor] = windows.each_ref().map(|windows| Cost::of(windows));
    let aging = aging(beyond, floor.ns, switch, (scale, yardstick));
    eprintln!("{load}, {flows} flows: {:.2} times the floor over it", beyond.floors);
    Point { load, flows, ours, floor, beyond, aging, over_floor_ns: 0.0, misses, windows }
}

/// Windows of work with one of the floor before each and behind the last: so many, and where too few of them are at the run's
/// speed as many again, some times.
fn by_turns(yardstick: &mut Yardstick, windows: usize, mut work: impl FnMut() -> Window) -> [Vec<Window>; 2] {
    let [mut floors, mut works] = [vec![yardstick.window()], Vec::new()];
    for _ in 0..ATTEMPTS {
        for _ in 0..windows {
            works.push(work());
            floors.push(yardstick.window());
        }
        yardstick.note(&floors);
        if Beyond::at_speed(yardstick.fastest_ns, &works, &floors).is_sound() {
            break;
        }
    }
    [floors, works]
}

/// The share of a CPU that aging takes at the pace of a switch's defaults: what windows cost more in whose every turn the
/// walk is behind, for each slot that is looked at, times the slots there are in the time of a pass.
fn aging(beyond: Beyond, floor_ns: f64, switch: &mut Switch, (scale, yardstick): (&Scale, &mut Yardstick)) -> f64 {
    let [floor, ours] = by_turns(yardstick, scale.windows, || {
        switch.fall_due();
        Window::of(|| switch.carry(FRAMES, BURST))
    });
    switch.catch_up();
    let Pace { slots_a_turn, slots, .. } = switch.pace();
    let walking = Beyond::at_speed(yardstick.fastest_ns, &ours, &floor);
    let more = (walking.floors - beyond.floors).max(0.0) * floor_ns;
    let slot_ns = more * BURST as f64 / f64::from(slots_a_turn);
    let pass_ns = f64::from(Pace::pass_ticks(USUAL_IDLE_TICKS)) * 1e8;
    (slot_ns * slots as f64 / pass_ns).min(0.9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_flows_are_hits_whatever_their_number() {
        let scale = Scale { windows: 2, ..Scale::tiny() };
        let mut yardstick = Yardstick::new(&scale);
        for point in [1, 1000].into_iter().flat_map(|flows| points(flows, &scale, &mut yardstick)) {
            assert_eq!(point.misses, 0.0, "{point:?}");
            assert!(point.ours.ns > point.floor.ns, "{point:?}");
            assert!((0.0..0.5).contains(&point.aging), "{point:?}");
        }
    }

    #[test]
    fn costs_are_told_at_the_speed_of_the_fastest_floor() {
        let cost = |ns| Cost { ns, ns_p50: ns, ns_p90: ns, windows: 30, disturbed: 0 };
        let window =
            |ns| Window { packets: 100, cpu_ns: (100.0 * ns) as u64, wall_ns: (100.0 * ns) as u64, switches: 0 };
        let point = |floor: f64| Point {
            load: "zipf 0".to_owned(),
            flows: 1,
            ours: cost(5.0 * floor),
            floor: cost(floor),
            beyond: Beyond { floors: 4.0, windows: 30 },
            aging: 0.0,
            over_floor_ns: 0.0,
            misses: 0.0,
            windows: [vec![window(5.0 * floor); 30], vec![window(floor); 31]],
        };
        let mut points = [point(5.0), point(5.4), Point { aging: 0.5, ..point(5.4) }, point(7.0)];
        at_one_speed(&mut points, &Yardstick { fastest_ns: 5.0, ..Yardstick::new(&Scale::tiny()) });
        assert_eq!(points.each_ref().map(|point| point.over_floor_ns), [20.0, 20.0, 45.0, 20.0]);
        assert_eq!(points.map(|point| point.is_sound()), [true, true, true, false], "one was never at that speed");
    }
}
