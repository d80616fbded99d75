//! Finds the MACs of next hops: ARP (RFC 826) and neighbour discovery (RFC 4861), as a state machine that is told the
//! time.
//!
//! A next hop is asked for by broadcast or multicast until it answers, then asked again by unicast every [`REFRESH`].
//! Nothing is learned about anybody else, and nobody else is believed:
//!
//! | We hear, from a wanted next hop | and know nothing yet | and know this MAC | and know another MAC |
//! |---|---|---|---|
//! | a reply to us, while a request of ours is open | learn | confirm | learn, logged |
//! | a reply to us that shall not override (ND without the O flag) | learn | confirm | ask everybody |
//! | a gratuitous ARP (sender = target, RFC 5227 section 1.1), an unsolicited advertisement with the O flag | learn | confirm (ARP) | learn, logged |
//! | anything else (its request, an unasked reply) | learn | confirm (ARP) | ask everybody, and believe the answer |
//!
//! Behind a link that was away, nothing but a reply is learned from.
//!
//! In IPv6 only an answer confirms, for nothing else shows that the way there is open (RFC 4861 section 7.3.1).

mod question;
mod statement;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use datapath::PortId;
use wire::Mac;

use super::Attachment;
use question::question;
use statement::{Claim, Statement, statement};

/// Pause between the first requests.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// How many requests are the first ones.
const RETRY_FIRST_COUNT: u32 = 3;
/// Pause between two requests that go unanswered; also the least pause between two that doubt provokes.
const RETRY: Duration = Duration::from_secs(1);
/// Age at which what is known is asked again.
const REFRESH: Duration = Duration::from_secs(20);
/// Requests in a row that a known next hop may leave unanswered.
const UNANSWERED_MAX: u8 = 3;

/// The next hop of a tunnel: an address on an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NextHop {
    /// The uplink it is on.
    pub uplink: PortId,
    /// Its address.
    pub address: IpAddr,
}

/// The resolver: what is wanted, and what is known about it.
#[derive(Default)]
pub struct Neighbours {
    sources: BTreeMap<PortId, Attachment>,
    entries: BTreeMap<NextHop, Entry>,
    changed: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    state: State,
    /// When there is something to do again.
    due: Duration,
    /// When the last request was sent, if any was.
    asked_at: Option<Duration>,
    /// Whether only an answer counts: the way there was cut, and nothing else shows that it is open in both directions.
    is_in_question: bool,
}

#[derive(Clone, Copy)]
enum State {
    /// Never answered, or no longer; `asked` requests were sent since.
    Asking { asked: u32 },
    /// Answered; `unanswered` requests were sent since. `doubted`: somebody claims another MAC, so ask everybody.
    Known { mac: Mac, unanswered: u8, doubted: bool },
}

impl Entry {
    fn unknown(now: Duration) -> Entry {
        Entry { state: State::Asking { asked: 0 }, due: now, asked_at: None, is_in_question: false }
    }

    fn mac(&self) -> Option<Mac> {
        match self.state {
            State::Asking { .. } => None,
            State::Known { mac, .. } => Some(mac),
        }
    }

    /// Moves on to the next request; returns whom to send it to, `None` is everybody.
    fn ask(&mut self, now: Duration) -> Option<Mac> {
        self.asked_at = Some(now);
        match &mut self.state {
            State::Asking { asked } => {
                *asked = asked.saturating_add(1);
                self.due = now + if *asked <= RETRY_FIRST_COUNT { RETRY_FIRST } else { RETRY };
                None
            }
            State::Known { mac, unanswered, doubted } => {
                *unanswered += 1;
                self.due = now + RETRY;
                if *doubted { None } else { Some(*mac) }
            }
        }
    }

    /// Whether it has left as many requests unanswered as it may.
    fn is_silent(&self) -> bool {
        matches!(self.state, State::Known { unanswered, .. } if unanswered >= UNANSWERED_MAX)
    }

    fn learn(&mut self, mac: Mac, now: Duration) {
        self.is_in_question = false;
        self.state = State::Known { mac, unanswered: 0, doubted: false };
        self.due = now + REFRESH;
    }

    /// Somebody claims another MAC than the known one, unasked: ask soon, and everybody.
    fn doubt(&mut self, now: Duration) {
        let earliest = self.asked_at.map_or(now, |at| at + RETRY);
        if let State::Known { doubted, .. } = &mut self.state {
            *doubted = true;
            self.due = self.due.min(earliest.max(now));
        }
    }

    /// Weighs the claim that the next hop has `mac`; `true` where another MAC is known afterwards than before.
    fn hear(&mut self, next_hop: NextHop, mac: Mac, claim: Claim, now: Duration) -> bool {
        let State::Known { mac: known, unanswered, doubted } = self.state else {
            if self.is_in_question && !matches!(claim, Claim::Reply | Claim::ModestReply) {
                return false;
            }
            // Whoever answers again behind a link that flaps is no news each time.
            let level = if self.is_in_question { log::Level::Debug } else { log::Level::Info };
            log::log!(level, "next hop {} is at {mac}", next_hop.address);
            self.learn(mac, now);
            return true;
        };
        if known == mac {
            let confirms = match claim {
                Claim::Reply | Claim::ModestReply => true,
                Claim::Gratuitous => next_hop.address.is_ipv4(),
                // Hearsay does not settle what other hearsay made doubtful: an answer will.
                Claim::Hearsay => next_hop.address.is_ipv4() && !doubted,
            };
            if confirms {
                self.learn(mac, now);
            }
            return false;
        }
        let asked_for = claim == Claim::Reply && unanswered > 0;
        if !asked_for && claim != Claim::Gratuitous {
            self.doubt(now);
            return false;
        }
        let how = if asked_for { "answers" } else { "announces" };
        log::warn!("next hop {} moved from {known} to {mac}, as it {how} itself", next_hop.address);
        self.learn(mac, now);
        true
    }
}

impl Neighbours {
    /// A resolver that wants nothing.
    pub fn new() -> Neighbours {
        Neighbours::default()
    }

    /// Makes `sources` the uplinks of this node: requests carry their MACs and addresses. Where the node has another MAC
    /// than before, next hops are asked at once: by the question they learn it.
    pub fn configure(&mut self, sources: &BTreeMap<PortId, Attachment>) {
        let has_moved =
            |uplink: &PortId| self.sources.get(uplink).map(|old| old.mac) != sources.get(uplink).map(|new| new.mac);
        for (_, entry) in self.entries.iter_mut().filter(|(next_hop, _)| has_moved(&next_hop.uplink)) {
            entry.due = Duration::ZERO;
        }
        self.sources.clone_from(sources);
    }

    /// Makes `wanted` the next hops to find. What is known about those that stay is kept, the others are forgotten.
    pub fn want(&mut self, wanted: &BTreeSet<NextHop>, now: Duration) {
        let before = self.entries.len();
        self.entries.retain(|next_hop, _| wanted.contains(next_hop));
        self.changed |= self.entries.len() != before;
        for &next_hop in wanted {
            self.entries.entry(next_hop).or_insert_with(|| Entry::unknown(now));
        }
    }

    /// Forgets what is known about the next hops on an uplink that was cut off, and asks for them anew; only what answers
    /// is believed to be there.
    pub fn forget(&mut self, uplink: PortId, now: Duration) {
        for (_, entry) in self.entries.iter_mut().filter(|(next_hop, _)| next_hop.uplink == uplink) {
            self.changed |= entry.mac().is_some();
            *entry = Entry { is_in_question: true, ..Entry::unknown(now) };
        }
    }

    /// Looks at a frame that came in by `uplink`; whatever says nothing about a wanted next hop is ignored.
    pub fn receive(&mut self, uplink: PortId, frame: &[u8], now: Duration) {
        let Some(source) = self.sources.get(&uplink) else { return };
        let Some(Statement { address, mac, claim }) = statement(frame, source.mac) else { return };
        let next_hop = NextHop { uplink, address };
        let Some(entry) = self.entries.get_mut(&next_hop) else { return };
        // An answer to a question by unicast may leave the MAC out (RFC 4861 section 4.4).
        let Some(mac) = mac.or(entry.mac()) else { return };
        if !mac.is_unicast() || mac == Mac::ZERO || mac == source.mac {
            return;
        }
        self.changed |= entry.hear(next_hop, mac, claim, now);
    }

    /// Sends the requests that are due on uplinks that are `ready` (others wait); `send` gets each frame and the uplink
    /// it leaves by.
    pub fn poll(&mut self, now: Duration, ready: impl Fn(PortId) -> bool, mut send: impl FnMut(PortId, &[u8])) {
        let due = |(next_hop, entry): &(&NextHop, &mut Entry)| entry.due <= now && ready(next_hop.uplink);
        for (next_hop, entry) in self.entries.iter_mut().filter(due) {
            if entry.is_silent() {
                log::warn!("next hop {} no longer answers", next_hop.address);
                *entry = Entry::unknown(now);
                self.changed = true;
            }
            let to = entry.ask(now);
            if let Some(frame) = self.sources.get(&next_hop.uplink).and_then(|s| question(s, next_hop.address, to)) {
                send(next_hop.uplink, &frame);
            }
        }
    }

    /// When [`Neighbours::poll`] has something to do.
    pub fn next_due(&self) -> Option<Duration> {
        self.entries.values().map(|entry| entry.due).min()
    }

    /// Whether the answer of [`Neighbours::resolved`] has changed since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The MAC of a wanted next hop, where it is known.
    pub fn mac(&self, next_hop: NextHop) -> Option<Mac> {
        self.entries.get(&next_hop)?.mac()
    }

    /// All next hops whose MAC is known.
    pub fn resolved(&self) -> BTreeMap<NextHop, Mac> {
        self.entries.iter().filter_map(|(&next_hop, entry)| Some((next_hop, entry.mac()?))).collect()
    }
}

#[cfg(test)]
mod ipv6_tests;
#[cfg(test)]
mod tests;
