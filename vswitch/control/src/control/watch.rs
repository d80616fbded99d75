//! Watches the links of the uplinks. Nobody tells of a link that goes, so they are looked at often: a failure costs the
//! frames of one look at most.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::Link;

use crate::config::Name;

/// Time between two looks where tunnels have a choice of uplinks; otherwise control may take longer ([`Control::patience`]).
///
/// [`Control::patience`]: super::Control::patience
pub(super) const PERIOD: Duration = Duration::from_millis(10);
/// Lines about one port in the log within [`LINES_TIME`]; more changes are only counted.
const LINES_MAX: u32 = 4;
/// What [`LINES_MAX`] is for.
const LINES_TIME: Duration = Duration::from_secs(10);

/// What was last seen of the uplinks' links.
#[derive(Default)]
pub(super) struct Watch {
    looked_at: Option<Duration>,
    links: BTreeMap<Name, Seen>,
}

/// A link, and what was said of it.
struct Seen {
    link: Link,
    /// When the time began that `lines` counts in.
    since: Duration,
    lines: u32,
    /// Changes since the last line.
    untold: u32,
}

impl Watch {
    /// Whether it is time to look.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.looked_at.is_none_or(|at| now.saturating_sub(at) >= PERIOD)
    }

    /// How long it is until `period` has passed since the last look.
    pub(super) fn rest_of(&self, period: Duration, now: Duration) -> Duration {
        self.looked_at.map_or(Duration::ZERO, |at| (at + period).saturating_sub(now))
    }

    /// Takes the links of all uplinks; gives those that have come back.
    pub(super) fn look(&mut self, links: impl Iterator<Item = (Name, Link)>, now: Duration) -> Vec<Name> {
        self.looked_at = Some(now);
        let mut returned = Vec::new();
        let mut present = BTreeSet::new();
        for (name, link) in links {
            let seen = self.links.entry(name.clone()).or_insert(Seen { link, since: now, lines: 0, untold: 0 });
            if seen.link == Link::Down && link != Link::Down {
                returned.push(name.clone());
            }
            seen.hear(&name, link, now);
            present.insert(name);
        }
        self.links.retain(|name, _| present.contains(name));
        returned
    }

    /// Whether a port was last seen without a link. One that does not tell is believed to have one.
    pub(super) fn is_down(&self, name: &Name) -> bool {
        self.links.get(name).is_some_and(|seen| seen.link == Link::Down)
    }
}

impl Seen {
    fn hear(&mut self, name: &Name, link: Link, now: Duration) {
        let before = std::mem::replace(&mut self.link, link);
        if now.saturating_sub(self.since) >= LINES_TIME {
            (self.since, self.lines) = (now, 0);
        }
        self.untold += u32::from(before != link);
        if self.untold == 0 || self.lines == LINES_MAX {
            return;
        }
        self.lines += 1;
        match self.untold {
            1 if before != link => log::warn!("port {name}: link {} -> {}", before.name(), link.name()),
            changes => log::warn!("port {name}: link {}, after {changes} changes not told of", link.name()),
        }
        self.untold = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(watch: &mut Watch, link: Link, ms: u64) -> Vec<Name> {
        watch.look([("up0".parse().unwrap(), link)].into_iter(), Duration::from_millis(ms))
    }

    #[test]
    fn a_link_that_comes_back_is_told_once_and_one_that_does_not_tell_is_up() {
        let (mut watch, name): (_, Name) = (Watch::default(), "up0".parse().unwrap());
        assert!(watch.is_due(Duration::ZERO));
        assert!(look(&mut watch, Link::Unknown, 0).is_empty() && !watch.is_down(&name));
        assert!(!watch.is_due(Duration::from_millis(9)) && watch.is_due(PERIOD));
        assert!(look(&mut watch, Link::Down, 10).is_empty() && watch.is_down(&name));
        assert_eq!(look(&mut watch, Link::Up, 20), std::slice::from_ref(&name));
        assert!(look(&mut watch, Link::Up, 30).is_empty());
        assert!(watch.look(std::iter::empty(), PERIOD * 4).is_empty());
        assert!(!watch.is_down(&name), "a port that has gone is not remembered");
    }

    #[test]
    fn a_link_that_flaps_gets_a_few_lines_and_its_last_state_is_told() {
        let (mut watch, name): (_, Name) = (Watch::default(), "up0".parse().unwrap());
        for flap in 0..200 {
            look(&mut watch, if flap % 2 == 0 { Link::Down } else { Link::Up }, flap * 10);
        }
        let seen = |watch: &Watch| (watch.links[&name].lines, watch.links[&name].untold);
        assert_eq!(seen(&watch), (LINES_MAX, 199 - LINES_MAX));
        look(&mut watch, Link::Up, 10_000);
        assert_eq!(seen(&watch), (1, 0), "the rest in one line, though nothing changed meanwhile");
    }
}
