//! A switch in this process: one worker between ports that are fed flow by flow, so that what a packet costs is what the
//! switch does and not what a device or the memory of frames does.

use std::sync::Arc;

use datapath::{
    Books, ControlWires, Guard, Member, MemberKind, Network, Order, Pace, PortId, PortSpec, Profile, Report, Role,
    Snapshot, Vlans, VtepTable, Worker, WorkerConfig, WorkerId, connect,
};
use frame::{Burst, HeapPool, Port};
use table::{MemberId, NetworkId, Tick};
use wire::{HashKey, Vni};

use crate::flows::{
    clock::wall_ns,
    feed::{Feed, Flow, Plug, Shelf, receiver},
};

/// The ports: where the load comes in, where it goes, where new flows come in beside it, and where a station wanders.
pub(crate) const IN: PortId = PortId(0);
const OUT: PortId = PortId(1);
pub(crate) const BESIDE: PortId = PortId(2);
pub(crate) const LEFT: PortId = PortId(3);
pub(crate) const RIGHT: PortId = PortId(4);
const PORTS: u16 = 5;

/// MACs the FDB has room for.
const MACS_MAX: usize = 1 << 15;
/// Nothing ages while it is measured; the walks that would find it out go on as ever.
const FLOW_IDLE_TICKS: u32 = 10_000_000;
/// Turns in which the snapshot is taken in and its static entries are put in place.
const SETTLE_TURNS: usize = 256;

/// What a switch is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Flows the table is for.
    pub(crate) flows_max: usize,
    /// Receiving stations.
    pub(crate) receivers: u32,
    /// Frames taken from a port at once.
    pub(crate) burst: usize,
    pub(crate) hash_key: HashKey,
    /// Tables on hugepages.
    pub(crate) huge: bool,
}

/// In which network the wandering station's ports are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanders {
    /// In one of its own.
    Elsewhere,
    /// In that of the load.
    Here,
}

/// The switch, what feeds it, and control's end of its wires.
pub(crate) struct Switch {
    worker: Worker<Plug, Shelf>,
    wires: ControlWires<Plug>,
    books: Books,
    shelf: Shelf,
    heap: HeapPool,
    feeds: Vec<Feed>,
    began_ns: u64,
    /// Ticks by which the switch's clock is ahead of the wall's.
    ahead: u32,
}

impl Switch {
    /// A switch that knows all receivers.
    pub(crate) fn new(size: &Size, wanders: Wanders) -> Switch {
        let mut heap = Shelf::heap();
        let shelf = Shelf::new(&mut heap);
        let books = Books::create("flows", 1).expect("memory for the books");
        let (mut ends, mut wires) = connect(1);
        let config = WorkerConfig {
            id: WorkerId(0),
            switch: "flows".into(),
            flows_max: size.flows_max,
            macs_max: MACS_MAX,
            flow_idle_ticks: FLOW_IDLE_TICKS,
            burst: size.burst,
            hash_key: size.hash_key,
            huge: size.huge,
        };
        let ends = ends.pop().expect("one worker was asked for");
        let worker = Worker::new(&config, ends, shelf.clone(), books.clone()).expect("memory for the tables");
        let feeds = (0..PORTS).map(|_| Feed::default()).collect();
        let wires = wires.pop().expect("one worker was asked for");
        let mut switch = Switch { worker, wires, books, shelf, heap, feeds, began_ns: wall_ns(), ahead: 0 };
        switch.install(Arc::new(picture(size.receivers, wanders)));
        for port in (0..PORTS).map(PortId) {
            let feed = switch.feeds[if port == OUT { IN } else { port }.index()].clone();
            let queue = Plug { shelf: switch.shelf.clone(), feed, is_in: port != OUT };
            switch.order(Order::Attach { port, queue });
        }
        switch.turns(SETTLE_TURNS);
        switch
    }

    /// What comes in by a port.
    pub(crate) fn feed(&self, port: PortId) -> &Feed {
        &self.feeds[port.index()]
    }

    /// Puts a snapshot in force with the next turn.
    pub(crate) fn install(&mut self, snapshot: Arc<Snapshot>) {
        self.order(Order::Install(snapshot));
    }

    fn order(&mut self, order: Order<Plug>) {
        let mut order = Some(order);
        while let Some(Err(back)) = order.take().map(|order| self.wires.mail.send(order)) {
            order = Some(back);
            self.turns(1);
        }
    }

    /// So many turns. What the worker says meanwhile is taken.
    pub(crate) fn turns(&mut self, turns: usize) {
        let now = Tick(((wall_ns() - self.began_ns) / 100_000_000) as u32 + self.ahead);
        for _ in 0..turns {
            self.worker.turn(now);
        }
        self.worker.publish();
        while let Some(report) = self.wires.mail.recv() {
            drop::<Report<Plug>>(report);
        }
    }

    /// Lets so many frames in by the load's port and takes them where they belong; as many.
    pub(crate) fn carry(&mut self, frames: usize, burst: usize) -> u64 {
        self.feed(IN).let_in(frames);
        self.turns(frames.div_ceil(burst));
        frames as u64
    }

    /// How aging walks the flow table.
    pub(crate) fn pace(&self) -> Pace {
        self.worker.pace()
    }

    /// The whole flow table is due to be walked.
    pub(crate) fn fall_due(&mut self) {
        self.ahead += self.pace().pass_ticks;
    }

    /// Walks all of the flow table that is due.
    pub(crate) fn catch_up(&mut self) {
        let Pace { slots, slots_a_turn, .. } = self.pace();
        self.turns(slots.div_ceil(slots_a_turn as usize));
    }

    /// Every flow once, so that it is known.
    pub(crate) fn know(&mut self, flows: Arc<[Flow]>, burst: usize) {
        let count = flows.len();
        self.feed(IN).set(flows);
        self.carry(count, burst);
    }

    /// Counts of the worker.
    pub(crate) fn counts(&self) -> datapath::WorkerReading {
        let (reading, _) = self.books.read(WorkerId(0), &[]).expect("nobody writes now");
        reading
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.shelf.clear(&mut self.heap);
    }
}

/// The same frames from port to port without a switch between: the floor.
pub(crate) struct Wire {
    plug: Plug,
    heap: HeapPool,
}

impl Wire {
    pub(crate) fn new(flows: Arc<[Flow]>) -> Wire {
        let mut heap = Shelf::heap();
        let plug = Plug { shelf: Shelf::new(&mut heap), feed: Feed::default(), is_in: true };
        plug.feed.set(flows);
        Wire { plug, heap }
    }

    /// Takes so many frames in and sends them, as a worker does that passes them on without a look.
    pub(crate) fn carry(&mut self, frames: usize, burst: usize) -> u64 {
        self.plug.feed.let_in(frames);
        let mut batch = Burst::new();
        for _ in 0..frames.div_ceil(burst) {
            self.plug.rx_burst(&mut batch, burst);
            self.plug.tx_burst(&mut batch);
        }
        frames as u64
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.plug.shelf.clear(&mut self.heap);
    }
}

/// The configuration: the load's network, and that of the wandering station.
pub(crate) fn picture(receivers: u32, wanders: Wanders) -> Snapshot {
    let place = |port: PortId| u16::from(wanders == Wanders::Elsewhere && port.index() >= LEFT.index());
    let network = |number: u16| {
        let here = (0..PORTS).map(PortId).filter(|&port| place(port) == number);
        let statics = (0..if number == 0 { receivers } else { 0 }).map(|n| (receiver(n), behind(OUT)));
        Network {
            generation: 1,
            vni: Vni::new(100 + u32::from(number)).expect("the number is below 2^24"),
            macs_max: MACS_MAX as u32,
            age_ticks: FLOW_IDLE_TICKS,
            tcp_mtu: None,
            profile: Profile::L2,
            members: here.map(behind).collect(),
            statics: statics.collect(),
        }
    };
    let member = |port| {
        let kind = MemberKind::Local { port, vlan: None };
        Some(Member { generation: 1, network: NetworkId(place(port)), kind })
    };
    Snapshot {
        generation: 1,
        ports: (0..PORTS).map(|port| Some(port_spec(PortId(port)))).collect(),
        networks: vec![Some(network(0)), Some(network(1))],
        members: std::iter::once(None).chain((0..PORTS).map(|port| member(PortId(port)))).collect(),
        vteps: VtepTable::default(),
    }
}

/// The member behind a port.
fn behind(port: PortId) -> MemberId {
    MemberId(port.index() as u32 + 1)
}

fn port_spec(port: PortId) -> PortSpec {
    PortSpec {
        generation: 1,
        role: Role::Access { guard: Guard::default() },
        vlans: Vlans::transparent(behind(port)),
        frame_max: 1514,
        storm_max: None,
        workers: vec![WorkerId(0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { flows_max: 4096, receivers: 16, burst: 32, hash_key: HashKey([1, 2]), huge: false };

    fn flows(count: u32) -> Arc<[Flow]> {
        (0..count).map(|n| Flow { dst: n % 16, src: n / 16 }).collect()
    }

    #[test]
    fn every_frame_is_a_miss_once_and_then_a_hit_and_is_sent() {
        let mut switch = Switch::new(&SIZE, Wanders::Elsewhere);
        switch.know(flows(1000), 32);
        let known = switch.counts();
        assert_eq!((known.rx, known.tx, known.flow_misses), (1000, 1000, 1000));
        switch.carry(2000, 32);
        let after = switch.counts();
        assert_eq!((after.tx, after.flow_misses, after.flow_hits), (3000, 1000, 2000));
    }

    #[test]
    fn a_station_wanders_and_is_followed() {
        for wanders in [Wanders::Elsewhere, Wanders::Here] {
            let mut switch = Switch::new(&SIZE, wanders);
            for port in [LEFT, RIGHT, LEFT] {
                switch.feed(port).wander(7);
                switch.turns(1);
            }
            let counts = switch.counts();
            assert_eq!((counts.rx, counts.mac_learned, counts.mac_moved), (3, 1, 2), "{wanders:?}");
        }
    }

    #[test]
    fn a_wire_carries_what_it_is_given() {
        assert_eq!(Wire::new(flows(10)).carry(100, 32), 100);
    }
}
