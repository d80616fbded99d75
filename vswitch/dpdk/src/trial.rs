//! What a driver offers is tried before anybody relies on it, where the operator asked for it: one packet of each kind.
//!
//! A device that can send to itself is tried in earnest: what comes back has to be what the switch would have made of the
//! packet, octet by octet. Any other is asked only: its driver is shown the packets, and none is sent; one that takes them and
//! sends nonsense is not found out. What fails is done in software.

mod kind;
mod loopback;
mod start;

use frame::{Frame, Pool, Takes};

use crate::EthPort;
use kind::{Ends, KINDS, Kind, finished};
use loopback::Looped;
pub(crate) use start::{by_asking, in_a_loop};

/// Room for the checksum field of a header, of which devices get little else wrong.
const SUM_LEN: usize = 2;

/// What came of one kind of packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The device did it right.
    Tried,
    /// The driver would do it; nobody has seen it.
    Asked,
    /// It does not, or not right: how.
    Refused(String),
}

/// A kind of packet by name, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: &'static str,
    pub(crate) outcome: Outcome,
}

impl Finding {
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Refused(_))
    }
}

/// A device on trial.
pub(crate) trait Device {
    /// Tells the driver what is left of a frame; `false` where it refuses that.
    fn accepts(&mut self, frame: &mut Frame) -> bool;

    /// Whom a packet is to be from and to, other ones each time.
    fn ends(&mut self) -> Ends;

    /// Sends the device a packet from itself, and gives what has come back of it, up to so many packets; `None` where it
    /// cannot send to itself.
    fn send(&mut self, frame: &mut Frame, ends: Ends, count: usize) -> Option<Vec<Vec<u8>>>;
}

/// A device that cannot send to itself.
pub(crate) struct Asked(pub(crate) EthPort);

impl Device for Asked {
    fn accepts(&mut self, frame: &mut Frame) -> bool {
        self.0.prepare(frame)
    }

    fn ends(&mut self) -> Ends {
        Ends { src: [2; 6], dst: [2; 6] }
    }

    fn send(&mut self, _: &mut Frame, _: Ends, _: usize) -> Option<Vec<Vec<u8>>> {
        None
    }
}

/// What is left of `claimed` when the device has been tried, and what came of each kind that it claims.
pub(crate) fn hold(claimed: Takes, pool: &mut impl Pool, device: &mut impl Device) -> (Takes, Vec<Finding>) {
    let (mut takes, mut findings) = (claimed, Vec::new());
    for kind in KINDS {
        if !kind.is_in(takes) {
            continue;
        }
        let long = if kind.is_long() { pool.alloc_super() } else { None };
        let Some(mut frame) = long.or_else(|| pool.alloc()) else { continue };
        if let Some(outcome) = of(kind, &mut frame, device) {
            let finding = Finding { kind: kind.name, outcome };
            takes = if finding.is_refused() { (kind.without)(takes) } else { takes };
            findings.push(finding);
        }
        pool.release_one(frame);
    }
    (takes, findings)
}

/// What comes of a packet of the kind; `None` where the frame has no room for one.
fn of(kind: Kind, frame: &mut Frame, device: &mut impl Device) -> Option<Outcome> {
    let ends = device.ends();
    if !kind.fill(frame, ends) {
        return None;
    }
    let (expected, outer) = (finished(frame)?, frame.outer_len());
    if !device.accepts(frame) {
        return Some(Outcome::Refused("the driver does not take it".to_owned()));
    }
    // What the driver was told is written over it.
    frame.set_outer_len(outer as u8);
    let Some(came) = device.send(frame, ends, expected.len()) else { return Some(Outcome::Asked) };
    Some(difference(&expected, &came).map_or(Outcome::Tried, Outcome::Refused))
}

/// How what came back differs from what should have.
fn difference(expected: &[Vec<u8>], came: &[Vec<u8>]) -> Option<String> {
    if came.is_empty() {
        return Some("it did not come back".to_owned());
    }
    if came.len() != expected.len() {
        return Some(format!("it came back as {} packets, not {}", came.len(), expected.len()));
    }
    let pairs = expected.iter().zip(came).enumerate();
    let (nth, expected, came) =
        pairs.map(|(nth, (expected, came))| (nth + 1, expected, came)).find(|it| it.1 != it.2)?;
    if expected.len() != came.len() {
        return Some(format!("packet {nth} came back with {} octets, not {}", came.len(), expected.len()));
    }
    let wrong: Vec<usize> = (0..came.len()).filter(|&at| came[at] != expected[at]).collect();
    let [first, .., last] = wrong[..] else {
        return Some(format!("octet {} of packet {nth} came back wrong", wrong[0]));
    };
    Some(match last - first < SUM_LEN {
        true => format!("packet {nth} came back with a wrong checksum, at octet {first}"),
        false => format!("packet {nth} came back wrong from octet {first} to {last}"),
    })
}

#[cfg(test)]
mod tests;
