//! Aging: walks both tables a little each turn: the FDB whole about once a second, the flow table as often as what ages needs,
//! since every flow looked at is a line of memory.
//!
//! Flow activity is what keeps a MAC alive (hits never touch the FDB), and active MACs are told to the other workers
//! again, which also mends a delta that was lost.

use table::{EPOCHS_KEPT, FdbEntry, MemberId, NetworkId, Sweep, Tick};
use wire::Mac;

use crate::{
    Snapshot,
    brain::{Before, Brain, Scopes},
    feature::learn,
    flow::{FlowKey, Recipe},
    tally::Tally,
    wiring::{FdbDelta, Peer},
};

/// Ticks in which the FDB is walked once, and the flow table too where something ages so soon: one second.
const PASS_TICKS: u32 = 10;
/// Ticks in which the flow table is walked once where all ages late.
const PASS_TICKS_MAX: u32 = 100;
/// So many passes of the flow table there are while a flow, or a MAC that flows keep alive, ages: nothing stays for more
/// than a tenth longer than it may.
const PASSES: u32 = 10;
/// Slots looked at in one turn, of each table, where frames wait for the turn's end.
const BUDGET: u32 = 32;
/// The same in a turn without frames: a worker that rests between its turns has few of them.
const IDLE_BUDGET: u32 = 256;
/// Static entries put in place in one turn.
const STATICS_BUDGET: usize = 64;

/// How a worker walks its flow table to find what has aged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Slots looked at in a turn with frames, while the walk is behind.
    pub slots_a_turn: u32,
    /// Ticks (100 ms) in which all are looked at once.
    pub pass_ticks: u32,
    /// Slots there are.
    pub slots: usize,
}

impl Pace {
    /// Ticks of a pass where what ages soonest does so after so many.
    pub fn pass_ticks(soonest: u32) -> u32 {
        (soonest / PASSES).clamp(PASS_TICKS, PASS_TICKS_MAX)
    }
}

/// Where the walks are.
pub(crate) struct Sweeper {
    flow_idle_ticks: u32,
    last: Tick,
    flows: Walk,
    macs: Walk,
    /// Ticks in which the flow table is to be walked once.
    flow_pass: u32,
    /// The next static entry to put in place; `None` when all are.
    statics: Option<Placing>,
}

/// Where putting static entries in place has got to: network, place in its list, and whether all before found room.
#[derive(Clone, Copy)]
struct Placing {
    network: usize,
    place: usize,
    fits: bool,
}

impl Placing {
    fn at(network: usize) -> Placing {
        Placing { network, place: 0, fits: true }
    }
}

#[derive(Default)]
struct Walk {
    cursor: u32,
    /// Slots this walk may still look at before the next tick.
    credit: u32,
    /// When the walk began its present pass of the table, and the one before.
    began: Tick,
    began_before: Tick,
}

impl Walk {
    fn earn(&mut self, slots: usize, pass: u32, ticks: u32) {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let due = slots.div_ceil(pass).saturating_mul(ticks);
        self.credit = self.credit.saturating_add(due).min(slots);
    }

    /// The cursor stood at `before` and has moved on; `true` where it went round.
    fn moved_on(&mut self, before: u32, now: Tick) -> bool {
        let is_round = self.cursor <= before;
        if is_round {
            (self.began_before, self.began) = (self.began, now);
        }
        is_round
    }

    /// Ticks since the walk came by any slot for the last time but one, at most: a large table on an idle worker, which
    /// sleeps between its turns, takes more than [`PASS_TICKS`].
    fn lag(&self, now: Tick) -> u32 {
        now.since(self.began_before) + 1
    }

    fn spend(&mut self, budget: u32) -> u32 {
        let budget = self.credit.min(budget);
        self.credit -= budget;
        budget
    }
}

impl Sweeper {
    pub(crate) fn new(flow_idle_ticks: u32) -> Sweeper {
        let (flows, macs) = (Walk::default(), Walk::default());
        Sweeper { flow_idle_ticks, last: Tick(0), flows, macs, flow_pass: PASS_TICKS, statics: None }
    }

    /// A new snapshot is in force: what is new of its static entries is to be put in place, and what ages soonest says how
    /// often flows are looked at.
    pub(crate) fn install(&mut self, snapshot: &Snapshot) {
        self.statics = Some(Placing::at(0));
        let ages = snapshot.networks.iter().flatten().map(|network| network.age_ticks);
        let soonest = ages.fold(self.flow_idle_ticks, u32::min);
        self.flow_pass = Pace::pass_ticks(soonest);
    }

    /// How the walk of a flow table of so many slots goes.
    pub(crate) fn pace(&self, slots: usize) -> Pace {
        Pace { slots_a_turn: BUDGET, pass_ticks: self.flow_pass, slots }
    }

    /// One turn's share: what it looks at was asked for in the turn before.
    #[inline]
    pub(crate) fn step(&mut self, idle: bool, brain: &mut Brain, tally: &mut Tally, peers: &mut [Option<Peer>]) {
        // Both walks are ahead of their time in nearly all turns.
        let is_over = brain.now == self.last && self.flows.credit | self.macs.credit == 0;
        if !is_over || self.statics.is_some() {
            self.walk_on(idle, brain, tally, peers);
        }
    }

    #[inline(never)]
    fn walk_on(&mut self, idle: bool, brain: &mut Brain, tally: &mut Tally, peers: &mut [Option<Peer>]) {
        let budget = if idle { IDLE_BUDGET } else { BUDGET };
        let ticks = brain.now.since(self.last);
        if ticks > 0 {
            self.last = brain.now;
            self.flows.earn(brain.flows.capacity(), self.flow_pass, ticks);
            self.macs.earn(brain.fdb.capacity(), PASS_TICKS, ticks);
        }
        if self.statics.is_some() {
            self.place_statics(brain);
        }
        if self.flows.credit > 0 {
            self.walk_flows(budget, brain, tally);
            brain.flows.look_ahead(self.flows.cursor, budget);
        }
        if self.macs.credit > 0 {
            self.walk_macs(budget, brain, tally, peers);
            brain.fdb.look_ahead(self.macs.cursor, budget);
        }
    }

    fn walk_flows(&mut self, budget: u32, brain: &mut Brain, tally: &mut Tally) {
        let (now, idle, epoch) = (brain.now, self.flow_idle_ticks, brain.epoch);
        let (snapshot, fdb) = (&brain.snapshot, &mut brain.fdb);
        let (before, lag, budget) = (self.flows.cursor, self.flows.lag(now), self.flows.spend(budget));
        let gone = brain.flows.sweep(&mut self.flows.cursor, budget, |_, entry| {
            let key = FlowKey(entry.key());
            let quiet = now.since(entry.last_seen());
            let is_recent = quiet <= idle && epoch.wrapping_sub(entry.checked_at()) <= EPOCHS_KEPT;
            match snapshot.member(key.ingress()) {
                Some(member) if is_recent => {
                    // An active flow keeps the MAC of its sender alive: hits themselves never touch the FDB. Frames that
                    // are refused are not their sender's.
                    if quiet <= lag && !Recipe::decode(entry.recipe()).is_refusal() {
                        fdb.touch(member.network, key.src(), key.ingress(), entry.last_seen());
                    }
                    Sweep::Keep
                }
                _ => Sweep::Remove,
            }
        });
        tally.worker.flow_aged += gone as u64;
        self.flows.moved_on(before, now);
    }

    fn walk_macs(&mut self, budget: u32, brain: &mut Brain, tally: &mut Tally, peers: &mut [Option<Peer>]) {
        let next = brain.epoch.wrapping_add(1);
        let Brain { fdb, snapshot, scopes, stirs, now, .. } = brain;
        // A hit reaches the FDB by one walk and is told by the next.
        let lag = self.flows.lag(*now) + self.macs.lag(*now);
        let (before, budget) = (self.macs.cursor, self.macs.spend(budget));
        let gone = fdb.sweep(&mut self.macs.cursor, budget, next, |_, entry| {
            if is_over(&entry, snapshot, scopes, *now, lag) {
                stirs.gone(&entry, next);
                return Sweep::Remove;
            }
            if entry.is_local {
                remind(&entry, now.since(entry.last_seen) <= lag, tally, peers);
            }
            Sweep::Keep
        });
        if gone > 0 {
            brain.epoch = next;
            brain.gave_room();
            tally.worker.mac_aged += gone as u64;
        }
        if self.macs.moved_on(before, brain.now) {
            peers.iter_mut().flatten().for_each(|peer| peer.passes_behind = peer.passes_behind.saturating_sub(1));
        }
    }

    fn place_statics(&mut self, brain: &mut Brain) {
        let Some(mut at) = self.statics else { return };
        for _ in 0..STATICS_BUDGET {
            if at.network >= brain.snapshot.networks.len() {
                self.statics = None;
                return;
            }
            match due(brain, at) {
                Some((mac, member)) => {
                    at.fits &= put_static(at.network, mac, member, brain);
                    at.place += 1;
                }
                None => {
                    // What finds no room is tried again with the next snapshot.
                    if at.fits {
                        brain.scopes.statics_placed(at.network);
                    }
                    at = Placing::at(at.network + 1);
                }
            }
        }
        self.statics = Some(at);
    }
}

/// The static entry that is to be put in place next, unless all of its network are.
fn due(brain: &Brain, at: Placing) -> Option<(Mac, MemberId)> {
    let network = brain.snapshot.networks.get(at.network)?.as_ref()?;
    brain.scopes.has_statics_due(at.network).then(|| network.statics.get(at.place).copied())?
}

/// Puts an entry in place; whether it is there.
fn put_static(network: usize, mac: Mac, member: MemberId, brain: &mut Brain) -> bool {
    let network = NetworkId(network as u16);
    if brain.locate(network, mac).is_some_and(|(slot, at)| at == member && brain.fdb.entry(slot).is_static) {
        return true;
    }
    let next = brain.epoch.wrapping_add(1);
    let (held, is_known) = (brain.fdb.len(), brain.fdb.lookup(network, mac).is_some());
    let is_placed = brain.fdb.set_static(network, mac, member, next).is_ok();
    if is_placed {
        brain.learned(network, mac, Before::Unclear);
        // Another MAC, of whatever network, had to go for it.
        if !is_known && brain.fdb.len() == held {
            brain.touch_all();
        }
    }
    is_placed
}

/// Whether an FDB entry has to go: it speaks of a member that is no more, its static line was taken out of the
/// configuration, or it has been quiet for its network's age. What is active on this worker is known here after `lag`
/// ticks, and after as many more on the others: a shorter age would forget those that are busy.
fn is_over(entry: &FdbEntry, snapshot: &Snapshot, scopes: &Scopes, now: Tick, lag: u32) -> bool {
    if !scopes.is_current(snapshot, entry.member, entry.changed_at) {
        return true;
    }
    let Some(network) = snapshot.network(entry.network) else { return true };
    if entry.is_static {
        return network.statics.binary_search_by_key(&entry.mac, |&(mac, _)| mac).is_err();
    }
    now.since(entry.last_seen) > network.age_ticks.max(lag.saturating_mul(2))
}

/// Tells the other workers of a MAC learned here: each while it is active, and whoever missed a delta in any case.
fn remind(entry: &FdbEntry, is_active: bool, tally: &mut Tally, peers: &mut [Option<Peer>]) {
    let delta = FdbDelta { network: entry.network, mac: entry.mac, member: entry.member, seen: entry.last_seen };
    for peer in peers.iter_mut().flatten().filter(|peer| is_active || peer.passes_behind > 0) {
        learn::tell_one(&delta, tally, peer);
    }
}
