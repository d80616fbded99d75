//! What a cached decision is about (its key) and what it says (its recipe), as the words the flow table stores.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use table::{FlowTable, MemberId, NetworkId, Tail};
use wire::{FiveTuple, L3, Mac};

use crate::{Cause, DropReason, Guard, Network};

/// Words of a flow key.
pub const KEY_WORDS: usize = 4;

/// What `decide` consults for the frames of a member; the key holds that and nothing more. A closed set, in which each
/// holds what those before it hold: where two ask for something, the greater has it all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Ingress, source and destination MAC. A VLAN is part of the ingress: each VLAN of a port is a member of its own.
    #[default]
    L2,
    /// The same, the kind of the layer-3 header and its source address: for ports bound to addresses.
    Source,
    /// The same, and the whole [`FiveTuple`]: for networks whose flows are to be seen one by one.
    FiveTuple,
}

impl Profile {
    /// What is consulted about frames of `network` that come in by a port with this guard, or by none: who consults what
    /// is said here and nowhere else.
    #[inline]
    pub(crate) fn of(network: Option<&Network>, guard: Option<&Guard>) -> Profile {
        let wanted = network.map_or(Profile::L2, |network| network.profile);
        let is_bound = guard.is_some_and(|guard| guard.addresses.is_some());
        wanted.max(if is_bound { Profile::Source } else { Profile::L2 })
    }
}

/// The key of a flow: four words, packed so that equal words mean equal flows. IPv6 five-tuples have a [`Tail`] of four more.
///
/// Words 0 and 1 hold the destination and source MAC in their low 48 bits; their high 16 bits hold the ingress member
/// (24 bits) and the kind byte, which is never 0: memory that nobody has written to is no key. Words 2 and 3 hold the source
/// address, or 0; of a five-tuple, word 3 holds its transport word, and its addresses lie in word 2, or in the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey(pub [u64; KEY_WORDS]);

const MAC_BITS: u32 = 48;
const MAC_MASK: u64 = (1 << MAC_BITS) - 1;

/// Members a key can tell apart.
pub const MEMBERS_MAX: u32 = 1 << 24;

/// The kind byte: what words 2 and 3 mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    L2 = 8,
    Ipv4 = 1,
    Ipv6 = 2,
    /// A source-bound port sent something without an IP header.
    NoAddress = 3,
    /// The same, behind what hides whether there is one.
    Hidden = 4,
    /// A DHCP client that has no address yet asks for one.
    Dhcp = 5,
    /// A five-tuple over IPv4.
    Tuple = 6,
    /// A five-tuple over IPv6, whose addresses are the tail.
    LongTuple = 7,
}

/// The tail of keys that have none.
pub(crate) const NO_TAIL: Tail = [0; 4];

impl FlowKey {
    /// The key of a frame from `ingress` with these headers, and its tail.
    #[inline]
    pub fn new(profile: Profile, ingress: MemberId, headers: &wire::Parsed, frame: &[u8]) -> (FlowKey, Tail) {
        let (kind, words, tail) = match profile {
            Profile::L2 => (Kind::L2, [0, 0], NO_TAIL),
            Profile::Source => source_words(headers, frame),
            // Without IP there is no more to tell frames apart than for ports that are bound to addresses.
            Profile::FiveTuple => {
                FiveTuple::of(frame, headers).map_or_else(|| source_words(headers, frame), tuple_words)
            }
        };
        (FlowKey::pack(ingress, macs(headers, frame), kind, words), tail)
    }

    /// The key of a frame from `ingress` that begins with this Ethernet header, by [`Profile::L2`].
    #[inline(always)]
    pub(crate) fn l2(ingress: MemberId, link: &[u8; 14]) -> FlowKey {
        FlowKey::pack(ingress, mac_numbers(link), Kind::L2, [0, 0])
    }

    /// The same by [`Profile::FiveTuple`] of a plain packet, and its tail.
    #[inline(always)]
    pub(crate) fn plain_tuple(ingress: MemberId, link: &[u8; 14], frame: &[u8]) -> (FlowKey, Tail) {
        let (kind, words, tail) = tuple_words(FiveTuple::of_plain(frame));
        (FlowKey::pack(ingress, mac_numbers(link), kind, words), tail)
    }

    #[inline(always)]
    fn pack(ingress: MemberId, (dst, src): (u64, u64), kind: Kind, [third, fourth]: [u64; 2]) -> FlowKey {
        let member = u64::from(ingress.0);
        FlowKey([
            dst | (member & 0xffff) << MAC_BITS,
            src | ((member >> 16 & 0xff) | (kind as u64) << 8) << MAC_BITS,
            third,
            fourth,
        ])
    }

    #[inline(always)]
    fn kind(&self) -> u64 {
        self.0[1] >> (MAC_BITS + 8)
    }

    /// Whether it has a tail.
    #[inline(always)]
    pub(crate) fn is_long(&self) -> bool {
        self.kind() == Kind::LongTuple as u64
    }

    /// The words by which keys of [`Profile::L2`] differ from each other and from all others. The low 48 bits of each are a MAC
    /// as [`wire::Mac::to_u64`] gives it, destination first.
    #[inline(always)]
    pub(crate) fn front(&self) -> [u64; 2] {
        [self.0[0], self.0[1]]
    }

    /// Its hash in `flows`, over the words that are not 0 for all flows of its kind.
    #[inline]
    pub(crate) fn hash(&self, tail: &Tail, flows: &FlowTable<KEY_WORDS>) -> u64 {
        // Calls of their own, so that each is of a fixed length.
        if self.kind() == Kind::L2 as u64 { flows.hash(&self.front()) } else { self.tuple_hash(tail, flows) }
    }

    /// The same for one that is not of [`Profile::L2`].
    ///
    /// A hash of the five-tuple alone is made again where a packet gets an outer header. It is none of this one's business:
    /// that one is no secret, so that whoever chooses addresses could fill a bucket, and this one must not be seen.
    #[inline(always)]
    pub(crate) fn tuple_hash(&self, tail: &Tail, flows: &FlowTable<KEY_WORDS>) -> u64 {
        if self.is_long() { self.long_hash(tail, flows) } else { flows.hash(&self.0) }
    }

    #[inline(never)]
    fn long_hash(&self, tail: &Tail, flows: &FlowTable<KEY_WORDS>) -> u64 {
        let ([dst, src, _, transport], [a, b, c, d]) = (self.0, *tail);
        flows.hash(&[dst, src, transport, a, b, c, d])
    }

    /// The member the frames come from.
    pub fn ingress(&self) -> MemberId {
        MemberId(((self.0[0] >> MAC_BITS) | (self.0[1] >> MAC_BITS & 0xff) << 16) as u32)
    }

    /// Destination MAC.
    pub fn dst(&self) -> Mac {
        Mac::from_u64(self.0[0] & MAC_MASK)
    }

    /// Source MAC.
    pub fn src(&self) -> Mac {
        Mac::from_u64(self.0[1] & MAC_MASK)
    }

    /// The five-tuple, of a key that holds one.
    pub fn five_tuple(&self, tail: &Tail) -> Option<FiveTuple> {
        let [_, _, addresses, transport] = self.0;
        match self.kind() {
            k if k == Kind::Tuple as u64 => Some(FiveTuple::V4 { addresses, transport }),
            k if k == Kind::LongTuple as u64 => Some(FiveTuple::V6 { addresses: *tail, transport }),
            _ => None,
        }
    }

    /// Source address, where that alone of the IP header is in the key.
    pub fn source_address(&self) -> Option<IpAddr> {
        match self.kind() {
            k if k == Kind::Ipv4 as u64 => Some(IpAddr::V4(Ipv4Addr::from_bits(self.0[2] as u32))),
            k if k == Kind::Ipv6 as u64 => {
                Some(IpAddr::V6(Ipv6Addr::from_bits(u128::from(self.0[2]) << 64 | u128::from(self.0[3]))))
            }
            _ => None,
        }
    }

    /// Whether the frames hide their layer 3, from a port whose addresses are checked.
    pub fn is_hidden(&self) -> bool {
        self.kind() == Kind::Hidden as u64
    }
}

/// Both MACs as numbers. Taken from the frame in two loads where it is that long: `headers` was written a moment ago in
/// other pieces than it would be read in, and the core would wait for them.
#[inline]
fn macs(headers: &wire::Parsed, frame: &[u8]) -> (u64, u64) {
    frame.first_chunk().map_or_else(|| (headers.dst.to_u64(), headers.src.to_u64()), mac_numbers)
}

#[inline(always)]
fn mac_numbers(link: &[u8; 14]) -> (u64, u64) {
    let [_, _, _, _, _, _, from_src @ ..] = link;
    let word = |octets: &[u8]| octets.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets) >> 16);
    (word(link), word(from_src))
}

fn source_words(headers: &wire::Parsed, frame: &[u8]) -> (Kind, [u64; 2], Tail) {
    let (kind, words) = match headers.addresses(frame).map(|(source, _)| source) {
        Some(IpAddr::V4(_)) if asks_for_address(headers, frame) => (Kind::Dhcp, [0, 0]),
        Some(IpAddr::V4(address)) => (Kind::Ipv4, [u64::from(address.to_bits()), 0]),
        Some(IpAddr::V6(address)) => {
            let bits = address.to_bits();
            (Kind::Ipv6, [(bits >> 64) as u64, bits as u64])
        }
        None if hides_network(headers) => (Kind::Hidden, [0, 0]),
        None => (Kind::NoAddress, [0, 0]),
    };
    (kind, words, NO_TAIL)
}

#[inline(always)]
fn tuple_words(tuple: FiveTuple) -> (Kind, [u64; 2], Tail) {
    match tuple {
        FiveTuple::V4 { addresses, transport } => (Kind::Tuple, [addresses, transport], NO_TAIL),
        FiveTuple::V6 { addresses, transport } => (Kind::LongTuple, [0, transport], addresses),
    }
}

/// Whether nobody has looked at what may be an IP or ARP packet: it is behind too many tags, or behind an 802.3 length,
/// where some hosts read one out of an LLC and SNAP header (CVE-2021-27861, -27862).
pub(crate) fn hides_network(headers: &wire::Parsed) -> bool {
    let ethertype = headers.ethertype;
    headers.l3_kind == L3::Other && (wire::vlan::is_tag(ethertype) || ethertype < wire::ethernet::ETHERTYPE_MIN)
}

/// Whether this is what a DHCP client sends before it has an address: from 0.0.0.0, port 68, to everybody, port 67
/// (RFC 2131 section 4.1). A part of the key where it matters, as little else may come from that address.
pub(crate) fn asks_for_address(headers: &wire::Parsed, frame: &[u8]) -> bool {
    headers.addresses(frame) == Some((Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into()))
        && headers.protocol == wire::protocol::UDP
        && !headers.fragment
        && headers.ports(frame) == Some((68, 67))
}

/// What becomes of the frames of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// They go to this member.
    Forward(MemberId),
    /// They go to every other member of this network that may have them.
    Flood(NetworkId),
    /// They are dropped.
    Drop(DropReason),
}

const FORWARD: u32 = 1 << 24;
const FLOOD: u32 = 2 << 24;
const DROP: u32 = 3 << 24;
const ARGUMENT: u32 = (1 << 24) - 1;

impl Recipe {
    /// Whether the hit loop can follow it at once: no copies to be made.
    #[inline]
    pub(crate) fn is_light(self) -> bool {
        !matches!(self, Recipe::Flood(_))
    }

    /// The recipe as the flow table stores it: a verb in the high byte, its argument below.
    #[inline]
    pub fn encode(self) -> u32 {
        match self {
            Recipe::Forward(member) => FORWARD | member.0,
            Recipe::Flood(network) => FLOOD | u32::from(network.0),
            Recipe::Drop(reason) => DROP | reason.index() as u32,
        }
    }

    /// Whether the frames are refused before anything is learned from them: they say nothing about where their source is.
    pub fn is_refusal(self) -> bool {
        use Cause::{PortUnknown, SourceMacInvalid, SpoofUnverifiable, SpoofedAddress, SpoofedMac, SpoofedNeighbour};
        match self {
            Recipe::Drop(DropReason::Other(cause)) => matches!(
                cause,
                PortUnknown | SourceMacInvalid | SpoofUnverifiable | SpoofedAddress | SpoofedMac | SpoofedNeighbour
            ),
            Recipe::Drop(DropReason::Malformed(_)) => true,
            Recipe::Forward(_) | Recipe::Flood(_) => false,
        }
    }

    /// The recipe stored as `word`. What no encoder wrote drops its frames visibly.
    #[inline(always)]
    pub fn decode(word: u32) -> Recipe {
        // A branch of its own: nearly all are this.
        let argument = word.wrapping_sub(FORWARD);
        if argument <= ARGUMENT {
            return Recipe::Forward(MemberId(argument));
        }
        Recipe::decode_other(word)
    }

    #[inline(never)]
    fn decode_other(word: u32) -> Recipe {
        let argument = word & ARGUMENT;
        match word & !ARGUMENT {
            FLOOD => Recipe::Flood(NetworkId(argument as u16)),
            _ => Recipe::Drop(DropReason::from_index(argument as usize).unwrap_or(Cause::PortUnknown.into())),
        }
    }
}
