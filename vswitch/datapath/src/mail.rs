//! What control and a worker say to each other. Mailboxes are bounded, and nobody waits.

use std::sync::Arc;

use frame::Frame;

use crate::{PortId, Snapshot};

/// From control to a worker. `P` is the port implementation of the process.
#[derive(Debug)]
pub enum Order<P> {
    /// Work by this picture from the next burst on; answered by [`Report::Installed`].
    Install(Arc<Snapshot>),
    /// Poll and serve this queue pair; the worker owns it until it is detached.
    Attach {
        /// The port the queue pair belongs to.
        port: PortId,
        /// The queue pair.
        queue: P,
    },
    /// Stop serving this port; answered by [`Report::Detached`].
    Detach {
        /// The port to let go.
        port: PortId,
    },
    /// Receive nothing more, send what is held, answer [`Report::Stopped`]; what lanes gather leaves in the same turn.
    Stop,
}

/// From a worker to control.
#[derive(Debug)]
pub enum Report<P> {
    /// The snapshot of that generation is in force on this worker.
    Installed {
        /// Its generation.
        generation: u64,
        /// The one before, for control to free: its return is the grace period.
        old: Arc<Snapshot>,
    },
    /// The queue pair comes back: after [`Order::Detach`], or because it could not be attached.
    Detached {
        /// The port it belongs to.
        port: PortId,
        /// The queue pair.
        queue: P,
    },
    /// The worker holds no frame and receives nothing.
    Stopped,
}

/// A frame for the node itself, from a worker to the host stack on the control thread.
#[derive(Debug)]
pub struct Punt {
    /// The uplink it came in by.
    pub port: PortId,
    /// The frame, as received.
    pub frame: Frame,
}

/// A frame of the node itself, from the host stack to the worker that is home to `port`.
#[derive(Debug)]
pub struct Inject {
    /// The port it leaves by.
    pub port: PortId,
    /// The frame, ready to be sent.
    pub frame: Frame,
}
