//! Whether packets for a container wait for others, so that it is woken once for several of them.
//!
//! The kernel wakes who reads a socket for each packet that is written while it sleeps. Many small packets one by one wake it for
//! each, and the CPU time goes into that; NICs have known it for long and hold interrupts back (ethtool, `adaptive-rx`). Here as
//! there it is the rate that decides: whoever asks and waits for the answer gets few packets, and each at once.

use std::time::{Duration, Instant};

/// How long packets are counted before their rate is known.
const WINDOW: Duration = Duration::from_millis(1);
/// Packets in a window from which on they are many. Two that answer each other as soon as they can, one packet at a time, come to
/// half of that.
const MANY: u32 = 50;

/// Counts the packets for one queue of a TAP, and says which wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coalesce {
    /// For how long a packet waits at most.
    longest: Duration,
    /// Packets sent since `began`.
    sent: u32,
    began: Option<Instant>,
    /// There were many in the last window.
    are_many: bool,
    /// When the first of those that wait was seen.
    since: Option<Instant>,
}

impl Coalesce {
    pub(crate) fn new(longest: Duration) -> Coalesce {
        Coalesce { longest, sent: 0, began: None, are_many: false, since: None }
    }

    /// Packets have been sent, and none waits any more.
    #[inline]
    pub(crate) fn sent(&mut self, packets: usize) {
        self.sent += packets as u32;
        self.since = None;
    }

    /// Whether those that are to be sent now wait on.
    pub(crate) fn waits(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.longest.is_zero() {
            return false;
        }
        let now = now();
        let counted = now.saturating_duration_since(*self.began.get_or_insert(now));
        if counted >= WINDOW {
            // By the length that the window had: those who come once a minute are not many.
            self.are_many = u128::from(self.sent) * WINDOW.as_nanos() >= u128::from(MANY) * counted.as_nanos();
            (self.sent, self.began) = (0, Some(now));
        }
        self.are_many && now.saturating_duration_since(*self.since.get_or_insert(now)) < self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    /// How often of `packets`, one every `gap`, one had to wait; turns are 1 us long.
    fn waits(coalesce: &mut Coalesce, start: Instant, packets: u32, gap: Duration) -> (u32, Duration) {
        let (mut waited, mut longest) = (0, Duration::ZERO);
        let (mut waiting, mut first) = (0, start);
        let mut now = start;
        for _ in 0..packets {
            let next = now + gap;
            (waiting, first) = (waiting + 1, if waiting == 0 { now } else { first });
            while now < next {
                if waiting > 0 {
                    if coalesce.waits(|| now) {
                        waited += 1;
                    } else {
                        longest = longest.max(now - first);
                        coalesce.sent(std::mem::take(&mut waiting));
                    }
                }
                now += US;
            }
        }
        (waited, longest)
    }

    #[test]
    fn who_gets_few_packets_gets_each_at_once() {
        let (mut coalesce, start) = (Coalesce::new(50 * US), Instant::now());
        assert_eq!(waits(&mut coalesce, start, 2000, 25 * US), (0, Duration::ZERO), "forty thousand a second");
    }

    #[test]
    fn many_packets_wait_for_each_other_and_none_for_longer_than_it_may() {
        let (mut coalesce, start) = (Coalesce::new(50 * US), Instant::now());
        let (waited, longest) = waits(&mut coalesce, start, 2000, 8 * US);
        assert!(waited > 10_000 && longest == 50 * US, "{waited} turns, {longest:?}");
        let (waited, _) = waits(&mut coalesce, start + 16_000 * US, 100, 100 * US);
        assert!(waited < 1000, "{waited} of 10,000 turns: a window later it is noticed that they are few again");
        let (waited, _) = waits(&mut Coalesce::new(Duration::ZERO), start, 2000, 8 * US);
        assert_eq!(waited, 0, "switched off");
    }
}
