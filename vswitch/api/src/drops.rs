//! Answer of `show_drops`.

use serde::{Deserialize, Serialize};

use crate::HostLoss;

/// Every reason a frame can be dropped for, with what was dropped for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// Frames dropped by workers for any reason.
    pub total: u64,
    /// One row a reason, those without a drop included.
    pub reasons: Vec<DropRow>,
    /// What the node's own host stack lost, beside `total`; ways in which nothing was lost included.
    pub host: Vec<HostLoss>,
}

/// One reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropRow {
    /// Its name: the same in counters, JSON and documentation.
    pub reason: String,
    /// What it means, a sentence.
    pub text: String,
    /// Frames dropped for it; the sum of `workers`.
    pub frames: u64,
    /// By the port the frames came in by; only ports with drops. May sum to less than `frames`: a frame that came
    /// from another worker or from the host stack is not charged to a port.
    pub ports: Vec<PortFrames>,
    /// By worker; only workers with drops.
    pub workers: Vec<WorkerFrames>,
}

/// Frames of one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortFrames {
    /// The port's name.
    pub port: String,
    /// How many.
    pub frames: u64,
}

/// Frames of one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFrames {
    /// The worker's number.
    pub worker: u8,
    /// How many.
    pub frames: u64,
}
