//! What a packet costs over the number of flows, and what an attacker makes of it.

use std::sync::Arc;

use serde::Serialize;
use wire::HashKey;

use crate::{
    flows::{
        Scale, TABLE,
        clock::{Cost, Window},
        feed::Flow,
        load::{colliding, side, square, zipf},
        switch::{Size, Switch, Wanders, Wire},
    },
    random::Random,
};

/// Frames of one window: at most about a millisecond.
const FRAMES: usize = 4096;
const BURST: usize = 32;

/// Exponents of the distributions that frames are drawn from.
pub(crate) const ZIPF: [f64; 3] = [0.0, 0.8, 1.1];

/// Slots of the table that is attacked: the default, of which an attacker hits all with few flows.
const ATTACKED: usize = 65_536;
/// Flows of the attack, and buckets of that table.
const ATTACKERS: usize = 4096;
const BUCKETS: u64 = ATTACKED as u64 / 8;

/// What a packet costs with so many flows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    /// What flows there are: `zipf 0.8` or an attack.
    pub(crate) load: String,
    pub(crate) flows: usize,
    pub(crate) ours: Cost,
    /// The same frames without a switch between.
    pub(crate) floor: Cost,
    pub(crate) over_floor_ns: f64,
    /// Packets that were decided about anew, as a share.
    pub(crate) misses: f64,
}

impl Point {
    pub(crate) fn is_sound(&self) -> bool {
        self.ours.is_sound() && self.floor.is_sound()
    }
}

/// All distributions with so many flows, in one switch.
pub(crate) fn points(flows: usize, scale: &Scale) -> Vec<Point> {
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
        point(format!("zipf {exponent}"), flows, &mut switch, drawn, scale)
    };
    ZIPF.map(&mut point).into()
}

/// As many flows as an attacker has, chosen evenly; by one who knows the hash but not its key; by one who knows both.
pub(crate) fn attacks(scale: &Scale) -> Vec<Point> {
    let (key, guess) = (HashKey::random(), HashKey::random());
    let plain: Vec<_> = (0..ATTACKERS as u32).map(|src| Flow { dst: 0, src }).collect();
    let loads = [
        ("ordinary", plain),
        ("collide, key unknown", colliding(ATTACKERS, guess, BUCKETS)),
        ("collide, key known", colliding(ATTACKERS, key, BUCKETS)),
    ];
    let points = loads.map(|(name, flows)| {
        let size = Size { flows_max: ATTACKED, receivers: 1, burst: BURST, hash_key: key, huge: scale.hugepages };
        let mut switch = Switch::new(&size, Wanders::Elsewhere);
        switch.know(flows.clone().into(), BURST);
        point(name.to_owned(), ATTACKERS, &mut switch, flows.into(), scale)
    });
    points.into()
}

fn point(load: String, flows: usize, switch: &mut Switch, drawn: Arc<[Flow]>, scale: &Scale) -> Point {
    let mut wire = Wire::new(Arc::clone(&drawn));
    switch.feed(super::switch::IN).set(drawn);
    let (mut floor, mut ours) = (Vec::new(), Vec::new());
    switch.carry(FRAMES, BURST);
    let before = switch.counts();
    for _ in 0..scale.windows {
        floor.push(Window::of(|| wire.carry(FRAMES, BURST)));
        ours.push(Window::of(|| switch.carry(FRAMES, BURST)));
    }
    let after = switch.counts();
    assert_eq!(after.rx - before.rx, after.tx - before.tx, "every frame is sent");
    let misses = (after.flow_misses - before.flow_misses) as f64 / (after.rx - before.rx) as f64;
    let (ours, floor) = (Cost::of(&ours), Cost::of(&floor));
    let over_floor_ns = ((ours.ns - floor.ns) * 100.0).round() / 100.0;
    eprintln!("{load}, {flows} flows: {over_floor_ns} ns over the floor");
    Point { load, flows, ours, floor, over_floor_ns, misses }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_flows_are_hits_whatever_their_number() {
        let scale = Scale { windows: 2, ..Scale::tiny() };
        for point in [1, 1000].into_iter().flat_map(|flows| points(flows, &scale)) {
            assert_eq!(point.misses, 0.0, "{point:?}");
            assert!(point.ours.ns > point.floor.ns, "{point:?}");
        }
    }
}
