//! Mail between control and one worker: orders down, reports up.

use crate::ring::{Consumer, Producer, ring};

/// Control's end: sends orders, receives reports.
#[derive(Debug)]
pub struct ControlEnd<Order, Report> {
    orders: Producer<Order>,
    reports: Consumer<Report>,
}

/// The worker's end: receives orders, sends reports.
#[derive(Debug)]
pub struct WorkerEnd<Order, Report> {
    orders: Consumer<Order>,
    reports: Producer<Report>,
}

/// A mailbox that holds at most `capacity` orders and `capacity` reports. Nobody waits: what does not fit comes back to
/// its sender, who keeps it for later or counts it.
pub fn mailbox<Order: Send, Report: Send>(capacity: usize) -> (ControlEnd<Order, Report>, WorkerEnd<Order, Report>) {
    let (order_tx, order_rx) = ring(capacity);
    let (report_tx, report_rx) = ring(capacity);
    (ControlEnd { orders: order_tx, reports: report_rx }, WorkerEnd { orders: order_rx, reports: report_tx })
}

impl<Order, Report> ControlEnd<Order, Report> {
    /// Sends an order, or gives it back where the worker has not caught up.
    pub fn send(&mut self, order: Order) -> Result<(), Order> {
        self.orders.push(order)
    }

    /// The oldest report not yet read.
    pub fn recv(&mut self) -> Option<Report> {
        self.reports.pop()
    }

    /// Whether a report waits.
    pub fn has_mail(&self) -> bool {
        !self.reports.is_empty()
    }

    /// Orders sent and not yet read by the worker.
    pub fn unread(&self) -> usize {
        self.orders.len()
    }
}

impl<Order, Report> WorkerEnd<Order, Report> {
    /// Sends a report, or gives it back where control has not caught up.
    #[inline]
    pub fn send(&mut self, report: Report) -> Result<(), Report> {
        self.reports.push(report)
    }

    /// The oldest order not yet read.
    #[inline]
    pub fn recv(&mut self) -> Option<Order> {
        self.orders.pop()
    }

    /// Whether an order waits; one load, asked every turn.
    #[inline]
    pub fn has_mail(&self) -> bool {
        !self.orders.is_empty()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn orders_and_reports_cross_without_meeting() {
        let (mut control, mut worker) = mailbox::<u8, &str>(2);
        assert!(!control.has_mail() && !worker.has_mail());
        assert_eq!((control.send(1), control.send(2), control.send(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!(worker.send("up"), Ok(()));
        assert!(control.has_mail() && worker.has_mail());
        assert_eq!(control.unread(), 2);
        assert_eq!((worker.recv(), worker.recv(), worker.recv()), (Some(1), Some(2), None));
        assert_eq!((control.recv(), control.recv()), (Some("up"), None));
        assert!(!control.has_mail() && !worker.has_mail());
    }
}
