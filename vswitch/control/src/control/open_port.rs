//! An open device and where its queue pairs are.

use datapath::{Order, PortId, PortReading, WorkerId};
use wire::Mac;

use super::factory::Opened;
use crate::config::Port;

/// An open device.
pub(super) struct OpenPort<Q> {
    /// What the configuration says of it, as of when it was opened or last changed.
    pub(super) port: Port,
    /// The MAC in use: the configured one, else the device's own.
    pub(super) mac: Option<Mac>,
    /// Its id among the workers, once a snapshot has it.
    pub(super) id: Option<PortId>,
    /// What the books said under that id before the device was there.
    pub(super) base: PortReading,
    /// Whether it is on its way out: queues come back, then it is closed.
    pub(super) is_leaving: bool,
    queues: Vec<Place<Q>>,
    /// How many of its queues the snapshot gives to a worker.
    wanted: usize,
}

/// Where a queue pair is.
enum Place<Q> {
    /// With control.
    Here(Q),
    /// With control, because its worker could not take it.
    Refused(Q),
    /// With a worker, or on the way there.
    At(WorkerId),
    /// Called back from a worker.
    Leaving(WorkerId),
    /// Between two places; no method returns while a queue is there.
    Between,
}

impl<Q> OpenPort<Q> {
    pub(super) fn new(port: Port, opened: Opened<Q>) -> OpenPort<Q> {
        OpenPort {
            mac: port.mac.or(opened.mac),
            port,
            id: None,
            base: PortReading::default(),
            is_leaving: false,
            queues: opened.queues.into_iter().map(Place::Here).collect(),
            wanted: 0,
        }
    }

    /// Orders what brings each queue nearer to its place in `wanted` (queue `i` to worker `wanted[i]`). Called again
    /// until [`OpenPort::is_settled`].
    pub(super) fn settle(&mut self, wanted: &[WorkerId], mut order: impl FnMut(WorkerId, Order<Q>)) {
        let Some(port) = self.id else { return };
        self.wanted = wanted.len();
        for index in 0..self.queues.len() {
            let target = wanted.get(index).copied().filter(|_| !self.is_leaving);
            // A worker serves one queue of a port: the one there must be back before another goes.
            let is_taken = target.is_some_and(|worker| self.holds_other(worker, index));
            let place = &mut self.queues[index];
            *place = match (std::mem::replace(place, Place::Between), target) {
                (Place::Here(queue), Some(worker)) if !is_taken => {
                    order(worker, Order::Attach { port, queue });
                    Place::At(worker)
                }
                (Place::At(worker), target) if target != Some(worker) => {
                    order(worker, Order::Detach { port });
                    Place::Leaving(worker)
                }
                (place, _) => place,
            };
        }
    }

    fn holds_other(&self, worker: WorkerId, except: usize) -> bool {
        let there = |place: &Place<Q>| matches!(place, Place::At(w) | Place::Leaving(w) if *w == worker);
        self.queues.iter().enumerate().any(|(index, place)| index != except && there(place))
    }

    /// A queue comes back from `worker`, called or uncalled. Gives the queue back where none is known to be there.
    pub(super) fn take_back(&mut self, worker: WorkerId, queue: Q) -> Result<(), Q> {
        for place in &mut self.queues {
            match place {
                Place::Leaving(at) if *at == worker => {
                    *place = Place::Here(queue);
                    return Ok(());
                }
                Place::At(at) if *at == worker => {
                    log::error!("worker {} could not take a queue of port {}", worker.0, self.port.name);
                    *place = Place::Refused(queue);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(queue)
    }

    /// Whether no queue is, or is still to be, on its way.
    pub(super) fn is_settled(&self) -> bool {
        let at_work = |place: &Place<Q>| matches!(place, Place::At(_) | Place::Refused(_));
        match self.is_leaving {
            true => self.is_home(),
            false => self.queues.iter().take(self.wanted).all(at_work),
        }
    }

    /// Whether all queues are with control, so that the device can be closed.
    pub(super) fn is_home(&self) -> bool {
        self.queues.iter().all(|place| matches!(place, Place::Here(_) | Place::Refused(_)))
    }

    /// Whether workers serve all queues.
    pub(super) fn is_served(&self) -> bool {
        self.queues.iter().all(|place| matches!(place, Place::At(_)))
    }

    /// The queues that are with control.
    pub(super) fn into_queues(self) -> Vec<Q> {
        let here = |place| match place {
            Place::Here(queue) | Place::Refused(queue) => Some(queue),
            Place::At(_) | Place::Leaving(_) | Place::Between => None,
        };
        self.queues.into_iter().filter_map(here).collect()
    }
}
