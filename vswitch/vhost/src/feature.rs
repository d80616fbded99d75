//! Virtio features: which there are for a network device, and which of them we speak.

use std::{fmt, ops::BitOr};

use virtio_bindings::{
    virtio_config::{VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1},
    virtio_net::{
        VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_ECN,
        VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_TSO4,
        VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU,
    },
    virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC},
};

/// A set of virtio features (virtio 1.2, sections 5.1.3 and 6; the vhost-user specification for the two that are its own).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(pub u64);

impl Features {
    /// The driver may leave checksums to the device.
    pub const CSUM: Features = Features::bit(VIRTIO_NET_F_CSUM);
    /// The device may leave checksums to the driver.
    pub const GUEST_CSUM: Features = Features::bit(VIRTIO_NET_F_GUEST_CSUM);
    /// The device may leave TCP super-frames to the driver, over IPv4.
    pub const GUEST_TSO4: Features = Features::bit(VIRTIO_NET_F_GUEST_TSO4);
    /// The same over IPv6.
    pub const GUEST_TSO6: Features = Features::bit(VIRTIO_NET_F_GUEST_TSO6);
    /// They may say that their sender's window shrinks (RFC 3168).
    pub const GUEST_ECN: Features = Features::bit(VIRTIO_NET_F_GUEST_ECN);
    /// The driver may leave TCP super-frames to the device, over IPv4.
    pub const HOST_TSO4: Features = Features::bit(VIRTIO_NET_F_HOST_TSO4);
    /// The same over IPv6.
    pub const HOST_TSO6: Features = Features::bit(VIRTIO_NET_F_HOST_TSO6);
    /// They may say that their sender's window shrinks.
    pub const HOST_ECN: Features = Features::bit(VIRTIO_NET_F_HOST_ECN);
    /// Both sides may leave checksums to the other.
    pub const CHECKSUMS: Features = Features(Features::CSUM.0 | Features::GUEST_CSUM.0);
    /// The device may leave super-frames to the driver.
    pub const TO_GUEST: Features = Features(Features::GUEST_TSO4.0 | Features::GUEST_TSO6.0 | Features::GUEST_ECN.0);
    /// The driver may leave super-frames to the device.
    pub const FROM_GUEST: Features = Features(Features::HOST_TSO4.0 | Features::HOST_TSO6.0 | Features::HOST_ECN.0);
    /// The device tells the driver its MTU.
    pub const MTU: Features = Features::bit(VIRTIO_NET_F_MTU);
    /// A frame may lie in several of the driver's buffers.
    pub const MRG_RXBUF: Features = Features::bit(VIRTIO_NET_F_MRG_RXBUF);
    /// The guest announces itself after a migration.
    pub const GUEST_ANNOUNCE: Features = Features::bit(VIRTIO_NET_F_GUEST_ANNOUNCE);
    /// Several queue pairs.
    pub const MQ: Features = Features::bit(VIRTIO_NET_F_MQ);
    /// Writes to guest memory are logged, for live migration (vhost-user: `VHOST_F_LOG_ALL`).
    pub const LOG_ALL: Features = Features::bit(26);
    /// Descriptors may point to tables of descriptors.
    pub const INDIRECT_DESC: Features = Features::bit(VIRTIO_RING_F_INDIRECT_DESC);
    /// Each side says at which index it wants to be woken.
    pub const EVENT_IDX: Features = Features::bit(VIRTIO_RING_F_EVENT_IDX);
    /// vhost-user's own features are negotiated, and rings start disabled.
    pub const PROTOCOL_FEATURES: Features = Features::bit(30);
    /// The driver speaks virtio 1.0 or later: little-endian, and a header of twelve octets.
    pub const VERSION_1: Features = Features::bit(VIRTIO_F_VERSION_1);
    /// Packed rings instead of split ones.
    pub const RING_PACKED: Features = Features::bit(VIRTIO_F_RING_PACKED);
    /// Buffers are used in the order in which they were made available.
    pub const IN_ORDER: Features = Features::bit(VIRTIO_F_IN_ORDER);

    /// Every feature with a name, for reports.
    const NAMES: [(Features, &'static str); 19] = [
        (Features::CSUM, "csum"),
        (Features::GUEST_CSUM, "guest_csum"),
        (Features::MTU, "mtu"),
        (Features::GUEST_TSO4, "guest_tso4"),
        (Features::GUEST_TSO6, "guest_tso6"),
        (Features::GUEST_ECN, "guest_ecn"),
        (Features::HOST_TSO4, "host_tso4"),
        (Features::HOST_TSO6, "host_tso6"),
        (Features::HOST_ECN, "host_ecn"),
        (Features::MRG_RXBUF, "mrg_rxbuf"),
        (Features::GUEST_ANNOUNCE, "guest_announce"),
        (Features::MQ, "mq"),
        (Features::LOG_ALL, "log_all"),
        (Features::INDIRECT_DESC, "indirect_desc"),
        (Features::EVENT_IDX, "event_idx"),
        (Features::PROTOCOL_FEATURES, "protocol_features"),
        (Features::VERSION_1, "version_1"),
        (Features::RING_PACKED, "ring_packed"),
        (Features::IN_ORDER, "in_order"),
    ];

    const fn bit(number: u32) -> Features {
        Features(1 << number)
    }

    /// Whether all of `other` are among these.
    #[inline]
    pub const fn has(self, other: Features) -> bool {
        self.0 & other.0 == other.0
    }

    /// These without `other`.
    pub const fn without(self, other: Features) -> Features {
        Features(self.0 & !other.0)
    }

    /// The names of those that have one, in the order of [`Features::NAMES`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Features::NAMES.into_iter().filter(move |&(feature, _)| self.has(feature)).map(|(_, name)| name)
    }
}

impl BitOr for Features {
    type Output = Features;

    fn bitor(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_have_the_numbers_of_the_specification() {
        let numbers = Features::NAMES.map(|(feature, _)| feature.0.trailing_zeros());
        assert_eq!(numbers, [0, 1, 3, 7, 8, 9, 11, 12, 13, 15, 21, 22, 26, 28, 29, 30, 32, 34, 35]);
    }

    #[test]
    fn a_set_knows_its_members_and_their_names() {
        let set = Features::VERSION_1 | Features::MQ;
        assert!(set.has(Features::MQ) && !set.has(Features::MQ | Features::MTU));
        assert_eq!(set.without(Features::MQ), Features::VERSION_1);
        assert_eq!(set.to_string(), "mq version_1");
    }
}
