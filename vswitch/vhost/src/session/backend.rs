//! The session: takes messages one after the other, answers what it can itself, and asks for the rest.
//!
//! The order of calls is: [`Backend::receive`] what was read; [`Backend::next`] until it says `None`, carrying out each
//! action and telling [`Backend::done`] how it ended; send every [`Backend::reply`]. While an action is open no further
//! message is looked at, so that nothing overtakes it. The first [`Fault`] ends the session: drop it and the socket.

use std::{collections::VecDeque, os::fd::OwnedFd, sync::Arc};

use vhost_protocol::vhost_user::message::{FrontendReq, VhostUserVringState};

use crate::{
    Action, Done, Fault, Features, Offer, ProtocolFeatures, Reply, Request, RingIndex, Vring,
    session::{
        framing::{Assembler, Message},
        memory_table::MemoryTable,
        offer,
    },
};

/// The driver is set up and may move frames (`VIRTIO_CONFIG_S_DRIVER_OK`; virtio 1.2, section 2.1).
const STATUS_DRIVER_OK: u8 = 4;

/// The answer that an open action owes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owed {
    /// An acknowledgement, where the front end wants one.
    Ack(Request, bool),
    /// Where this ring stands.
    Base(Request, RingIndex),
    /// An empty answer, wanted or not.
    Empty(Request),
    /// The memory made for this many rings of this many descriptors.
    Inflight(Request, u16, u16),
}

/// One front end, from its first message to its last.
#[derive(Debug)]
pub struct Backend {
    pub(super) offer: Offer,
    pub(super) features: Features,
    pub(super) protocol: ProtocolFeatures,
    pub(super) status: u8,
    pub(super) mtu_told: Option<u16>,
    pub(super) rings: Box<[Vring]>,
    pub(super) table: MemoryTable,
    assembler: Assembler,
    open: Option<Owed>,
    replies: VecDeque<Reply>,
}

impl Backend {
    /// A session in which nothing has been said yet.
    pub fn new(offer: Offer) -> Backend {
        Backend {
            offer,
            features: Features::default(),
            protocol: ProtocolFeatures::default(),
            status: 0,
            mtu_told: None,
            rings: vec![Vring::default(); usize::from(offer.rings())].into(),
            table: MemoryTable::new(offer.regions_max),
            assembler: Assembler::default(),
            open: None,
            replies: VecDeque::new(),
        }
    }

    /// Octets to read at most, so that descriptors stay with the message they belong to; 0 while an action is open.
    pub fn wanted(&self) -> usize {
        if self.open.is_some() { 0 } else { self.assembler.wanted() }
    }

    /// Takes what was read from the socket: octets, at most [`Backend::wanted`], and the descriptors beside them.
    pub fn receive(&mut self, octets: &[u8], fds: Vec<OwnedFd>) -> Result<(), Fault> {
        self.assembler.push(octets, fds)
    }

    /// Looks at what has come. `None`: more octets are needed, or the last action is still open.
    #[expect(clippy::should_implement_trait, reason = "an iterator has no faults, and is not told how it went")]
    pub fn next(&mut self) -> Result<Option<Action>, Fault> {
        while self.open.is_none() {
            let Some(message) = self.assembler.next()? else { return Ok(None) };
            let ack = Owed::Ack(message.request, message.needs_reply);
            offer::check(message.request, self.protocol)?;
            match self.dispatch(message)? {
                Step::Replied => {}
                Step::Ack => self.ack(ack, 0),
                Step::Refuse => self.ack(ack, 1),
                Step::Act(action) => {
                    self.open = Some(ack);
                    return Ok(Some(action));
                }
                Step::Owe(action, owed) => {
                    self.open = Some(owed);
                    return Ok(Some(action));
                }
            }
        }
        Ok(None)
    }

    /// How the open action ended. What does not fit the action counts as [`Done::Yes`].
    pub fn done(&mut self, done: Done) {
        match (self.open.take(), done) {
            (Some(owed @ Owed::Ack(..)), _) => self.ack(owed, 0),
            (Some(Owed::Base(request, ring)), done) => {
                let base = if let Done::Base(base) = done { base } else { self.ring(ring).base };
                self.rings[usize::from(ring.0)].base = base;
                let state = VhostUserVringState::new(u32::from(ring.0), base);
                self.say(Reply::new(request, &state));
            }
            (Some(Owed::Empty(request)), _) => self.say(Reply::empty(request)),
            (Some(Owed::Inflight(request, rings, ring_size)), Done::Inflight { size, fd }) => {
                let area = Done::inflight(size, rings, ring_size);
                self.say(Reply::new(request, &area).with(Arc::new(fd)));
            }
            // A size of 0 says that there is no memory (vhost-user, "Inflight I/O tracking").
            (Some(Owed::Inflight(request, rings, ring_size)), _) => {
                self.say(Reply::new(request, &Done::inflight(0, rings, ring_size)));
            }
            (None, _) => {}
        }
    }

    /// The next answer to send, oldest first.
    pub fn reply(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }

    /// Whether an action waits for [`Backend::done`].
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The features both sides have agreed on so far.
    pub fn features(&self) -> Features {
        self.features
    }

    /// The protocol features both sides have agreed on so far.
    pub fn protocol_features(&self) -> ProtocolFeatures {
        self.protocol
    }

    /// The driver's status, as virtio numbers it; 0 where it does not say.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// All rings, by number.
    pub fn rings(&self) -> &[Vring] {
        &self.rings
    }

    /// Whether this ring may move frames now.
    pub fn is_active(&self, ring: RingIndex) -> bool {
        let driver_ok = !self.protocol.has(ProtocolFeatures::STATUS) || self.status & STATUS_DRIVER_OK != 0;
        driver_ok && self.rings.get(usize::from(ring.0)).is_some_and(Vring::is_ready)
    }

    /// The rings that may move frames now: their numbers and sizes.
    pub fn active_rings(&self) -> impl Iterator<Item = (u16, u32)> {
        let active = (0..self.offer.rings()).filter(|&ring| self.is_active(RingIndex(ring)));
        active.map(|ring| (ring, self.ring(RingIndex(ring)).size))
    }

    pub(super) fn ring(&self, ring: RingIndex) -> &Vring {
        &self.rings[usize::from(ring.0)]
    }

    pub(super) fn say(&mut self, reply: Reply) {
        self.replies.push_back(reply);
    }

    fn ack(&mut self, owed: Owed, outcome: u64) {
        if let Owed::Ack(request, true) = owed
            && self.protocol.has(ProtocolFeatures::REPLY_ACK)
        {
            self.say(Reply::new(request, &outcome));
        }
    }
}

/// What a message comes to.
pub(super) enum Step {
    /// The answer is among the replies.
    Replied,
    /// Done; to be acknowledged where that is wanted.
    Ack,
    /// Understood and not done; the same.
    Refuse,
    /// To be done by others, then acknowledged.
    Act(Action),
    /// To be done by others, then answered so.
    Owe(Action, Owed),
}

impl Backend {
    /// The switchboard: who answers which request.
    fn dispatch(&mut self, mut message: Message) -> Result<Step, Fault> {
        use FrontendReq::*;
        // Closed here, whatever becomes of the message, unless the request takes them.
        if !matches!(
            message.request.0,
            SET_MEM_TABLE
                | ADD_MEM_REG
                | REM_MEM_REG
                | SET_LOG_BASE
                | SET_LOG_FD
                | SET_VRING_KICK
                | SET_VRING_CALL
                | SET_VRING_ERR
                | SET_INFLIGHT_FD
        ) {
            message.fds_exactly(0)?;
        }
        match message.request.0 {
            GET_FEATURES => self.answer(&message, self.offer.features.0),
            SET_FEATURES => self.set_features(&message),
            GET_PROTOCOL_FEATURES => self.answer(&message, self.offer.protocol.0),
            SET_PROTOCOL_FEATURES => self.set_protocol_features(&message),
            GET_QUEUE_NUM => self.answer(&message, u64::from(self.offer.queue_pairs)),
            GET_MAX_MEM_SLOTS => self.answer(&message, self.offer.regions_max as u64),
            SET_OWNER => message.empty().map(|()| Step::Ack),
            RESET_OWNER | RESET_DEVICE => self.reset(&message),
            SET_STATUS => self.set_status(&message),
            GET_STATUS => self.answer(&message, u64::from(self.status)),
            NET_SET_MTU => self.set_mtu(&message),
            SEND_RARP => announce(&message),
            SET_MEM_TABLE => self.set_memory(message),
            ADD_MEM_REG => self.add_region(message),
            REM_MEM_REG => self.remove_region(&message),
            SET_LOG_BASE => set_log(message),
            // A descriptor to wake the front end on log changes, which none waits for.
            SET_LOG_FD => message.fd().map(|_| Step::Ack),
            SET_VRING_NUM => self.set_size(&message),
            SET_VRING_ADDR => self.set_addresses(&message),
            SET_VRING_BASE => self.set_base(&message),
            GET_VRING_BASE => self.get_base(&message),
            SET_VRING_KICK => self.set_kick(message),
            SET_VRING_CALL => self.set_call(message),
            SET_VRING_ERR => self.set_err(message),
            SET_VRING_ENABLE => self.set_enable(&message),
            GET_INFLIGHT_FD => self.get_inflight(&message),
            SET_INFLIGHT_FD => self.set_inflight(message),
            _ => Err(Fault::NotNegotiated(message.request)),
        }
    }

    fn answer(&mut self, message: &Message, number: u64) -> Result<Step, Fault> {
        message.empty()?;
        self.say(Reply::new(message.request, &number));
        Ok(Step::Replied)
    }
}

fn announce(message: &Message) -> Result<Step, Fault> {
    let octets = message.number()?.to_ne_bytes();
    let mac = [octets[0], octets[1], octets[2], octets[3], octets[4], octets[5]];
    let is_host = mac[0] & 1 == 0 && mac != [0; 6];
    Ok(if is_host { Step::Act(Action::Announce(mac)) } else { Step::Refuse })
}

fn set_log(mut message: Message) -> Result<Step, Fault> {
    use vhost_protocol::vhost_user::message::VhostUserLog;
    let log = message.read::<VhostUserLog>()?;
    let fd = message.fd()?;
    let request = message.request;
    let fits = log.mmap_offset.checked_add(log.mmap_size).is_some_and(|end| end <= i64::MAX as u64);
    if log.mmap_size == 0 || !fits {
        return Err(Fault::Value { request, what: "size of a log", value: log.mmap_size });
    }
    // QEMU waits for an answer without payload, whether it asked for one or not.
    let area = crate::LogArea { size: log.mmap_size, offset: log.mmap_offset, fd };
    Ok(Step::Owe(Action::Log(area), Owed::Empty(request)))
}
