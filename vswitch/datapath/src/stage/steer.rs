//! steer: which worker serves a port that this one does not.
//!
//! A flow entry lives where its frames enter, so nothing is steered before the lookup; a frame is handed over when it is
//! ready to leave by a port that another worker holds.

use crate::{PortSpec, WorkerId};

/// The worker that sends for those who hold no queue pair of the port. One function, one place.
#[inline]
pub(crate) fn home(spec: &PortSpec) -> Option<WorkerId> {
    spec.workers.first().copied()
}
