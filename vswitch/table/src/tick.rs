//! Coarse time, as the tables keep it.

/// A moment in units of 100 ms since some fixed moment of this machine; a worker reads the clock once a turn at most.
/// Wraps after thirteen years, which nothing in a table outlives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tick(pub u32);

impl Tick {
    /// Ticks in a second.
    pub const PER_SECOND: u32 = 10;

    /// Ticks that have passed since `earlier`; 0 where `earlier` is not earlier, as when another worker's clock is ahead.
    #[inline]
    pub fn since(self, earlier: Tick) -> u32 {
        (self.0.wrapping_sub(earlier.0) as i32).max(0) as u32
    }

    /// The moment `ticks` later.
    #[inline]
    pub fn after(self, ticks: u32) -> Tick {
        Tick(self.0.wrapping_add(ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_across_the_wrap_and_never_backwards() {
        assert_eq!(Tick(30).since(Tick(10)), 20);
        assert_eq!(Tick(10).since(Tick(30)), 0);
        assert_eq!(Tick(5).since(Tick(u32::MAX - 4)), 10);
        assert_eq!(Tick(u32::MAX).after(6), Tick(5));
    }
}
