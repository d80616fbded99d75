//! Requests about the device as a whole: features, status, memory.

use vhost_protocol::vhost_user::message::VhostUserInflight;

use crate::{
    Action, Fault, Features, InflightArea, ProtocolFeatures, Region, Vring,
    session::{
        action::RegionPlace,
        backend::{Backend, Owed, Step},
        framing::Message,
        vring::RING_SIZE_MAX,
    },
};

/// The smallest MTU IPv4 knows, in octets (RFC 791).
const MTU_MIN: u16 = 68;

/// The MTU that a front end goes by, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestMtu {
    /// The most it may tell its guest: the port's when it connected.
    pub offered: u16,
    /// What it says it has told its guest.
    pub told: Option<u16>,
}

impl Backend {
    pub(super) fn set_features(&mut self, message: &Message) -> Result<Step, Fault> {
        let features = Features(message.number()?);
        let extra = features.without(self.offer.features);
        if extra != Features::default() {
            return Err(Fault::FeaturesNotOffered(extra.0));
        }
        // Migration switches logging on and off under running rings; the rest says how a ring is to be read.
        let changed = Features(features.0 ^ self.features.0).without(Features::LOG_ALL);
        if changed != Features::default() && self.rings.iter().any(|ring| ring.started) {
            return Err(Fault::FeaturesWhileRunning(changed.0));
        }
        self.features = features;
        if !features.has(Features::PROTOCOL_FEATURES) {
            // Without the word that enables rings they all are (vhost-user, "Ring states").
            self.rings.iter_mut().for_each(|ring| ring.enabled = true);
        }
        Ok(Step::Act(Action::Rings))
    }

    pub(super) fn set_protocol_features(&mut self, message: &Message) -> Result<Step, Fault> {
        let features = ProtocolFeatures(message.number()?);
        let extra = features.without(self.offer.protocol);
        if extra != ProtocolFeatures::default() {
            return Err(Fault::FeaturesNotOffered(extra.0));
        }
        self.protocol = features;
        Ok(Step::Act(Action::Rings))
    }

    /// Everything the driver has said is forgotten; memory and what was negotiated of the protocol stay.
    pub(super) fn reset(&mut self, message: &Message) -> Result<Step, Fault> {
        message.empty()?;
        self.status = 0;
        let enabled = !self.features.has(Features::PROTOCOL_FEATURES);
        for ring in &mut self.rings {
            ring.stop();
            *ring = Vring { run: ring.run, enabled, ..Vring::default() };
        }
        Ok(Step::Act(Action::Rings))
    }

    pub(super) fn set_status(&mut self, message: &Message) -> Result<Step, Fault> {
        let value = message.number()?;
        let wrong = Fault::Value { request: message.request, what: "virtio status", value };
        self.status = u8::try_from(value).map_err(|_| wrong)?;
        if self.status == 0 {
            self.rings.iter_mut().for_each(Vring::stop);
        }
        Ok(Step::Act(Action::Rings))
    }

    /// An MTU above ours is refused, so that the guest does not send what the port cannot carry.
    pub(super) fn set_mtu(&mut self, message: &Message) -> Result<Step, Fault> {
        let fitting = u16::try_from(message.number()?).ok().filter(|mtu| (MTU_MIN..=self.offer.mtu_max).contains(mtu));
        self.mtu_told = fitting.or(self.mtu_told);
        Ok(if fitting.is_some() { Step::Ack } else { Step::Refuse })
    }

    /// What this front end goes by.
    pub fn mtu(&self) -> GuestMtu {
        GuestMtu { offered: self.offer.mtu_max, told: self.mtu_told }
    }

    pub(super) fn set_memory(&mut self, message: Message) -> Result<Step, Fault> {
        let places = message.regions()?;
        message.fds_exactly(places.len())?;
        self.table.replace(&places)?;
        let regions = places.into_iter().zip(message.fds).map(|(place, fd)| Region { place, fd });
        Ok(Step::Act(Action::Memory(regions.collect())))
    }

    /// Of a guest with several queue pairs QEMU (up to 7.2) adds and removes each region once for every pair: what is so
    /// already is acknowledged and not done again.
    pub(super) fn add_region(&mut self, mut message: Message) -> Result<Step, Fault> {
        let place: RegionPlace = message.region()?;
        let fd = message.fd()?;
        if self.table.has(&place) {
            return Ok(Step::Ack);
        }
        self.table.add(place)?;
        Ok(Step::Act(Action::AddRegion(Region { place, fd })))
    }

    pub(super) fn remove_region(&mut self, message: &Message) -> Result<Step, Fault> {
        // QEMU used to send the region's descriptor along, and the specification bears with it.
        if message.fds.len() > 1 {
            message.fds_exactly(1)?;
        }
        let place = self.table.remove(&message.region()?);
        Ok(place.map_or(Step::Ack, |place| Step::Act(Action::RemoveRegion(place))))
    }

    pub(super) fn get_inflight(&mut self, message: &Message) -> Result<Step, Fault> {
        let (rings, ring_size) = self.inflight_shape(message, &message.read()?)?;
        let owed = Owed::Inflight(message.request, rings, ring_size);
        Ok(Step::Owe(Action::MakeInflight { rings, ring_size }, owed))
    }

    pub(super) fn set_inflight(&mut self, mut message: Message) -> Result<Step, Fault> {
        let area = message.read::<VhostUserInflight>()?;
        let (rings, ring_size) = self.inflight_shape(&message, &area)?;
        let (size, offset) = (area.mmap_size, area.mmap_offset);
        if size == 0 || offset.checked_add(size).is_none_or(|end| end > i64::MAX as u64) {
            return Err(Fault::Value { request: message.request, what: "size of an in-flight area", value: size });
        }
        let fd = message.fd()?;
        Ok(Step::Act(Action::Inflight(InflightArea { size, offset, rings, ring_size, fd })))
    }

    fn inflight_shape(&self, message: &Message, area: &VhostUserInflight) -> Result<(u16, u16), Fault> {
        let (rings, ring_size) = (area.num_queues, area.queue_size);
        let value = u64::from(rings) << 16 | u64::from(ring_size);
        if rings == 0 || rings > self.offer.rings() || ring_size == 0 || u32::from(ring_size) > RING_SIZE_MAX {
            return Err(Fault::Value { request: message.request, what: "shape of an in-flight area", value });
        }
        Ok((rings, ring_size))
    }
}
