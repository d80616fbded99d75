//! The highest rate at which no more than a given share is lost: halving, as RFC 2544 section 26.1 does.

/// What one trial came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Share of the packets due that did not arrive.
    pub(crate) lost: f64,
    /// Packets a second that did.
    pub(crate) received: f64,
}

/// The highest rate found, in packets a second; 0 where even the lowest tried loses more. No rate above `ceiling` is tried,
/// and the search ends when it knows the rate to within `step`, a share of `ceiling`.
pub(crate) fn search<E>(
    ceiling: u64,
    step: f64,
    allowed: f64,
    mut trial: impl FnMut(u64) -> Result<Outcome, E>,
) -> Result<u64, E> {
    let (mut good, mut bad) = (0, ceiling);
    let precise = ((ceiling as f64 * step) as u64).max(1);
    while bad - good > precise {
        let rate = good + (bad - good) / 2;
        if trial(rate)?.lost <= allowed {
            good = rate;
        } else {
            bad = rate;
        }
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that carries so many packets a second and drops the rest.
    fn carries(capacity: u64) -> impl FnMut(u64) -> Result<Outcome, ()> {
        move |rate| {
            let received = rate.min(capacity) as f64;
            Ok(Outcome { lost: 1.0 - received / rate as f64, received })
        }
    }

    #[test]
    fn the_rate_a_device_carries_is_found_to_within_the_step() {
        for capacity in [1, 10_000, 512_345, 999_000] {
            let rate = search(1_000_000, 0.01, 0.0, carries(capacity)).unwrap();
            assert!(rate <= capacity && capacity - rate <= 10_000, "{rate} of {capacity}");
        }
    }

    #[test]
    fn what_may_be_lost_lets_the_rate_be_higher() {
        let rate = search(1_000_000, 0.001, 0.1, carries(500_000)).unwrap();
        assert!((554_000..=555_556).contains(&rate), "{rate}");
    }

    #[test]
    fn a_device_that_always_loses_has_no_rate_and_a_failure_ends_the_search() {
        assert_eq!(search(1_000_000, 0.01, 0.0, |_| Ok::<_, ()>(Outcome { lost: 0.5, received: 0.0 })), Ok(0));
        assert_eq!(search(1_000_000, 0.01, 0.0, |_| Err("died")), Err("died"));
    }
}
