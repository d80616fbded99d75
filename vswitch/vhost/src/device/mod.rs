//! A vhost-user device as control sees it: the socket, the session on it, and the rings in the workers' hands.
//!
//! [`VhostDevice::turn`] is called now and then on the control thread, and at once when something comes by
//! [`VhostDevice::fd`]. It never waits: it connects or accepts, reads what has come, carries out what the session asks,
//! and where that means a change of rings, sends it to the workers and looks for their answers in later turns. Devices do
//! not know of each other.

mod closing;
mod desk;
mod endpoint;
mod plan;
mod quarantine;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    os::fd::BorrowedFd,
    path::PathBuf,
    time::{Duration, Instant},
};

use frame::Pool;

use crate::{Backend, Fault, Features, GuestMtu, Offer, ProtocolFeatures, VhostPort};
use closing::Closing;
use desk::Desk;
use endpoint::Endpoint;
use quarantine::Quarantine;
use session::{End, Session};

pub use endpoint::{OpenError, SocketAccess};

/// Between two attempts to reach a front end that is not there, at least.
const RETRY: Duration = Duration::from_millis(5);

/// Who listens on the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The guest; we connect, again and again. Both may be restarted.
    Client,
    /// We do.
    Server,
}

/// The device to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// Where the socket is.
    pub socket: PathBuf,
    /// Who listens on it.
    pub mode: Mode,
    /// Who may be at the other end.
    pub access: SocketAccess,
    /// Queue pairs offered, at least one.
    pub queue_pairs: u16,
    /// The port's MTU in octets.
    pub mtu: u16,
    /// What may be left to the other side: [`Features::CHECKSUMS`], [`Features::TO_GUEST`] and [`Features::FROM_GUEST`], the latter
    /// only where the ports' pools have frames for super-frames.
    pub offloads: Features,
}

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No front end has come yet, or it went.
    Waiting,
    /// A front end is connected; the rings that may move frames are counted.
    Connected {
        /// Rings that move frames.
        active: usize,
    },
    /// The last front end was at fault, and is left alone for a while.
    Quarantined,
}

/// What there is to tell of a device.
#[derive(Clone, Debug)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// What we offer.
    pub offered: Features,
    /// What both sides have agreed on; nothing without a front end.
    pub features: Features,
    /// The same of vhost-user's own.
    pub protocol_features: ProtocolFeatures,
    /// Descriptors of each ring that moves frames, by the ring's number.
    pub rings: Vec<(u16, u32)>,
    /// The MTU that the front end goes by; nothing without one.
    pub mtu: Option<GuestMtu>,
    /// How often a front end was found at fault, and what for, the last time.
    pub faults: u64,
    /// The last fault.
    pub last_fault: Option<Fault>,
    /// Until when the front end is left alone, while it is quarantined.
    pub quarantined_until: Option<Instant>,
}

enum Phase {
    /// Nobody is there; look again then.
    Away {
        again: Instant,
    },
    Here(Box<Session>),
    /// The session is over; the workers are to give the rings back, and what it left is to be closed.
    Leaving {
        again: Instant,
        closing: Option<Closing>,
    },
}

/// A device: one socket, and one [`VhostPort`] for each queue pair.
pub struct VhostDevice {
    endpoint: Endpoint,
    offer: Offer,
    desks: Vec<Desk>,
    phase: Phase,
    faults: u64,
    last_fault: Option<Fault>,
    quarantine: Quarantine,
}

/// What a device of so many queue pairs offers.
pub fn offer(config: &DeviceConfig) -> Offer {
    let features = Features::VERSION_1
        | Features::EVENT_IDX
        | Features::INDIRECT_DESC
        | Features::IN_ORDER
        | Features::RING_PACKED
        | Features::MRG_RXBUF
        | Features::MTU
        | Features::GUEST_ANNOUNCE
        | Features::LOG_ALL
        | Features::PROTOCOL_FEATURES;
    let features = if config.queue_pairs > 1 { features | Features::MQ } else { features } | config.offloads;
    let protocol = ProtocolFeatures::MQ
        .with(ProtocolFeatures::REPLY_ACK)
        .with(ProtocolFeatures::LOG_SHMFD)
        .with(ProtocolFeatures::CONFIGURE_MEM_SLOTS)
        .with(ProtocolFeatures::STATUS)
        .with(ProtocolFeatures::NET_MTU)
        .with(ProtocolFeatures::RARP)
        .with(ProtocolFeatures::RESET_DEVICE)
        .with(ProtocolFeatures::INFLIGHT_SHMFD);
    Offer { features, protocol, queue_pairs: config.queue_pairs, regions_max: 32, mtu_max: config.mtu }
}

impl VhostDevice {
    /// Opens the device, and as many ports as it has queue pairs, each with a pool of its own making.
    ///
    /// # Errors
    /// Where the socket cannot be made, or somebody else listens on it.
    pub fn open<M: Pool>(
        config: &DeviceConfig,
        pool: impl Fn() -> M,
    ) -> Result<(VhostDevice, Vec<VhostPort<M>>), OpenError> {
        let endpoint = Endpoint::open(&config.socket, config.mode, config.access)?;
        let mut desks = Vec::new();
        let mut ports = Vec::new();
        for pair in 0..config.queue_pairs {
            let (control, worker) = crate::pair::pair();
            desks.push(Desk::new(pair, control, endpoint::bell(&config.socket)?));
            ports.push(VhostPort::new(worker, pool()));
        }
        let phase = Phase::Away { again: Instant::now() };
        let offer = offer(config);
        let quarantine = Quarantine::default();
        let device = VhostDevice { endpoint, offer, desks, phase, faults: 0, last_fault: None, quarantine };
        Ok((device, ports))
    }

    /// Does what can be done now. Whether a worker's answer is awaited, or a front end has gone: then the next turn should come
    /// soon.
    pub fn turn(&mut self, now: Instant) -> bool {
        if let Some(fault) = self.desks.iter_mut().filter_map(Desk::hear).next() {
            self.end(End::Fault(fault), now);
        }
        match &mut self.phase {
            Phase::Away { again } if now < *again => {}
            Phase::Away { .. } => self.look_for_front_end(now),
            Phase::Here(session) => {
                if let Err(end) = session.turn(&mut self.desks) {
                    self.end(end, now);
                }
            }
            Phase::Leaving { again, closing } => {
                let closed = closing.as_mut().is_none_or(Closing::is_through);
                if closed && self.desks.iter().all(Desk::is_quiet) {
                    self.phase = Phase::Away { again: *again };
                }
            }
        }
        // Whoever has just hung up may be back at once.
        let is_left = matches!(self.phase, Phase::Leaving { closing: None, .. });
        is_left || self.desks.iter().any(|desk| !desk.is_quiet())
    }

    fn look_for_front_end(&mut self, now: Instant) {
        self.quarantine.is_over();
        self.phase = match self.endpoint.reach() {
            Ok(Some(stream)) => {
                self.quarantine.met(now);
                self.desks.iter_mut().for_each(Desk::forget);
                Phase::Here(Box::new(Session::new(stream, self.offer)))
            }
            Ok(None) => Phase::Away { again: now + RETRY },
            Err(stranger) => Phase::Away { again: self.punish(stranger, now) },
        };
    }

    /// Counts a fault; until when whoever it was is left alone.
    fn punish(&mut self, fault: Fault, now: Instant) -> Instant {
        self.faults += 1;
        self.last_fault = Some(fault);
        self.quarantine.begin(now)
    }

    /// Ends the session, whoever wanted that; the rings come back from the workers in later turns.
    fn end(&mut self, end: End, now: Instant) {
        let session = match std::mem::replace(&mut self.phase, Phase::Away { again: now }) {
            Phase::Here(session) => session,
            other => {
                self.phase = other;
                return;
            }
        };
        let (again, closing) = match end {
            // Whoever hangs up has been heard to the end; of others anything may be left.
            End::Gone => (now, None),
            End::Fault(fault) => (self.punish(fault, now), Some(Closing::new(session.into_stream()))),
        };
        self.desks.iter_mut().for_each(Desk::clear);
        self.phase = Phase::Leaving { again, closing };
    }

    /// What to wait for: readable when a front end has come or said something.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.phase {
            Phase::Here(session) => session.fd(),
            Phase::Away { .. } if self.quarantine.until().is_none() => self.endpoint.fd(),
            _ => None,
        }
    }

    /// Gives the port another MTU, in octets. A front end that is connected goes by the one it found.
    pub fn set_mtu(&mut self, mtu: u16) {
        self.offer.mtu_max = mtu;
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        let session = if let Phase::Here(session) = &self.phase { Some(session.backend()) } else { None };
        let rings = session.map_or(Vec::new(), |backend| backend.active_rings().collect());
        let state = match session {
            Some(_) => State::Connected { active: rings.len() },
            None if self.quarantine.until().is_some() => State::Quarantined,
            None => State::Waiting,
        };
        Status {
            state,
            offered: self.offer.features,
            features: session.map(|backend| backend.features()).unwrap_or_default(),
            protocol_features: session.map(|backend| backend.protocol_features()).unwrap_or_default(),
            rings,
            mtu: session.map(Backend::mtu),
            faults: self.faults,
            last_fault: self.last_fault.clone(),
            quarantined_until: self.quarantine.until(),
        }
    }
}

impl Drop for VhostDevice {
    /// A port that is taken away closes its guest's connection as one whose guest was at fault.
    fn drop(&mut self) {
        if let Phase::Here(session) = std::mem::replace(&mut self.phase, Phase::Away { again: Instant::now() }) {
            Closing::new(session.into_stream()).is_through();
        }
    }
}
