//! Requests about one ring.

use std::{os::fd::OwnedFd, sync::Arc};

use vhost_protocol::vhost_user::message::{VhostUserVringAddr, VhostUserVringState};

use crate::{
    Action, Fault, Features, RingAddresses, RingIndex, Vring,
    session::{
        backend::{Backend, Owed, Step},
        framing::Message,
        vring::RING_SIZE_MAX,
    },
};

/// In the number beside a ring's descriptors: the ring, and that no descriptor comes because none is needed.
const FD_RING_MASK: u64 = 0xff;
const FD_NONE: u64 = 1 << 8;

impl Backend {
    pub(super) fn set_size(&mut self, message: &Message) -> Result<Step, Fault> {
        let state = message.read::<VhostUserVringState>()?;
        let ring = self.index(state.index)?;
        let size = state.num;
        let fits = (1..=RING_SIZE_MAX).contains(&size);
        if !fits || (!self.features.has(Features::RING_PACKED) && !size.is_power_of_two()) {
            return Err(Fault::RingSize { ring, size });
        }
        // A ring cannot change its size while it runs; who sets it anew means to start anew.
        let vring = self.ring_mut(ring);
        vring.stop();
        vring.size = size;
        Ok(Step::Act(Action::Rings))
    }

    /// Allowed while the ring runs: that is how migration switches the logging of its used part on.
    pub(super) fn set_addresses(&mut self, message: &Message) -> Result<Step, Fault> {
        let addr = message.read::<VhostUserVringAddr>()?;
        let ring = self.index(addr.index)?;
        if addr.flags & !1 != 0 {
            let value = u64::from(addr.flags);
            return Err(Fault::Value { request: message.request, what: "set of ring flags", value });
        }
        self.ring_mut(ring).addresses = Some(RingAddresses::new(ring, &addr)?);
        Ok(Step::Act(Action::Rings))
    }

    pub(super) fn set_base(&mut self, message: &Message) -> Result<Step, Fault> {
        let state = message.read::<VhostUserVringState>()?;
        let ring = self.index(state.index)?;
        let value = u64::from(state.num);
        if !self.features.has(Features::RING_PACKED) && value > u64::from(u16::MAX) {
            return Err(Fault::Value { request: message.request, what: "index of a split ring", value });
        }
        let vring = self.ring_mut(ring);
        vring.stop();
        vring.base = state.num;
        Ok(Step::Act(Action::Rings))
    }

    pub(super) fn get_base(&mut self, message: &Message) -> Result<Step, Fault> {
        let state = message.read::<VhostUserVringState>()?;
        let ring = self.index(state.index)?;
        let vring = self.ring_mut(ring);
        vring.stop();
        // Its descriptors belong to the start that has just ended.
        vring.call = None;
        Ok(Step::Owe(Action::Stop(ring), Owed::Base(message.request, ring)))
    }

    /// Starts the ring. The descriptor itself is closed: rings are polled, and nobody needs to be woken.
    pub(super) fn set_kick(&mut self, message: Message) -> Result<Step, Fault> {
        let (ring, _kick) = self.ring_fd(message)?;
        self.ring_mut(ring).started = true;
        Ok(Step::Act(Action::Rings))
    }

    pub(super) fn set_call(&mut self, message: Message) -> Result<Step, Fault> {
        let (ring, call) = self.ring_fd(message)?;
        self.ring_mut(ring).call = call.map(Arc::new);
        Ok(Step::Act(Action::Rings))
    }

    /// Taken and closed: what goes wrong ends the session, which the front end notices by itself.
    pub(super) fn set_err(&mut self, message: Message) -> Result<Step, Fault> {
        self.ring_fd(message).map(|_| Step::Ack)
    }

    pub(super) fn set_enable(&mut self, message: &Message) -> Result<Step, Fault> {
        let state = message.read::<VhostUserVringState>()?;
        let ring = self.index(state.index)?;
        let value = u64::from(state.num);
        self.ring_mut(ring).enabled = match value {
            0 => false,
            1 => true,
            _ => return Err(Fault::Value { request: message.request, what: "switch", value }),
        };
        Ok(Step::Act(Action::Rings))
    }

    /// The ring a descriptor is for, and the descriptor, unless the message says that there is none.
    fn ring_fd(&self, mut message: Message) -> Result<(RingIndex, Option<OwnedFd>), Fault> {
        let value = message.number()?;
        if value & !(FD_RING_MASK | FD_NONE) != 0 {
            return Err(Fault::Value { request: message.request, what: "ring and descriptor flag", value });
        }
        let ring = self.index((value & FD_RING_MASK) as u32)?;
        if value & FD_NONE != 0 {
            message.fds_exactly(0)?;
            return Ok((ring, None));
        }
        message.fd().map(|fd| (ring, Some(fd)))
    }

    fn index(&self, ring: u32) -> Result<RingIndex, Fault> {
        let rings = self.offer.rings();
        match u16::try_from(ring) {
            Ok(index) if index < rings => Ok(RingIndex(index)),
            _ => Err(Fault::NoSuchRing { ring, rings }),
        }
    }

    fn ring_mut(&mut self, ring: RingIndex) -> &mut Vring {
        &mut self.rings[usize::from(ring.0)]
    }
}
