//! One batch of a turn: the frames, and what the verbs have found out about each.

use frame::{BURST_MAX, Burst};
use table::{MemberId, Probe, Tail};
use wire::Parsed;

use crate::{
    DropReason, PortId,
    feature::senders::Senders,
    flow::{self, FlowKey},
};

/// Where a frame goes after parse and admit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    /// Look its flow up: a plain packet, keyed by its MACs, whose `headers` nobody has written yet.
    Plain,
    /// The same, keyed by its five-tuple.
    PlainTuple,
    /// Look its flow up.
    Flow,
    /// Decide about it anew every time (ARP, ND).
    Slow,
    /// Give it to the host stack.
    Punt,
    /// Drop it.
    Drop(DropReason),
}

impl Class {
    /// Whether nobody has written the frame's headers yet, as they stand where they nearly always do.
    #[inline(always)]
    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Class::Plain | Class::PlainTuple)
    }

    /// Whether the frame has a key, to look its flow up by.
    #[inline(always)]
    pub(crate) fn has_key(self) -> bool {
        matches!(self, Class::Plain | Class::PlainTuple | Class::Flow)
    }
}

/// What is known about one frame of the batch. Verbs read what earlier verbs wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    /// The port it came in by.
    pub(crate) port: PortId,
    /// Written by parse and admit.
    pub(crate) class: Class,
    /// The member it comes from (for `Flow` and `Slow`).
    pub(crate) ingress: MemberId,
    /// Octets of outer header in front of the Ethernet header that `headers` describes; 0 on access ports.
    pub(crate) outer_len: u16,
    /// Octets from that Ethernet header to the end of the packet.
    pub(crate) inner_len: u16,
    /// The ECN bits the inner packet gets on its way out of a tunnel; 0 where they stay.
    pub(crate) ecn_mark: u8,
    /// The headers, with offsets relative to that Ethernet header; not of a plain packet ([`Class::is_plain`]).
    pub(crate) headers: Parsed,
    /// Written by parse, for whatever has a key.
    pub(crate) key: FlowKey,
    /// The rest of a long key.
    pub(crate) tail: Tail,
    /// Where the key can be in the flow table; written by parse, for whatever has a key, and by lookup.
    pub(crate) probe: Probe,
}

impl Meta {
    const fn blank(probe: Probe) -> Meta {
        Meta {
            port: PortId(0),
            class: Class::Slow,
            ingress: MemberId(0),
            outer_len: 0,
            inner_len: 0,
            ecn_mark: 0,
            headers: Parsed::NOTHING,
            key: FlowKey([0; flow::KEY_WORDS]),
            tail: flow::NO_TAIL,
            probe,
        }
    }
}

/// Frames of a batch that came in by one port, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) port: PortId,
    pub(crate) frames: u8,
    /// Octets of all of them, as received; written by parse.
    pub(crate) octets: u32,
}

/// The place in [`Batch::meta`] of a frame that has waited, while it is sent.
pub(crate) const AT_HAND: usize = BURST_MAX;

/// The frames of a turn. Frames leave it for lanes, rings and lists; it is empty when the turn ends.
pub(crate) struct Batch {
    /// As received, in order; not there while the last loop gives them away.
    pub(crate) frames: Option<Box<Burst>>,
    /// Where they came from, in order.
    pub(crate) runs: Vec<Run>,
    /// By place in `frames`, and behind them [`AT_HAND`].
    pub(crate) meta: [Meta; BURST_MAX + 1],
    /// Frames that need a decision or copies, after the hits.
    pub(crate) rest: Burst,
    /// By place in `rest`: the place in `meta`.
    pub(crate) rest_meta: [u8; BURST_MAX],
    /// The bits ([`Probe::bit`]) of flows that were remembered while `rest` was gone through.
    pub(crate) newcomers: u64,
    /// Frames whose way ends here, released in bulk.
    pub(crate) dead: Burst,
    /// Who was found to send VXLAN lately; stays from batch to batch.
    pub(crate) senders: Senders,
}

impl Batch {
    /// An empty batch; `probe` is any of the flow table's, to fill the places with.
    pub(crate) fn new(probe: Probe) -> Batch {
        Batch {
            frames: Some(Box::new(Burst::new())),
            runs: Vec::with_capacity(BURST_MAX),
            meta: [Meta::blank(probe); BURST_MAX + 1],
            rest: Burst::new(),
            rest_meta: [0; BURST_MAX],
            newcomers: 0,
            dead: Burst::new(),
            senders: Senders::new(),
        }
    }
}
