//! Whether packets for a container wait for others, so that it is woken once for several of them.
//!
//! The kernel wakes who reads a socket for each packet that is written while it sleeps. Many small packets one by one wake it for
//! each, and the CPU time goes into that; NICs have known it for long and hold interrupts back (ethtool, `adaptive-rx`). Here as
//! there it is the rate that decides, of the whole queue: two who answer each other one packet at a time stay below it, and where
//! many who ask have all asked, so that nobody has more to say before he is answered, it is noticed that nothing more comes: sooner
//! than the longest wait is over from 120,000 a second on.

use std::time::{Duration, Instant};

/// How long packets are counted before their rate is known.
const WINDOW: Duration = Duration::from_millis(1);
/// Packets in a window from which on they are many: more than two that answer each other one at a time come to where a packet
/// takes 8 us each way, which is less than two threads take that wake each other.
const MANY: u32 = 60;
/// Packets that could have come, as often as they do, while none did: then none is waited for any more.
const MISSING: u32 = 6;

/// Counts the packets for one queue of a TAP, and says which wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coalesce {
    /// For how long a packet waits at most.
    longest: Duration,
    /// Packets sent since `began`.
    sent: u32,
    began: Option<Instant>,
    /// The mean time between packets in the last window, where they were many.
    gap: Option<Duration>,
    waiting: Option<Waiting>,
}

/// Packets that wait for others.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// When the first of them was seen.
    first: Instant,
    /// When the last was.
    last: Instant,
    packets: usize,
}

impl Coalesce {
    pub(crate) fn new(longest: Duration) -> Coalesce {
        Coalesce { longest, sent: 0, began: None, gap: None, waiting: None }
    }

    /// Packets have been sent; what waits from now on, waits anew.
    #[inline]
    pub(crate) fn sent(&mut self, packets: usize) {
        self.sent = self.sent.saturating_add(packets as u32);
        self.waiting = None;
    }

    /// Whether those that are to be sent now, so many, wait on.
    pub(crate) fn waits(&mut self, packets: usize, now: impl FnOnce() -> Instant) -> bool {
        if self.longest.is_zero() {
            return false;
        }
        let now = now();
        let counted = now.saturating_duration_since(*self.began.get_or_insert(now));
        if counted >= WINDOW {
            // By the length that the window had: those who come once a minute are not many.
            let gap = counted / self.sent.max(1);
            self.gap = (gap <= WINDOW / MANY).then_some(gap);
            (self.sent, self.began) = (0, Some(now));
        }
        let Some(gap) = self.gap else { return false };
        let waiting = self.waiting.get_or_insert(Waiting { first: now, last: now, packets });
        if waiting.packets != packets {
            (waiting.last, waiting.packets) = (now, packets);
        }
        let is_within = |limit: Duration, moment: Instant| now.saturating_duration_since(moment) < limit;
        is_within(self.longest, waiting.first) && is_within(gap * MISSING, waiting.last)
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
                    if coalesce.waits(waiting, || now) {
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
        assert_eq!(waits(&mut coalesce, start, 2000, 18 * US), (0, Duration::ZERO), "55,000 a second");
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

    #[test]
    fn where_nothing_more_comes_nobody_waits_for_it() {
        let (mut coalesce, start) = (Coalesce::new(50 * US), Instant::now());
        waits(&mut coalesce, start, 300, 5 * US);
        // Eight at once, as of eight who ask and wait: the mean gap is that of those before.
        let asked = start + 1500 * US;
        coalesce.sent(0);
        let until = (0..100).find(|&us| !coalesce.waits(8, || asked + us * US));
        assert_eq!(until, Some(30));
    }
}
