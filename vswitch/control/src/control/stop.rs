//! How the switch stops: workers first, so that nothing is received that could not be sent any more.

use std::time::Duration;

use datapath::Order;

use super::{Control, PortFactory};
use crate::config::Port;

/// Time in which stopped workers still send what others have handed to them.
const LINGER: Duration = Duration::from_millis(20);

/// How far the stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    /// The workers are to receive nothing more.
    Asked,
    /// All have said so, at that time.
    Quiet(Duration),
    /// Queues come back, devices are closed.
    Leaving,
    /// No device is open.
    Done,
}

impl<F: PortFactory> Control<F> {
    /// Starts to stop: the workers receive nothing more, all ports are closed. [`Control::is_stopped`] tells when it is
    /// done; then the workers need no more turns. A transaction under way is abandoned.
    pub fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        self.abandon_transaction();
        self.stopping = Some(Stopping::Asked);
        self.desks.iter_mut().for_each(|desk| desk.order(Order::Stop));
    }

    /// Whether all ports are closed and no worker holds a queue.
    pub fn is_stopped(&self) -> bool {
        self.stopping == Some(Stopping::Done)
    }

    pub(super) fn advance_stop(&mut self) {
        let Some(stopping) = self.stopping else { return };
        self.stopping = Some(match stopping {
            Stopping::Asked if self.desks.iter().all(|desk| desk.is_stopped) => Stopping::Quiet(self.now),
            Stopping::Quiet(since) if self.now.saturating_sub(since) >= LINGER => {
                self.ports.values_mut().for_each(|open| open.is_leaving = true);
                Stopping::Leaving
            }
            Stopping::Leaving => {
                self.settle_ports();
                let all: Vec<Port> = self.ports.values().map(|open| open.port.clone()).collect();
                if self.close_home(&all) { Stopping::Done } else { Stopping::Leaving }
            }
            other => other,
        });
    }
}
