//! What is offered to a front end, and what it must have taken before it may ask for more.

use vhost_protocol::vhost_user::message::{FrontendReq, VhostUserProtocolFeatures};

use crate::{Fault, Features, Request};

/// A set of vhost-user protocol features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProtocolFeatures(pub u64);

impl ProtocolFeatures {
    /// Several queues.
    pub const MQ: ProtocolFeatures = ProtocolFeatures::of(VhostUserProtocolFeatures::MQ);
    /// The dirty log lies in shared memory.
    pub const LOG_SHMFD: ProtocolFeatures = ProtocolFeatures::of(VhostUserProtocolFeatures::LOG_SHMFD);
    /// The switch may be asked to announce the guest after a migration.
    pub const RARP: ProtocolFeatures = ProtocolFeatures::of(VhostUserProtocolFeatures::RARP);
    /// Every request can be acknowledged.
    pub const REPLY_ACK: ProtocolFeatures = ProtocolFeatures::of(VhostUserProtocolFeatures::REPLY_ACK);
    /// The front end tells the MTU it shows to the guest.
    pub const NET_MTU: ProtocolFeatures = ProtocolFeatures::of(VhostUserProtocolFeatures::MTU);
    /// Descriptors in flight are tracked in shared memory that the front end keeps.
    pub const INFLIGHT_SHMFD: ProtocolFeatures = ProtocolFeatures::of(VhostUserProtocolFeatures::INFLIGHT_SHMFD);
    /// The device can be reset.
    pub const RESET_DEVICE: ProtocolFeatures = ProtocolFeatures::of(VhostUserProtocolFeatures::RESET_DEVICE);
    /// Memory regions are added and removed one by one.
    pub const CONFIGURE_MEM_SLOTS: ProtocolFeatures =
        ProtocolFeatures::of(VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS);
    /// The driver's status is told.
    pub const STATUS: ProtocolFeatures = ProtocolFeatures::of(VhostUserProtocolFeatures::STATUS);

    const fn of(feature: VhostUserProtocolFeatures) -> ProtocolFeatures {
        ProtocolFeatures(feature.bits())
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: ProtocolFeatures) -> bool {
        self.0 & other.0 == other.0
    }

    /// These without `other`.
    pub const fn without(self, other: ProtocolFeatures) -> ProtocolFeatures {
        ProtocolFeatures(self.0 & !other.0)
    }

    /// These and `other`.
    pub const fn with(self, other: ProtocolFeatures) -> ProtocolFeatures {
        ProtocolFeatures(self.0 | other.0)
    }
}

/// What a port offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Virtio features.
    pub features: Features,
    /// vhost-user's own.
    pub protocol: ProtocolFeatures,
    /// Queue pairs, at least one.
    pub queue_pairs: u16,
    /// Memory regions at most.
    pub regions_max: usize,
    /// Largest MTU in octets that the front end may show to its guest.
    pub mtu_max: u16,
}

impl Offer {
    /// Rings there are: two for each queue pair.
    pub(crate) fn rings(&self) -> u16 {
        self.queue_pairs.saturating_mul(2)
    }
}

/// The protocol feature that a request belongs to; `Err` for those that belong to features we never offer.
fn belongs_to(request: Request) -> Result<Option<ProtocolFeatures>, Fault> {
    use FrontendReq::*;
    Ok(Some(match request.0 {
        GET_FEATURES
        | SET_FEATURES
        | SET_OWNER
        | RESET_OWNER
        | SET_MEM_TABLE
        | SET_VRING_NUM
        | SET_VRING_ADDR
        | SET_VRING_BASE
        | GET_VRING_BASE
        | SET_VRING_KICK
        | SET_VRING_CALL
        | SET_VRING_ERR
        | SET_LOG_FD
        | GET_PROTOCOL_FEATURES
        | SET_PROTOCOL_FEATURES
        | SET_VRING_ENABLE => return Ok(None),
        // Asked before anything is negotiated by some (DPDK's virtio-user), and harmless.
        GET_QUEUE_NUM => return Ok(None),
        SET_LOG_BASE => ProtocolFeatures::LOG_SHMFD,
        SEND_RARP => ProtocolFeatures::RARP,
        NET_SET_MTU => ProtocolFeatures::NET_MTU,
        GET_INFLIGHT_FD | SET_INFLIGHT_FD => ProtocolFeatures::INFLIGHT_SHMFD,
        RESET_DEVICE => ProtocolFeatures::RESET_DEVICE,
        GET_MAX_MEM_SLOTS | ADD_MEM_REG | REM_MEM_REG => ProtocolFeatures::CONFIGURE_MEM_SLOTS,
        SET_STATUS | GET_STATUS => ProtocolFeatures::STATUS,
        _ => return Err(Fault::NotNegotiated(request)),
    }))
}

/// Refuses a request of a feature that was not negotiated.
pub(crate) fn check(request: Request, negotiated: ProtocolFeatures) -> Result<(), Fault> {
    match belongs_to(request)? {
        Some(feature) if !negotiated.has(feature) => Err(Fault::NotNegotiated(request)),
        _ => Ok(()),
    }
}
