//! Which ports need not be looked at: those that have run dry, and of which somebody tells when something comes.
//!
//! A look at a port without a frame may cost a system call ([`frame::Port::wakes_by`]), and who holds many such ports would
//! do little else. Whoever turns the worker may *watch* them: from then on a port that was found empty sleeps, and is not
//! looked at until it is woken. Ports that nobody watches are looked at each turn.

use crate::{PORTS_MAX, PortId};

/// How often ports came and went. While it is the same, so are the ports held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortChanges {
    /// Ports attached so far.
    pub came: u64,
    /// Ports detached so far.
    pub left: u64,
}

/// What is known of a port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nobody watches it: only a look tells.
    Unwatched,
    /// It is watched, and there may be something.
    Awake,
    /// It is watched and was empty: nothing has been told of since.
    Asleep,
}

/// What is known of each port.
pub(crate) struct Lookout {
    /// One place for every port there can be.
    looks: Vec<Look>,
    /// Those to be looked at, in that order.
    polled: Vec<PortId>,
    asleep: usize,
    changes: PortChanges,
}

impl Lookout {
    pub(crate) fn new() -> Lookout {
        let (looks, polled) = (vec![Look::Unwatched; PORTS_MAX], Vec::with_capacity(PORTS_MAX));
        Lookout { looks, polled, asleep: 0, changes: PortChanges::default() }
    }

    /// Those to be looked at, in that order.
    #[inline]
    pub(crate) fn polled(&self) -> &[PortId] {
        &self.polled
    }

    /// A port has come; nobody watches it yet.
    pub(crate) fn came(&mut self, port: PortId) {
        self.polled.push(port);
        self.changes.came += 1;
    }

    /// A port is not to be looked at any more, whatever comes.
    pub(crate) fn silence(&mut self, port: PortId) {
        self.set(port, Look::Unwatched);
        self.polled.retain(|&p| p != port);
    }

    /// A port has left.
    pub(crate) fn left(&mut self, port: PortId) {
        self.silence(port);
        self.changes.left += 1;
    }

    pub(crate) fn changes(&self) -> PortChanges {
        self.changes
    }

    /// From now on somebody tells when something comes to `port`, which is held, or (not `is_watched`) nobody does any more.
    /// What came before was not told: the next look is due.
    pub(crate) fn watch(&mut self, port: PortId, is_watched: bool) {
        self.wake(port);
        self.set(port, if is_watched { Look::Awake } else { Look::Unwatched });
    }

    pub(crate) fn is_watched(&self, port: PortId) -> bool {
        self.looks.get(port.index()).is_some_and(|look| *look != Look::Unwatched)
    }

    /// Something has come to `port`, wherever it is now.
    pub(crate) fn wake(&mut self, port: PortId) {
        if self.looks.get(port.index()) == Some(&Look::Asleep) {
            self.set(port, Look::Awake);
            self.polled.push(port);
        }
    }

    /// Lets those sleep that are watched and dry.
    #[inline(never)]
    pub(crate) fn dismiss(&mut self, is_dry: impl Fn(PortId) -> bool) {
        let Lookout { looks, polled, asleep, .. } = self;
        polled.retain(|&port| {
            let look = &mut looks[port.index()];
            if *look == Look::Awake && is_dry(port) {
                *look = Look::Asleep;
                *asleep += 1;
            }
            *look != Look::Asleep
        });
    }

    /// Whether any port sleeps.
    #[inline]
    pub(crate) fn any_sleeps(&self) -> bool {
        self.asleep > 0
    }

    fn set(&mut self, port: PortId, look: Look) {
        let Some(place) = self.looks.get_mut(port.index()) else { return };
        self.asleep -= usize::from(*place == Look::Asleep);
        *place = look;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: PortId = PortId(7);

    #[test]
    fn only_a_port_that_is_watched_and_dry_sleeps_and_only_until_it_is_woken() {
        let mut lookout = Lookout::new();
        lookout.came(PORT);
        lookout.dismiss(|_| true);
        assert_eq!(lookout.polled(), [PORT], "nobody would wake it");
        lookout.watch(PORT, true);
        assert_eq!(lookout.polled(), [PORT], "something may have come before it was watched");
        lookout.dismiss(|_| false);
        assert_eq!(lookout.polled(), [PORT]);
        lookout.dismiss(|_| true);
        assert!(lookout.polled().is_empty() && lookout.any_sleeps());
        (0..2).for_each(|_| lookout.wake(PORT));
        assert_eq!(lookout.polled(), [PORT]);
        assert!(!lookout.any_sleeps());
    }

    #[test]
    fn whoever_comes_in_the_place_of_a_sleeper_is_looked_at() {
        let mut lookout = Lookout::new();
        lookout.came(PORT);
        lookout.watch(PORT, true);
        lookout.dismiss(|_| true);
        lookout.left(PORT);
        assert!(!lookout.any_sleeps());
        lookout.wake(PORT);
        assert!(lookout.polled().is_empty(), "it has left");
        lookout.came(PORT);
        assert!(!lookout.is_watched(PORT));
        assert_eq!(lookout.polled(), [PORT]);
        assert_eq!(lookout.changes(), PortChanges { came: 2, left: 1 });
    }

    #[test]
    fn one_that_is_silenced_is_not_woken_and_one_that_nobody_watches_any_more_is_looked_at() {
        let mut lookout = Lookout::new();
        for port in [PORT, PortId(8)] {
            lookout.came(port);
            lookout.watch(port, true);
        }
        lookout.dismiss(|_| true);
        lookout.silence(PORT);
        lookout.wake(PORT);
        assert!(lookout.polled().is_empty());
        lookout.watch(PortId(8), false);
        assert_eq!(lookout.polled(), [PortId(8)]);
        assert!(!lookout.any_sleeps());
    }

    #[test]
    fn a_port_that_there_cannot_be_is_nobody() {
        let (mut lookout, nobody) = (Lookout::new(), PortId(PORTS_MAX as u16));
        lookout.watch(nobody, true);
        lookout.wake(nobody);
        lookout.left(nobody);
        assert!(lookout.polled().is_empty() && !lookout.any_sleeps() && !lookout.is_watched(nobody));
    }
}
