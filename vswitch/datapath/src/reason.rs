//! Why a frame was dropped: one closed list, which is also the counters, the CLI's text and the documentation.

use wire::Malformed;

/// Every way a frame can end other than in a port, a ring or the host stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A header is malformed; which and how is [`Malformed`]'s own list.
    Malformed(Malformed),
    /// Anything else.
    Other(Cause),
}

/// Declares the enum with its names and texts side by side, so that a variant cannot lack one of them.
macro_rules! causes {
    ($($variant:ident, $name:literal, $text:literal;)+) => {
        /// Why a well-formed frame was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Cause { $(#[doc = $text] $variant,)+ }

        impl Cause {
            /// All causes, in the order of their counters.
            pub const ALL: &'static [Cause] = &[$(Cause::$variant),+];

            /// Its name in counters, JSON and the CLI.
            pub const fn name(self) -> &'static str {
                match self { $(Cause::$variant => $name,)+ }
            }

            /// A sentence for the operator.
            pub const fn text(self) -> &'static str {
                match self { $(Cause::$variant => $text,)+ }
            }
        }
    };
}

causes! {
    PortUnknown, "port-unknown", "the port is not in the configuration in force (it is being added or removed)";
    VlanRefused, "vlan-refused", "the port carries no network in the VLAN the frame is tagged with, or none without a tag";
    StormControl, "storm-control", "broadcast, multicast and unknown unicast from the port exceed its storm_max";
    SourceMacInvalid, "source-mac-invalid", "the source MAC is a group address or all zeroes, which no sender may have";
    SpoofedMac, "spoofed-mac", "anti-spoofing: the port may not send from this MAC";
    SpoofedAddress, "spoofed-address", "anti-spoofing: the port may not send from this IP address";
    SpoofedNeighbour, "spoofed-neighbour", "anti-spoofing: the ARP or ND sender is not what the port may claim to be";
    SpoofUnverifiable, "spoof-unverifiable", "anti-spoofing: what is behind so many tags, or behind an 802.3 length, cannot be checked";
    ReservedMac, "reserved-mac", "the destination MAC is in a range that bridges do not forward (01-80-C2-00-00-0x, IEEE 802.1Q 8.6.3)";
    SamePort, "same-port", "the destination is behind the port the frame came from";
    SplitHorizon, "split-horizon", "the frame came from a VTEP and its destination is behind a VTEP (split horizon)";
    FloodNobody, "flood-nobody", "a flood found no other member of the network";
    FloodBacklog, "flood-backlog", "too many frames wait for the copies of their floods already: on the worker, or from the port alone";
    MtuExceeded, "mtu-exceeded", "the frame is longer than the MTU of the port it would leave by";
    MtuExceededUnderlay, "mtu-exceeded-underlay", "with its outer header the frame is longer than its path takes";
    NoHeadroom, "no-headroom", "the buffer has no room for the outer header in front";
    NextHopUnresolved, "next-hop-unresolved", "the MAC of the next hop towards the remote VTEP is not known (yet)";
    NoUplink, "no-uplink", "no uplink of the tunnel can send: its links are down, or no worker serves it (it is being added or removed)";
    UplinkOtherMac, "uplink-other-mac", "an uplink frame for another MAC than ours";
    UplinkOtherAddress, "uplink-other-address", "an uplink packet for another IP address than ours";
    UplinkProtocol, "uplink-protocol", "an uplink packet of a protocol the node does not speak on its underlay";
    UplinkUdpPort, "uplink-udp-port", "an uplink UDP packet to a port no tunnel listens on";
    UnknownVtep, "unknown-vtep", "a VXLAN packet from a sender that is no configured VTEP";
    UnknownVni, "unknown-vni", "a VXLAN packet of a network that its tunnel does not carry";
    OuterUdpZeroChecksum, "outer-udp-zero-checksum", "a VXLAN packet over IPv6 without a UDP checksum from a VTEP that may not leave it out (udp6_zero_checksum_rx)";
    EcnNotCapable, "ecn-not-capable", "the underlay marked a VXLAN packet as having met congestion, and its inner packet does not know of ECN (RFC 6040)";
    OutOfFrames, "out-of-frames", "the pool had no buffer for a copy of a flooded frame";
    OffloadHeaders, "offload-headers", "what the sender left to its device does not fit the packet, which is no whole TCP or UDP over IP, or has IPv6 extension headers";
    OffloadSegments, "offload-segments", "the sender wants segments of fewer than 8 octets, or more than 512 of them";
    SplitOutOfFrames, "split-out-of-frames", "the pool had no buffer for the rest of a super-frame that its port does not take whole";
    TxRefused, "tx-refused", "the device refused the frame: its queue is full, its link is down, or the frame does not suit it";
    TxUnserved, "tx-unserved", "no worker serves the port the frame would leave by (it is being added or removed)";
    HandoffFull, "handoff-full", "the handoff ring to the worker that serves the port is full";
    PuntFull, "punt-full", "the host stack has more frames waiting than it may have";
}

/// How many drop counters there are.
pub const REASONS: usize = Malformed::COUNT + Cause::ALL.len();

impl DropReason {
    /// Its place among the counters, below [`REASONS`].
    #[inline]
    pub const fn index(self) -> usize {
        match self {
            DropReason::Malformed(m) => m as usize,
            DropReason::Other(cause) => Malformed::COUNT + cause as usize,
        }
    }

    /// The reason with that place.
    pub fn from_index(index: usize) -> Option<DropReason> {
        match index.checked_sub(Malformed::COUNT) {
            None => Some(DropReason::Malformed(Malformed::ALL[index])),
            Some(rest) => Cause::ALL.get(rest).copied().map(DropReason::Other),
        }
    }

    /// All reasons, in the order of their counters.
    pub fn all() -> impl Iterator<Item = DropReason> {
        (0..REASONS).filter_map(DropReason::from_index)
    }

    /// Its name in counters, JSON and the CLI.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Malformed(m) => m.name(),
            DropReason::Other(cause) => cause.name(),
        }
    }

    /// A sentence for the operator.
    pub const fn text(self) -> &'static str {
        match self {
            DropReason::Malformed(m) => m.text(),
            DropReason::Other(cause) => cause.text(),
        }
    }
}

impl From<Malformed> for DropReason {
    fn from(malformed: Malformed) -> Self {
        DropReason::Malformed(malformed)
    }
}

impl From<Cause> for DropReason {
    fn from(cause: Cause) -> Self {
        DropReason::Other(cause)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_name() {
        let names: HashSet<_> = DropReason::all().map(DropReason::name).collect();
        assert_eq!(names.len(), REASONS);
        for (index, reason) in DropReason::all().enumerate() {
            assert_eq!(reason.index(), index);
            assert!(reason.text().len() > reason.name().len(), "{}: {}", reason.name(), reason.text());
        }
    }
}
