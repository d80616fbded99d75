//! A front end for tests: makes messages, and answers a back end's actions.

use std::{io::PipeReader, os::fd::OwnedFd};

use vhost_protocol::vhost_user::message::{
    FrontendReq, VhostUserInflight, VhostUserLog, VhostUserMemoryRegion, VhostUserSingleMemoryRegion,
    VhostUserVringAddr, VhostUserVringAddrFlags, VhostUserVringState,
};
use vm_memory::ByteValued;

use crate::{Action, Backend, Done, Fault, Features, Offer, ProtocolFeatures, Reply};

pub(crate) const NEED_REPLY: u32 = 8;

pub(crate) const PROTOCOL: ProtocolFeatures = ProtocolFeatures::MQ
    .with(ProtocolFeatures::REPLY_ACK)
    .with(ProtocolFeatures::LOG_SHMFD)
    .with(ProtocolFeatures::CONFIGURE_MEM_SLOTS)
    .with(ProtocolFeatures::STATUS)
    .with(ProtocolFeatures::NET_MTU)
    .with(ProtocolFeatures::RARP)
    .with(ProtocolFeatures::RESET_DEVICE)
    .with(ProtocolFeatures::INFLIGHT_SHMFD);

pub(crate) fn offer() -> Offer {
    let features = Features::VERSION_1
        | Features::EVENT_IDX
        | Features::RING_PACKED
        | Features::MRG_RXBUF
        | Features::LOG_ALL
        | Features::PROTOCOL_FEATURES;
    Offer { features, protocol: PROTOCOL, queue_pairs: 2, regions_max: 32, mtu_max: 9000 }
}

/// A message to be: octets and descriptors.
pub(crate) struct Sent(pub(crate) Vec<u8>, pub(crate) Vec<OwnedFd>);

pub(crate) fn raw(request: u32, flags: u32, payload: &[u8]) -> Sent {
    let header = [request, flags, payload.len() as u32];
    Sent([header.into_iter().flat_map(u32::to_ne_bytes).collect(), payload.to_vec()].concat(), Vec::new())
}

pub(crate) fn empty(request: FrontendReq) -> Sent {
    raw(request.into(), 1, &[])
}

pub(crate) fn with<T: ByteValued>(request: FrontendReq, payload: T) -> Sent {
    raw(request.into(), 1, payload.as_slice())
}

pub(crate) fn state(request: FrontendReq, ring: u32, num: u32) -> Sent {
    with(request, VhostUserVringState::new(ring, num))
}

pub(crate) fn addresses(ring: u32, at: u64) -> Sent {
    let flags = VhostUserVringAddrFlags::empty();
    with(FrontendReq::SET_VRING_ADDR, VhostUserVringAddr::new(ring, flags, at, at + 0x1000, at + 0x2000, 0))
}

pub(crate) fn log(size: u64, offset: u64) -> Sent {
    with(FrontendReq::SET_LOG_BASE, VhostUserLog::new(size, offset))
}

pub(crate) fn inflight(request: FrontendReq, size: u64, rings: u16, ring_size: u16) -> Sent {
    with(request, VhostUserInflight::new(size, 0, rings, ring_size))
}

/// Regions of `(guest, size, user)`.
pub(crate) fn memory(regions: &[(u64, u64, u64)]) -> Sent {
    let mut payload = (regions.len() as u64).to_ne_bytes().to_vec();
    for &(guest, size, user) in regions {
        payload.extend(VhostUserMemoryRegion::new(guest, size, user, 0).as_slice());
    }
    raw(FrontendReq::SET_MEM_TABLE.into(), 1, &payload)
}

pub(crate) fn region(request: FrontendReq, guest: u64, size: u64, user: u64) -> Sent {
    with(request, VhostUserSingleMemoryRegion::new(guest, size, user, 0))
}

impl Sent {
    /// The same with `count` descriptors; the reader ends when the last of them is closed.
    pub(crate) fn fds(mut self, count: usize) -> (Sent, PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        self.1 = (0..count).map(|_| writer.try_clone().unwrap().into()).collect();
        (self, reader)
    }

    pub(crate) fn fd(self) -> Sent {
        self.fds(1).0
    }

    pub(crate) fn need_reply(mut self) -> Sent {
        self.0[4..8].copy_from_slice(&(1 | NEED_REPLY).to_ne_bytes());
        self
    }
}

/// Sends one message and says yes to every action; returns the actions' names and the replies.
pub(crate) fn say(backend: &mut Backend, sent: Sent) -> Result<(Vec<String>, Vec<Reply>), Fault> {
    backend.receive(&sent.0, sent.1)?;
    let mut actions = Vec::new();
    while let Some(action) = backend.next()? {
        actions.push(name(&action));
        backend.done(Done::Yes);
    }
    Ok((actions, std::iter::from_fn(|| backend.reply()).collect()))
}

/// What a reply says, as a number.
pub(crate) fn number(reply: &Reply) -> u64 {
    u64::from_ne_bytes(reply.octets()[12..20].try_into().unwrap())
}

fn name(action: &Action) -> String {
    format!("{action:?}").split([' ', '(']).next().unwrap_or_default().to_owned()
}

/// A back end with everything negotiated.
pub(crate) fn negotiated(features: Features) -> Backend {
    let mut backend = Backend::new(offer());
    say(&mut backend, with(FrontendReq::SET_PROTOCOL_FEATURES, PROTOCOL.0)).unwrap();
    say(&mut backend, with(FrontendReq::SET_FEATURES, (features | Features::PROTOCOL_FEATURES).0)).unwrap();
    backend
}
