//! What a worker's thread uses of a CPU.

use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// CPU time, looked at now and then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// When it was looked at last.
    looked: Option<Duration>,
    /// What had been used by then, where that is known.
    used: Option<Duration>,
    /// What was used between the last two looks, in thousandths of the time between them.
    permille: Option<u16>,
}

impl Load {
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.looked.is_none_or(|looked| now.saturating_sub(looked) >= EVERY)
    }

    /// `used` is the CPU time since the thread began.
    pub(super) fn note(&mut self, now: Duration, used: Option<Duration>) {
        let between = self.looked.map(|looked| now.saturating_sub(looked));
        let spent = used.zip(self.used).map(|(used, before)| used.saturating_sub(before));
        self.permille = between.zip(spent).and_then(|(between, spent)| permille(spent, between));
        (self.looked, self.used) = (Some(now), used);
    }

    /// CPU time since the thread began.
    pub(super) fn used(&self) -> Option<Duration> {
        self.used
    }

    pub(super) fn permille(&self) -> Option<u16> {
        self.permille
    }
}

/// 1000 at most: the two clocks are not read at one moment.
fn permille(spent: Duration, between: Duration) -> Option<u16> {
    let share = (spent.as_nanos() * 1000).checked_div(between.as_nanos())?;
    Some(share.min(1000) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_used_between_two_looks_counts() {
        let mut load = Load::default();
        assert!(load.is_due(Duration::ZERO));
        load.note(SECOND, Some(Duration::from_millis(900)));
        assert_eq!((load.used(), load.permille()), (Some(Duration::from_millis(900)), None), "there was one look");
        assert!(!load.is_due(SECOND + SECOND / 2) && load.is_due(2 * SECOND));
        load.note(3 * SECOND, Some(Duration::from_millis(1113)));
        assert_eq!(load.permille(), Some(106));
        load.note(4 * SECOND, Some(Duration::from_millis(2114)));
        assert_eq!(load.permille(), Some(1000), "clocks differ a little");
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_made_up() {
        let mut load = Load::default();
        load.note(SECOND, None);
        load.note(2 * SECOND, Some(SECOND));
        assert_eq!(load.permille(), None);
        load.note(2 * SECOND, Some(SECOND));
        assert_eq!(load.permille(), None, "no time has passed");
        load.note(3 * SECOND, None);
        assert_eq!((load.used(), load.permille()), (None, None));
    }
}
