//! Devices that go away under a running switch: a VF taken back, an interface deleted, a NIC that asks for a reset.
//!
//! ```text
//! found gone ─► queue pairs called back ─► device closed ─► tried again, less and less often ─► open, attached as before
//! ```
//!
//! Nobody else notices: no other port is touched at any step, and frames for the port are dropped by name meanwhile.

use std::{collections::BTreeMap, time::Duration};

use wire::Mac;

use super::{Control, PortFactory, open_port::OpenPort};
use crate::config::{Name, Port};

/// Time between two looks whether devices are there.
const PERIOD: Duration = Duration::from_millis(100);
/// How long to wait before a device is tried again for the first time; each time twice as long, ...
const AGAIN_MIN: Duration = Duration::from_secs(1);
/// ... and no longer than this.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// The ports whose devices have gone.
#[derive(Default)]
pub(super) struct Gone {
    looked_at: Option<Duration>,
    ports: BTreeMap<Name, Lost>,
}

/// A device that has gone.
struct Lost {
    why: String,
    /// Why it could not be opened when it was last tried.
    refused: Option<String>,
    /// The MAC it had: whoever sends to it before it is back is told nothing else.
    mac: Option<Mac>,
    /// When to try it again, and how long after that.
    again_at: Duration,
    wait: Duration,
}

impl Gone {
    /// Whether a port's device has gone.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.ports.contains_key(name)
    }

    /// Why a port's device is not there, where it has gone: what became of it, and what keeps it from being opened again.
    pub(super) fn why(&self, name: &Name) -> Option<String> {
        let Lost { why, refused, .. } = self.ports.get(name)?;
        Some(refused.as_ref().map_or_else(|| why.clone(), |refused| format!("{why}; not back: {refused}")))
    }

    /// The MACs of uplinks that have gone.
    pub(super) fn macs(&self) -> impl Iterator<Item = (&Name, Mac)> {
        self.ports.iter().filter_map(|(name, lost)| Some((name, lost.mac?)))
    }

    /// The port is open again.
    pub(super) fn returned(&mut self, name: &Name) {
        self.ports.remove(name);
    }

    /// The operator has looked after something: all are tried at once.
    pub(super) fn hasten(&mut self, now: Duration) {
        self.ports.values_mut().for_each(|lost| (lost.again_at, lost.wait) = (now, AGAIN_MIN));
    }

    fn is_due(&self, now: Duration) -> bool {
        self.looked_at.is_none_or(|at| now.saturating_sub(at) >= PERIOD)
    }
}

impl<F: PortFactory> Control<F> {
    /// Finds devices that have gone and brings those back that are there again. Not while a transaction is under way, which
    /// may be about them; it looks after queue pairs itself.
    pub(super) fn look_after_gone(&mut self) {
        if self.transaction.is_some() || self.stopping.is_some() {
            return;
        }
        if self.gone.is_due(self.now) {
            self.gone.looked_at = Some(self.now);
            self.find_gone();
            self.close_gone();
            self.bring_back();
        }
        if self.ports.values().any(|open| !open.is_settled()) {
            self.settle_ports();
        }
    }

    fn find_gone(&mut self) {
        for (name, open) in self.ports.iter_mut().filter(|(_, open)| !open.is_leaving) {
            let Some(why) = self.factory.gone(name.as_str()) else { continue };
            log::warn!("port {name}: {why}; it is closed, and opened again when it is back");
            open.is_leaving = true;
            let lost = Lost { why, refused: None, mac: open.mac, again_at: self.now + AGAIN_MIN, wait: AGAIN_MIN };
            self.gone.ports.insert(name.clone(), lost);
        }
    }

    fn close_gone(&mut self) {
        let is_gone = |open: &&OpenPort<F::Queue>| open.is_leaving && self.gone.ports.contains_key(&open.port.name);
        let leaving: Vec<Port> = self.ports.values().filter(is_gone).map(|open| open.port.clone()).collect();
        self.close_home(&leaving);
    }

    fn bring_back(&mut self) {
        let Control { gone, config, ports, now, .. } = self;
        gone.ports.retain(|name, _| config.port(name.as_str()).is_some());
        let is_due = |(name, lost): &(&Name, &Lost)| lost.again_at <= *now && !ports.contains_key(*name);
        let due: Vec<Port> =
            gone.ports.iter().filter(is_due).filter_map(|(name, _)| config.port(name.as_str()).cloned()).collect();
        let mut is_any_back = false;
        for port in &due {
            is_any_back |= self.try_again(port);
        }
        if is_any_back {
            self.install();
            self.tell_filters();
            self.settle_ports();
        }
    }

    fn try_again(&mut self, port: &Port) -> bool {
        let Err(error) = self.open(port) else { return true };
        let now = self.now;
        if let Some(lost) = self.gone.ports.get_mut(&port.name) {
            lost.wait = (lost.wait * 2).min(AGAIN_MAX);
            lost.again_at = now + lost.wait;
            log::debug!("port {}: not back yet, next try in {} s: {error}", port.name, lost.wait.as_secs());
            lost.refused = Some(error.to_string());
        }
        false
    }
}
