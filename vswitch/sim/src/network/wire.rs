//! A wire in one direction that loses, repeats, delays and reorders by its dice.

use std::{collections::BTreeMap, time::Duration};

use crate::Dice;

/// What a wire does to packets. Chances in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Packets lost.
    pub loss: usize,
    /// Packets that arrive twice.
    pub duplicate: usize,
    /// Packets that take [`Faults::detour_ms`] longer, so that later ones overtake them.
    pub reorder: usize,
    /// Time every packet takes.
    pub delay_ms: u64,
    /// Time a detour takes on top of that.
    pub detour_ms: u64,
}

/// Packets on their way.
#[derive(Debug)]
pub struct Wire {
    /// What becomes of packets pushed from now on.
    pub faults: Faults,
    dice: Dice,
    under_way: BTreeMap<(Duration, u64), Vec<u8>>,
    pushed: u64,
}

impl Wire {
    /// An empty wire.
    pub fn new(faults: Faults, dice: Dice) -> Wire {
        Wire { faults, dice, under_way: BTreeMap::new(), pushed: 0 }
    }

    /// Sends a packet on its way.
    pub fn push(&mut self, now: Duration, packet: Vec<u8>) {
        let Faults { loss, duplicate, .. } = self.faults;
        if self.dice.chance(loss) {
            return;
        }
        if self.dice.chance(duplicate) {
            self.carry(now, packet.clone());
        }
        self.carry(now, packet);
    }

    fn carry(&mut self, now: Duration, packet: Vec<u8>) {
        let Faults { reorder, delay_ms, detour_ms, .. } = self.faults;
        let detour_ms = if self.dice.chance(reorder) { detour_ms } else { 0 };
        self.pushed += 1;
        self.under_way.insert((now + Duration::from_millis(delay_ms + detour_ms), self.pushed), packet);
    }

    /// The next packet that has arrived by now.
    pub fn pop(&mut self, now: Duration) -> Option<Vec<u8>> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(faults: Faults) -> Vec<u8> {
        let mut wire = Wire::new(faults, Dice::new(5));
        for number in 0..100 {
            wire.push(Duration::from_millis(u64::from(number)), vec![number]);
        }
        std::iter::from_fn(|| wire.pop(Duration::from_secs(1))).map(|packet| packet[0]).collect()
    }

    #[test]
    fn a_good_wire_carries_everything_once_and_in_order_after_its_delay() {
        assert_eq!(arrivals(Faults::default()), (0..100).collect::<Vec<_>>());
        let mut wire = Wire::new(Faults { delay_ms: 3, ..Faults::default() }, Dice::new(1));
        wire.push(Duration::ZERO, vec![1]);
        assert_eq!(wire.pop(Duration::from_millis(2)), None);
        assert_eq!(wire.pop(Duration::from_millis(3)), Some(vec![1]));
    }

    #[test]
    fn a_bad_wire_loses_repeats_and_reorders() {
        assert!(arrivals(Faults { loss: 20, ..Faults::default() }).len() < 95);
        assert!(arrivals(Faults { duplicate: 20, ..Faults::default() }).len() > 105);
        assert!(!arrivals(Faults { reorder: 20, detour_ms: 10, ..Faults::default() }).is_sorted());
    }
}
