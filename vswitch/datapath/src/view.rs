//! What other threads may see of a worker's tables while it works: copies of whole entries, never a lock.

use std::net::IpAddr;

use sync::Region;
use table::{FdbReader, FlowReader, MemberId, NetworkId, Tick};
use wire::{FiveTuple, Mac};

use crate::{
    WorkerId,
    flow::{FlowKey, KEY_WORDS, Recipe},
};

/// A cached decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowView {
    /// The member its frames come from.
    pub ingress: MemberId,
    /// Destination MAC.
    pub dst: Mac,
    /// Source MAC.
    pub src: Mac,
    /// Source address, where the key holds it.
    pub source: Option<IpAddr>,
    /// The five-tuple, where the key holds all of it.
    pub tuple: Option<FiveTuple>,
    /// What becomes of the frames.
    pub recipe: Recipe,
    /// Frames so far.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// When the last one came.
    pub last_seen: Tick,
}

/// A forwarding-database entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacView {
    /// The bridge domain.
    pub network: NetworkId,
    /// The address.
    pub mac: Mac,
    /// Where it is.
    pub member: MemberId,
    /// Whether the configuration says so.
    pub is_static: bool,
    /// Whether this worker has learned it itself.
    pub is_local: bool,
    /// When it was last seen.
    pub last_seen: Tick,
}

/// A reader of one worker's tables.
pub struct WorkerView {
    worker: WorkerId,
    flows: FlowReader<KEY_WORDS>,
    macs: FdbReader,
}

impl WorkerView {
    pub(crate) fn new(worker: WorkerId, flows: FlowReader<KEY_WORDS>, macs: FdbReader) -> WorkerView {
        WorkerView { worker, flows, macs }
    }

    /// Whose tables these are.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// All cached decisions, in no order.
    pub fn flows(&self) -> impl Iterator<Item = FlowView> {
        self.flows.iter().map(|entry| {
            let key = FlowKey(entry.key);
            let tuple = key.five_tuple(&entry.tail);
            FlowView {
                ingress: key.ingress(),
                dst: key.dst(),
                src: key.src(),
                source: tuple.map(|tuple| tuple.addresses().0).or_else(|| key.source_address()),
                tuple,
                recipe: Recipe::decode(entry.recipe),
                packets: entry.packets,
                bytes: entry.bytes,
                last_seen: entry.last_seen,
            }
        })
    }

    /// All FDB entries, in no order.
    pub fn macs(&self) -> impl Iterator<Item = MacView> {
        self.macs.iter().map(|entry| MacView {
            network: entry.network,
            mac: entry.mac,
            member: entry.member,
            is_static: entry.is_static,
            is_local: entry.is_local,
            last_seen: entry.last_seen,
        })
    }

    /// Cached decisions there are.
    pub fn flows_held(&self) -> usize {
        self.flows.held()
    }

    /// FDB entries there are.
    pub fn macs_held(&self) -> usize {
        self.macs.held()
    }

    /// The memory of the flow table.
    pub fn flows_region(&self) -> &Region {
        self.flows.region()
    }

    /// The memory of the FDB.
    pub fn macs_region(&self) -> &Region {
        self.macs.region()
    }

    /// Cached decisions there is room for.
    pub fn flows_capacity(&self) -> usize {
        self.flows.capacity()
    }

    /// FDB entries there is room for.
    pub fn macs_capacity(&self) -> usize {
        self.macs.capacity()
    }
}
