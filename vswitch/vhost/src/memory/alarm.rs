//! The word that says that a guest took back memory it had shared.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// One for each front end, shared by all its mappings. Once raised it stays so.
#[derive(Clone, Debug, Default)]
pub struct Alarm(Arc<AtomicBool>);

impl Alarm {
    /// Whether memory was found gone. What was read since may be zeroes that nobody wrote.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// The word itself, for the signal handler; lives as long as any clone.
    pub(super) fn word(&self) -> &AtomicBool {
        &self.0
    }
}
