//! The node's own traffic: punted frames to the host stack and the resolver, their frames to the workers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use datapath::{Inject, PortId, WorkerId};
use frame::Pool;

use super::{
    desk::Desk,
    host_loss::{HostLoss, HostLosses},
};
use crate::host::{Attachment, Host, Neighbours, NextHop, PathMtus, Refused, Sent};

/// Punted frames handled per worker and tick.
const PUNTS_A_TICK: usize = 256;

/// The host stack, the resolver, and their way out.
pub(super) struct Underlay {
    pub(super) neighbours: Neighbours,
    pub(super) path_mtus: PathMtus,
    host: Host,
    outlet: Outlet,
}

/// What it takes to send frames of the node.
struct Outlet {
    pool: Box<dyn Pool>,
    /// The worker that sends for each uplink.
    homes: BTreeMap<PortId, WorkerId>,
    losses: HostLosses,
}

impl Underlay {
    pub(super) fn new(pool: Box<dyn Pool>) -> Underlay {
        let (neighbours, path_mtus, host) = (Neighbours::new(), PathMtus::default(), Host::new());
        let outlet = Outlet { pool, homes: BTreeMap::new(), losses: HostLosses::default() };
        Underlay { neighbours, path_mtus, host, outlet }
    }

    /// Makes `uplinks` (with the worker that sends for each) the node's uplinks, `wanted` the next hops to find and `sent`
    /// what its packets are like.
    pub(super) fn configure(
        &mut self,
        uplinks: BTreeMap<PortId, (Attachment, WorkerId)>,
        wanted: &BTreeSet<NextHop>,
        sent: BTreeSet<Sent>,
        now: Duration,
    ) {
        self.outlet.homes = uplinks.iter().map(|(&port, (_, home))| (port, *home)).collect();
        let attachments = uplinks.into_iter().map(|(port, (attachment, _))| (port, attachment)).collect();
        self.host.configure(&attachments, now);
        self.neighbours.configure(&attachments);
        self.neighbours.want(wanted, now);
        self.path_mtus.configure(sent);
    }

    /// Hears what workers punted.
    pub(super) fn hear<Q: Send>(&mut self, desks: &mut [Desk<Q>], now: Duration) {
        desks.iter_mut().for_each(|desk| self.hear_one(desk, now));
    }

    /// Answers, and asks for next hops on those uplinks that can send.
    pub(super) fn speak<Q: Send>(&mut self, desks: &mut [Desk<Q>], ready: &BTreeSet<PortId>, now: Duration) {
        let Underlay { neighbours, path_mtus, host, outlet } = self;
        let mut send = |port: PortId, octets: &[u8]| outlet.send(desks, port, octets);
        path_mtus.poll(now);
        host.poll(now, &mut send);
        neighbours.poll(now, |uplink| ready.contains(&uplink), &mut send);
    }

    /// Sends a frame of the node by an uplink.
    pub(super) fn send<Q: Send>(&mut self, desks: &mut [Desk<Q>], uplink: PortId, octets: &[u8]) {
        self.outlet.send(desks, uplink, octets);
    }

    /// What was lost of the node's own traffic.
    pub(super) fn losses(&self) -> &HostLosses {
        &self.outlet.losses
    }

    fn hear_one<Q: Send>(&mut self, desk: &mut Desk<Q>, now: Duration) {
        for _ in 0..PUNTS_A_TICK {
            let Some(punt) = desk.link.wires.punts.pop() else { return };
            let octets = punt.frame.data();
            self.neighbours.receive(punt.port, octets, now);
            let heard = self.path_mtus.receive(octets, now);
            if let Err(refused) = heard.and_then(|()| self.host.receive(punt.port, octets)) {
                log::debug!("a frame of {} octets punted to the node: {refused}", octets.len());
                self.outlet.losses.count(refused.into());
            }
            self.outlet.pool.release_one(punt.frame);
        }
    }
}

impl Outlet {
    fn send<Q: Send>(&mut self, desks: &mut [Desk<Q>], uplink: PortId, octets: &[u8]) {
        let desk = self.homes.get(&uplink).and_then(|home| desks.get_mut(home.index()));
        let sent = desk.map_or(Err(HostLoss::Unserved), |desk| inject(desk, &mut *self.pool, uplink, octets));
        if let Err(way) = sent {
            log::debug!("a frame of the node itself could not be sent: {way}");
            self.losses.count(way);
        }
    }
}

/// Hands a frame of the node itself to a worker.
fn inject<Q: Send>(desk: &mut Desk<Q>, pool: &mut dyn Pool, port: PortId, octets: &[u8]) -> Result<(), HostLoss> {
    let mut frame = pool.alloc().ok_or(HostLoss::NoBuffer)?;
    if !frame.write(octets) {
        pool.release_one(frame);
        return Err(HostLoss::NoBuffer);
    }
    desk.link.wires.injects.push(Inject { port, frame }).map_err(|Inject { frame, .. }| {
        pool.release_one(frame);
        HostLoss::InjectFull
    })
}

impl From<Refused> for HostLoss {
    fn from(refused: Refused) -> HostLoss {
        match refused {
            Refused::NoUplink => HostLoss::NoUplink,
            Refused::NotSpoken => HostLoss::NotSpoken,
            Refused::NotOurPacket => HostLoss::NotOurPacket,
            Refused::QueueFull => HostLoss::QueueFull,
        }
    }
}
