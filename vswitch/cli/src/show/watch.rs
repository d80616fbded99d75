//! `--watch`: the same answer again and again, until Ctrl-C, the switch or the reader ends it.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use signal_hook::{consts::SIGINT, flag};

use crate::failure::Failure;

/// How long Ctrl-C may go unnoticed.
const SLICE: Duration = Duration::from_millis(50);

/// Time from one answer to the next: 0.1 s to an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Period(f64);

impl Period {
    pub(super) fn seconds(self) -> f64 {
        self.0
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(typed: &str) -> Result<Period, String> {
        let seconds = typed.parse().ok().filter(|seconds| (0.1..=3_600.0).contains(seconds));
        seconds.map(Period).ok_or_else(|| "0.1 to 3600 seconds".to_owned())
    }
}

/// Beats time until it is stopped.
pub(super) struct Metronome {
    period: Duration,
    next: Instant,
    stopped: Arc<AtomicBool>,
}

impl Metronome {
    /// From now on Ctrl-C ends the watch, and a second one the process at once.
    pub(super) fn start(period: Period) -> Result<Metronome, Failure> {
        let stopped = Arc::new(AtomicBool::new(false));
        let registered = flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&stopped))
            .and_then(|_| flag::register(SIGINT, Arc::clone(&stopped)));
        registered.map_err(Failure::Output)?;
        let period = Duration::from_secs_f64(period.0);
        Ok(Metronome { period, next: Instant::now() + period, stopped })
    }

    /// Waits for the next beat; `false` where there is none. Beats that were missed are left out.
    pub(super) fn beat(&mut self) -> bool {
        while !self.stopped.load(Relaxed) {
            let left = self.next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let late = Instant::now().saturating_duration_since(self.next);
                let missed = u32::try_from(late.as_nanos() / self.period.as_nanos()).unwrap_or(u32::MAX);
                self.next += self.period.saturating_mul(missed.saturating_add(1));
                return true;
            }
            thread::sleep(left.min(SLICE));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_bounds() {
        assert_eq!("0.5".parse(), Ok(Period(0.5)));
        for wrong in ["0", "0.05", "-1", "3601", "NaN", "inf", "x", ""] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn beats_that_were_missed_are_left_out() {
        let period = Duration::from_millis(20);
        let next = Instant::now() - 10 * period;
        let mut metronome = Metronome { period, next, stopped: Arc::default() };
        assert!(metronome.beat());
        assert!(metronome.next > Instant::now() - period && metronome.next <= Instant::now() + period);
        metronome.stopped.store(true, Relaxed);
        assert!(!metronome.beat());
    }
}
